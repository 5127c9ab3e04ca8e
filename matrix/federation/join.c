/* matrix/federation/join.c: a user of ours enters a room that this server is not in, or that it cannot let them into.
 *
 * Synapse joins such rooms with part of their state and fetches the members afterwards ("faster joins"). Here all of it
 * is asked for at once: a join takes longer, and nothing in the room is half known at any time. */
#include "federation/join.h"

#include "federation/client.h"
#include "federation/handshake.h"
#include "federation/join_state.h"
#include "rooms/chain.h"
#include "storage/federation/joined_room.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.federation"};

enum {
    ANSWER_BYTES = 256 * 1024 * 1024, /* of a room with some 200,000 members */
    ANSWER_MS = 300000,               /* the other side may have to resolve and to collect all of it */
};

/* ---- one at a time for each room ---- */

static int lock_joins(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                      struct mx_room_lock **out, struct gg_error *err)
{
    /* No room is called so: those who send in the room do not wait for us. */
    return mx_room_lock(server, gg_str(gg_arena_printf(arena, "join %.*s", GG_FMT(room_id))), out, err);
}

int mx_fed_host_joined(struct mx_server *server, struct gg_str room_id, bool *joined, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_head *head;
    *joined = false;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        *joined = mx_state_count(head->state) > 0; /* a room's state goes with its last local member */
    gg_arena_free(arena);
    return rc == GG_E_NOT_FOUND ? 0 : rc;
}

/* ---- send_join ---- */

struct joining {
    struct mx_server *server;
    const struct mx_join *join;
    struct gg_arena *arena;
    struct mx_event *event;
    const char *origin;
    struct mx_joined_state state;
};

struct cutting {
    struct gg_str text;
    bool v1;
    struct mx_join_answer answer;
    const char *why;
};

static void cut_answer(void *arg)
{
    struct cutting *c = arg;
    c->why = mx_join_answer_read(c->text, c->v1, &c->answer);
}

static int put(struct joining *j, const char *name, const char *version, struct gg_str *body, struct gg_error *err)
{
    struct mx_fed_request request = {
        .destination = name,
        .method = "PUT",
        .body = mx_fed_pdu_text(j->event, j->arena),
        .timeout_ms = ANSWER_MS,
        .max_answer = ANSWER_BYTES,
        .path = mx_fed_path(j->arena, "/_matrix/federation/%s/send_join/%s/%s", version,
                            gg_arena_strndup(j->arena, j->join->room_id.s, j->join->room_id.n),
                            gg_arena_strndup(j->arena, j->event->event_id.s, j->event->event_id.n))};
    if (strcmp(version, "v2") == 0)
        request.path = gg_arena_printf(j->arena, "%s?omit_members=false", request.path);
    return mx_fed_call(j->server, &request, j->arena, body, err);
}

static struct gg_str authoriser(const struct mx_event *event, struct gg_arena *arena)
{
    struct gg_str user_id = {0};
    if (event->version->restricted)
        user_id = mx_json_string(mx_json_get(event->content, "join_authorised_via_users_server"), arena);
    return user_id;
}

/* Who let us in signs the join, and only with that signature others accept it. */
static int take_event(struct joining *j, struct gg_str sent_back, struct gg_error *err)
{
    struct gg_str user_id = authoriser(j->event, j->arena);
    if (user_id.s == NULL)
        return 0;
    if (sent_back.s == NULL)
        return gg_fail(err, GG_E_PROTOCOL, "our join did not come back");
    return mx_fed_countersigned(j->server, j->event, sent_back, mx_id_domain(user_id), j->arena, &j->event, err);
}

static int send_to(void *arg, const char *name, struct gg_error *err)
{
    struct joining *j = arg;
    struct cutting c = {0};
    int rc = put(j, name, "v2", &c.text, err);
    if (rc != 0 && mx_fed_unknown_endpoint(err)) {
        c.v1 = true;
        rc = put(j, name, "v1", &c.text, err);
    }
    if (rc == 0 && (rc = gg_offload(cut_answer, &c)) != 0)
        rc = gg_fail(err, rc, "no thread is free");
    else if (rc == 0 && c.why != NULL)
        rc = gg_fail(err, GG_E_PROTOCOL, "%s", c.why);
    if (rc == 0) {
        rc = mx_joined_state_check(j->server, &c.answer, j->event, j->arena, &j->state, err);
        if (rc == 0)
            rc = take_event(j, c.answer.event, err);
        if (rc != 0)
            mx_joined_state_done(&j->state);
    }
    mx_join_answer_done(&c.answer);
    j->origin = name;
    return rc;
}

static int send_join(struct joining *j, struct mx_candidates *servers, struct gg_error *err)
{
    static const char *const others[] = {"M_UNABLE_TO_AUTHORISE_JOIN", "M_UNABLE_TO_GRANT_JOIN", NULL};
    struct gg_str user_id = authoriser(j->event, j->arena);
    struct mx_candidates only = {0};
    mx_candidates_prefer(servers, j->origin);
    if (user_id.s != NULL) { /* no other server can sign for who lets us in */
        mx_candidates_add(j->server, &only, mx_id_domain(user_id), j->arena);
        servers = &only;
    }
    return mx_candidates_ask(servers, "send_join", j->event->version->restricted ? others : NULL, send_to, j, err);
}

/* ---- writing it down ---- */

/* The state before our join as a group, and the one after it. */
static int make_groups(struct joining *j, int64_t *before, int64_t *after, struct gg_error *err)
{
    const struct mx_event *event = j->event;
    int64_t base;
    int rc = mx_store_map_group(j->server, j->join->room_id, event->event_id, j->state.state, 0, &base, err);
    return rc == 0 ? mx_store_new_groups(j->server, j->join->room_id, base, &event, 1, before, after, err) : rc;
}

static int persist(struct joining *j, struct mx_joined *out, struct gg_error *err)
{
    struct mx_persist_item item = {.event = j->event, .push_known = true};
    const struct mx_event *stored;
    int rc = make_groups(j, &item.group_before, &item.group, err);
    if (rc == 0)
        rc = mx_persist_remote(j->server, NULL, j->join->room_id, &item, 1, j->arena, &out->stream, NULL, err);
    if (rc == 0 && out->stream == 0) { /* another process wrote it, and told it only in passing */
        rc = mx_store_event(j->server, j->event->event_id, j->arena, &stored, err);
        out->stream = rc == 0 ? stored->meta.stream_ordering : 0;
    }
    out->event_id = gg_arena_str(j->arena, j->event->event_id);
    return rc;
}

static int store(struct joining *j, struct mx_joined *out, struct gg_error *err)
{
    bool joined;
    int rc = mx_fed_host_joined(j->server, j->join->room_id, &joined, err);
    if (rc == 0 && !joined) /* what we knew before we left says nothing about the room now */
        rc = mx_joined_room_clean(j->server, j->join->room_id, err);
    if (rc == 0)
        rc = mx_joined_room_add(j->server, j->join->room_id, j->state.create, err);
    if (rc == 0)
        rc = mx_joined_state_store(j->server, j->origin, j->join->room_id, j->event->version, &j->state, j->arena, err);
    if (rc == 0 && (rc = mx_joined_state_allows(j->server, &j->state, j->event, j->arena, err)) == GG_E_PROTOCOL)
        rc = gg_refuse(err, 502, "M_UNKNOWN", "%s answered the join with what does not allow it", j->origin);
    return rc == 0 ? persist(j, out, err) : rc;
}

/* ---- all of it ---- */

static int join_now(struct joining *j, struct mx_candidates *servers, struct mx_joined *out, struct gg_error *err)
{
    const struct mx_handshake h = {.membership = "join",
                                   .room_id = j->join->room_id,
                                   .user_id = j->join->user_id,
                                   .content = j->join->content,
                                   .meta = {.not_proactively_send = true}};
    struct mx_made made;
    int rc = mx_fed_make(j->server, servers, &h, j->arena, &made, err);
    if (rc != 0)
        return rc;
    j->event = made.event;
    j->origin = made.origin;
    rc = send_join(j, servers, err);
    if (rc != 0)
        return rc;
    gg_info(&logger, "%.*s joins %.*s via %s: %zu events", GG_FMT(j->join->user_id), GG_FMT(j->join->room_id),
            j->origin, j->state.n);
    gg_shield_begin(); /* the others count us in from now on */
    rc = store(j, out, err);
    gg_shield_end();
    mx_joined_state_done(&j->state);
    return rc;
}

int mx_fed_join(struct mx_server *server, struct mx_candidates *servers, const struct mx_join *join,
                struct gg_arena *arena, struct mx_joined *out, struct gg_error *err)
{
    struct joining j = {.server = server, .join = join, .arena = gg_arena_new()};
    struct mx_room_lock *lock;
    bool before, now;
    *out = (struct mx_joined){0};
    int rc = mx_fed_host_joined(server, join->room_id, &before, err);
    if (rc == 0)
        rc = lock_joins(server, join->room_id, j.arena, &lock, err);
    if (rc == 0) {
        rc = mx_fed_host_joined(server, join->room_id, &now, err);
        if (rc == 0 && now && !before && !join->again)
            out->here = true;
        else if (rc == 0)
            rc = join_now(&j, servers, out, err);
        mx_room_unlock(server, lock);
    }
    if (rc == 0 && !out->here)
        out->event_id = gg_arena_str(arena, out->event_id);
    gg_arena_free(j.arena);
    return rc;
}
