/* http/text.h: small pieces of text in requests. */
#ifndef GG_HTTP_TEXT_H
#define GG_HTTP_TEXT_H

#include <ganglion/arena.h>

/* Decodes %XX (and '+' as a space if plus) in place of a copy in the arena; invalid escapes stay as they are. */
char *gg_percent_decode(struct gg_arena *arena, struct gg_str s, bool plus, size_t *n_out);

#endif
