/* data.c: pictures that stand in the page itself (RFC 2397). */
#include <ganglion/matrix/crypto.h>

#include "media/preview/link.h"
#include "media/preview/preview.h"

bool mx_data_url_read(const char *url, size_t max, struct gg_arena *arena, const char **type_out, struct gg_str *body_out)
{
    static const char scheme[] = "data:", base64[] = ";base64";
    const char *start = url + sizeof(scheme) - 1;
    const char *comma = strncasecmp(url, scheme, sizeof(scheme) - 1) == 0 ? strchr(start, ',') : NULL;
    if (comma == NULL || strlen(comma) / 4 > max)
        return false;
    size_t n = (size_t)(comma - start);
    bool encoded = n >= sizeof(base64) - 1 && strncasecmp(comma - (sizeof(base64) - 1), base64, sizeof(base64) - 1) == 0;
    *type_out = gg_arena_strndup(arena, start, encoded ? n - (sizeof(base64) - 1) : n);
    *body_out = mx_link_unescape(gg_str(comma + 1), arena);
    if (encoded) {
        char *bytes = gg_arena_alloc(arena, body_out->n + 1);
        int64_t length = mx_unbase64(*body_out, bytes);
        if (length < 0)
            return false;
        *body_out = gg_strn(bytes, (size_t)length);
    }
    return body_out->n <= max;
}
