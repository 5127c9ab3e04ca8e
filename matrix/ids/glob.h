/* matrix/ids/glob.h: the glob of server ACLs, filters and rules of the configuration. (Push rules have words, push/glob.h.) */
#ifndef MX_IDS_GLOB_H
#define MX_IDS_GLOB_H

#include <ganglion/base.h>

/* "*" any text; with MX_GLOB_ONE "?" one byte; with MX_GLOB_FOLD letters of ASCII in either case. The whole text must match.
 * Pure and iterative, at most pattern * text steps: patterns are foreign. */
enum { MX_GLOB_ONE = 1, MX_GLOB_FOLD = 2 };
bool mx_glob(struct gg_str pattern, struct gg_str text, int flags);

#endif
