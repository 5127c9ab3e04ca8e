/* matrix/storage/federation/backfill.h: where our copy of a room's history ends, and who may know more (tables
 * event_backward_extremities, event_failed_pull_attempts). */
#ifndef MX_STORAGE_FEDERATION_BACKFILL_H
#define MX_STORAGE_FEDERATION_BACKFILL_H

#include <ganglion/matrix/server.h>

/* An event that others cite and that we do not hold. depth: of the deepest event that cites it. */
struct mx_backfill_point {
    struct gg_str event_id;
    int64_t depth;
};
/* At most limit of them, the deepest first, none deeper than most; those that could not be had lately are left out for
 * longer each time. In the arena. */
GG_YIELDS GG_CHECKED int mx_backfill_points(struct mx_server *server, struct gg_str room_id, int64_t most, size_t limit,
                                            struct gg_arena *arena, struct mx_backfill_point **out, size_t *n_out,
                                            struct gg_error *err);
/* Events with a place in the graph that cite this one; at most limit. In the arena. */
GG_YIELDS GG_CHECKED int mx_backfill_citing(struct mx_server *server, struct gg_str event_id, size_t limit,
                                            struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                                            struct gg_error *err);
/* Servers with joined users, those first that were there longest: they know most. In the arena. */
GG_YIELDS GG_CHECKED int mx_backfill_servers(struct mx_server *server, struct gg_str room_id, size_t limit,
                                             struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                                             struct gg_error *err);
/* May something be missing just before (backwards) or just after the event? */
GG_YIELDS GG_CHECKED int mx_backfill_next_to_gap(struct mx_server *server, struct gg_str room_id,
                                                 struct gg_str event_id, bool backwards, bool *out,
                                                 struct gg_error *err);

#endif
