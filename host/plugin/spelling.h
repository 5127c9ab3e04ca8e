/* plugin/spelling.h: a route's pattern written out.
 *
 * "/a/(r0|v3)/b/{c}" is two spellings, "/a/r0/b/{c}" and "/a/v3/b/{c}". What two
 * plugins claim is compared by shape: the names of variable segments do not count. */
#ifndef GG_PLUGIN_SPELLING_H
#define GG_PLUGIN_SPELLING_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

/* All spellings of a pattern; GG_E_INVALID for one that cannot be written out. */
GG_CHECKED int gg_path_spellings(struct gg_arena *arena, const char *pattern, const char ***out, size_t *n_out,
                                 struct gg_error *err);
/* The spelling with every {name} as {}. */
const char *gg_path_shape(struct gg_arena *arena, const char *spelling);

#endif
