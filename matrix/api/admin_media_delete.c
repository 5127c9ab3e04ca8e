/* admin_media_delete.c: administrators delete files: one, those of a user, those that are old or large, and other servers'. */
#include "api/admin_media.h"
#include "media/upkeep/upkeep.h"

/* Takes the reference. */
static int reply_gone(struct gg_request *rq, json_t *gone)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "total", json_integer((json_int_t)json_array_size(gone)));
    json_object_set_new(answer, "deleted_media", gone);
    return gg_reply_json(rq, 200, answer);
}

static int must_be_ours(struct gg_request *rq, struct gg_error *err)
{
    const char *origin = gg_request_param(rq, "server_name");
    return origin == NULL || strcmp(origin, mx_server_of_request(rq)->name) == 0
               ? 0
               : gg_refuse(err, 400, "M_UNKNOWN", "Can only delete local media");
}

static int remove_rows(struct gg_request *rq, const struct mx_media_row *rows, size_t n, struct gg_error *err)
{
    json_t *gone = json_array();
    int rc = mx_media_remove(mx_media_of(mx_server_of_request(rq)), rows, n, gone, NULL, err);
    if (rc == 0)
        return reply_gone(rq, gone);
    json_decref(gone);
    return rc;
}

int mx_admin_api_media_delete(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_media_row row;
    bool found = false;
    int rc = must_be_ours(rq, err);
    if (rc == 0)
        rc = mx_media_row_get(mx_server_of_request(rq), (struct gg_str){0}, gg_str(gg_request_param(rq, "media_id")),
                              gg_request_arena(rq), &row, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown media");
    return rc != 0 ? rc : remove_rows(rq, &row, 1, err);
}

int mx_admin_api_user_media_delete(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_media_page page;
    struct mx_media_row *rows;
    struct gg_str user_id;
    size_t n;
    int rc = mx_admin_target(rq, "user_id", "Can only look up local users", "Unknown user", &user_id, err);
    if (rc == 0)
        rc = mx_admin_media_page(rq, &page, err);
    if (rc == 0)
        rc = mx_media_rows_of_user(mx_server_of_request(rq), user_id, &page, gg_request_arena(rq), &rows, &n, err);
    return rc != 0 ? rc : remove_rows(rq, rows, n, err);
}

/* ---- what is old ---- */

/* Who gives seconds would delete nothing, or so they think. */
static int moment(struct gg_request *rq, int64_t *out, struct gg_error *err)
{
    if (gg_request_query(rq, "before_ts") == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required integer query parameter before_ts");
    int rc = gg_request_query_count(rq, "before_ts", 0, out, err);
    return rc != 0 || *out > INT64_C(30000000000)
               ? rc
               : gg_refuse(err, 400, "M_INVALID_PARAM",
                           "Query parameter before_ts you provided is from the year 1970. Double check that you are providing a "
                           "timestamp in milliseconds.");
}

int mx_admin_api_media_delete_old(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_media_old old = {0};
    int64_t n;
    int rc = must_be_ours(rq, err);
    if (rc == 0)
        rc = moment(rq, &old.before_ts, err);
    if (rc == 0)
        rc = gg_request_query_count(rq, "size_gt", 0, &old.larger_than, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "keep_profiles", true, &old.keep_profiles, err);
    if (rc != 0)
        return rc;
    json_t *gone = json_array();
    rc = mx_media_remove_old_local(mx_media_of(mx_server_of_request(rq)), &old, gone, &n, err);
    if (rc == 0)
        return reply_gone(rq, gone);
    json_decref(gone);
    return rc;
}

int mx_admin_api_purge_media_cache(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t before, n;
    int rc = moment(rq, &before, err);
    if (rc == 0)
        rc = mx_media_remove_old_remote(mx_media_of(mx_server_of_request(rq)), before, &n, err);
    if (rc != 0)
        return rc;
    json_t *answer = json_object();
    json_object_set_new(answer, "deleted", json_integer(n));
    return gg_reply_json(rq, 200, answer);
}
