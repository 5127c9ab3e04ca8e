/* matrix/api/e2ee_backup.c: room_keys/version and room_keys/keys (client-server API, "Server-side key backups"). */
#include "api/e2ee.h"
#include "api/params.h"
#include "e2ee/backup.h"
#include "e2ee/text.h"

/* ---- versions ---- */

/* auth_data is whatever the client's algorithm needs: any value, kept as JSON; s NULL when it is absent. */
static int read_version(struct gg_request *rq, struct gg_str *algorithm, struct gg_str *auth_data, struct gg_error *err)
{
    enum { MAX_DEPTH = 64 };
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_json *root;
    int rc = mx_json_parse(gg_request_body(rq), MAX_DEPTH, arena, &root, err);
    if (rc != 0)
        return rc;
    const struct mx_json *data = mx_json_member(root, "auth_data");
    *auth_data = data != NULL ? mx_e2ee_text(data, false, arena) : (struct gg_str){0};
    *algorithm = mx_json_text(mx_json_member(root, "algorithm"));
    return algorithm->s != NULL ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "algorithm must be a string");
}

int mx_api_backup_version_new(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str algorithm, auth_data;
    int64_t version;
    int rc = read_version(rq, &algorithm, &auth_data, err);
    if (rc == 0 && auth_data.s == NULL)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "auth_data is missing");
    if (rc == 0)
        rc = mx_backup_version_new(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), algorithm, auth_data, &version, err);
    if (rc != 0)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "{\"version\":\"%lld\"}", (long long)version);
    return gg_reply_buf(rq, 200, &out);
}

/* The version of the path, or the newest where the path has none. */
static int find_version(struct gg_request *rq, const char *missing, struct mx_backup_version *out, struct gg_error *err)
{
    struct gg_str named = mx_api_param(rq, "version");
    int64_t version = named.s != NULL ? mx_backup_version_read(named.s) : 0;
    *out = (struct mx_backup_version){0};
    int rc = 0;
    if (named.s == NULL || version > 0)
        rc = mx_backup_version_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), version, gg_request_arena(rq), out, err);
    return rc == 0 && out->version == 0 ? gg_refuse(err, 404, "M_NOT_FOUND", "%s", missing) : rc;
}

int mx_api_backup_version(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_backup_version v;
    int rc = find_version(rq, "No backup found", &v, err);
    if (rc != 0)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"auth_data\":");
    gg_buf_str(&out, v.auth_data);
    gg_buf_printf(&out, ",\"version\":\"%lld\",\"algorithm\":", (long long)v.version);
    gg_buf_json_string(&out, v.algorithm);
    gg_buf_printf(&out, ",\"etag\":\"%lld\",\"count\":%lld}", (long long)v.etag, (long long)v.count);
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_backup_version_update(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_backup_version v;
    struct gg_str algorithm, auth_data, version = mx_json_get(gg_request_body(rq), "version");
    int rc = read_version(rq, &algorithm, &auth_data, err);
    if (rc == 0 && version.s != NULL && !gg_str_eq(mx_json_string(version, gg_request_arena(rq)), mx_api_param(rq, "version")))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Version in body does not match");
    if (rc == 0)
        rc = find_version(rq, "Unknown backup version", &v, err);
    if (rc == 0 && !gg_str_eq(algorithm, v.algorithm))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Algorithm does not match");
    if (rc == 0 && auth_data.s != NULL)
        rc = mx_backup_version_update(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), v.version, auth_data, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_backup_version_delete(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t version = mx_backup_version_read(mx_api_param(rq, "version").s);
    int rc = mx_backup_version_delete(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), version, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- keys ---- */

static int named_version(struct gg_request *rq, const char **named, int64_t *out, struct gg_error *err)
{
    *named = gg_request_query(rq, "version");
    *out = mx_backup_version_read(*named);
    return *named != NULL ? 0 : gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'version'");
}

static int reply_state(struct gg_request *rq, const struct mx_backup_state *state)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "{\"etag\":\"%lld\",\"count\":%lld}", (long long)state->etag, (long long)state->count);
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_backup_get(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *named;
    int64_t version;
    struct gg_buf out = GG_BUF_INIT;
    int rc = named_version(rq, &named, &version, err);
    if (rc == 0)
        rc = mx_backup_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), version, mx_api_param(rq, "room_id"),
                           mx_api_param(rq, "session_id"), gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

int mx_api_backup_put(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *named;
    int64_t version;
    struct mx_backup_key *keys;
    size_t n;
    struct mx_backup_state state;
    int rc = named_version(rq, &named, &version, err);
    if (rc == 0)
        rc = mx_backup_read(gg_request_body(rq), mx_api_param(rq, "room_id"), mx_api_param(rq, "session_id"), gg_request_arena(rq),
                            &keys, &n, err);
    if (rc == 0)
        rc = mx_backup_put(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), version, named, keys, n, &state, err);
    return rc != 0 ? rc : reply_state(rq, &state);
}

int mx_api_backup_delete(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *named;
    int64_t version;
    struct mx_backup_state state;
    int rc = named_version(rq, &named, &version, err);
    if (rc == 0)
        rc = mx_backup_delete(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), version, mx_api_param(rq, "room_id"),
                              mx_api_param(rq, "session_id"), &state, err);
    return rc != 0 ? rc : reply_state(rq, &state);
}
