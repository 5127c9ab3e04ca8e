/* matrix/api/old_sync.c: the event stream before /sync, GET /events, and its route table. Clients of old, bots and guests
 * who peek into a room still use it. */
#include "api/old_sync.h"

#include "accounts/accounts.h"
#include "api/events_out.h"
#include "api/params.h"
#include "rooms/show.h"
#include "sync/catch_up.h"
#include "sync/passing.h"
#include "userdata/typing.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/notifier.h>

enum { DEFAULT_LIMIT = 10, MAX_LIMIT = 1000, DEFAULT_WAIT_MS = 30 * 1000, LEAST_WAIT_MS = 500, MAX_WAIT_MS = 24 * 3600 * 1000 };

int mx_api_old_limit(struct gg_request *rq, size_t *out, struct gg_error *err)
{
    int64_t limit;
    int rc = mx_api_query_natural(rq, "limit", DEFAULT_LIMIT, &limit, err);
    *out = rc != 0 ? 0 : limit > MAX_LIMIT ? MAX_LIMIT : (size_t)limit;
    return rc;
}

/* ---- the answer ---- */

struct writing {
    struct gg_buf *out;
    bool some;
};

static void next(struct writing *w)
{
    gg_buf_text(w->out, w->some ? "," : "");
    w->some = true;
}

/* The reader's membership is looked up room by room; the list is in the order of the stream. */
static int show_events(struct gg_request *rq, const struct mx_passed *passed, struct gg_arena *arena, struct writing *w,
                       struct gg_error *err)
{
    const struct mx_requester *requester = mx_requester_of(rq);
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .user_id = gg_str(requester->user_id), .old_copies = true};
    struct mx_show_room *rooms = GG_NEW_ARRAY(arena, struct mx_show_room, passed->n + 1);
    struct mx_show show;
    if (requester->device_id != NULL)
        format.device_id = gg_str(requester->device_id);
    for (size_t i = 0; i < passed->n; i++)
        rooms[i] = (struct mx_show_room){.room_id = passed->events[i]->room_id, .since = INT64_MAX, .first = i, .n = 1};
    int rc = mx_show_read(mx_server_of_request(rq), passed->events, passed->n, arena, &show, err);
    if (rc == 0 && passed->n > 0)
        rc = mx_show_memberships(mx_server_of_request(rq), format.user_id, rooms, passed->n, &show, arena, err);
    for (size_t i = 0; rc == 0 && i < passed->n; i++) {
        next(w);
        mx_show_write(w->out, &show, i, &format);
    }
    return rc;
}

static void write_in_room(struct writing *w, const char *type, struct gg_str room_id)
{
    next(w);
    gg_buf_printf(w->out, "{\"type\":\"%s\",\"room_id\":", type);
    gg_buf_json_string(w->out, room_id);
    gg_buf_lit(w->out, ",\"content\":");
}

static void write_rest(struct mx_server *server, const struct mx_passed *passed, struct writing *w)
{
    int64_t now = gg_wall_ms();
    for (size_t i = 0; i < passed->n_presence; i++) {
        next(w);
        mx_presence_write_event(w->out, &passed->presence[i], true, now);
    }
    for (size_t i = 0; i < passed->n_typing; i++) {
        write_in_room(w, "m.typing", passed->typing[i]);
        gg_buf_lit(w->out, "{\"user_ids\":");
        mx_typing_write(server, passed->typing[i], w->out);
        gg_buf_lit(w->out, "}}");
    }
    for (size_t i = 0; i < passed->n_receipts; i++) {
        if (passed->receipts[i].content.s == NULL)
            continue;
        write_in_room(w, "m.receipt", passed->receipts[i].room_id);
        gg_buf_str(w->out, passed->receipts[i].content);
        gg_buf_char(w->out, '}');
    }
    for (size_t i = 0; i < passed->n_data; i++) {
        const struct mx_data_row *row = &passed->data[i];
        next(w);
        gg_buf_lit(w->out, "{\"type\":");
        gg_buf_json_string(w->out, row->type);
        if (row->room_id.s != NULL) {
            gg_buf_lit(w->out, ",\"room_id\":");
            gg_buf_json_string(w->out, row->room_id);
        }
        gg_buf_lit(w->out, ",\"content\":");
        gg_buf_str(w->out, row->content);
        gg_buf_char(w->out, '}');
    }
}

static int write_answer(struct gg_request *rq, const struct mx_passing_query *q, const struct mx_passed *passed,
                        struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct writing w = {.out = out};
    gg_buf_lit(out, "{\"chunk\":[");
    int rc = show_events(rq, passed, arena, &w, err);
    write_rest(mx_server_of_request(rq), passed, &w);
    gg_buf_lit(out, "],");
    mx_api_write_room_token(out, "start", &q->from, &q->from.room);
    gg_buf_char(out, ',');
    mx_api_write_room_token(out, "end", &passed->end, &passed->end.room);
    gg_buf_char(out, '}');
    return rc;
}

/* ---- waiting ---- */

static int read_query(struct gg_request *rq, struct mx_passing_query *q, bool *from_now, int64_t *wait_ms, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *from = gg_request_query(rq, "from"), *room_id = gg_request_query(rq, "room_id");
    const char *dir = gg_request_query(rq, "dir"), *timeout = gg_request_query(rq, "timeout");
    memset(q, 0, sizeof(*q));
    q->requester = mx_requester_of(rq);
    if (room_id != NULL)
        q->room_id = gg_str(room_id);
    if (q->requester->guest && room_id == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Guest users must specify room_id param");
    if (dir != NULL && strcmp(dir, "f") != 0 && strcmp(dir, "b") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
    if (timeout != NULL && gg_request_query_i64(rq, "timeout", 0, wait_ms, err) != 0)
        return gg_refuse(err, 400, "M_UNKNOWN", "timeout must be in milliseconds.");
    if (timeout == NULL)
        *wait_ms = DEFAULT_WAIT_MS;
    if (*wait_ms > 0)
        *wait_ms = *wait_ms < LEAST_WAIT_MS ? LEAST_WAIT_MS : *wait_ms > MAX_WAIT_MS ? MAX_WAIT_MS : *wait_ms;
    *from_now = from == NULL || from[0] == '\0';
    int rc = mx_api_old_limit(rq, &q->limit, err);
    if (rc == 0 && !*from_now && (mx_token_parse(server, from, &q->from, err) != 0 || q->from.room.depth >= 0))
        rc = gg_refuse(err, 400, "M_UNKNOWN", "'from' parameter is invalid");
    return rc;
}

/* One look with memory of its own; *again: nothing came, and now something has. */
static int look(struct gg_request *rq, const struct mx_passing_query *q, int64_t deadline, bool *again, struct gg_buf *out,
                struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_arena_new();
    struct mx_waiter *waiter = NULL;
    struct mx_passed passed;
    struct gg_str *rooms;
    size_t n;
    *again = false;
    int rc = mx_passing_rooms(server, q, arena, &rooms, &n, err);
    if (rc == 0 && gg_now_ms() < deadline)
        waiter = mx_wait_begin(server, gg_str(q->requester->user_id), rooms, n);
    if (rc == 0)
        rc = mx_passing_read(server, q, rooms, n, arena, &passed, err);
    if (rc == 0 && waiter != NULL && mx_passing_empty(&passed)) {
        int waited = mx_wait(waiter, deadline);
        *again = waited == 0;
        if (waited == GG_E_CANCELLED)
            rc = gg_fail(err, waited, "the client went away");
    }
    if (rc == 0 && !*again)
        rc = write_answer(rq, q, &passed, arena, out, err);
    mx_wait_end(waiter);
    gg_arena_free(arena);
    return rc;
}

static int get_events(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_principal *principal = gg_request_principal(rq);
    struct gg_error limited = GG_ERROR_INIT;
    struct gg_buf out = GG_BUF_INIT;
    struct mx_visit *visit = NULL;
    struct mx_passing_query q;
    int64_t wait_ms;
    bool again = true, from_now;
    int rc = read_query(rq, &q, &from_now, &wait_ms, err);
    const char *key = gg_arena_printf(gg_request_arena(rq), "sync %s", principal->requester.user_id);
    if (rc == 0 && !principal->requester.guest &&
        mx_limit(server, "rc_presence.per_user", gg_str(key), principal, true, &limited) == 0)
        mx_presence_visit_begin(server, &principal->requester, MX_ONLINE, &visit);
    if (rc == 0) /* after the visit, which is no news to who makes it */
        rc = from_now ? mx_token_now(server, &q.from, err) : mx_sync_catch_up(server, &q.from, err);
    for (int64_t deadline = gg_deadline(rc == 0 ? wait_ms : 0); rc == 0 && again;)
        rc = look(rq, &q, deadline, &again, &out, err);
    mx_presence_visit_end(visit);
    return mx_api_answer(rq, &out, rc);
}

/* ---- one event ---- */

static int get_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    const struct mx_event *event;
    struct mx_access access;
    bool visible = false;
    int rc = mx_store_event(server, mx_api_param(rq, "event_id"), arena, &event, err);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && (event->meta.rejected.s != NULL || event->meta.outlier)))
        return gg_reply_text(rq, 404, "application/json", GG_STR("\"Event not found.\"")); /* no error object, of old */
    if (rc == 0)
        rc = mx_room_access(server, user_id, event->room_id, arena, &access, err);
    if (rc == 0)
        rc = mx_events_visible(server, user_id, &access, &event, 1, arena, &visible, err);
    if (rc == GG_E_FORBIDDEN || (rc == 0 && !visible))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "You don't have permission to access that event.");
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    return mx_api_answer(rq, &buf, mx_api_write_event(rq, &buf, event, &access, true, err));
}

#define CLIENT "/_matrix/client/(api/v1|r0|v3|unstable)"

const struct gg_route mx_routes_old_sync[] = {
    {.method = "GET", .path = "/_matrix/client/(api/v1|v2_alpha|r0|v3|unstable)/events", .handler = get_events,
     .resource = "client", .auth = GG_AUTH_GUEST, .flags = GG_ROUTE_CANCELLABLE | GG_ROUTE_LONG_POLL, .pool = "sync",
     .balance = "user", .doc = "what happens (old form of /sync)"},
    {.method = "GET", .path = CLIENT "/events/{event_id}", .handler = get_event, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_CANCELLABLE, .doc = "one event by its id alone (old form)"},
    {.method = "GET", .path = CLIENT "/initialSync", .handler = mx_api_initial_sync, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_CANCELLABLE, .pool = "initial_sync", .balance = "user", .doc = "all rooms (old form of a first /sync)"},
    {.method = "GET", .path = CLIENT "/rooms/{room_id}/initialSync", .handler = mx_api_room_initial_sync, .resource = "client",
     .auth = GG_AUTH_GUEST, .flags = GG_ROUTE_CANCELLABLE, .pool = "initial_sync", .balance = "room",
     .doc = "one room (old form; also to peek)"},
    {0},
};
