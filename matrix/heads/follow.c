/* matrix/heads/follow.c: heads follow what other processes persist. */
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>

#include "../storage/events/rows.h"
#include "heads.h"

/* The rows of one token, parsed. */
struct batch {
    struct mx_server *server;
    const struct mx_event_row *rows;
    size_t n;
    int64_t token;
    struct gg_arena *arena;
};

/* The membership that a member event gives: from its own row of the same token, or from the event if we hold it. */
static struct gg_str membership_of(const struct batch *b, struct gg_str event_id)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->rows[i].kind == MX_ROW_EV && gg_str_eq(b->rows[i].event_id, event_id))
            return b->rows[i].membership;
    const struct mx_event *event = mx_store_cached(b->server, event_id);
    return event ? event->membership : gg_strn(NULL, 0);
}

/* The changes of state of one room. False: one of them cannot be followed. */
static bool take_states(const struct batch *b, struct gg_str room_id, struct mx_state *state, struct mx_head_change *c)
{
    struct mx_head_member *members = GG_NEW_ARRAY(b->arena, struct mx_head_member, b->n);
    c->members = members;
    for (size_t i = 0; i < b->n; i++) {
        const struct mx_event_row *row = &b->rows[i];
        if (row->kind != MX_ROW_STATE || !gg_str_eq(row->room_id, room_id))
            continue;
        if (row->event_id.s)
            mx_state_set(state, row->type, row->state_key, row->event_id);
        else
            mx_state_delete(state, row->type, row->state_key);
        if (!gg_str_is(row->type, "m.room.member"))
            continue;
        struct mx_head_member *m = &members[c->n_members++];
        *m = (struct mx_head_member){row->state_key, row->event_id, gg_strn(NULL, 0)};
        if (row->event_id.s && !(m->membership = membership_of(b, row->event_id)).s)
            return false;
    }
    return true;
}

/* The extremities after the events of one room, one after the other; not known once one cannot be placed. */
static void take_events(const struct batch *b, struct gg_str room_id, const struct mx_held_head *held,
                        struct mx_head_change *c)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct mx_event_row *row = &b->rows[i];
        if (row->kind != MX_ROW_EV || row->rejected || row->outlier || !gg_str_eq(row->room_id, room_id))
            continue;
        struct mx_extremity *ends = GG_NEW_ARRAY(b->arena, struct mx_extremity, held->head.n_extremities + 1);
        bool known = !c->new_ends && mx_heads_expected(b->server->heads, held, row->event_id, ends, &c->n_ends);
        c->new_ends = true;
        c->ends = ends;
        if (!known)
            c->n_ends = 0;
    }
}

static void follow_room(const struct batch *b, struct gg_str room_id)
{
    const struct mx_head *head = mx_heads_cached(b->server, room_id);
    if (!head) {
        mx_flight_spoil(b->server->heads->flights, room_id);
        return;
    }
    const struct mx_held_head *held = mx_held_head(head);
    struct mx_head_change c = {.position = b->token};
    struct mx_state *state = NULL;
    bool any_state = false, all = false;
    for (size_t i = 0; i < b->n; i++)
        if (gg_str_eq(b->rows[i].room_id, room_id)) {
            any_state |= b->rows[i].kind == MX_ROW_STATE;
            all |= b->rows[i].kind == MX_ROW_STATE_ALL;
        }
    if (any_state && !all) {
        state = mx_state_copy(head->state);
        c.state = state;
        all = !take_states(b, room_id, state, &c);
    }
    take_events(b, room_id, held, &c);
    if (all)
        mx_heads_forget(b->server, room_id);
    else
        mx_heads_apply(b->server, room_id, &c);
    mx_state_unref(state);
}

/* A row may be the first news of a room's user list: local users' lists are dropped. */
static void forget_users(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (gg_str_is(b->rows[i].type, "m.room.member") && b->rows[i].state_key.s &&
            mx_is_mine(b->server, b->rows[i].state_key))
            mx_heads_forget_user(b->server, b->rows[i].state_key);
}

static void apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                  size_t n, bool moved)
{
    struct mx_server *server = self;
    if (moved || !n || strcmp(instance, gg_host_instance(server->host)) == 0)
        return; /* our own commits change the heads themselves */
    struct gg_arena *arena = gg_arena_new();
    struct mx_event_row *parsed = GG_NEW_ARRAY(arena, struct mx_event_row, n);
    struct batch b = {server, parsed, 0, token, arena};
    for (size_t i = 0; i < n; i++)
        if (mx_event_row_parse(rows[i].row, arena, &parsed[b.n]))
            b.n++;
    forget_users(&b);
    for (size_t i = 0; i < b.n; i++) {
        bool done = false;
        for (size_t k = 0; k < i && !done; k++)
            done = gg_str_eq(parsed[k].room_id, parsed[i].room_id);
        if (!done)
            follow_room(&b, parsed[i].room_id);
    }
    gg_arena_free(arena);
}

void mx_heads_follow(struct mx_server *server)
{
    gg_stream_follow(server->events, apply, server);
}
