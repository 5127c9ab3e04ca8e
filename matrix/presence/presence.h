/* matrix/presence/presence.h: who is there, for the other folders. */
#ifndef MX_PRESENCE_PRESENCE_H
#define MX_PRESENCE_PRESENCE_H

#include "presence/state.h"

#include <ganglion/matrix/server.h>

/* Is presence kept at all (presence.enabled)? And are our own users' doings followed ("untracked": they are not)? */
bool mx_presence_enabled(const struct mx_server *server);
bool mx_presence_tracked(const struct mx_server *server);
/* Does a client know the kind "busy" here (experimental_features.msc3026_enabled)? */
bool mx_presence_busy_known(const struct mx_server *server);

/* ---- what clients do (any process) ---- */

struct mx_presence_wish {
    uint8_t kind;
    struct gg_str status_msg;  /* s NULL: none; not looked at in a sync */
    bool by_sync, force_notify;
};
/* The state that a device gives its user. device_id s NULL: none. Returns once it is written. */
GG_YIELDS GG_CHECKED int mx_presence_set(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                         const struct mx_presence_wish *wish, struct gg_error *err);
/* The user did something (sent a message, typed, read). Does not wait. */
void mx_presence_bump(struct mx_server *server, struct gg_str user_id, struct gg_str device_id);
static inline void mx_presence_bump_requester(struct mx_server *server, const struct mx_requester *requester)
{
    if (requester->app_service == NULL)
        mx_presence_bump(server, gg_str(requester->user_id), gg_str(requester->device_id));
}
/* A device syncs, from begin to end (both on any process). kind MX_OFFLINE: it does not count. A failure to reach the
 * writer is logged: it must not fail the sync. *visit_out may be NULL. */
struct mx_visit;
GG_YIELDS void mx_presence_visit_begin(struct mx_server *server, const struct mx_requester *requester, uint8_t kind,
                                       struct mx_visit **visit_out);
void mx_presence_visit_end(struct mx_visit *visit); /* NULL is fine */

/* ---- reading ---- */

struct mx_presence_seen {
    struct gg_str user_id;
    struct mx_presence_state state;
};

/* What is known of a user; offline if nothing is. */
GG_YIELDS GG_CHECKED int mx_presence_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                         struct mx_presence_state *out, struct gg_error *err);
/* The same of n users, in the order asked, in the arena. */
GG_YIELDS GG_CHECKED int mx_presence_get_all(struct mx_server *server, const struct gg_str *users, size_t n,
                                             struct gg_arena *arena, struct mx_presence_seen **out, struct gg_error *err);
/* Does the reader share a room with the user, or is it themselves? */
GG_YIELDS GG_CHECKED int mx_presence_may_see(struct mx_server *server, struct gg_str reader, struct gg_str user_id,
                                             struct gg_arena *arena, bool *out, struct gg_error *err);

/* Those whom the reader may see and who changed in (from, now]; from 0: all who are not offline (all: also those).
 * In the arena, each user once. */
GG_YIELDS GG_CHECKED int mx_presence_since(struct mx_server *server, struct gg_str reader, int64_t from, bool all,
                                           struct gg_arena *arena, struct mx_presence_seen **out, size_t *n_out,
                                           struct gg_error *err);
/* The same, with those in one room more, which the reader looks into without being there. */
GG_YIELDS GG_CHECKED int mx_presence_since_peeking(struct mx_server *server, struct gg_str reader, struct gg_str room_id,
                                                   int64_t from, bool all, struct gg_arena *arena,
                                                   struct mx_presence_seen **out, size_t *n_out, struct gg_error *err);
/* {"type":"m.presence","sender":..,"content":{..}}; old: as /events and /initialSync have it, with the user inside. */
void mx_presence_write_event(struct gg_buf *out, const struct mx_presence_seen *seen, bool old, int64_t now);

/* ---- the writer's side, for matrix/api ---- */

GG_YIELDS GG_CHECKED int mx_presence_decide(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                            const struct mx_presence_wish *wish, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_presence_decide_active(struct mx_server *server, struct gg_str user_id,
                                                   struct gg_str device_id, struct gg_error *err);

/* What other servers say of their users (kind, last activity, status, currently active), in one transaction. Who is not heard
 * of again for half an hour is taken to be offline. On the writer; elsewhere nothing happens. */
GG_YIELDS GG_CHECKED int mx_presence_hear(struct mx_server *server, const struct mx_presence_seen *said, size_t n,
                                          struct gg_error *err);

/* The streams' sources, for the table of streams. */
gg_stream_fetch_fn mx_presence_fetch, mx_presence_servers_fetch;

#endif
