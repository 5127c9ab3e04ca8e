/* matrix/federation/remote_membership.c: memberships in rooms of other servers, asked for on any process and carried
 * out by the main one: joins of one room by several users go one after the other there, and it is where Synapse has
 * them. */
#include "federation/remote_membership.h"

#include "federation/complexity.h"
#include "federation/depart.h"
#include "rooms/reject.h"

#include <ganglion/buf.h>
#include <ganglion/log.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>
#include <ganglion/topology.h>

static struct gg_logger logger = {"ganglion.federation"};

enum { MOST_MS = 900000 }; /* for all servers together: as long as the client's own request may take */
enum { WAIT_MS = 10000 };  /* for our own copy of what the main process wrote */

/* ---- asking ---- */

static void add_text(struct gg_buf *out, const char *key, const char *value)
{
    gg_buf_printf(out, ",\"%s\":", key);
    if (value != NULL)
        gg_buf_json_string(out, gg_str(value));
    else
        gg_buf_lit(out, "null");
}

static void write_requester(struct gg_buf *out, const struct mx_requester *r)
{
    gg_buf_printf(out, "\"requester\":{\"scope\":[],\"is_guest\":%s,\"shadow_banned\":%s", r->guest ? "true" : "false",
                  r->shadow_banned ? "true" : "false");
    add_text(out, "user_id", r->user_id);
    add_text(out, "device_id", r->device_id);
    add_text(out, "app_server_id", r->app_service);
    add_text(out, "authenticated_entity", r->puppeted_by != NULL ? r->puppeted_by : r->user_id);
    if (r->access_token_id != 0)
        gg_buf_printf(out, ",\"access_token_id\":%lld}", (long long)r->access_token_id);
    else
        gg_buf_lit(out, ",\"access_token_id\":null}");
}

/* Asks main, and waits until what it wrote has come here. */
static int ask_main(struct mx_server *server, const char *method, const char *const *args, struct gg_str room_id,
                    struct gg_str body, struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    json_t *answer = NULL;
    int rc = gg_repl_call_text(server->host, GG_MASTER, method, args, body, &answer, err);
    if (rc != 0)
        return rc;
    const char *event_id = json_string_value(json_object_get(answer, "event_id"));
    int64_t stream = json_integer_value(json_object_get(answer, "stream_id"));
    if (event_id == NULL)
        rc = gg_fail(err, GG_E_PROTOCOL, "%s was answered without an event", method);
    else
        *event_id_out = gg_str(gg_arena_strdup(arena, event_id));
    json_decref(answer);
    if (rc == 0 && stream > 0 &&
        gg_stream_wait(server->events, mx_persist_writer(server, room_id), stream, gg_deadline(WAIT_MS)) != 0)
        gg_warn(&logger, "event %.*s has not come here yet", GG_FMT(*event_id_out));
    return rc;
}

int mx_remote_enter(struct mx_server *server, const struct mx_requester *requester, const char *action,
                    const struct mx_join *join, const struct gg_str *servers, size_t n, struct gg_arena *arena,
                    struct gg_str *event_id_out, struct gg_error *err)
{
    struct mx_candidates c = {0};
    struct gg_buf body = GG_BUF_INIT;
    const char *args[] = {gg_arena_strndup(arena, join->room_id.s, join->room_id.n),
                          gg_arena_strndup(arena, join->user_id.s, join->user_id.n), NULL};
    for (size_t i = 0; i < n; i++)
        mx_candidates_add(server, &c, servers[i], arena);
    if (c.n == 0)
        return gg_refuse(err, 404, "M_UNKNOWN",
                         "Can't %s remote room because no servers that are in the room have been provided.", action);
    gg_buf_char(&body, '{');
    write_requester(&body, requester);
    gg_buf_lit(&body, ",\"remote_room_hosts\":[");
    for (size_t i = 0; i < c.n; i++) {
        gg_buf_text(&body, i > 0 ? "," : "");
        gg_buf_json_string(&body, gg_str(c.names[i]));
    }
    gg_buf_lit(&body, "],\"content\":");
    gg_buf_str(&body, join->content);
    gg_buf_char(&body, '}');
    int rc = ask_main(server, strcmp(action, "knock") == 0 ? "remote_knock" : "remote_join", args, join->room_id,
                      gg_buf_view(&body), arena, event_id_out, err);
    gg_buf_done(&body);
    return rc;
}

int mx_remote_withdraw(struct mx_server *server, const struct mx_requester *requester, const struct mx_event *from,
                       struct gg_str content, struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT;
    const char *args[] = {gg_arena_strndup(arena, from->event_id.s, from->event_id.n), NULL};
    gg_buf_lit(&body, "{\"txn_id\":null,");
    write_requester(&body, requester);
    gg_buf_lit(&body, ",\"content\":");
    gg_buf_str(&body, content);
    gg_buf_char(&body, '}');
    int rc = ask_main(server, gg_str_is(from->membership, "knock") ? "remote_rescind_knock" : "remote_reject_invite",
                      args, from->room_id, gg_buf_view(&body), arena, event_id_out, err);
    gg_buf_done(&body);
    return rc;
}

/* ---- serving ---- */

struct asked {
    struct mx_server *server;
    const struct gg_call *call;
    struct mx_requester requester;
    struct mx_candidates servers;
    struct gg_str content;
    int64_t deadline; /* of the fiber before */
};

static const char *text_of(struct gg_str object, const char *key, struct gg_arena *arena)
{
    struct gg_str text = mx_json_string(mx_json_get(object, key), arena);
    return text.s != NULL ? gg_arena_strndup(arena, text.s, text.n) : NULL;
}

static int read_requester(struct gg_str object, struct gg_arena *arena, struct mx_requester *out, struct gg_error *err)
{
    *out = (struct mx_requester){.user_id = text_of(object, "user_id", arena),
                                 .device_id = text_of(object, "device_id", arena),
                                 .guest = mx_json_true(mx_json_get(object, "is_guest")),
                                 .shadow_banned = mx_json_true(mx_json_get(object, "shadow_banned")),
                                 .app_service = text_of(object, "app_server_id", arena)};
    (void)mx_json_i64(mx_json_get(object, "access_token_id"), &out->access_token_id);
    if (out->user_id == NULL || !mx_user_id_valid(gg_str(out->user_id)))
        return gg_refuse(err, 400, "M_BAD_JSON", "requester.user_id is missing");
    struct gg_str localpart = mx_id_localpart(gg_str(out->user_id));
    out->localpart = gg_arena_strndup(arena, localpart.s, localpart.n);
    return 0;
}

static int read_call(struct mx_server *server, const struct gg_call *call, struct asked *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    out->server = server;
    out->call = call;
    int rc = mx_json_check(call->raw, 1000, err);
    if (rc == 0)
        rc = read_requester(mx_json_get(call->raw, "requester"), call->arena, &out->requester, err);
    out->content = mx_json_get(call->raw, "content");
    if (rc == 0 && !mx_json_is_object(out->content))
        rc = gg_refuse(err, 400, "M_BAD_JSON", "content must be an object");
    struct mx_json_iter it = mx_json_iter(mx_json_get(call->raw, "remote_room_hosts"));
    while (rc == 0 && mx_json_next(&it))
        mx_candidates_add(server, &out->servers, mx_json_string(it.value, call->arena), call->arena);
    return rc;
}

/* Another of ours was let in while this one waited: we have the room, and may well let them in ourselves. Where not (an
 * invite that only the others know of), they are asked after all. */
static int join_here(struct asked *a, struct mx_join *join, struct mx_joined *out, struct gg_error *err)
{
    const struct mx_event *event;
    struct mx_membership_change change = {.room_id = join->room_id,
                                          .target = join->user_id,
                                          .membership = GG_STR("join"),
                                          .content = join->content,
                                          .action = "join"};
    int rc = mx_room_membership(a->server, &a->requester, &change, a->call->arena, &out->event_id, err);
    if (rc != 0) {
        gg_info(&logger, "%.*s is not let in by us: %s", GG_FMT(join->user_id), err->message);
        *err = (struct gg_error)GG_ERROR_INIT;
        join->again = true;
        return mx_complexity_join(a->server, &a->requester, &a->servers, join, a->call->arena, out, err);
    }
    rc = mx_store_event(a->server, out->event_id, a->call->arena, &event, err);
    out->stream = rc == 0 ? event->meta.stream_ordering : 0;
    return rc;
}

static int join(struct asked *a, struct mx_joined *out, struct gg_error *err)
{
    struct mx_join join = {gg_str(a->call->args[0]), gg_str(a->call->args[1]), a->content, false};
    int rc = mx_complexity_join(a->server, &a->requester, &a->servers, &join, a->call->arena, out, err);
    return rc == 0 && out->here ? join_here(a, &join, out, err) : rc;
}

static int knock(struct asked *a, struct mx_joined *out, struct gg_error *err)
{
    struct mx_join knock = {gg_str(a->call->args[0]), gg_str(a->call->args[1]), a->content, false};
    return mx_fed_knock(a->server, &a->servers, &knock, a->call->arena, out, err);
}

/* Who invited, or who was shown to the knocker as being in the room, and where the room was made. */
static void find_servers(struct asked *a, const struct mx_event *from)
{
    struct mx_json_iter it = mx_json_iter(mx_json_get(from->unsigned_, "knock_room_state"));
    if (!gg_str_eq(from->sender, from->state_key))
        mx_candidates_add(a->server, &a->servers, mx_id_domain(from->sender), a->call->arena);
    while (gg_str_is(from->membership, "knock") && mx_json_next(&it)) {
        struct gg_str sender = mx_json_string(mx_json_get(it.value, "sender"), a->call->arena);
        if (sender.s != NULL)
            mx_candidates_add(a->server, &a->servers, mx_id_domain(sender), a->call->arena);
    }
    if (gg_str_is(from->membership, "knock"))
        mx_candidates_add(a->server, &a->servers, mx_id_domain(from->room_id), a->call->arena);
}

/* The user is out of it, whether the other side can be told or not. */
static int withdraw(struct asked *a, struct mx_joined *out, struct gg_error *err)
{
    const struct mx_event *from;
    int rc = mx_store_event(a->server, gg_str(a->call->args[0]), a->call->arena, &from, err);
    if (rc == 0 && !gg_str_is(from->state_key, a->requester.user_id))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "The event is of another user");
    if (rc != 0)
        return rc;
    find_servers(a, from);
    struct mx_join leave = {from->room_id, gg_str(a->requester.user_id), a->content, false};
    if (mx_fed_leave(a->server, &a->servers, &leave, a->call->arena, out, err) == 0)
        return 0;
    gg_info(&logger, "%s leaves %.*s without the other side: %s", a->requester.user_id, GG_FMT(from->room_id),
            err->message);
    *err = (struct gg_error)GG_ERROR_INIT;
    gg_set_deadline(a->deadline);
    return mx_reject_event(a->server, &a->requester, from, a->content, a->call->arena, &out->event_id, &out->stream,
                           err);
}

static int serve(struct mx_server *server, const struct gg_call *call,
                 int (*act)(struct asked *a, struct mx_joined *out, struct gg_error *err), json_t **answer_out,
                 struct gg_error *err)
{
    struct asked a;
    struct mx_joined done = {0};
    int rc = read_call(server, call, &a, err);
    a.deadline = gg_set_deadline(gg_deadline(MOST_MS));
    if (rc == 0)
        rc = act(&a, &done, err);
    gg_set_deadline(a.deadline);
    if (rc == 0)
        *answer_out = json_pack("{s:s%, s:I}", "event_id", done.event_id.s, done.event_id.n, "stream_id",
                                (json_int_t)done.stream);
    return rc;
}

#define METHOD(name_, act_)                                                                                            \
    static int name_(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)                \
    {                                                                                                                  \
        return serve(self, call, act_, answer_out, err);                                                               \
    }
METHOD(remote_join, join)
METHOD(remote_knock, knock)
METHOD(remote_withdraw, withdraw)

const struct gg_method mx_methods_remote_membership[] = {
    {"remote_join", 2, GG_METHOD_TXN | GG_METHOD_RAW, remote_join, NULL, "Join a room of other servers"},
    {"remote_knock", 2, GG_METHOD_TXN | GG_METHOD_RAW, remote_knock, NULL, "Knock at a room of other servers"},
    {"remote_reject_invite", 1, GG_METHOD_TXN | GG_METHOD_RAW, remote_withdraw, NULL,
     "Turn an invite of another server down"},
    {"remote_rescind_knock", 1, GG_METHOD_TXN | GG_METHOD_RAW, remote_withdraw, NULL,
     "Take a knock at a room of other servers back"},
    {0},
};
