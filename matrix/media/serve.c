/* matrix/media/serve.c: a file out of the store, whole, in part, or wrapped for another server. */
#include "media/serve.h"

#include "media/disk.h"
#include "media/range.h"

#include <sys/uio.h>
#include <unistd.h>

/* Media never change, so that one tag does for all: Synapse's, as a cache in front may have it already. */
#define ETAG "1"

enum { AT_ONCE = 32768, BOUNDARY = 32 };

int mx_media_not_found(struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Not found '%s'", gg_request_path(rq));
}

static void add_cache_headers(struct gg_request *rq)
{
    gg_reply_header(rq, "Cache-Control", "public,max-age=86400,s-maxage=0,proxy-revalidate");
    gg_reply_header(rq, "ETag", ETAG);
}

bool mx_media_client_has_it(struct gg_request *rq)
{
    if (!mx_etag_listed(gg_request_header(rq, "If-None-Match"), ETAG))
        return false;
    add_cache_headers(rq);
    gg_reply_text(rq, 304, "application/octet-stream", GG_STR(""));
    return true;
}

/* ---- to clients ---- */

struct reading {
    int fd;
    char *into;
    int64_t from, n, got;
};

static void read_it(void *arg) /* on a thread */
{
    struct reading *r = arg;
    r->got = pread(r->fd, r->into, (size_t)r->n, r->from);
}

/* Only what has to come from the disk needs a thread. */
static bool read_known(struct reading *r)
{
    const struct iovec iov = {r->into, (size_t)r->n};
    r->got = preadv2(r->fd, &iov, 1, r->from, RWF_NOWAIT);
    return r->got == r->n;
}

/* A small file in one piece with its head: most thumbnails. */
static int send_small(struct gg_request *rq, int status, const struct mx_media_serving *what, int64_t from, int64_t n,
                      struct gg_error *err)
{
    struct reading r = {.fd = what->fd, .into = gg_arena_alloc(gg_request_arena(rq), (size_t)n + 1), .from = from, .n = n};
    if (!read_known(&r))
        mx_disk_run(read_it, &r);
    if (r.got != n)
        return gg_fail(err, GG_E_IO, "a file of media could not be read");
    return gg_reply_text(rq, status, "application/octet-stream", gg_strn(r.into, (size_t)n));
}

static int send_bytes(struct gg_request *rq, int status, const struct mx_media_serving *what, int64_t from, int64_t n,
                      struct gg_error *err)
{
    if (n <= AT_ONCE)
        return send_small(rq, status, what, from, n, err);
    int rc = gg_reply_begin_file(rq, status, n, err);
    if (rc == 0)
        rc = gg_reply_file(rq, what->fd, from, n, err);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

static int send_to_client(struct gg_request *rq, const struct mx_media_serving *what, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    const char *if_range = gg_request_header(rq, "If-Range");
    bool ranged = if_range == NULL || mx_etag_listed(if_range, ETAG);
    int64_t from, n;
    enum mx_range range = mx_range_read(ranged ? gg_request_header(rq, "Range") : NULL, what->length, &from, &n);
    gg_reply_header(rq, "Accept-Ranges", "bytes");
    if (range == MX_RANGE_NONE) {
        gg_reply_header(rq, "Content-Range", gg_arena_printf(arena, "bytes */%lld", (long long)what->length));
        return gg_refuse(err, 416, "M_INVALID_PARAM", "The file has no such bytes");
    }
    gg_reply_header(rq, "Content-Type", mx_media_type_header(what->type, arena));
    gg_reply_header(rq, "Content-Disposition", mx_media_disposition(what->type, what->name, arena));
    add_cache_headers(rq);
    gg_reply_header(rq, "X-Robots-Tag", "noindex, nofollow, noarchive, noimageindex");
    if (range == MX_RANGE_PART)
        gg_reply_header(rq, "Content-Range", gg_arena_printf(arena, "bytes %lld-%lld/%lld", (long long)from,
                                                             (long long)(from + n - 1), (long long)what->length));
    return send_bytes(rq, range == MX_RANGE_PART ? 206 : 200, what, from, n, err);
}

/* ---- to servers (server-server API, "Content Repository") ---- */

static int send_to_server(struct gg_request *rq, const struct mx_media_serving *what, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    char boundary[BOUNDARY + 1];
    gg_random_text(boundary, BOUNDARY, GG_LETTERS);
    const char *head = gg_arena_printf(arena,
                                       "--%s\r\nContent-Type: application/json\r\n\r\n{}\r\n--%s\r\nContent-Type: %s\r\n"
                                       "Content-Disposition: %s\r\n\r\n",
                                       boundary, boundary, mx_media_type_header(what->type, arena),
                                       mx_media_disposition(what->type, what->name, arena));
    const char *tail = gg_arena_printf(arena, "\r\n--%s--\r\n", boundary);
    add_cache_headers(rq);
    gg_reply_header(rq, "Content-Type", gg_arena_printf(arena, "multipart/mixed; boundary=%s", boundary));
    int rc = gg_reply_begin_file(rq, 200, (int64_t)strlen(head) + what->length + (int64_t)strlen(tail), err);
    if (rc == 0)
        rc = gg_reply_write(rq, head, strlen(head), err);
    if (rc == 0)
        rc = gg_reply_file(rq, what->fd, 0, what->length, err);
    if (rc == 0)
        rc = gg_reply_write(rq, tail, strlen(tail), err);
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

int mx_media_serve(struct gg_request *rq, const struct mx_media_serving *what, struct gg_error *err)
{
    if (what->fd < 0)
        return mx_media_not_found(rq, err);
    int rc = what->multipart ? send_to_server(rq, what, err) : send_to_client(rq, what, err);
    close(what->fd);
    return rc;
}
