/* matrix/storage/federation/staging.h: events of other servers that were taken and are not handled yet (table
 * federation_inbound_events_staging), and the transactions that brought them (received_transactions). */
#ifndef MX_STORAGE_FEDERATION_STAGING_H
#define MX_STORAGE_FEDERATION_STAGING_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

/* n events, in the order in which they are to be handled: they are read back by time, so each gets a millisecond of its
 * own from first_ms on. What this origin has brought already stays as it is. */
GG_YIELDS GG_CHECKED int mx_staging_add(struct mx_server *server, const char *origin,
                                        const struct mx_event *const *events, size_t n, int64_t first_ms,
                                        struct gg_arena *arena, struct gg_error *err);

struct mx_staged {
    struct gg_str origin, event_id, json, metadata;
    int64_t received_ms;
};
/* The next ones of a room, oldest first; at most max. */
GG_YIELDS GG_CHECKED int mx_staging_next(struct mx_server *server, struct gg_str room_id, size_t max,
                                         struct gg_arena *arena, struct mx_staged **out, size_t *n_out,
                                         struct gg_error *err);
/* They are handled. */
GG_YIELDS GG_CHECKED int mx_staging_remove(struct mx_server *server, struct gg_str room_id,
                                           const struct mx_staged *staged, size_t n, struct gg_arena *arena,
                                           struct gg_error *err);
/* How many wait in a room, counted no further than max. */
GG_YIELDS GG_CHECKED int mx_staging_count(struct mx_server *server, struct gg_str room_id, size_t max, size_t *out,
                                          struct gg_error *err);
/* One page of a room's staged events, for who looks at all of them. */
GG_YIELDS GG_CHECKED int mx_staging_page(struct mx_server *server, struct gg_str room_id, size_t from, size_t max,
                                         struct gg_arena *arena, struct mx_staged **out, size_t *n_out,
                                         struct gg_error *err);
/* Rooms with staged events, and the server that brought the oldest; at most max. */
struct mx_staged_room {
    struct gg_str room_id, origin;
};
GG_YIELDS GG_CHECKED int mx_staging_rooms(struct mx_server *server, size_t max, struct gg_arena *arena,
                                          struct mx_staged_room **out, size_t *n_out, struct gg_error *err);

/* The answer that a transaction got; s NULL: it is new. Kept for a day (jobs/sweeps.c). */
GG_YIELDS GG_CHECKED int mx_received_find(struct mx_server *server, const char *origin, const char *txn_id,
                                          struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_received_keep(struct mx_server *server, const char *origin, const char *txn_id,
                                          struct gg_str answer, struct gg_error *err);

#endif
