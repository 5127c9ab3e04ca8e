/* matrix/api/federation_rooms.c: what the servers of a room read of it (server-server API, "Retrieving events", "Backfilling
 * and retrieving missing events", "Retrieving room state", "Event authorization"). */
#include "api/federation_out.h"
#include "api/params.h"

#include "federation/compare_auth.h"
#include "federation/entry.h"
#include "federation/origin.h"
#include "federation/state_ids.h"
#include "federation/visible.h"
#include "rooms/at_time.h"
#include "storage/federation/complexity.h"
#include "storage/federation/graph.h"

#include <ganglion/config.h>
#include <ganglion/matrix/api.h>

enum { BACKFILL_MAX = 100, MISSING_MAX = 20, MISSING_DEFAULT = 10, IDS_MAX = 1000, QUERY_AUTH_BODY = 16 * 1024 * 1024 };

static struct gg_str origin_of(const struct gg_request *rq)
{
    return gg_str(mx_origin_of(rq));
}

/* The asking server must be in the route's {room_id}. */
static int admit(struct gg_request *rq, enum mx_fed_need need, const struct mx_head **head, struct gg_error *err)
{
    return mx_fed_admit(mx_server_of_request(rq), origin_of(rq), mx_api_param(rq, "room_id"), need, gg_request_arena(rq), head, err);
}

/* Ids that others may see, as events or redacted ones; rejected ones are left out. */
static int load_visible(struct gg_request *rq, const struct gg_str *ids, size_t n, const struct mx_event ***out,
                        struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    *out = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    int rc = mx_store_events(server, ids, n, false, arena, *out, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if ((*out)[i] != NULL && (*out)[i]->meta.rejected.s != NULL)
            (*out)[i] = NULL;
    return rc != 0 ? rc : mx_fed_visible(server, origin_of(rq), *out, n, arena, err);
}

/* ---- one event ---- */

static int get_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str id = mx_api_param(rq, "event_id");
    const struct mx_event *event;
    const struct mx_head *head;
    int rc = mx_store_events(server, &id, 1, false, arena, &event, err);
    if (rc == 0 && event == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found");
    if (rc == 0)
        rc = mx_fed_admit_member(server, origin_of(rq), event->room_id, MX_FED_FULL_STATE, arena, &head, err);
    if (rc == 0)
        rc = mx_fed_visible(server, origin_of(rq), &event, 1, arena, err);
    return rc != 0 ? rc : mx_fed_out_transaction(rq, &event, 1, err);
}

/* ---- state ---- */

static int state_ids(struct gg_request *rq, const struct mx_fed_state_ids **out, struct gg_error *err)
{
    const struct mx_head *head;
    const char *event_id = gg_request_query(rq, "event_id");
    if (event_id == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required string query parameter event_id");
    int rc = admit(rq, MX_FED_FULL_STATE, &head, err);
    if (rc == 0)
        rc = mx_fed_state_ids_before(mx_server_of_request(rq), mx_api_param(rq, "room_id"), gg_str(event_id),
                                     gg_request_arena(rq), out, err);
    return rc;
}

static int get_state_ids(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_fed_state_ids *ids;
    struct gg_buf buf = GG_BUF_INIT;
    int rc = state_ids(rq, &ids, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"pdu_ids\":");
    mx_fed_out_names(&buf, ids->state, ids->n_state);
    gg_buf_lit(&buf, ",\"auth_chain_ids\":");
    mx_fed_out_names(&buf, ids->auth, ids->n_auth);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

static int get_state(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_fed_state_ids *ids;
    struct mx_fed_out out = MX_FED_OUT(rq);
    int rc = state_ids(rq, &ids, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out.buf, "{\"pdus\":");
    rc = mx_fed_out_ids(&out, ids->state, ids->n_state, NULL, err);
    gg_buf_lit(&out.buf, ",\"auth_chain\":");
    if (rc == 0)
        rc = mx_fed_out_ids(&out, ids->auth, ids->n_auth, NULL, err);
    gg_buf_char(&out.buf, '}');
    return mx_fed_out_end(&out, rc, err);
}

/* ---- auth chains ---- */

static int check_held(struct gg_request *rq, struct gg_str id, const struct mx_event **out, struct gg_error *err)
{
    int rc = mx_store_events(mx_server_of_request(rq), &id, 1, true, gg_request_arena(rq), out, err);
    if (rc == 0 && (*out == NULL || !gg_str_eq((*out)->room_id, mx_api_param(rq, "room_id"))))
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Could not find event %.*s", GG_FMT(id));
    return rc;
}

static int get_event_auth(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *event;
    struct mx_fed_out out = MX_FED_OUT(rq);
    struct gg_str *ids;
    size_t n;
    int rc = admit(rq, MX_FED_FULL_STATE, &head, err);
    if (rc == 0)
        rc = check_held(rq, mx_api_param(rq, "event_id"), &event, err);
    if (rc == 0)
        rc = mx_graph_auth_chain_of(mx_server_of_request(rq), event, gg_request_arena(rq), &ids, &n, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out.buf, "{\"auth_chain\":");
    rc = mx_fed_out_ids(&out, ids, n, NULL, err);
    gg_buf_char(&out.buf, '}');
    return mx_fed_out_end(&out, rc, err);
}

/* The federation API's first version: both sides lay their auth chains of an event side by side. */
static int post_query_auth(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *event;
    struct gg_str body;
    struct mx_fed_auth_compared compared;
    struct mx_fed_out out = MX_FED_OUT(rq);
    int rc = mx_api_object_body(rq, &body, err);
    if (rc == 0)
        rc = admit(rq, MX_FED_FULL_STATE, &head, err);
    if (rc == 0)
        rc = check_held(rq, mx_api_param(rq, "event_id"), &event, err);
    if (rc == 0)
        rc = mx_fed_compare_auth(mx_server_of_request(rq), mx_origin_of(rq), event, body, gg_request_arena(rq), &compared, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out.buf, "{\"auth_chain\":");
    rc = mx_fed_out_ids(&out, compared.auth, compared.n_auth, NULL, err);
    gg_buf_lit(&out.buf, ",\"missing\":");
    mx_fed_out_names(&out.buf, compared.missing, compared.n_missing);
    gg_buf_lit(&out.buf, ",\"rejects\":");
    gg_buf_str(&out.buf, compared.rejects);
    gg_buf_char(&out.buf, '}');
    return mx_fed_out_end(&out, rc, err);
}

/* ---- history ---- */

static int get_backfill(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    const char **values;
    size_t n_from = gg_request_query_all(rq, "v", &values), n;
    struct gg_str *from = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, n_from + 1), *ids;
    const struct mx_event **events;
    int64_t limit;
    int rc = mx_api_query_natural(rq, "limit", 0, &limit, err);
    if (rc == 0 && limit == 0)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Did not include limit param");
    if (rc == 0 && (n_from == 0 || n_from > IDS_MAX))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "v must name 1 to %d events", IDS_MAX);
    for (size_t i = 0; i < n_from; i++)
        from[i] = gg_str(values[i]);
    struct mx_graph_walk walk = {.room_id = mx_api_param(rq, "room_id"), .from = from, .n_from = n_from, .with_from = true,
                                 .min_depth = INT64_MIN, .limit = limit < BACKFILL_MAX ? (size_t)limit : BACKFILL_MAX};
    if (rc == 0)
        rc = admit(rq, MX_FED_ANY_STATE, &head, err);
    if (rc == 0)
        rc = mx_graph_walk(mx_server_of_request(rq), &walk, gg_request_arena(rq), &ids, &n, err);
    if (rc == 0)
        rc = load_visible(rq, ids, n, &events, err);
    return rc != 0 ? rc : mx_fed_out_transaction(rq, events, n, err);
}

/* A list of event ids of the body; none is an empty one. */
static int read_ids(struct gg_request *rq, struct gg_str body, const char *key, const struct gg_str **out, size_t *n_out,
                    struct gg_error *err)
{
    struct gg_str list = mx_json_get(body, key), *ids = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, IDS_MAX);
    struct mx_json_iter it = mx_json_iter(list);
    *n_out = 0;
    *out = ids;
    if (list.s != NULL && !mx_json_is_array(list))
        return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a list", key);
    while (list.s != NULL && mx_json_next(&it)) {
        if (*n_out == IDS_MAX || !mx_json_is_string(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must hold at most %d event ids", key, IDS_MAX);
        ids[(*n_out)++] = mx_json_string(it.value, gg_request_arena(rq));
    }
    return 0;
}

static int read_number(struct gg_str body, const char *key, int64_t fallback, int64_t *out, struct gg_error *err)
{
    struct gg_str value = mx_json_get(body, key);
    *out = fallback;
    if (value.s != NULL && !mx_json_i64(value, out))
        return gg_refuse(err, 400, "M_BAD_JSON", "%s must be an integer", key);
    return 0;
}

static int read_missing(struct gg_request *rq, struct mx_graph_walk *walk, struct gg_error *err)
{
    struct gg_str body;
    int64_t limit = 0;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc == 0)
        rc = read_ids(rq, body, "latest_events", &walk->from, &walk->n_from, err);
    if (rc == 0)
        rc = read_ids(rq, body, "earliest_events", &walk->stop, &walk->n_stop, err);
    if (rc == 0)
        rc = read_number(body, "limit", MISSING_DEFAULT, &limit, err);
    if (rc == 0)
        rc = read_number(body, "min_depth", INT64_MIN, &walk->min_depth, err);
    walk->limit = limit < 0 ? 0 : limit < MISSING_MAX ? (size_t)limit : MISSING_MAX;
    return rc;
}

static int post_missing_events(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    struct mx_graph_walk walk = {.room_id = mx_api_param(rq, "room_id")};
    struct mx_fed_out out = MX_FED_OUT(rq);
    const struct mx_event **events;
    struct gg_str *ids;
    size_t n;
    int rc = read_missing(rq, &walk, err);
    if (rc == 0)
        rc = admit(rq, MX_FED_ANY_STATE, &head, err);
    if (rc == 0)
        rc = mx_graph_walk(mx_server_of_request(rq), &walk, gg_request_arena(rq), &ids, &n, err);
    for (size_t i = 0; rc == 0 && i < n / 2; i++) { /* oldest first: each can be taken in before what stands on it */
        struct gg_str id = ids[i];
        ids[i] = ids[n - 1 - i];
        ids[n - 1 - i] = id;
    }
    if (rc == 0)
        rc = load_visible(rq, ids, n, &events, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out.buf, "{\"events\":");
    rc = mx_fed_out_events(&out, events, n, err);
    gg_buf_char(&out.buf, '}');
    return mx_fed_out_end(&out, rc, err);
}

static int get_at_time(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    const char *dir = gg_request_query(rq, "dir");
    struct gg_buf buf = GG_BUF_INIT;
    struct gg_str id;
    int64_t ts, found = 0;
    if (gg_request_query(rq, "ts") == NULL || dir == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required query parameter %s", dir == NULL ? "dir" : "ts");
    if (strcmp(dir, "b") != 0 && strcmp(dir, "f") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
    int rc = mx_api_query_natural(rq, "ts", 0, &ts, err);
    if (rc == 0)
        rc = admit(rq, MX_FED_FULL_STATE, &head, err);
    if (rc == 0)
        rc = mx_event_at_time(mx_server_of_request(rq), mx_api_param(rq, "room_id"), ts, dir[0] == 'b', gg_request_arena(rq), &id,
                              &found, err);
    if (rc == 0 && id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unable to find event from %lld in direction %s", (long long)ts, dir);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"event_id\":");
    gg_buf_json_string(&buf, id);
    gg_buf_printf(&buf, ",\"origin_server_ts\":%lld}", (long long)found);
    return gg_reply_buf(rq, 200, &buf);
}

/* ---- the room as a whole ---- */

static int get_complexity(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    int64_t count;
    bool open;
    int rc = mx_room_complexity(mx_server_of_request(rq), mx_api_param(rq, "room_id"), gg_request_arena(rq), &open, &count, err);
    if (rc == 0 && !open)
        rc = gg_refuse(err, 404, "M_INVALID_PARAM", "Room not found");
    if (rc != 0)
        return rc;
    int64_t hundredths = (count * 100 + MX_COMPLEXITY_UNIT / 2) / MX_COMPLEXITY_UNIT;
    gg_buf_printf(&buf, "{\"v1\":%lld.%02lld}", (long long)(hundredths / 100), (long long)(hundredths % 100));
    return gg_reply_buf(rq, 200, &buf);
}

static int get_extremities(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_buf buf = GG_BUF_INIT;
    if (!gg_config_bool(mx_server_of_request(rq)->config, "experimental_features.msc4370_enabled"))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    int rc = admit(rq, MX_FED_FULL_STATE, &head, err);
    if (rc == 0)
        rc = mx_heads_extremities(mx_server_of_request(rq), mx_api_param(rq, "room_id"), gg_request_arena(rq), &head, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"prev_events\":");
    mx_fed_out_names(&buf, head->extremities, head->n_extremities);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

#define V1 "/_matrix/federation/v1/"
#define READ(path_, handler_, doc_) \
    {"GET", path_, handler_, "federation", GG_AUTH_SERVER, GG_ROUTE_CANCELLABLE, 0, 0, NULL, NULL, "room", NULL, doc_}
#define READ_SLOWLY(path_, handler_, doc_) \
    {"GET", path_, handler_, "federation", GG_AUTH_SERVER, GG_ROUTE_CANCELLABLE, 0, 300000, NULL, NULL, "room", NULL, doc_}

const struct gg_route mx_routes_federation_rooms[] = {
    READ(V1 "event/{event_id}(|/)", get_event, "One event of a room that the asking server is in."),
    READ_SLOWLY(V1 "state/{room_id}(|/)", get_state, "The state before an event, and its auth chain."),
    READ_SLOWLY(V1 "state_ids/{room_id}(|/)", get_state_ids, "The same as event ids."),
    READ(V1 "backfill/{room_id}(|/)", get_backfill, "Events and what came before them."),
    READ(V1 "timestamp_to_event/{room_id}(|/)", get_at_time, "The event nearest to a moment."),
    READ_SLOWLY(V1 "event_auth/{room_id}/{event_id}", get_event_auth, "The auth chain of an event."),
    {"POST", V1 "get_missing_events/{room_id}", post_missing_events, "federation", GG_AUTH_SERVER, 0, 256 * 1024, 0, NULL, NULL,
     "room", NULL, "Events between those that a server has and those that it was sent."},
    {"POST", V1 "query_auth/{room_id}/{event_id}", post_query_auth, "federation", GG_AUTH_SERVER, 0, QUERY_AUTH_BODY, 300000, NULL,
     NULL, "room", NULL, "Two servers compare the auth chains that they hold of an event."},
    READ("/_matrix/federation/unstable/rooms/{room_id}/complexity", get_complexity, "How much a room costs those who join it."),
    READ("/_matrix/federation/unstable/org.matrix.msc4370/extremities/{room_id}", get_extremities,
         "The newest events of a room (MSC4370)."),
    {0},
};
