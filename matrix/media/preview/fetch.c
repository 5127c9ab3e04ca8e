/* fetch.c: gets a page or a picture from anywhere in the world, which may be hostile. */
#include <ganglion/log.h>

#include "media/preview/link.h"
#include "media/preview/preview.h"
#include "media/serve.h"

static struct gg_logger logger = {"ganglion.media.preview"};

enum { REDIRECTS = 20, CONNECT_MS = 10000, FETCH_MS = 30000, MAX_DROPPED = 1 << 20 };

/* What can be previewed at all: no byte of anything else is read. */
static const char *const types[] = {"text/html", "application/xhtml", "application/json", "image/", NULL};

/* ---- what may be asked ---- */

static int judge(const struct mx_previews *previews, const char *url, struct gg_error *err)
{
    struct mx_link link = mx_link_split(gg_str(url));
    if (strlen(url) > MX_PREVIEW_URL_MAX || !mx_link_is_web(&link, gg_str(url)))
        return gg_refuse(err, 400, "M_UNKNOWN", "Only http and https addresses can be previewed");
    if (mx_blocked_has(previews->blocked, gg_str(url)))
        return gg_refuse(err, 403, "M_UNKNOWN", "URL blocked by url pattern blocklist entry");
    return 0;
}

/* How a failed transfer is told. A name that leads to a forbidden address is not told apart from one that leads nowhere: nobody is to
 * learn what is there. */
static int refuse(const struct mx_previews *previews, const char *url, int code, struct gg_error *err)
{
    struct mx_link link = mx_link_split(gg_str(url));
    struct gg_error why = *err;
    *err = (struct gg_error)GG_ERROR_INIT;
    gg_info(&logger, "%.200s: %s", url, why.message);
    if (code == GG_E_FORBIDDEN && mx_link_is_address(&link))
        return gg_refuse(err, 403, "M_UNKNOWN", "IP address blocked");
    if (code == GG_E_FORBIDDEN)
        return gg_refuse(err, 502, "M_UNKNOWN", "DNS resolution failure during URL preview generation");
    if (code == GG_E_LIMIT)
        return gg_refuse(err, 502, "M_TOO_LARGE", "Requested file is too large > %zu bytes", previews->max_bytes);
    if (code == GG_E_CONFLICT)
        return gg_refuse(err, 502, "M_UNKNOWN", "Requested file's content type not allowed for this operation");
    if (code == GG_E_CANCELLED)
        return gg_fail(err, code, "stopped");
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to download content");
}

/* What a header says goes into the database, where text is UTF-8: what is no plain text is as if nothing were said. */
static const char *plain(const char *text)
{
    for (const char *c = text; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            return NULL;
    return text;
}

/* ---- the transfer ---- */

/* What of an answer is kept: the body of a 2xx of a type that can be previewed. */
struct filter {
    struct mx_media_file *file;
    bool kept, unwanted, broken; /* kept: goes to the file; broken: the disk refused */
    size_t dropped;
};

/* What has no type may be anything, of which nothing is told but that it is there. */
static bool is_type_wanted(const char *type)
{
    if (*type == '\0')
        return true;
    for (const char *const *each = types; *each != NULL; each++)
        if (strncasecmp(type, *each, strlen(*each)) == 0)
            return true;
    return false;
}

static int begin_body(void *self, int status, const char *type, int64_t length)
{
    struct filter *filter = self;
    filter->kept = status / 100 == 2 && is_type_wanted(type);
    filter->unwanted = status / 100 == 2 && !filter->kept;
    filter->broken = filter->kept && !mx_media_file_restart(filter->file);
    return filter->unwanted || filter->broken ? GG_SINK_REFUSE : GG_SINK_TAKE;
}

/* At nobody's body, of a redirect or an error, does anybody look. */
static bool take_piece(void *self, const void *data, size_t n)
{
    struct filter *filter = self;
    if (!filter->kept)
        return (filter->dropped += n) <= MAX_DROPPED;
    filter->broken = !mx_media_file_add_now(filter->file, data, n);
    return !filter->broken;
}

static int fetch_one(struct mx_previews *previews, const char *url, struct mx_media_file *file, struct gg_arena *arena,
                     struct gg_client_answer *answer, struct gg_error *err)
{
    const char *const headers[] = {previews->languages, "User-Agent: Ganglion (bot; Matrix link previews)", NULL};
    struct filter filter = {.file = file};
    const struct gg_client_sink sink = {.self = &filter, .begin = begin_body, .piece = take_piece};
    struct gg_client_request request = {.url = url,
                                        .headers = headers,
                                        .connect_timeout_ms = CONNECT_MS,
                                        .max_answer = previews->max_bytes,
                                        .public_only = true,
                                        .proxied = true,
                                        .pool = previews->pool,
                                        .insecure = previews->insecure,
                                        .inflate = true,
                                        .sink = &sink};
    int rc = gg_client_fetch(previews->server->host, &request, arena, answer, err);
    if (filter.broken)
        return gg_fail(err, GG_E_IO, "the disk takes no preview");
    return rc != 0 ? refuse(previews, url, filter.unwanted ? GG_E_CONFLICT : rc, err) : 0;
}

static bool is_redirect(const struct gg_client_answer *answer)
{
    return answer->redirect != NULL && answer->status / 100 == 3;
}

static int follow(struct mx_previews *previews, const char *url, struct mx_media_file *file, struct gg_arena *arena,
                  struct mx_fetched *out, struct gg_error *err)
{
    struct gg_client_answer answer;
    for (int i = 0; i <= REDIRECTS; i++) {
        int rc = judge(previews, url, err);
        if (rc == 0)
            rc = fetch_one(previews, url, file, arena, &answer, err);
        if (rc != 0)
            return rc;
        if (is_redirect(&answer)) {
            url = answer.redirect;
            continue;
        }
        if (answer.status / 100 != 2)
            return gg_refuse(err, 502, "M_UNKNOWN", "Got error %d", answer.status);
        const char *disposition = gg_client_header(&answer, arena, "Content-Disposition");
        const char *type = answer.content_type.n > 0 ? plain(answer.content_type.s) : NULL;
        *out = (struct mx_fetched){.url = url, .status = answer.status, .file = file,
                                   .type = type != NULL ? type : "application/octet-stream",
                                   .name = mx_media_name_of(gg_str(disposition), arena),
                                   .etag = gg_str(plain(gg_client_header(&answer, arena, "ETag")))};
        return 0;
    }
    return gg_refuse(err, 502, "M_UNKNOWN", "Too many redirects");
}

static int read_data(const struct mx_previews *previews, const char *url, struct mx_media_file *file, struct gg_arena *arena,
                     struct mx_fetched *out, struct gg_error *err)
{
    struct gg_str body;
    *out = (struct mx_fetched){.url = url, .status = 200, .file = file};
    if (!mx_data_url_read(url, previews->max_bytes, arena, &out->type, &body))
        return gg_refuse(err, 502, "M_UNKNOWN", "Failed to read a data: address");
    struct gg_buf piece = GG_BUF_INIT;
    gg_buf_str(&piece, body);
    int rc = mx_media_file_add(file, &piece, err);
    gg_buf_done(&piece);
    return rc;
}

int mx_preview_fetch(struct mx_previews *previews, const char *url, bool data_too, struct gg_arena *arena,
                     struct mx_fetched *out, struct gg_error *err)
{
    struct mx_media_file *file = mx_media_file_new(mx_media_of(previews->server));
    int rc = mx_media_file_begin(file, err);
    int64_t before = gg_get_deadline(), own = gg_deadline(FETCH_MS);
    (void)gg_set_deadline(own < before ? own : before);
    if (rc == 0)
        rc = data_too && strncasecmp(url, "data:", 5) == 0 ? read_data(previews, url, file, arena, out, err)
                                                           : follow(previews, url, file, arena, out, err);
    (void)gg_set_deadline(before);
    if (rc != 0)
        mx_media_file_drop(file);
    return rc;
}
