/* matrix/media/fetch_one.c: the ways to a file: as servers ask today (signed, multipart), where that leads elsewhere, and as
 * they asked of old. What comes is bounded by max_upload_size while it comes. */
#include "media/fetch_one.h"

#include "federation/client.h"
#include "media/file.h"
#include "media/multipart.h"
#include "media/paths.h"
#include "media/serve.h"
#include "media/stores.h"
#include "media/thumbnails.h"

#include <ganglion/log.h>
#include <strings.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.media"};

/* A transfer of the largest file over a slow line; and what wraps it. */
enum { TRANSFER_MS = 300000, WRAPPING = 131072, REDIRECTS = 3 };

struct transfer {
    const struct mx_fetch_one *one;
    struct mx_media_file *file;
    struct mx_multipart parts;
    bool multipart;           /* this try is to be one */
    bool counted;             /* the address was charged by what the answer said */
    struct gg_error why;      /* why it was refused; code 0: it was not */
    struct gg_str type, disposition;
    const char *location;     /* where the bytes are, instead; NULL: here */
};

/* ---- as it comes ---- */

static int charge(struct transfer *t, int64_t bytes)
{
    int64_t retry;
    const struct mx_fetch_one *one = t->one;
    if (one->address == NULL || mx_bucket_take_many(one->media->addresses, gg_str(one->address), one->media->remote_rate,
                                                    (double)bytes, true, gg_now_ms(), &retry))
        return 0;
    return gg_refuse(&t->why, 429, "M_LIMIT_EXCEEDED", "Requested file size exceeds ratelimits");
}

static int too_large(struct transfer *t)
{
    return gg_refuse(&t->why, 502, "M_TOO_LARGE", "Requested file is too large > %lld bytes", (long long)t->one->media->max_upload);
}

static bool store_piece(void *arg, const void *data, size_t n)
{
    struct transfer *t = arg;
    if (mx_media_file_length(t->file) + (int64_t)n > t->one->media->max_upload)
        return too_large(t) == 0;
    if (mx_media_file_add_now(t->file, data, n))
        return true;
    gg_fail(&t->why, GG_E_IO, "media could not be written");
    return false;
}

static int on_begin(void *arg, int status, const char *type, int64_t length)
{
    struct transfer *t = arg;
    if (status < 200 || status >= 300)
        return GG_SINK_KEEP;
    memset(&t->why, 0, sizeof(t->why));
    if (!mx_media_file_restart(t->file))
        gg_fail(&t->why, GG_E_IO, "media could not be written");
    else if (t->multipart && !mx_multipart_begin(&t->parts, type, store_piece, t))
        gg_refuse(&t->why, 502, "M_UNKNOWN", "Failed to fetch remote media");
    else if (length > t->one->media->max_upload + (t->multipart ? WRAPPING : 0))
        too_large(t);
    else if (length >= 0 && !t->counted && charge(t, length) == 0)
        t->counted = true;
    return t->why.code == 0 ? GG_SINK_TAKE : GG_SINK_REFUSE;
}

static bool on_piece(void *arg, const void *data, size_t n)
{
    struct transfer *t = arg;
    if (!t->multipart)
        return store_piece(t, data, n);
    if (mx_multipart_feed(&t->parts, data, n))
        return true;
    if (t->why.code == 0)
        gg_refuse(&t->why, 502, "M_UNKNOWN", "Failed to fetch remote media");
    return false;
}

/* ---- the ways ---- */

static int failed(const struct transfer *t, struct gg_error *err)
{
    gg_info(&logger, "%.*s/%.*s is not fetched: %s", GG_FMT(t->one->origin), GG_FMT(t->one->id),
            t->why.code != 0 ? t->why.message : err->message);
    if (t->why.code != 0)
        *err = t->why;
    else if (err->code != GG_E_FORBIDDEN)
        gg_refuse(err, 502, "M_UNKNOWN", "Failed to fetch remote media");
    return err->code;
}

/* Does the server not know that path at all? */
static bool unknown_path(const struct mx_fed_answer *answer)
{
    bool unrecognized = mx_json_is_object(answer->body) &&
                        gg_str_is(mx_json_get(answer->body, "errcode"), "\"M_UNRECOGNIZED\"");
    bool says_nothing = answer->body.n == 0 || answer->body.s[0] != '{';
    return ((answer->status == 404 || answer->status == 405) && (unrecognized || says_nothing)) ||
           (answer->status == 400 && unrecognized);
}

static int refused(struct transfer *t, const struct mx_fed_request *request, const struct mx_fed_answer *answer,
                   struct gg_error *err)
{
    if (answer->status == 404)
        return mx_fed_refused(request, answer, t->one->arena, err);
    gg_fail(err, GG_E_PROTOCOL, "status %d", answer->status);
    return failed(t, err);
}

static int ask_server(struct transfer *t, const char *path, bool multipart, struct mx_fed_answer *out, struct mx_fed_request *request,
                      struct gg_error *err)
{
    const struct gg_client_sink sink = {.self = t, .begin = on_begin, .piece = on_piece};
    t->multipart = multipart;
    *request = (struct mx_fed_request){.destination = t->one->origin.s, .method = "GET", .path = path,
                                       .timeout_ms = TRANSFER_MS, .max_answer = (size_t)t->one->media->max_upload + WRAPPING,
                                       .sink = &sink};
    int rc = mx_fed_fetch(t->one->media->server, request, t->one->arena, out, err);
    request->sink = NULL;
    return rc == 0 ? 0 : failed(t, err);
}

/* The bytes lie with somebody else, who is asked as any web server: no signature, and no address inside. */
static int follow(struct transfer *t, const char *url, struct gg_error *err)
{
    const struct gg_client_sink sink = {.self = t, .begin = on_begin, .piece = on_piece};
    struct gg_client_request request = {.url = url, .public_only = true, .proxied = true, .sink = &sink,
                                        .max_answer = (size_t)t->one->media->max_upload + WRAPPING};
    struct gg_client_answer answer;
    int rc = 0;
    t->multipart = false;
    int64_t before = gg_set_deadline(gg_deadline(TRANSFER_MS));
    for (int i = 0; rc == 0 && i <= REDIRECTS && request.url != NULL; i++) {
        rc = gg_client_fetch(t->one->media->server->host, &request, t->one->arena, &answer, err);
        request.url = rc == 0 ? answer.redirect : NULL;
    }
    gg_set_deadline(before);
    if (rc == 0 && (answer.status < 200 || answer.status >= 300))
        rc = gg_fail(err, GG_E_PROTOCOL, "status %d", answer.status);
    if (rc != 0) {
        err->code = GG_E_PROTOCOL; /* an address that is closed to us is no business of the client's */
        return failed(t, err);
    }
    if (t->type.n == 0)
        t->type = answer.content_type;
    return 0;
}

static int ask_today(struct transfer *t, bool *unknown_out, struct gg_error *err)
{
    struct mx_fed_answer answer;
    struct mx_fed_request request;
    const char *path = mx_fed_path(t->one->arena, "/_matrix/federation/v1/media/download/%s?timeout_ms=%lld", t->one->id.s,
                                   (long long)t->one->timeout_ms);
    int rc = ask_server(t, path, true, &answer, &request, err);
    *unknown_out = rc == 0 && unknown_path(&answer);
    if (rc != 0 || *unknown_out)
        return rc;
    if (answer.status != 200)
        return refused(t, &request, &answer, err);
    if (!t->parts.done) {
        gg_fail(err, GG_E_PROTOCOL, "the answer ends too early");
        return failed(t, err);
    }
    t->type = gg_arena_str(t->one->arena, gg_str(t->parts.type));
    t->disposition = gg_arena_str(t->one->arena, gg_str(t->parts.disposition));
    return t->parts.location[0] != '\0' ? follow(t, gg_arena_strdup(t->one->arena, t->parts.location), err) : 0;
}

static int ask_of_old(struct transfer *t, const char *version, bool *unknown_out, struct gg_error *err)
{
    struct mx_fed_answer answer;
    struct mx_fed_request request;
    const char *path = mx_fed_path(t->one->arena,
                                   "/_matrix/media/%s/download/%s/%s?allow_remote=false&allow_redirect=true&timeout_ms=%lld",
                                   version, t->one->origin.s, t->one->id.s, (long long)t->one->timeout_ms);
    int rc = ask_server(t, path, false, &answer, &request, err);
    *unknown_out = rc == 0 && unknown_path(&answer);
    if (rc != 0 || *unknown_out)
        return rc;
    if ((answer.status == 307 || answer.status == 308) && answer.redirect != NULL)
        return follow(t, answer.redirect, err);
    if (answer.status != 200)
        return refused(t, &request, &answer, err);
    const struct gg_client_answer head = {.head = answer.head};
    const char *disposition = gg_client_header(&head, t->one->arena, "Content-Disposition");
    t->type = answer.content_type;
    t->disposition = gg_str(disposition != NULL ? disposition : "");
    return 0;
}

static int transfer(struct transfer *t, struct gg_error *err)
{
    bool unknown;
    int rc = ask_today(t, &unknown, err);
    if (rc == 0 && unknown)
        rc = ask_of_old(t, "v3", &unknown, err);
    if (rc == 0 && unknown)
        rc = ask_of_old(t, "r0", &unknown, err);
    if (rc == 0 && unknown)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    if (rc == 0 && !t->counted)
        (void)charge(t, mx_media_file_length(t->file)); /* it is here now: the next one is refused */
    return rc;
}

/* ---- storing ---- */

/* Another process was faster, or the file of its row is lost: then ours takes that place. */
static int take_place(struct mx_media *media, struct mx_media_row *row, const char *path, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct mx_media_row there;
    struct gg_buf its_path = GG_BUF_INIT;
    bool found;
    int rc = mx_media_row_get(media->server, row->origin, row->id, arena, &there, &found, err);
    bool lost = rc == 0 && found && mx_media_path(media->root, &there, NULL, &its_path) && !mx_media_there(media, &there);
    if (lost && (rc = mx_media_move(path, its_path.data, err)) == 0)
        *row = there;
    if (!lost)
        unlink(path);
    gg_buf_done(&its_path);
    return rc;
}

static int add_row(struct transfer *t, struct mx_media_row *row, const char *path, struct gg_error *err)
{
    struct mx_media *media = t->one->media;
    bool added;
    int rc = mx_media_remote_add(media->server, row, &added, err);
    if (rc != 0)
        unlink(path);
    return rc != 0 || added ? rc : take_place(media, row, path, t->one->arena, err);
}

static int store(struct transfer *t, struct gg_error *err)
{
    const struct mx_fetch_one *one = t->one;
    struct mx_media *media = one->media;
    char id[MX_MEDIA_ID_SIZE];
    char *sha256 = gg_arena_alloc(one->arena, 65);
    struct gg_buf path = GG_BUF_INIT;
    mx_media_new_id(id);
    struct mx_media_row row = {.origin = one->origin, .id = one->id, .file_id = gg_arena_str(one->arena, gg_str(id)),
                               .type = mx_media_type_plain(t->type),
                               .name = mx_media_name_of(t->disposition, one->arena), .created_ts = gg_wall_ms(),
                               .length = mx_media_file_length(t->file), .authenticated = media->authenticated};
    struct mx_media_file *file = t->file;
    t->file = NULL;
    int rc = 0;
    if (!mx_media_path(media->root, &row, NULL, &path)) {
        mx_media_file_drop(file);
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    }
    if (rc == 0)
        rc = mx_media_file_keep(file, path.data, sha256, err);
    row.sha256 = gg_str(sha256);
    if (rc == 0 && (rc = mx_media_stores_add(media, &row, NULL, err)) != 0)
        unlink(path.data);
    if (rc == 0)
        rc = add_row(t, &row, path.data, err);
    if (rc == 0)
        mx_thumbnails_make(media, &row, NULL, NULL);
    gg_buf_done(&path);
    return rc;
}

int mx_fetch_one(const struct mx_fetch_one *one, struct gg_error *err)
{
    struct transfer t = {.one = one, .file = mx_media_file_new(one->media)};
    int rc = mx_media_file_begin(t.file, err);
    if (rc == 0)
        rc = transfer(&t, err);
    if (rc == 0)
        rc = store(&t, err);
    mx_media_file_drop(t.file);
    return rc;
}
