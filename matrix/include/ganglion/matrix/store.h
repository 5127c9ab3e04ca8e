/* ganglion/matrix/store.h: reading events and state from the database, through the process's caches.
 *
 * Every function may yield, reads on lanes, and returns references or arena memory as said. */
#ifndef GANGLION_MATRIX_STORE_H
#define GANGLION_MATRIX_STORE_H

#include <ganglion/matrix/server.h>
#include <ganglion/matrix/state.h>

/* Events by id, in the order asked; out[i] is NULL when it is not held. Each one is a reference that the arena drops.
 * Rejected events are included (meta.rejected says so); redactions are applied unless raw is set. */
GG_API GG_YIELDS GG_CHECKED int mx_store_events(struct mx_server *server, const struct gg_str *ids, size_t n, bool raw,
                                                struct gg_arena *arena, const struct mx_event **out, struct gg_error *err);
/* One; 404 M_NOT_FOUND when it is not held. */
GG_API GG_YIELDS GG_CHECKED int mx_store_event(struct mx_server *server, struct gg_str id, struct gg_arena *arena,
                                               const struct mx_event **out, struct gg_error *err);
/* Adds an event that somebody has just built or written, so that nobody reads it back. */
GG_API void mx_store_keep(struct mx_server *server, const struct mx_event *event);
/* In this process's cache, without I/O; borrowed until the next yield; NULL: not there. */
GG_API const struct mx_event *mx_store_cached(struct mx_server *server, struct gg_str id);

GG_API GG_YIELDS GG_CHECKED int mx_store_room_version(struct mx_server *server, struct gg_str room_id,
                                                      const struct mx_room_version **out, struct gg_error *err); /* 404 if unknown */
/* The state group of an event (0: none, an outlier). */
GG_API GG_YIELDS GG_CHECKED int mx_store_state_group_of(struct mx_server *server, struct gg_str event_id, int64_t *out,
                                                        struct gg_error *err);
/* The whole state of a group: one reference, dropped by the arena. */
GG_API GG_YIELDS GG_CHECKED int mx_store_group_state(struct mx_server *server, int64_t group, struct gg_arena *arena,
                                                     const struct mx_state **out, struct gg_error *err);
/* State after an event (of a non-state event: its group; of a state event: including itself). */
GG_API GG_YIELDS GG_CHECKED int mx_store_state_after(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena,
                                                     const struct mx_state **out, struct gg_error *err);

/* State groups of several events; groups[i] is 0 for an outlier or an unknown one. */
GG_API GG_YIELDS GG_CHECKED int mx_store_state_groups_of(struct mx_server *server, const struct gg_str *event_ids, size_t n,
                                                         int64_t *groups, struct gg_error *err);
/* Resolves state maps of one room (mx_resolve), reading the events that it needs; the work runs on a thread. *out: one
 * reference, dropped by the arena. */
GG_API GG_YIELDS GG_CHECKED int mx_store_resolve(struct mx_server *server, struct gg_str room_id,
                                                 const struct mx_room_version *version, const struct mx_state *const *maps,
                                                 size_t n, struct gg_arena *arena, const struct mx_state **out,
                                                 struct gg_error *err);
/* Stores state groups for a run of new events of one room (facts database 5.1): for each event i in order, the group
 * before it is groups[i-1] (base for the first), and a state event gets a new delta group. groups[i] is the group
 * after event i, befores[i] the one before. base 0: "no state" (an empty group is made first). One transaction. */
GG_API GG_YIELDS GG_CHECKED int mx_store_new_groups(struct mx_server *server, struct gg_str room_id, int64_t base,
                                                    const struct mx_event *const *events, size_t n, int64_t *befores,
                                                    int64_t *groups, struct gg_error *err);
/* The same without storing anything: the groups get ids and are kept in memory, and new_groups (at most n + 1, in the
 * arena; firsts[i] is the place of event i's first, and firsts[n] the end) tells what is to be written with the events.
 * *possible false: a chain of deltas would grow too long; nothing was done. What is not written after all must be given
 * to mx_store_drop_groups. */
struct mx_new_group;
GG_API GG_YIELDS GG_CHECKED int mx_store_draft_groups(struct mx_server *server, int64_t base,
                                                      const struct mx_event *const *events, size_t n, int64_t *befores,
                                                      int64_t *groups, struct gg_arena *arena,
                                                      struct mx_new_group **new_groups, size_t *firsts, bool *possible,
                                                      struct gg_error *err);
/* The same for another process to write, which looks at what they stand on (mx_store_take_groups): base is not read. */
GG_API GG_YIELDS GG_CHECKED int mx_store_draft_groups_elsewhere(struct mx_server *server, int64_t base,
                                                                const struct mx_event *const *events, size_t n,
                                                                int64_t *befores, int64_t *groups, struct gg_arena *arena,
                                                                struct mx_new_group **new_groups, size_t *firsts,
                                                                bool *possible, struct gg_error *err);
/* Drafts of another process, of one event, that this one is about to write: kept in memory, as if they were our own.
 * GG_E_CONFLICT: they cannot be written (a chain of deltas would grow too long, an id is below its parent's). On any failure,
 * too, they must be given to mx_store_drop_groups. */
GG_API GG_YIELDS GG_CHECKED int mx_store_take_groups(struct mx_server *server, const struct mx_event *event,
                                                     const struct mx_new_group *groups, size_t n, struct gg_error *err);
GG_API void mx_store_drop_groups(struct mx_server *server, const struct mx_new_group *groups, size_t n);
/* Stores a whole map (a resolution's result) as a group for event_id; delta against prev when that is possible. */
GG_API GG_YIELDS GG_CHECKED int mx_store_map_group(struct mx_server *server, struct gg_str room_id, struct gg_str event_id,
                                                   const struct mx_state *state, int64_t prev, int64_t *out,
                                                   struct gg_error *err);

#endif
