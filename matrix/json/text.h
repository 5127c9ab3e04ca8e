/* text.h: JSON strings, from their escaped form to WTF-8 and back. */
#ifndef MX_JSON_TEXT_H
#define MX_JSON_TEXT_H

#include <ganglion/buf.h>

/* Decodes what stands between the quotes of a valid JSON string; out holds raw.n bytes (a decoded string is never
 * longer). Returns the length. A surrogate without its partner becomes its three WTF-8 bytes. */
size_t mx_text_decode(struct gg_str raw, char *out);
/* Appends WTF-8 as a JSON string with quotes, as Python's json with ensure_ascii=False; lone surrogates as \udxxx. */
void mx_text_write(struct gg_buf *out, struct gg_str text);
/* Does decoded text hold a lone surrogate? */
bool mx_text_has_surrogate(struct gg_str text);
/* Decoded text that PostgreSQL's text can hold (manual, 8.3 and 24.3); s NULL where it holds a NUL or a lone surrogate, or is
 * NULL already: no row has it, so nothing that is looked up is called so. */
struct gg_str mx_storable(struct gg_str text);

#endif
