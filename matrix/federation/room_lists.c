/* matrix/federation/room_lists.c: public lists of other servers. */
#include "federation/room_lists.h"

#include "federation/client.h"

#include <ganglion/matrix/json.h>

enum { MAX_ANSWER = 8 << 20, PATIENCE_MS = 30 * 1000 };

#define PATH "/_matrix/federation/v1/publicRooms"

static void add_param(struct gg_buf *path, const char *key, struct gg_str value)
{
    if (value.s == NULL)
        return;
    gg_buf_printf(path, "&%s=", key);
    gg_buf_urlencode(path, value);
}

static const char *path_of(const struct mx_fed_list_query *q, struct gg_arena *arena)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, PATH "?include_all_networks=%s", q->all_networks ? "true" : "false");
    if (q->limit > 0)
        gg_buf_printf(&path, "&limit=%lld", (long long)q->limit);
    add_param(&path, "since", q->since);
    add_param(&path, "third_party_instance_id", q->network);
    const char *text = gg_arena_strndup(arena, path.data, path.n);
    gg_buf_done(&path);
    return text;
}

static void add_member(struct gg_buf *body, const char *key, struct gg_str text)
{
    if (text.s == NULL)
        return;
    gg_buf_printf(body, ",\"%s\":", key);
    gg_buf_json_string(body, text);
}

static struct gg_str body_of(const struct mx_fed_list_query *q, struct gg_arena *arena)
{
    struct gg_buf body = GG_BUF_INIT;
    gg_buf_printf(&body, "{\"include_all_networks\":%s,\"filter\":", q->all_networks ? "true" : "false");
    gg_buf_str(&body, q->filter);
    if (q->limit > 0)
        gg_buf_printf(&body, ",\"limit\":%lld", (long long)q->limit);
    add_member(&body, "since", q->since);
    add_member(&body, "third_party_instance_id", q->network);
    gg_buf_char(&body, '}');
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&body));
    gg_buf_done(&body);
    return text;
}

int mx_fed_room_list(struct mx_server *server, const struct mx_fed_list_query *q, struct gg_arena *arena, struct gg_str *out,
                     struct gg_error *err)
{
    bool search = q->filter.s != NULL;
    struct mx_fed_request question = {
        .destination = gg_arena_strndup(arena, q->server_name.s, q->server_name.n), .method = search ? "POST" : "GET",
        .path = search ? PATH : path_of(q, arena), .body = search ? body_of(q, arena) : (struct gg_str){0},
        .ignore_backoff = true, .timeout_ms = PATIENCE_MS, .max_answer = MAX_ANSWER};
    int rc = mx_fed_call(server, &question, arena, out, err);
    if (rc == 0 && mx_json_is_object(*out) && mx_json_is_array(mx_json_get(*out, "chunk")))
        return 0;
    if (rc != 0 && err->http_status == 403) /* it keeps its list to itself, and may say why */
        return rc;
    *err = (struct gg_error)GG_ERROR_INIT;
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to fetch room list");
}
