/* Answers made smaller for clients that take them so, on listeners that say `compress`. */
#include "http/conn.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum {
    LEAST = 1024,          /* bytes; below, the head weighs more than what is saved */
    AT_ONCE = 16 << 10,    /* bytes; about 0.3 ms. What is longer goes to a thread */
    LEVEL = 1,             /* JSON shrinks to about a sixth already; the next level costs twice the time for a tenth less */
    GZIP_WINDOW = 15 + 16, /* zlib's way to ask for gzip's frame */
    MEMORY = 8,
};

/* Does an entry of Accept-Encoding (RFC 9110, 12.5.3) take gzip: "gzip", "*", with no weight of zero? */
static bool entry_takes_gzip(const char *entry, size_t n)
{
    while (n > 0 && (*entry == ' ' || *entry == '\t'))
        entry++, n--;
    size_t name = strcspn(entry, " \t;,");
    bool ours = (name == 4 && strncasecmp(entry, "gzip", 4) == 0) || (name == 1 && *entry == '*');
    const char *weight = memchr(entry, '=', n);
    return ours && (weight == NULL || strtod(weight + 1, NULL) > 0);
}

bool gg_gzip_accepted(const char *header)
{
    while (header != NULL && *header != '\0') {
        size_t n = strcspn(header, ",");
        if (entry_takes_gzip(header, n))
            return true;
        header += n + (header[n] == ',');
    }
    return false;
}

struct work {
    struct gg_str in;
    char *out; /* NULL: it did not come out smaller */
    size_t n;
};

static void compress_body(void *arg)
{
    struct work *work = arg;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)work->in.s, .avail_in = (uInt)work->in.n};
    if (work->in.n > UINT32_MAX / 2 || deflateInit2(&stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    char *out = malloc(work->in.n);
    GG_ASSERT(out != NULL);
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)work->in.n;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
        work->out = out;
        work->n = stream.total_out;
    } else {
        free(out);
    }
    deflateEnd(&stream);
}

char *gg_gzip_answer(struct gg_request *rq, struct gg_str body, size_t *n_out)
{
    if (!rq->port->compress || body.n < LEAST || rq->status == 206 || /* a part is one of the bytes as they are */
        !gg_gzip_accepted(gg_request_header(rq, "Accept-Encoding")))
        return NULL;
    struct work work = {.in = body};
    if (body.n <= AT_ONCE)
        compress_body(&work);
    else if (gg_self() != NULL && gg_offload(compress_body, &work) < 0)
        return NULL; /* the pool is full: bytes are cheaper than waiting */
    if (work.out == NULL)
        return NULL;
    gg_reply_header(rq, "Content-Encoding", "gzip");
    gg_reply_header(rq, "Vary", "Accept-Encoding");
    *n_out = work.n;
    return work.out;
}
