/* matrix/media/range.h: which bytes of a file a client asks for (RFC 9110, section 14). Pure. */
#ifndef MX_MEDIA_RANGE_H
#define MX_MEDIA_RANGE_H

#include <ganglion/base.h>

enum mx_range { MX_RANGE_WHOLE, MX_RANGE_PART, MX_RANGE_NONE };

/* A Range header (NULL: none) over a file of that length. PART: [*from, *from + *n); NONE: no byte of it is there (416).
 * What is malformed, of another unit, or asks for several parts is answered with the WHOLE. */
enum mx_range mx_range_read(const char *header, int64_t length, int64_t *from, int64_t *n);
/* Does a header of entity tags (If-None-Match, If-Range) hold that tag? With quotes or, as Synapse sends it, without. */
bool mx_etag_listed(const char *header, const char *tag);

#endif
