/* matrix/rooms/send.c: events of clients into a room.
 *
 * State goes alone. Messages that wait for the room's lock together are built as one run and written by one commit: in
 * a busy room the commits, not the events, are what costs. */
#include "rooms/chain.h"
#include "rooms/checks.h"
#include "rooms/guests.h"
#include "rooms/standing.h"
#include "usage/usage.h"

#include <ganglion/buf.h>

/* Sending the state that stands already makes no event: the old one is the answer (Synapse's clients rely on it). */
static int same_state(struct mx_chain *chain, const struct mx_new_event *event, struct gg_str *event_id, bool *same,
                      struct gg_error *err)
{
    *same = false;
    if (event->state_key.s == NULL)
        return 0;
    const struct mx_event *old;
    int rc = mx_chain_state_event(chain, event->type, event->state_key, &old, err);
    if (rc != 0 || old == NULL || !gg_str_is(old->sender, chain->requester->user_id))
        return rc;
    rc = mx_chain_same_content(chain, old->content, event->content, same, err);
    if (rc != 0)
        return rc;
    if (*same)
        *event_id = gg_arena_str(chain->arena, old->event_id);
    return 0;
}

static int send_locked(struct mx_chain *chain, const struct mx_new_event *event, struct gg_str *event_id_out,
                       int64_t *stream_out, struct gg_error *err)
{
    bool same;
    int rc = same_state(chain, event, event_id_out, &same, err);
    if (rc != 0 || same)
        return rc;
    rc = mx_check_new_event(chain, chain->requester, event, err);
    if (rc != 0)
        return rc;
    struct mx_chain_event e = {.type = event->type, .sender = gg_str(chain->requester->user_id),
                               .state_key = event->state_key, .content = event->content, .redacts = event->redacts,
                               .txn_id = event->delayed ? NULL : event->txn_id, .device_id = chain->requester->device_id,
                               .delay_id = event->delayed ? event->txn_id : NULL,
                               .origin_server_ts = event->origin_server_ts};
    rc = mx_chain_add(chain, &e, err);
    return rc != 0 ? rc : mx_chain_commit(chain, event_id_out, stream_out, err);
}

static int send_alone(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event,
                      struct gg_arena *arena, struct gg_str *event_id_out, int64_t *stream_out, struct gg_error *err)
{
    struct mx_chain chain;
    int rc = mx_chain_begin(&chain, server, requester, event->room_id, arena, err);
    if (rc == 0)
        rc = send_locked(&chain, event, event_id_out, stream_out, err);
    mx_chain_done(&chain);
    return rc;
}

/* ---- many messages ---- */

enum { MAX_TOGETHER = 50 };

static void settle(struct mx_room_send *send, int status, const struct gg_error *err)
{
    send->status = status;
    if (status != 0)
        send->err = *err;
    send->done = true;
}

static bool same_transaction(const struct mx_room_send *a, const struct mx_room_send *b)
{
    const char *x = a->requester->device_id, *y = b->requester->device_id;
    return strcmp(a->event->txn_id, b->event->txn_id) == 0 && strcmp(a->requester->user_id, b->requester->user_id) == 0 &&
           (x == y || (x != NULL && y != NULL && strcmp(x, y) == 0));
}

/* The caller's own message and those that wait behind it. One that repeats another's transaction id waits on: it is
 * answered with that other's event, and must not be a link of the run. */
static size_t take_sends(struct mx_room_lock *lock, struct mx_room_send *own, struct mx_room_send **out)
{
    size_t n = 0;
    out[n++] = own;
    for (struct mx_room_send *s = mx_room_next_send(lock, NULL), *next; s != NULL && n < MAX_TOGETHER; s = next) {
        bool fits = s != own;
        next = mx_room_next_send(lock, s);
        for (size_t i = 0; i < n && fits; i++)
            fits = !same_transaction(s, out[i]);
        if (fits)
            out[n++] = s;
    }
    for (size_t i = 0; i < n; i++) {
        gg_list_remove(&out[i]->in_room);
        out[i]->taken = true;
    }
    return n;
}

/* Adds what may be sent; what may not is settled. */
static size_t add_sends(struct mx_chain *chain, struct mx_room_send **sends, size_t n, struct mx_room_send **added)
{
    size_t n_added = 0;
    for (size_t i = 0; i < n; i++) {
        const struct mx_new_event *event = sends[i]->event;
        struct mx_chain_event e = {.type = event->type, .sender = gg_str(sends[i]->requester->user_id),
                                   .content = event->content, .redacts = event->redacts, .txn_id = event->txn_id,
                                   .device_id = sends[i]->requester->device_id,
                                   .origin_server_ts = event->origin_server_ts,
                                   .requester = sends[i]->requester};
        struct gg_error err = GG_ERROR_INIT;
        int rc = mx_check_new_event(chain, sends[i]->requester, event, &err);
        if (rc == 0)
            rc = mx_chain_add(chain, &e, &err);
        if (rc == 0)
            added[n_added++] = sends[i];
        else
            settle(sends[i], rc, &err);
    }
    return n_added;
}

/* Failures that another try would only repeat. */
static bool is_outage(int status)
{
    return status == GG_E_UNAVAILABLE || status == GG_E_TIMEOUT || status == GG_E_IN_DOUBT || status == GG_E_CLOSED ||
           status == GG_E_CANCELLED || status == GG_E_IO;
}

/* One run of all of them. What is not settled afterwards goes alone: one of them may have spoilt it for the others. */
static void send_together(struct mx_server *server, struct mx_room_send **sends, size_t n, struct gg_arena *arena)
{
    struct mx_room_send *added[MAX_TOGETHER];
    struct gg_str ids[MAX_TOGETHER];
    struct gg_error err = GG_ERROR_INIT;
    struct mx_chain chain;
    size_t n_added = 0;
    int64_t last = 0;
    int rc = mx_chain_begin(&chain, server, sends[0]->requester, sends[0]->event->room_id, arena, &err);
    if (rc == 0) {
        n_added = add_sends(&chain, sends, n, added);
        rc = n_added > 0 ? mx_chain_commit(&chain, ids, &last, &err) : 0;
    }
    for (size_t i = 0; i < n_added && rc == 0; i++) {
        added[i]->event_id = gg_arena_str(added[i]->arena, ids[i]);
        added[i]->stream = last;
        settle(added[i], 0, NULL);
    }
    for (size_t i = 0; i < n && rc != 0 && is_outage(rc); i++)
        if (!sends[i]->done)
            settle(sends[i], rc, &err);
    mx_chain_done(&chain);
}

static void send_all(struct mx_server *server, struct mx_room_send **sends, size_t n, struct gg_arena *arena)
{
    if (n > 1)
        send_together(server, sends, n, arena);
    for (size_t i = 0; i < n; i++) {
        struct mx_room_send *s = sends[i];
        struct gg_error err = GG_ERROR_INIT;
        if (!s->done)
            settle(s, send_alone(server, s->requester, s->event, s->arena, &s->event_id, &s->stream, &err), &err);
    }
}

/* A transaction id that was used before must be answered with its event, so the writer has to tell of each. */
static bool goes_with_others(const struct mx_server *server, const struct mx_new_event *event)
{
    return event->state_key.s == NULL && event->txn_id != NULL && !event->delayed && mx_persist_tells_all(server, event->room_id);
}

static int send_message(struct mx_server *server, struct mx_room_send *send, struct gg_error *err)
{
    struct mx_room_lock *lock;
    int rc = mx_room_lock_to_send(server, send, &lock, err);
    if (rc != 0)
        return rc;
    if (!send->done) {
        struct mx_room_send *sends[MAX_TOGETHER];
        size_t n = take_sends(lock, send, sends);
        gg_shield_begin(); /* others depend on us */
        send_all(server, sends, n, send->arena);
        gg_shield_end();
    }
    mx_room_unlock(server, lock);
    if (send->status != 0)
        *err = send->err;
    return send->status;
}

int mx_room_send(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event,
                 struct gg_arena *arena, struct gg_str *event_id_out, int64_t *stream_out, struct gg_error *err)
{
    int standing = mx_usage_check_sender(server, requester, err);
    if (standing == 0)
        standing = mx_standing_send(server, requester, event, arena, err);
    if (standing != 0 || requester->shadow_banned) {
        if (stream_out != NULL)
            *stream_out = 0;
        return standing != 0 ? standing : mx_standing_pretend(arena, event_id_out, err);
    }
    if (goes_with_others(server, event)) {
        struct mx_room_send send = {.requester = requester, .event = event, .arena = arena};
        int rc = send_message(server, &send, err);
        *event_id_out = send.event_id;
        if (stream_out != NULL)
            *stream_out = send.stream;
        return rc;
    }
    struct mx_room_lock *lock;
    int rc = mx_room_lock(server, event->room_id, &lock, err);
    if (rc != 0)
        return rc;
    rc = send_alone(server, requester, event, arena, event_id_out, stream_out, err);
    mx_room_unlock(server, lock);
    if (rc == 0 && gg_str_is(event->type, "m.room.guest_access") && gg_str_is(event->state_key, ""))
        mx_room_guests_leave(server, event->room_id, mx_json_string(mx_json_get(event->content, "guest_access"), arena), arena);
    return rc;
}
