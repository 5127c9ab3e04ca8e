/* matrix/appservice/pattern.h: an operator's regular expression (a namespace, an allowed address), with a bound on
 * what a match may cost. */
#ifndef MX_APPSERVICE_PATTERN_H
#define MX_APPSERVICE_PATTERN_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

struct mx_pattern;

enum mx_match { MX_MATCH_NO = 0, MX_MATCH_YES = 1, MX_MATCH_LIMIT = 2 /* it was given up */ };

/* Compiled, in the arena's care. GG_E_INVALID with the place in the text. */
GG_CHECKED int mx_pattern_new(const char *text, struct gg_arena *arena, struct mx_pattern **out, struct gg_error *err);
/* Does text begin with a match (as Python's re.match, which registration files are written for)? */
enum mx_match mx_pattern_match(struct mx_pattern *pattern, struct gg_str text);
const char *mx_pattern_text(const struct mx_pattern *pattern);

#endif
