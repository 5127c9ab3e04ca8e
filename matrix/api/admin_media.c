/* admin_media.c: what administrators may know of files, and which they keep from quarantine (admin API, "media"). */
#include "api/admin_media.h"
#include "media/upkeep/upkeep.h"

int mx_admin_api_media_info(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str origin = gg_str(gg_request_param(rq, "server_name")), json;
    int rc = mx_media_info(server, gg_str_is(origin, server->name) ? (struct gg_str){0} : origin,
                           gg_str(gg_request_param(rq, "media_id")), gg_request_arena(rq), &json, err);
    return rc != 0 ? rc : mx_admin_reply(rq, json, "Unknown media", err);
}

/* ---- of a room ---- */

enum { MOST = 100000 }; /* files in one answer */

struct listing {
    const char *own;
    struct gg_buf ours, theirs;
    size_t n;
};

static int list_batch(void *arg, const struct mx_mxc *files, size_t n, struct gg_error *err)
{
    struct listing *list = arg;
    for (size_t i = 0; i < n && list->n < MOST; i++, list->n++) {
        struct gg_buf *out = gg_str_is(files[i].origin, list->own) ? &list->ours : &list->theirs;
        struct gg_buf mxc = GG_BUF_INIT;
        gg_buf_printf(&mxc, "mxc://%.*s/%.*s", GG_FMT(files[i].origin), GG_FMT(files[i].id));
        gg_buf_text(out, out->n > 0 ? "," : "");
        gg_buf_json_string(out, gg_buf_view(&mxc));
        gg_buf_done(&mxc);
    }
    return 0;
}

int mx_admin_api_room_media(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct listing list = {.own = server->name, .ours = GG_BUF_INIT, .theirs = GG_BUF_INIT};
    struct gg_buf answer = GG_BUF_INIT;
    int rc = mx_media_of_room(server, gg_str(gg_request_param(rq, "room_id")), list_batch, &list, err);
    if (rc == 0)
        gg_buf_printf(&answer, "{\"local\":[%s],\"remote\":[%s]}", list.ours.data, list.theirs.data);
    gg_buf_done(&list.ours);
    gg_buf_done(&list.theirs);
    return rc == 0 ? gg_reply_buf(rq, 200, &answer) : rc;
}

/* ---- of a user ---- */

int mx_admin_media_page(const struct gg_request *rq, struct mx_media_page *out, struct gg_error *err)
{
    out->order = gg_request_query(rq, "order_by");
    int rc = mx_admin_page(rq, &out->from, &out->limit, err);
    return rc != 0 ? rc : mx_admin_direction(rq, out->order == NULL, &out->backwards, err);
}

int mx_admin_api_user_media(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_media_page page;
    struct gg_str user_id, json;
    int rc = mx_admin_target(rq, "user_id", "Can only look up local users", "Unknown user", &user_id, err);
    if (rc == 0)
        rc = mx_admin_media_page(rq, &page, err);
    if (rc == 0)
        rc = mx_media_of_user(mx_server_of_request(rq), user_id, &page, gg_request_arena(rq), &json, err);
    return rc != 0 ? rc : mx_admin_reply(rq, json, "Unknown user", err);
}

/* ---- protection ---- */

static int protect(struct gg_request *rq, bool safe, struct gg_error *err)
{
    bool found;
    int rc = mx_media_protect(mx_server_of_request(rq), gg_str(gg_request_param(rq, "media_id")), safe, &found, err);
    if (rc == 0 && !found)
        return gg_refuse(err, 404, "M_UNKNOWN", "No row found (local_media_repository)");
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_admin_api_media_protect(void *self, struct gg_request *rq, struct gg_error *err)
{
    return protect(rq, true, err);
}

int mx_admin_api_media_unprotect(void *self, struct gg_request *rq, struct gg_error *err)
{
    return protect(rq, false, err);
}
