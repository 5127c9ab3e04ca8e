/* media/preview/charset.h: pages in whatever encoding become UTF-8. Runs on any thread. */
#ifndef MX_MEDIA_PREVIEW_CHARSET_H
#define MX_MEDIA_PREVIEW_CHARSET_H

#include <ganglion/base.h>

/* The body as UTF-8 without NUL: by its byte order mark, by what the page says of itself in its first kilobyte, by the Content-Type
 * (may be NULL), as UTF-8 or as Windows-1252: the first that fits. Where none fits, as UTF-8 with replacement characters. Only the
 * encodings of the Encoding standard are known. free() it; NULL: out of memory. */
char *mx_page_to_utf8(struct gg_str body, const char *content_type, size_t *n_out);

#endif
