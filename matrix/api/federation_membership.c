/* matrix/api/federation_membership.c: users of other servers come, knock and go, and ours are invited (server-server API,
 * "Joining Rooms", "Knocking upon a room", "Leaving Rooms", "Inviting to a room", "Third-party invites"). */
#include "api/federation_out.h"
#include "api/params.h"

#include "federation/client.h"
#include "federation/hosts.h"
#include "federation/invite_in.h"
#include "federation/member_in.h"
#include "federation/origin.h"
#include "federation/partial_join.h"
#include "federation/state_ids.h"
#include "federation/template.h"
#include "rooms/membership.h"
#include "rooms/third_party.h"
#include "rooms/tie_ends.h"

#include <ganglion/log.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.federation.serve"};

static struct gg_str origin_of(const struct gg_request *rq)
{
    return gg_str(mx_origin_of(rq));
}

/* ---- make_* ---- */

static int make(struct gg_request *rq, struct mx_fed_make *make, struct gg_error *err)
{
    const struct mx_room_version *version;
    struct gg_str event;
    struct gg_buf buf = GG_BUF_INIT;
    make->room_id = mx_api_param(rq, "room_id");
    make->user_id = mx_api_param(rq, "user_id");
    int rc = mx_fed_make_member(mx_server_of_request(rq), origin_of(rq), make, gg_request_arena(rq), &event, &version, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"event\":");
    gg_buf_str(&buf, event);
    gg_buf_printf(&buf, ",\"room_version\":\"%s\"}", version->id);
    return gg_reply_buf(rq, 200, &buf);
}

static int make_join(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const char *const oldest[] = {"1"}; /* servers from before room versions do not name any */
    const char **versions;
    struct mx_fed_make m = {.membership = "join"};
    m.n_versions = gg_request_query_all(rq, "ver", &versions);
    m.versions = m.n_versions > 0 ? versions : oldest;
    m.n_versions = m.n_versions > 0 ? m.n_versions : 1;
    return make(rq, &m, err);
}

static int make_knock(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char **versions;
    struct mx_fed_make m = {.membership = "knock"};
    m.n_versions = gg_request_query_all(rq, "ver", &versions);
    m.versions = versions;
    if (m.n_versions == 0)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required string query parameter ver");
    return make(rq, &m, err);
}

static int make_leave(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_fed_make m = {.membership = "leave", .any_version = true};
    return make(rq, &m, err);
}

/* ---- send_join ---- */

/* The first version of the API wraps answers: [200, {...}]. */
static void open_answer(struct gg_buf *buf, bool wrapped)
{
    gg_buf_text(buf, wrapped ? "[200,{" : "{");
}

static void close_answer(struct gg_buf *buf, bool wrapped)
{
    gg_buf_text(buf, wrapped ? "}]" : "}");
}

static void free_map(void *map)
{
    gg_map_free(map);
}

/* What is told of the room: all state, or what a joining server needs first. */
struct told {
    const struct mx_fed_state_ids *ids;
    const struct gg_map *without;   /* not told twice: of a state without members, none of the chain stands in the state */
    struct mx_fed_hosts hosts;
};

static int tell_all(struct gg_request *rq, const struct mx_fed_member *join, struct told *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    const char *name = gg_arena_printf(arena, "g%lld", (long long)join->before.group);
    return mx_fed_state_ids_of(mx_server_of_request(rq), gg_str(name), join->before.state, arena, &out->ids, err);
}

static int tell_first(struct gg_request *rq, const struct mx_fed_member *join, struct told *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    const struct mx_state *partial;
    const char *name = gg_arena_printf(arena, "p%lld:%.*s", (long long)join->before.group, GG_FMT(join->event->state_key));
    int rc = mx_fed_partial_state(server, join, arena, &partial, err);
    if (rc == 0)
        rc = mx_fed_state_ids_of(server, gg_str(name), partial, arena, &out->ids, err);
    if (rc == 0)
        rc = mx_fed_hosts_of_state(server, join->head, join->before.state, arena, &out->hosts, err);
    if (rc != 0)
        return rc;
    struct gg_map *state = gg_map_new(NULL);
    gg_arena_defer(arena, free_map, state);
    for (size_t i = 0; i < out->ids->n_state; i++)
        gg_map_put(state, out->ids->state[i], NULL);
    out->without = state;
    return 0;
}

static int write_join(struct mx_fed_out *out, const struct mx_fed_member *join, const struct told *told, bool first,
                      struct gg_error *err)
{
    gg_buf_printf(&out->buf, "\"members_omitted\":%s,\"origin\":", first ? "true" : "false");
    gg_buf_json_string(&out->buf, gg_str(mx_server_of_request(out->rq)->name));
    gg_buf_lit(&out->buf, ",\"event\":");
    mx_event_write_pdu(&out->buf, join->event);
    if (first) {
        gg_buf_lit(&out->buf, ",\"servers_in_room\":");
        mx_fed_out_names(&out->buf, told->hosts.names, told->hosts.n);
    }
    gg_buf_lit(&out->buf, ",\"auth_chain\":");
    int rc = mx_fed_out_ids(out, told->ids->auth, told->ids->n_auth, told->without, err);
    gg_buf_lit(&out->buf, ",\"state\":");
    return rc != 0 ? rc : mx_fed_out_ids(out, told->ids->state, told->ids->n_state, NULL, err);
}

/* What others sent between make_join and send_join, the joining server will not hear of by itself: an event that stands on all
 * ends makes it ask. The join stands whether or not that succeeds. */
static void tie_ends(struct gg_request *rq, const struct mx_fed_member *join)
{
    struct gg_error err = GG_ERROR_INIT;
    if (mx_room_tie_ends(mx_server_of_request(rq), join->event->room_id, 1, gg_request_arena(rq), &err) != 0)
        gg_info(&logger, "%.*s keeps several ends: %s", GG_FMT(join->event->room_id), err.message);
}

static int send_join(struct gg_request *rq, bool wrapped, bool first, struct gg_error *err)
{
    struct gg_str body;
    struct mx_fed_member join;
    struct told told = {0};
    struct mx_fed_out out = MX_FED_OUT(rq);
    int rc = mx_api_object_body(rq, &body, err);
    if (rc == 0)
        rc = mx_fed_member_in(mx_server_of_request(rq), origin_of(rq), mx_api_param(rq, "room_id"), "join", body,
                              gg_request_arena(rq), &join, err);
    if (rc == 0)
        rc = first ? tell_first(rq, &join, &told, err) : tell_all(rq, &join, &told, err);
    if (rc != 0)
        return rc;
    tie_ends(rq, &join);
    open_answer(&out.buf, wrapped);
    rc = write_join(&out, &join, &told, first, err);
    close_answer(&out.buf, wrapped);
    return mx_fed_out_end(&out, rc, err);
}

static int send_join_v1(void *self, struct gg_request *rq, struct gg_error *err)
{
    return send_join(rq, true, false, err);
}

static int send_join_v2(void *self, struct gg_request *rq, struct gg_error *err)
{
    bool first;
    int rc = gg_request_query_bool(rq, "omit_members", false, &first, err);
    return rc != 0 ? rc : send_join(rq, false, first, err);
}

/* ---- send_leave, send_knock ---- */

static int take_member(struct gg_request *rq, const char *membership, struct mx_fed_member *out, struct gg_error *err)
{
    struct gg_str body;
    int rc = mx_api_object_body(rq, &body, err);
    return rc != 0 ? rc : mx_fed_member_in(mx_server_of_request(rq), origin_of(rq), mx_api_param(rq, "room_id"), membership, body,
                                           gg_request_arena(rq), out, err);
}

static int send_leave_v1(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_fed_member leave;
    int rc = take_member(rq, "leave", &leave, err);
    return rc != 0 ? rc : gg_reply_text(rq, 200, "application/json", GG_STR("[200,{}]"));
}

static int send_leave_v2(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_fed_member leave;
    int rc = take_member(rq, "leave", &leave, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

static int send_knock(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    struct mx_fed_member knock;
    struct gg_str list = {0};
    struct gg_buf buf = GG_BUF_INIT;
    int rc = take_member(rq, "knock", &knock, err);
    if (rc != 0)
        return rc;
    const struct mx_requester asker = {.user_id = gg_arena_strndup(arena, knock.event->sender.s, knock.event->sender.n)};
    rc = mx_chain_begin(chain, mx_server_of_request(rq), &asker, knock.event->room_id, arena, err);
    if (rc == 0)
        rc = mx_stripped_pdus(chain, &list, err);
    mx_chain_done(chain);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"knock_room_state\":");
    gg_buf_str(&buf, list);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

/* ---- invite ---- */

static int take_invite(struct gg_request *rq, const struct mx_fed_invite *invite, bool wrapped, struct gg_error *err)
{
    const struct mx_event *event;
    struct gg_buf buf = GG_BUF_INIT;
    int rc = mx_fed_invite_in(mx_server_of_request(rq), origin_of(rq), invite, gg_request_arena(rq), &event, err);
    if (rc != 0)
        return rc;
    open_answer(&buf, wrapped);
    gg_buf_lit(&buf, "\"event\":");
    mx_event_write_pdu(&buf, event);
    close_answer(&buf, wrapped);
    return gg_reply_buf(rq, 200, &buf);
}

/* Rooms of versions 1 and 2 only: the body is the event, which says nothing of versions. */
static int invite_v1(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_fed_invite invite = {.room_id = mx_api_param(rq, "room_id"), .event_id = mx_api_param(rq, "event_id"),
                                   .room_version = GG_STR("1")};
    int rc = mx_api_object_body(rq, &invite.event, err);
    if (rc != 0)
        return rc;
    invite.stripped = mx_json_get(mx_json_get(invite.event, "unsigned"), "invite_room_state");
    return take_invite(rq, &invite, true, err);
}

static int invite_v2(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_fed_invite invite = {.room_id = mx_api_param(rq, "room_id"), .event_id = mx_api_param(rq, "event_id")};
    struct gg_str body;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0)
        return rc;
    invite.room_version = mx_json_string(mx_json_get(body, "room_version"), gg_request_arena(rq));
    invite.event = mx_json_get(body, "event");
    invite.stripped = mx_json_get(body, "invite_room_state");
    if (invite.room_version.s == NULL || !mx_json_is_object(invite.event))
        return gg_refuse(err, 400, "M_BAD_JSON", "An invite needs room_version and event");
    return take_invite(rq, &invite, false, err);
}

/* ---- invites by address ---- */

static struct gg_str text_of(struct gg_str object, const char *key, struct gg_arena *arena)
{
    struct gg_str text = mx_json_string(mx_json_get(object, key), arena);
    return text.s != NULL ? gg_arena_str(arena, text) : text;
}

static int exchange(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str body, proof;
    int rc = mx_api_object_body(rq, &body, err);
    if (rc != 0)
        return rc;
    proof = mx_json_get(mx_json_get(mx_json_get(body, "content"), "third_party_invite"), "signed");
    if (!mx_json_is_object(proof))
        return gg_refuse(err, 400, "M_BAD_JSON", "content.third_party_invite.signed is missing");
    rc = mx_third_party_exchange(mx_server_of_request(rq), mx_api_param(rq, "room_id"), text_of(body, "sender", arena), proof, arena, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* Whoever tells us proves nothing; each invite carries its own proof, which the auth rules check. Somebody was invited by an
 * address that is now known to be a user of ours: it becomes a true invite. */
static int bound_invite(struct gg_request *rq, struct gg_str invite, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str proof = mx_json_get(invite, "signed"), sender = text_of(invite, "sender", arena),
                  room_id = text_of(invite, "room_id", arena), mxid = text_of(invite, "mxid", arena);
    if (!mx_json_is_object(proof) || text_of(proof, "token", arena).s == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Rejecting received notification of third-party invite without signed");
    if (sender.s == NULL || !mx_user_id_valid(sender) || room_id.s == NULL || !mx_room_id_valid(room_id) || mxid.s == NULL ||
        !mx_user_id_valid(mxid))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "An invite needs mxid, room_id and sender");
    struct gg_str proven = mx_json_string(mx_json_get(proof, "mxid"), arena);
    if (!mx_is_mine(server, sender) && !mx_is_mine(server, mxid)) /* we carry nobody else's invites about */
        return gg_refuse(err, 403, "M_FORBIDDEN", "%.*s is no user of this server", GG_FMT(mxid));
    if (proven.s != NULL && !gg_str_eq(proven, mxid))
        return gg_refuse(err, 403, "M_FORBIDDEN", "The proof is another user's");
    return mx_third_party_exchange(server, room_id, sender, proof, arena, err);
}

enum { BOUND_MAX = 100 }; /* invites of one address that are taken up at once */

static int on_bind(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body, list;
    size_t n = 0;
    int rc = mx_api_object_body(rq, &body, err), failed = 0;
    struct gg_error last = GG_ERROR_INIT;
    if (rc != 0)
        return rc;
    list = mx_json_get(body, "invites");
    if (list.s != NULL && (!mx_json_is_array(list) || mx_json_length(list) > BOUND_MAX))
        return gg_refuse(err, 400, "M_BAD_JSON", "invites must be a list of at most %d", BOUND_MAX);
    for (struct mx_json_iter it = mx_json_iter(list); list.s != NULL && mx_json_next(&it); n++) {
        rc = bound_invite(rq, it.value, &last); /* one that fails does not keep the others */
        failed = rc != 0 ? rc : failed;
        if (rc != 0)
            *err = last;
        last = (struct gg_error)GG_ERROR_INIT;
    }
    return failed != 0 ? failed : gg_reply_empty_object(rq);
}

#define V1 "/_matrix/federation/v1/"
#define V2 "/_matrix/federation/v2/"
#define MEMBER_BODY (128 * 1024) /* an event, and what an invite tells of the room */
#define BIND_BODY (1024 * 1024)
#define JOIN_DEADLINE 300000     /* the state of a large room takes its time on the way */
#define MAKE(path_, handler_, doc_) \
    {"GET", path_, handler_, "federation", GG_AUTH_SERVER, GG_ROUTE_CANCELLABLE, 0, 0, NULL, NULL, "room", NULL, doc_}
#define TAKE(path_, handler_, doc_) \
    {"PUT", path_, handler_, "federation", GG_AUTH_SERVER, 0, MEMBER_BODY, JOIN_DEADLINE, NULL, NULL, "room", NULL, doc_}
#define BIND(method_) \
    {method_, V1 "3pid/onbind", on_bind, "federation", GG_AUTH_NONE, 0, BIND_BODY, 0, NULL, NULL, NULL, NULL, \
     "An identity server tells whose an address is that was invited."}

const struct gg_route mx_routes_federation_membership[] = {
    MAKE(V1 "make_join/{room_id}/{user_id}", make_join, "A join for another server's user to sign."),
    MAKE(V1 "make_leave/{room_id}/{user_id}", make_leave, "A leave for another server's user to sign."),
    MAKE(V1 "make_knock/{room_id}/{user_id}", make_knock, "A knock for another server's user to sign."),
    TAKE(V1 "send_join/{room_id}/{event_id}", send_join_v1, "Another server's user joins; the answer is the room (old form)."),
    TAKE(V2 "send_join/{room_id}/{event_id}", send_join_v2, "Another server's user joins; the answer is the room."),
    TAKE(V1 "send_leave/{room_id}/{event_id}", send_leave_v1, "Another server's user leaves (old form)."),
    TAKE(V2 "send_leave/{room_id}/{event_id}", send_leave_v2, "Another server's user leaves."),
    TAKE(V1 "send_knock/{room_id}/{event_id}", send_knock, "Another server's user knocks; the answer is what is seen from the door."),
    TAKE(V1 "invite/{room_id}/{event_id}", invite_v1, "Another server invites one of our users (old form)."),
    TAKE(V2 "invite/{room_id}/{event_id}", invite_v2, "Another server invites one of our users."),
    TAKE(V1 "exchange_third_party_invite/{room_id}", exchange, "An invite by address becomes an invite of a user."),
    BIND("POST"),
    BIND("PUT"),
    {0},
};
