/* matrix/api/rooms_read.c: the client-server endpoints that read rooms (routes are in rooms_routes.c). */
#include "api/events_out.h"
#include "api/params.h"
#include "api/rooms.h"

#include "federation/backfill.h"
#include "rooms/access.h"
#include "rooms/around.h"
#include "rooms/history.h"
#include "rooms/relations.h"

#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>

/* ---- state ---- */

/* The events of a state map (of one type, or of all), held by the arena. */
static int load_state(struct gg_request *rq, const struct mx_state *state, const char *type, const struct mx_event ***out,
                      size_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, mx_state_count(state) + 1);
    struct mx_state_entry entry;
    size_t n = 0;
    for (size_t i = 0; type != NULL ? mx_state_next_of(state, gg_str(type), &i, &entry) : mx_state_next(state, &i, &entry);)
        ids[n++] = entry.event_id;
    *out = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    *n_out = n;
    return mx_store_events(mx_server_of_request(rq), ids, n, false, arena, *out, err);
}

int mx_api_get_state_all(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event **events;
    size_t n;
    int rc = mx_api_access(rq, &access, err);
    if (rc == 0)
        rc = load_state(rq, access.state, NULL, &events, &n, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    return mx_api_answer(rq, &buf, mx_api_write_state(rq, &buf, events, n, err));
}

int mx_api_get_state(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event *event;
    struct gg_str key = mx_api_param(rq, "state_key");
    const char *style = gg_request_query(rq, "format");
    if (style != NULL && strcmp(style, "event") != 0 && strcmp(style, "content") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'format' must be one of ['content', 'event']");
    int rc = mx_api_access(rq, &access, err);
    if (rc != 0)
        return rc;
    struct gg_str id = mx_state_get(access.state, mx_api_param(rq, "event_type"), key.s != NULL ? key : GG_STR(""));
    if (id.s == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found.");
    rc = mx_store_event(mx_server_of_request(rq), id, gg_request_arena(rq), &event, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    if (style != NULL && strcmp(style, "event") == 0)
        rc = mx_api_write_event(rq, &buf, event, NULL, false, err);
    else
        gg_buf_str(&buf, event->content);
    return mx_api_answer(rq, &buf, rc);
}

/* ---- members ---- */

static const struct gg_stmt last_before = {
    "SELECT event_id FROM events WHERE room_id = $1 AND stream_ordering <= $2 AND NOT outlier AND rejection_reason IS NULL "
    "ORDER BY stream_ordering DESC LIMIT 1", GG_LANE_POINT};

/* The state at a /sync position: after the last event of the room at or before it. */
static int state_at(struct gg_request *rq, const char *at, struct mx_access *access, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_token token;
    struct gg_rows *rows;
    int rc = mx_token_parse(server, at, &token, err);
    int64_t stream = rc == 0 ? mx_position_max(&token.room.at) : 0;
    if (stream > access->until)
        stream = access->until;
    if (rc == 0)
        rc = gg_db_read(server->db, &last_before, GG_PARAMS(gg_p_text(gg_request_param(rq, "room_id")), gg_p_i64(stream)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) == 0)
        return gg_refuse(err, 404, "M_NOT_FOUND", "No event of the room at that position");
    const struct mx_event *last;
    bool visible;
    if (rc == 0)
        rc = mx_store_event(server, gg_rows_str(rows, 0, 0), arena, &last, err);
    if (rc == 0)
        rc = mx_events_visible(server, gg_str(mx_requester_of(rq)->user_id), access, &last, 1, arena, &visible, err);
    if (rc == 0 && !visible)
        return gg_refuse(err, 403, "M_FORBIDDEN", "User %s not allowed to view events in room %s at token %s",
                         mx_requester_of(rq)->user_id, gg_request_param(rq, "room_id"), at);
    return rc != 0 ? rc : mx_store_state_after(server, last->event_id, arena, &access->state, err);
}

int mx_api_members(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *at = gg_request_query(rq, "at"), *is = mx_api_query_text(rq, "membership");
    const char *is_not = mx_api_query_text(rq, "not_membership");
    struct mx_access access;
    const struct mx_event **events;
    size_t n;
    int rc = mx_api_access(rq, &access, err);
    if (rc == 0 && at != NULL)
        rc = state_at(rq, at, &access, err);
    if (rc == 0)
        rc = load_state(rq, access.state, "m.room.member", &events, &n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL && ((is != NULL && !gg_str_is(events[i]->membership, is)) ||
                                  (is_not != NULL && gg_str_is(events[i]->membership, is_not))))
            events[i] = NULL;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"chunk\":");
    rc = mx_api_write_state(rq, &buf, events, n, err);
    gg_buf_char(&buf, '}');
    return mx_api_answer(rq, &buf, rc);
}

static void write_text_or_null(struct gg_buf *buf, struct gg_str json)
{
    if (mx_json_is_string(json))
        gg_buf_str(buf, json);
    else
        gg_buf_lit(buf, "null");
}

/* An application service sees who is in a room in which any of its users is. */
static int service_access(struct gg_request *rq, const struct mx_appservice *service, struct mx_access *access,
                          struct gg_error *err)
{
    const struct mx_head *head;
    const struct gg_str *users;
    size_t n = 0;
    bool seen = false;
    int rc = mx_heads_get(mx_server_of_request(rq), mx_api_param(rq, "room_id"), gg_request_arena(rq), &head, err);
    if (rc == 0)
        rc = mx_heads_joined(mx_server_of_request(rq), head, gg_request_arena(rq), &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !seen; i++)
        seen = gg_str_is(users[i], mx_requester_of(rq)->user_id) || mx_appservice_has_user(service, users[i]);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && !seen))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Appservice not in room");
    if (rc == 0)
        *access = (struct mx_access){.state = head->state, .joined = true};
    return rc;
}

static int joined_access(struct gg_request *rq, struct mx_access *access, struct gg_error *err)
{
    const struct mx_appservice *service = mx_appservice_of(mx_server_of_request(rq), mx_requester_of(rq));
    if (service != NULL)
        return service_access(rq, service, access, err);
    int rc = mx_api_access(rq, access, err);
    if (rc == 0 && !access->joined && !access->peeking)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Getting joined members while not being a current member of the room is forbidden.");
    return rc;
}

int mx_api_joined_members(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event **events;
    size_t n;
    int rc = joined_access(rq, &access, err);
    if (rc == 0)
        rc = load_state(rq, access.state, "m.room.member", &events, &n, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    bool first = true;
    gg_buf_lit(&buf, "{\"joined\":{");
    for (size_t i = 0; i < n; i++) {
        if (events[i] == NULL || !gg_str_is(events[i]->membership, "join"))
            continue;
        if (!first)
            gg_buf_char(&buf, ',');
        first = false;
        gg_buf_json_string(&buf, events[i]->state_key);
        gg_buf_lit(&buf, ":{\"avatar_url\":");
        write_text_or_null(&buf, mx_json_get(events[i]->content, "avatar_url"));
        gg_buf_lit(&buf, ",\"display_name\":");
        write_text_or_null(&buf, mx_json_get(events[i]->content, "displayname"));
        gg_buf_char(&buf, '}');
    }
    gg_buf_lit(&buf, "}}");
    return gg_reply_buf(rq, 200, &buf);
}

int mx_api_joined_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    int rc = mx_heads_rooms_of(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), &rooms, &n, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    bool first = true;
    gg_buf_lit(&buf, "{\"joined_rooms\":[");
    for (size_t i = 0; i < n; i++) {
        if (!gg_str_is(rooms[i].membership, "join"))
            continue;
        if (!first)
            gg_buf_char(&buf, ',');
        first = false;
        gg_buf_json_string(&buf, rooms[i].room_id);
    }
    gg_buf_lit(&buf, "]}");
    return gg_reply_buf(rq, 200, &buf);
}

/* ---- history ---- */

/* Another place in a room; of the other streams a token keeps what `base` says (clients may sync from it). */
static const struct gg_stmt newest_depth = {
    "SELECT topological_ordering FROM events WHERE room_id = $1 AND stream_ordering <= $2 AND NOT outlier "
    "ORDER BY stream_ordering DESC LIMIT 1", GG_LANE_POINT};

static int depth_at(struct gg_request *rq, int64_t stream, int64_t *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(mx_server_of_request(rq)->db, &newest_depth,
                        GG_PARAMS(gg_p_text(gg_request_param(rq, "room_id")), gg_p_i64(stream)), gg_request_arena(rq), &rows, err);
    if (rc == 0)
        *out = gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : 0;
    return rc;
}

/* Where paging starts without a `from`: the newest event backwards (as a "t" position, so that a page has the same
 * neighbours whenever it is asked for), the beginning forwards. Those who left start where they did, if the room has gone
 * on since. */
static int default_start(struct gg_request *rq, const struct mx_access *access, bool backwards, struct mx_room_token *out,
                         struct gg_error *err)
{
    struct mx_token now;
    int64_t left = INT64_MAX;
    *out = (struct mx_room_token){.depth = -1};
    if (!backwards)
        return 0;
    int rc = mx_token_now(mx_server_of_request(rq), &now, err);
    if (rc != 0)
        return rc;
    out->at.min = mx_position_max(&now.room.at);
    rc = depth_at(rq, out->at.min, &out->depth, err);
    if (rc == 0 && access->until < out->at.min)
        rc = depth_at(rq, access->until, &left, err);
    if (rc == 0 && left < out->depth) {
        out->depth = left;
        out->at.min = access->until;
    }
    return rc;
}

static int read_page_query(struct gg_request *rq, const struct mx_access *access, struct mx_page_query *q,
                           struct mx_filter *filter, struct mx_token *base, struct mx_room_token *to, struct gg_error *err)
{
    const char *dir = gg_request_query(rq, "dir"), *from = mx_api_query_text(rq, "from"), *end = mx_api_query_text(rq, "to");
    const char *json = gg_request_query(rq, "filter");
    int64_t limit;
    struct mx_token token;
    if (dir != NULL && strcmp(dir, "f") != 0 && strcmp(dir, "b") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
    q->backwards = dir != NULL && dir[0] == 'b';
    int rc = mx_api_query_natural(rq, "limit", 10, &limit, err);
    if (rc == 0 && json != NULL)
        rc = mx_json_check(gg_str(json), 100, err);
    if (rc == 0)
        rc = mx_filter_parse(json != NULL ? gg_str(json) : (struct gg_str){0}, gg_request_arena(rq), filter, err);
    if (rc != 0)
        return rc;
    q->limit = limit > 1000 ? 1000 : (size_t)limit;
    q->filter = filter;
    if (from == NULL || strcmp(from, "END") == 0) {
        rc = default_start(rq, access, q->backwards, &q->from, err);
    } else {
        rc = mx_token_parse(mx_server_of_request(rq), from, base, err);
        q->from = base->room;
        if (rc == 0 && q->backwards && mx_position_max(&q->from.at) > access->until)
            rc = default_start(rq, access, true, &q->from, err); /* what came after they left is none of theirs */
    }
    if (rc == 0 && end != NULL) {
        rc = mx_token_parse(mx_server_of_request(rq), end, &token, err);
        *to = token.room;
        q->to = to;
    }
    return rc;
}

/* The member events of the page's senders, once each, as they were at the page's first event. */
static int lazy_members(struct gg_request *rq, const struct mx_page *page, const struct mx_event ***out, size_t *n_out,
                        struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, page->n + 1);
    const struct mx_state *state;
    size_t m = 0;
    *n_out = 0;
    int rc = page->n > 0 ? mx_store_state_after(mx_server_of_request(rq), page->events[0]->event_id, arena, &state, err) : 0;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < page->n; i++) {
        struct gg_str id = mx_state_get(state, GG_STR("m.room.member"), page->events[i]->sender);
        bool have = id.s == NULL;
        for (size_t k = 0; k < m && !have; k++)
            have = gg_str_eq(ids[k], id);
        if (!have)
            ids[m++] = id;
    }
    *out = GG_NEW_ARRAY(arena, const struct mx_event *, m + 1);
    *n_out = m;
    return mx_store_events(mx_server_of_request(rq), ids, m, false, arena, *out, err);
}

int mx_api_messages(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    struct mx_filter filter;
    struct mx_token base = {0};
    struct mx_room_token to;
    struct mx_page_query q = {.room_id = mx_api_param(rq, "room_id")};
    struct mx_page page;
    const struct mx_event **members = NULL;
    size_t n_members = 0;
    int rc = mx_api_access(rq, &access, err);
    if (rc == 0)
        rc = read_page_query(rq, &access, &q, &filter, &base, &to, err);
    if (rc == 0)
        rc = mx_backfill_page(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), &access, &q, gg_request_arena(rq), &page, err);
    if (rc == 0 && filter.lazy_members)
        rc = lazy_members(rq, &page, &members, &n_members, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"chunk\":");
    rc = mx_api_write_events(rq, &buf, page.events, page.n, &access, err);
    gg_buf_char(&buf, ',');
    mx_api_write_room_token(&buf, "start", &base, &q.from);
    if (page.n_matched > 0 || page.more) {
        gg_buf_char(&buf, ',');
        mx_api_write_room_token(&buf, "end", &base, &page.end);
    }
    if (filter.lazy_members && page.n > 0) {
        gg_buf_lit(&buf, ",\"state\":");
        rc = rc == 0 ? mx_api_write_events(rq, &buf, members, n_members, NULL, err) : rc;
    }
    gg_buf_char(&buf, '}');
    return mx_api_answer(rq, &buf, rc);
}

/* ---- one event and what is around it ---- */

/* 404 when there is no such event, 403 when the user may not see it. */
static int visible_event(struct gg_request *rq, struct mx_access *access, const struct mx_event **out, struct gg_error *err)
{
    bool visible = false;
    int rc = mx_store_event(mx_server_of_request(rq), mx_api_param(rq, "event_id"), gg_request_arena(rq), out, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found.");
    if (rc == 0)
        rc = mx_api_access(rq, access, err);
    if (rc == 0 && !gg_str_eq((*out)->room_id, mx_api_param(rq, "room_id")))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found.");
    if (rc == 0 && (*out)->meta.rejected.s == NULL &&
        !(*out)->meta.outlier && !(*out)->meta.soft_failed)
        rc = mx_events_visible(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), access, out, 1,
                               gg_request_arena(rq), &visible, err);
    if (rc == GG_E_FORBIDDEN || (rc == 0 && !visible))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "You don't have permission to access that event.");
    return rc;
}

int mx_api_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event *event;
    int rc = visible_event(rq, &access, &event, err);
    if (rc == GG_E_FORBIDDEN) /* this endpoint does not even tell that it exists */
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found.");
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    return mx_api_answer(rq, &buf, mx_api_write_event(rq, &buf, event, &access, true, err));
}

struct around {
    struct mx_around events;
    const struct mx_event **state;
    size_t n_state;
};

static int read_around(struct gg_request *rq, const struct mx_access *access, const struct mx_event *event, size_t limit,
                       const struct mx_filter *filter, struct around *out, struct gg_error *err)
{
    int rc = mx_around(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), access, event, limit / 2, limit - limit / 2,
                       filter, gg_request_arena(rq), &out->events, err);
    return rc != 0 ? rc : load_state(rq, out->events.state, NULL, &out->state, &out->n_state, err);
}

/* With lazy members: only those who sent something that is shown. */
static void drop_members(struct around *a, const struct mx_event *event)
{
    for (size_t i = 0; i < a->n_state; i++) {
        const struct mx_event *s = a->state[i];
        if (s == NULL || !gg_str_is(s->type, "m.room.member"))
            continue;
        bool wanted = gg_str_eq(s->state_key, event->sender);
        for (size_t k = 0; k < a->events.before.n && !wanted; k++)
            wanted = gg_str_eq(s->state_key, a->events.before.events[k]->sender);
        for (size_t k = 0; k < a->events.after.n && !wanted; k++)
            wanted = gg_str_eq(s->state_key, a->events.after.events[k]->sender);
        if (!wanted)
            a->state[i] = NULL;
    }
}

int mx_api_context(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event *event;
    struct mx_filter filter;
    struct around a = {0};
    int64_t limit;
    const char *json = gg_request_query(rq, "filter");
    int rc = mx_api_query_natural(rq, "limit", 10, &limit, err);
    if (rc == 0 && json != NULL)
        rc = mx_json_check(gg_str(json), 100, err);
    if (rc == 0)
        rc = mx_filter_parse(json != NULL ? gg_str(json) : (struct gg_str){0}, gg_request_arena(rq), &filter, err);
    if (rc == 0)
        rc = visible_event(rq, &access, &event, err);
    if (rc == 0)
        rc = read_around(rq, &access, event, limit > 100 ? 100 : (size_t)limit, &filter, &a, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < a.n_state; i++)
        if (a.state[i] != NULL && !mx_filter_event(&filter, a.state[i]))
            a.state[i] = NULL;
    rc = mx_relations_filter(mx_server_of_request(rq), &filter, a.state, a.n_state, gg_request_arena(rq), err);
    if (rc != 0)
        return rc;
    if (filter.lazy_members)
        drop_members(&a, event);
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"event\":");
    rc = mx_api_write_event(rq, &buf, event, &access, true, err);
    gg_buf_lit(&buf, ",\"events_before\":");
    rc = rc == 0 ? mx_api_write_events(rq, &buf, a.events.before.events, a.events.before.n, &access, err) : rc;
    gg_buf_lit(&buf, ",\"events_after\":");
    rc = rc == 0 ? mx_api_write_events(rq, &buf, a.events.after.events, a.events.after.n, &access, err) : rc;
    gg_buf_lit(&buf, ",\"state\":");
    rc = rc == 0 ? mx_api_write_events(rq, &buf, a.state, a.n_state, NULL, err) : rc;
    gg_buf_char(&buf, ',');
    mx_api_write_room_token(&buf, "start", &(struct mx_token){0}, &a.events.before.end);
    gg_buf_char(&buf, ',');
    mx_api_write_room_token(&buf, "end", &(struct mx_token){0}, &a.events.after.end);
    gg_buf_char(&buf, '}');
    return mx_api_answer(rq, &buf, rc);
}
