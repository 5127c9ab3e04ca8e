/* matrix/sync/query.c: the parameters of /sync and the filter that they name. */
#include "sync/sync.h"

#include "presence/presence.h"

#include <ganglion/config.h>
#include <ganglion/matrix/accounts.h>

static int load_filter(struct gg_request *rq, struct gg_str *json, struct gg_error *err)
{
    const char *filter = gg_request_query(rq, "filter");
    *json = GG_STR("{}");
    if (filter == NULL || filter[0] == '\0')
        return 0;
    if (filter[0] != '{') {
        int rc = mx_user_filter_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), filter,
                                    gg_request_arena(rq), json, err);
        return rc == GG_E_NOT_FOUND ? gg_refuse(err, 400, "M_INVALID_PARAM", "No such filter") : rc;
    }
    *json = gg_str(filter);
    json_t *tree = mx_json_check(*json, 100, err) == 0 ? json_loadb(json->s, json->n, 0, NULL) : NULL;
    int rc = tree != NULL ? mx_filter_check_shape(tree, err) : gg_refuse(err, 400, "M_NOT_JSON", "Invalid filter JSON");
    json_decref(tree);
    return rc;
}

static int read_parts(struct gg_str json, struct gg_arena *arena, struct mx_sync_query *q, struct gg_error *err)
{
    struct gg_str room = mx_json_get(json, "room");
    const struct {
        struct gg_str json;
        struct mx_filter *out;
    } parts[] = {{room, &q->rooms},
                 {mx_json_get(room, "timeline"), &q->timeline},
                 {mx_json_get(room, "state"), &q->state},
                 {mx_json_get(room, "ephemeral"), &q->ephemeral},
                 {mx_json_get(room, "account_data"), &q->room_data},
                 {mx_json_get(json, "account_data"), &q->global_data},
                 {mx_json_get(json, "presence"), &q->presence}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(parts); i++)
        rc = mx_filter_parse(parts[i].json, arena, parts[i].out, err);
    q->include_leave = mx_json_true(mx_json_get(room, "include_leave"));
    q->event_format = mx_json_string(mx_json_get(json, "event_format"), arena);
    return rc;
}

static int read_event_fields(struct gg_str json, struct gg_arena *arena, struct mx_sync_query *q, struct gg_error *err)
{
    struct gg_str fields = mx_json_get(json, "event_fields");
    if (fields.s == NULL)
        return 0;
    if (!mx_json_is_array(fields))
        return gg_refuse(err, 400, "M_BAD_JSON", "Filter: event_fields must be a list of strings");
    struct gg_str *v = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(fields) + 1);
    struct mx_json_iter it = mx_json_iter(fields);
    while (mx_json_next(&it))
        if (mx_json_is_string(it.value))
            v[q->n_event_fields++] = mx_json_string(it.value, arena);
    q->event_fields = v;
    return 0;
}

/* "busy" is nothing that a sync says of its device (it keeps what was set). */
static int read_set_presence(struct gg_request *rq, uint8_t *out, struct gg_error *err)
{
    const char *text = gg_request_query(rq, "set_presence");
    int kind = text != NULL ? mx_presence_kind_of(gg_str(text)) : MX_ONLINE;
    if (kind < 0 || kind == MX_BUSY)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'set_presence' must be online, unavailable or offline");
    *out = (uint8_t)kind;
    return 0;
}

static int read_state_after(struct gg_request *rq, uint8_t *out, struct gg_error *err)
{
    static const struct {
        const char *name;
        uint8_t wanted;
    } names[] = {{"use_state_after", MX_STATE_AFTER}, {"org.matrix.msc4222.use_state_after", MX_STATE_AFTER_MSC4222}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(names); i++) {
        bool on;
        rc = gg_request_query_bool(rq, names[i].name, false, &on, err);
        if (rc == 0 && on)
            *out = names[i].wanted;
    }
    return rc;
}

int mx_sync_read_query(struct gg_request *rq, struct mx_sync_query *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *since = gg_request_query(rq, "since");
    struct gg_str json;
    memset(out, 0, sizeof(*out));
    out->requester = mx_requester_of(rq);
    int rc = gg_request_query_i64(rq, "timeout", 0, &out->timeout_ms, err);
    if (rc == 0 && out->timeout_ms < 0)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter timeout must be a positive integer.");
    if (rc == 0)
        rc = read_state_after(rq, &out->state_after, err);
    if (rc == 0)
        rc = read_set_presence(rq, &out->set_presence, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "full_state", false, &out->full_state, err);
    if (rc == 0)
        rc = load_filter(rq, &json, err);
    if (rc == 0)
        rc = read_parts(json, gg_request_arena(rq), out, err);
    if (rc == 0)
        rc = read_event_fields(json, gg_request_arena(rq), out, err);
    if (rc == 0 && since != NULL && since[0] != '\0') {
        out->has_since = true;
        rc = mx_token_parse(server, since, &out->since, err);
        if (rc == 0 && out->since.room.depth >= 0)
            rc = gg_refuse(err, 400, "M_INVALID_PARAM", "A pagination token cannot be used as since");
    }
    int64_t cap = gg_config_int(server->config, "filter_timeline_limit");
    if (cap >= 0 && out->timeline.limit > cap)
        out->timeline.limit = cap;
    return rc;
}
