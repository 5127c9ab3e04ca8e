/* matrix/storage/store.h: what the reading half of the storage keeps for a process. Private to matrix/. */
#ifndef MATRIX_STORAGE_STORE_H
#define MATRIX_STORAGE_STORE_H

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/store.h>

#include "../cache/flight.h"
#include "../parts.h"
#include "chains/chains.h"

enum { MX_GROUP_IDS = 100 };

struct mx_group_ids { /* drawn ahead from the sequence: gaps do no harm */
    int64_t ids[MX_GROUP_IDS];
    size_t n;
};

struct mx_store {
    struct mx_server *server;
    struct mx_cache *events; /* event id -> struct mx_held_event */
    struct gg_map *event_flights;
    struct mx_cache *groups; /* decimal group -> struct mx_held_group */
    struct gg_map *group_flights;
    struct mx_cache *event_groups; /* event id -> int64_t: its state group */
    struct mx_cache *versions;     /* room id -> struct mx_held_version */
    struct mx_chain_ids chain_ids;
    struct mx_group_ids group_ids;
    struct gg_map *resolving;  /* rooms whose state is being resolved on a thread (state_groups/resolve.c) */
    struct gg_cond resolved;
    struct gg_map *names; /* instance names and rejection reasons, interned */
};

struct mx_held_event {
    struct mx_event *raw;
    struct mx_event *redacted; /* NULL: not redacted */
};

void mx_held_event_free(void *held);

struct mx_held_group {
    struct mx_state *state;
    int64_t chain; /* groups from here to the one that is stored whole, both included */
};

struct mx_held_version {
    const struct mx_room_version *version;
};

static inline struct mx_store *mx_store_of(const struct mx_server *server)
{
    return server->store;
}

/* What rooms.room_version says of a room (s NULL: no such room) is kept for mx_store_room_version, whose errors are these.
 * tick: of the cache, before it was read. */
GG_CHECKED int mx_versions_take(struct mx_store *store, struct gg_str room_id, struct gg_str id, uint64_t tick,
                                const struct mx_room_version **out, struct gg_error *err);

/* Few distinct texts that live as long as the process (worker names, reasons). */
struct gg_str mx_store_intern(struct mx_store *store, struct gg_str text);

/* ---- events ---- */
void mx_events_forget(struct mx_store *store, struct gg_str event_id);
void mx_events_forget_all(struct mx_store *store);
/* An event that we hold was persisted as row says: fills in its position instead of forgetting it. */
void mx_events_persisted(struct mx_store *store, struct gg_str event_id, int64_t position, const char *instance);
void mx_events_follow(struct mx_server *server);

/* ---- state groups ---- */
void mx_groups_keep(struct mx_store *store, int64_t group, const struct mx_state *state, int64_t chain);
/* What the cache has of a group, held by the arena; NULL: nothing. */
const struct mx_state *mx_groups_held(struct mx_store *store, int64_t group, struct gg_arena *arena);
void mx_groups_drop(struct mx_store *store, int64_t group);
void mx_event_group_keep(struct mx_store *store, struct gg_str event_id, int64_t group);

enum { MX_GROUP_CHAIN_MAX = 100 }; /* a longer chain of deltas is stored whole (facts database 5.1) */

#endif
