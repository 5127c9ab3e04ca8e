/* matrix/persist/remote.c: events handed from process to process: what we serve as a room's writer, and how we ask one.
 */
#include "payload.h"

enum { FED_EVENTS = 200 }; /* in one fed_send_events */

static bool is_writer(const struct mx_server *server, struct gg_str room_id)
{
    return strcmp(mx_persist_writer(server, room_id), gg_host_instance(server->host)) == 0;
}

/* ---- what we serve ---- */

/* A caller with another idea of who writes the room: on to the right one. */
static int pass_on(struct mx_server *server, const char *method, struct gg_str room_id, const struct gg_call *call,
                   json_t **answer_out, struct gg_error *err)
{
    return gg_repl_call_text(server->host, mx_persist_writer(server, room_id), method, call->args, call->raw,
                             answer_out, err);
}

/* What became of the events of a call: ids of all of them, the position of the last. */
struct served {
    struct gg_str *ids;
    size_t n;
    int64_t last;
};

static int persist_drafts(struct mx_server *server, struct gg_str room_id, const struct mx_persist_item *items, size_t n,
                          const struct gg_call *call, int64_t *orderings, struct gg_str *ids, struct gg_error *err)
{
    int status = 0;
    size_t taken = 0;
    for (; taken < n && !status; taken++)
        status = mx_store_take_groups(server, items[taken].event, items[taken].new_groups, items[taken].n_new_groups, err);
    if (!status)
        status = mx_persist(server, room_id, items, n, call->arena, orderings, ids, err);
    for (size_t i = 0; status && i < taken; i++)
        mx_store_drop_groups(server, items[i].new_groups, items[i].n_new_groups);
    return status;
}

static int serve(struct mx_server *server, const char *method, const struct gg_call *call, struct served *out,
                 json_t **answer_out, struct gg_error *err)
{
    struct mx_persist_item *items;
    struct gg_str room_id;
    size_t n;
    *out = (struct served){.last = gg_stream_position(server->events, gg_host_instance(server->host))};
    int status = mx_payload_read(server, call->raw, call->arena, &room_id, &items, &n, err);
    if (status || !n)
        return status;
    if (!is_writer(server, room_id))
        return pass_on(server, method, room_id, call, answer_out, err);
    int64_t *orderings = GG_NEW_ARRAY(call->arena, int64_t, n);
    out->ids = GG_NEW_ARRAY(call->arena, struct gg_str, n);
    if ((status = persist_drafts(server, room_id, items, n, call, orderings, out->ids, err)))
        return status;
    out->n = n;
    for (size_t i = 0; i < n; i++)
        if (orderings[i] > 0 && (i == n - 1 || orderings[i] > out->last))
            out->last = orderings[i];
    return 0;
}

/* Synapse reads the last event's position and id. `event_ids` is for callers of our own kind: with it they may send in
 * runs (rooms/send.c); `takes_drafts` leads them to MX_SEND_DRAFTS. */
static int answer_events(struct mx_server *server, const char *method, const struct gg_call *call, json_t **answer_out,
                         struct gg_error *err)
{
    struct served served;
    int status = serve(server, method, call, &served, answer_out, err);
    if (status || *answer_out)
        return status;
    struct gg_str last = served.n ? served.ids[served.n - 1] : GG_STR("");
    json_t *ids = json_array();
    for (size_t i = 0; i < served.n; i++)
        json_array_append_new(ids, json_stringn(served.ids[i].s, served.ids[i].n));
    *answer_out = json_pack("{s:I, s:s%, s:o, s:b}", "stream_id", (json_int_t)served.last, "event_id", last.s, last.n,
                            "event_ids", ids, "takes_drafts", 1);
    return 0;
}

static int send_events(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    return answer_events(self, "send_events", call, answer_out, err);
}

static int send_drafts(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    return answer_events(self, MX_SEND_DRAFTS, call, answer_out, err);
}

static int fed_send_events(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct served served;
    int status = serve(self, "fed_send_events", call, &served, answer_out, err);
    if (!status && !*answer_out)
        *answer_out = json_pack("{s:I}", "max_stream_id", (json_int_t)served.last);
    return status;
}

static int update_current_state(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct gg_str room_id = gg_str(call->args[0]);
    if (!is_writer(self, room_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "This process does not persist the room's events");
    int status = mx_persist_recalculate(self, room_id, err);
    if (!status)
        *answer_out = json_object();
    return status;
}

const struct gg_method mx_persist_methods[] = {
    {"send_events", 0, GG_METHOD_TXN | GG_METHOD_RAW, send_events, "events", "Persist events that a client made"},
    {MX_SEND_DRAFTS, 0, GG_METHOD_TXN | GG_METHOD_RAW, send_drafts, "events",
     "Persist events that a client made, with their state groups and notifications"},
    {"fed_send_events", 0, GG_METHOD_TXN | GG_METHOD_RAW, fed_send_events, "events", "Persist events of other servers"},
    {"update_current_state", 1, GG_METHOD_TXN | GG_METHOD_EVENTS_WRITER_ONLY, update_current_state, "events",
     "Work the current state of a room out anew"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

void mx_persist_serve(struct mx_server *server)
{
    gg_repl_serve(server->host, mx_persist_methods, server);
}

/* ---- how we ask ---- */

/* The events are ours in memory already; their rows will tell only that they were persisted. */
static void remember(struct mx_server *server, const struct mx_persist_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mx_store_keep(server, items[i].event);
        mx_heads_expect(server, items[i].event, items[i].group);
    }
}

static bool writer_can(const struct mx_server *server, struct gg_str room_id, uintptr_t what)
{
    uintptr_t kind = (uintptr_t)gg_map_get(server->persister->kinds, gg_str(mx_persist_writer(server, room_id)));
    return is_writer(server, room_id) || (kind & what) != 0;
}

bool mx_persist_tells_all(const struct mx_server *server, struct gg_str room_id)
{
    return writer_can(server, room_id, MX_WRITER_TELLS_ALL);
}

bool mx_persist_takes_drafts(const struct mx_server *server, struct gg_str room_id)
{
    return writer_can(server, room_id, MX_WRITER_TAKES_DRAFTS);
}

static void set_kind(struct mx_server *server, const char *writer, uintptr_t kind)
{
    struct gg_map *kinds = server->persister->kinds;
    if ((uintptr_t)gg_map_get(kinds, gg_str(writer)) == kind)
        return;
    gg_map_take(kinds, gg_str(writer));
    if (kind)
        gg_map_put(kinds, gg_str(writer), (void *)kind);
}

/* What the writer says of the events: of each if it is one of ours, else of the last. */
static void take_answer(struct mx_server *server, const char *writer, const json_t *answer, size_t n,
                        struct gg_arena *arena, int64_t *orderings, struct gg_str *ids)
{
    const json_t *each = json_object_get(answer, "event_ids");
    bool all = json_array_size(each) == n, drafts = json_is_true(json_object_get(answer, "takes_drafts"));
    set_kind(server, writer, (all ? MX_WRITER_TELLS_ALL : 0) | (drafts ? MX_WRITER_TAKES_DRAFTS : 0));
    for (size_t i = all ? 0 : n - 1; ids && i < n; i++) {
        const char *id = json_string_value(all ? json_array_get(each, i) : json_object_get(answer, "event_id"));
        if (id)
            ids[i] = gg_str(gg_arena_strdup(arena, id));
    }
    if (orderings)
        orderings[n - 1] = json_integer_value(json_object_get(answer, "stream_id"));
}

/* The writer is of another kind since: its caller stores what was drafted, and asks again. */
static int not_drafted(struct mx_server *server, const char *writer, int status, struct gg_error *err)
{
    if (status != GG_E_NOT_FOUND || strcmp(err->errcode, "M_UNRECOGNIZED") != 0)
        return status;
    set_kind(server, writer, 0);
    return gg_fail(err, GG_E_CONFLICT, "%s takes no drafts", writer);
}

static int send_client(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                       const struct mx_persist_item *items, size_t n, struct gg_arena *arena, int64_t *orderings,
                       struct gg_str *ids, struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT;
    json_t *answer = NULL;
    const char *writer = mx_persist_writer(server, room_id);
    remember(server, items, n);
    mx_payload_write(&body, server, requester, room_id, items, n);
    int status = gg_repl_call_text(server->host, writer, items[0].drafted ? MX_SEND_DRAFTS : "send_events",
                                   (const char *const[]){NULL}, gg_buf_view(&body), &answer, err);
    gg_buf_done(&body);
    if (status) {
        mx_persist_forget(server, items, n);
        return items[0].drafted ? not_drafted(server, writer, status, err) : status;
    }
    take_answer(server, writer, answer, n, arena, orderings, ids);
    json_decref(answer);
    return 0;
}

static int send_federation(struct mx_server *server, struct gg_str room_id, const struct mx_persist_item *items,
                           size_t n, struct gg_error *err)
{
    for (size_t done = 0; done < n;) {
        size_t take = n - done < FED_EVENTS ? n - done : FED_EVENTS;
        struct gg_buf body = GG_BUF_INIT;
        json_t *answer = NULL;
        mx_payload_write(&body, server, NULL, room_id, items + done, take);
        int status = gg_repl_call_text(server->host, mx_persist_writer(server, room_id), "fed_send_events",
                                       (const char *const[]){NULL}, gg_buf_view(&body), &answer, err);
        gg_buf_done(&body);
        json_decref(answer);
        if (status)
            return status;
        done += take;
    }
    return 0;
}

int mx_persist_remote(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                      const struct mx_persist_item *items, size_t n, struct gg_arena *arena, int64_t *stream_orderings,
                      struct gg_str *event_ids_out, struct gg_error *err)
{
    if (is_writer(server, room_id))
        return mx_persist(server, room_id, items, n, arena, stream_orderings, event_ids_out, err);
    for (size_t i = 0; i < n; i++) {
        if (stream_orderings)
            stream_orderings[i] = 0;
        if (event_ids_out)
            event_ids_out[i] = items[i].event->event_id;
    }
    if (!n)
        return 0;
    if (!requester)
        return send_federation(server, room_id, items, n, err);
    return send_client(server, requester, room_id, items, n, arena, stream_orderings, event_ids_out, err);
}

int mx_persist_current_state(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    if (is_writer(server, room_id))
        return mx_persist_recalculate(server, room_id, err);
    char room[512];
    json_t *body = json_object(), *answer = NULL;
    if (room_id.n >= sizeof(room)) {
        json_decref(body);
        return gg_fail(err, GG_E_INVALID, "the room id is too long");
    }
    memcpy(room, room_id.s, room_id.n);
    room[room_id.n] = 0;
    int status = gg_repl_call(server->host, mx_persist_writer(server, room_id), "update_current_state",
                              (const char *const[]){room, NULL}, body, &answer, err);
    json_decref(body);
    json_decref(answer);
    return status;
}
