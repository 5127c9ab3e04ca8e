/* matrix/e2ee/text.h: the pieces of JSON that the files of this folder read and write. */
#ifndef MX_E2EE_TEXT_H
#define MX_E2EE_TEXT_H

#include "json/text.h"

#include <ganglion/matrix/json.h>

/* What was built, moved into the arena; the buffer is done. */
struct gg_str mx_e2ee_moved(struct gg_buf *buf, struct gg_arena *arena);
/* A value as text: canonical, or as it came, compact. */
struct gg_str mx_e2ee_text(const struct mx_json *value, bool canonical, struct gg_arena *arena);
/* A key of an object that an iterator gave, unescaped; s NULL if no row can hold it (mx_storable): no name of ours is such. */
struct gg_str mx_e2ee_name(struct gg_str raw_key, struct gg_arena *arena);
/* A JSON list of strings. */
void mx_write_names(struct gg_buf *out, const struct gg_str *names, size_t n);

#endif
