/* matrix/rooms/send.c: one event into a room. */
#include "rooms/chain.h"

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
    struct mx_json *a, *b;
    rc = mx_json_parse(old->content, 1000, chain->arena, &a, err);
    if (rc == 0)
        rc = mx_json_parse(event->content, 1000, chain->arena, &b, err);
    if (rc != 0)
        return rc;
    struct gg_buf x = GG_BUF_INIT, y = GG_BUF_INIT;
    mx_json_canonical(&x, a);
    mx_json_canonical(&y, b);
    *same = gg_str_eq(gg_buf_view(&x), gg_buf_view(&y));
    gg_buf_done(&x);
    gg_buf_done(&y);
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
    struct mx_chain_event e = {.type = event->type, .sender = gg_str(chain->requester->user_id),
                               .state_key = event->state_key, .content = event->content, .redacts = event->redacts,
                               .txn_id = event->txn_id, .device_id = chain->requester->device_id,
                               .origin_server_ts = event->origin_server_ts};
    rc = mx_chain_add(chain, &e, err);
    return rc != 0 ? rc : mx_chain_commit(chain, event_id_out, stream_out, err);
}

int mx_room_send(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event,
                 struct gg_arena *arena, struct gg_str *event_id_out, int64_t *stream_out, struct gg_error *err)
{
    struct mx_room_lock *lock;
    int rc = mx_room_lock(server, event->room_id, &lock, err);
    if (rc != 0)
        return rc;
    struct mx_chain chain;
    rc = mx_chain_begin(&chain, server, requester, event->room_id, arena, err);
    if (rc == 0)
        rc = send_locked(&chain, event, event_id_out, stream_out, err);
    mx_chain_done(&chain);
    mx_room_unlock(server, lock);
    return rc;
}
