/* What other servers and clients say of files: multipart answers, Range, Content-Disposition. The first byte says how large the
 * pieces of an answer are. */
#include "media/multipart.h"
#include "media/range.h"
#include "media/serve.h"

#include <stdlib.h>

static bool take(void *arg, const void *data, size_t n)
{
    *(size_t *)arg += n;
    return true;
}

static size_t feed(const char *text, size_t n, size_t step, bool *done)
{
    size_t got = 0;
    struct mx_multipart *m = malloc(sizeof(*m));
    bool ok = mx_multipart_begin(m, "multipart/mixed; boundary=B", take, &got);
    for (size_t at = 0; ok && at < n; at += step)
        ok = mx_multipart_feed(m, text + at, n - at < step ? n - at : step);
    *done = ok && m->done;
    free(m);
    return *done ? got : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool whole, pieces;
    const char *text = (const char *)data + 1;
    size_t n = size - 1, step = 1 + data[0];
    size_t a = feed(text, n, n, &whole), b = feed(text, n, step, &pieces);
    if (whole != pieces || a != b)
        abort(); /* where pieces end must not matter */
    struct gg_arena *arena = gg_arena_new();
    char *line = gg_arena_strndup(arena, text, n);
    int64_t from, count;
    if (mx_range_read(line, (int64_t)step * 3, &from, &count) == MX_RANGE_PART &&
        (from < 0 || count < 1 || from + count > (int64_t)step * 3))
        abort();
    mx_etag_listed(line, "1");
    mx_media_name_of(gg_strn(text, n), arena);
    mx_media_disposition(gg_strn(text, n), gg_strn(text, n), arena);
    mx_media_type_header(gg_strn(text, n), arena);
    struct mx_multipart *m = gg_arena_zero(arena, sizeof(*m));
    size_t got = 0;
    mx_multipart_begin(m, line, take, &got);
    gg_arena_free(arena);
    return 0;
}
