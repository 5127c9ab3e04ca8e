/* matrix/api/media_download.c: files, to clients on either kind of path and to other servers. */
#include "api/media.h"
#include "api/params.h"

#include "media/serve.h"
#include "media/stores.h"

#include <ganglion/matrix/id.h>

enum { WAIT_MS = 20000, MOST_WAIT_MS = 60000 };

/* Nothing in a file runs in the name of this server's address. */
#define CONTENT_SECURITY                                                                                                \
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline';"          \
    " media-src 'self'; object-src 'self';"

int mx_api_media_ask(struct gg_request *rq, enum mx_media_path kind, struct mx_media_ask *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str origin = mx_api_param(rq, "server_name");
    bool allow_remote = true;
    *out = (struct mx_media_ask){.origin = origin.s != NULL ? origin : gg_str(server->name),
                                 .id = mx_api_param(rq, "media_id"),
                                 .address = gg_request_address(rq),
                                 .logged_in = kind != MX_MEDIA_OLD};
    if (!mx_server_name_valid(out->origin))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is not a valid server name", GG_FMT(out->origin));
    int rc = gg_request_query_count(rq, "timeout_ms", WAIT_MS, &out->timeout_ms, err);
    if (rc == 0 && kind == MX_MEDIA_OLD)
        rc = gg_request_query_bool(rq, "allow_remote", true, &allow_remote, err);
    out->timeout_ms = out->timeout_ms < MOST_WAIT_MS ? out->timeout_ms : MOST_WAIT_MS;
    out->no_remote = !allow_remote;
    if (kind != MX_MEDIA_SERVER)
        gg_reply_header(rq, "Cross-Origin-Resource-Policy", "cross-origin");
    return rc;
}

static int may_bypass(struct gg_request *rq, struct mx_media_ask *ask, struct gg_error *err)
{
    const char *wanted = gg_request_query(rq, "admin_unsafely_bypass_quarantine");
    ask->past_quarantine = wanted != NULL && strcmp(wanted, "true") == 0;
    if (!ask->past_quarantine || mx_requester_of(rq)->admin)
        return 0;
    return gg_refuse(err, 400, "M_UNKNOWN", "Must be a server admin to bypass quarantine");
}

static int answer(struct gg_request *rq, struct mx_media *media, const struct mx_media_row *row, bool multipart,
                  struct gg_error *err)
{
    struct gg_str asked = mx_api_param(rq, "file_name");
    struct mx_media_serving what = {.type = row->type, .name = asked.n > 0 ? asked : row->name, .multipart = multipart};
    what.fd = mx_media_open(media, row, NULL, &what.length);
    return mx_media_serve(rq, &what, err);
}

static int download(struct gg_request *rq, enum mx_media_path kind, struct gg_error *err)
{
    struct mx_media *media = mx_media_of(mx_server_of_request(rq));
    struct mx_media_ask ask;
    struct mx_media_row row;
    int rc = mx_api_media_ask(rq, kind, &ask, err);
    if (rc == 0 && kind == MX_MEDIA_CLIENT)
        rc = may_bypass(rq, &ask, err);
    if (rc == 0)
        rc = mx_media_find(media, &ask, gg_request_arena(rq), &row, err);
    if (rc < 0)
        return err->http_status == 404 && kind != MX_MEDIA_SERVER ? mx_media_not_found(rq, err) : rc;
    if (kind != MX_MEDIA_SERVER) {
        gg_reply_header(rq, "Content-Security-Policy", CONTENT_SECURITY);
        gg_reply_header(rq, "X-Content-Security-Policy", "sandbox;");
        gg_reply_header(rq, "Referrer-Policy", "no-referrer");
    }
    return mx_media_client_has_it(rq) ? 0 : answer(rq, media, &row, kind == MX_MEDIA_SERVER, err);
}

int mx_api_media_download_old(void *self, struct gg_request *rq, struct gg_error *err)
{
    return download(rq, MX_MEDIA_OLD, err);
}

int mx_api_media_download(void *self, struct gg_request *rq, struct gg_error *err)
{
    return download(rq, MX_MEDIA_CLIENT, err);
}

int mx_api_media_download_server(void *self, struct gg_request *rq, struct gg_error *err)
{
    return download(rq, MX_MEDIA_SERVER, err);
}
