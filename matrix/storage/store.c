/* matrix/storage/store.c: makes the store's caches and says when they forget. */
#include "store.h"

#include <ganglion/config.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum {
    EVENT_BYTES = 4096, /* a cached event with its bookkeeping, for event_cache_size, which counts events */
    GROUPS_BYTES = 64 << 20,
    EVENT_GROUPS_BYTES = 8 << 20,
    VERSIONS_BYTES = 4 << 20,
};

void mx_held_event_free(void *value)
{
    struct mx_held_event *held = value;
    mx_event_unref(held->raw);
    mx_event_unref(held->redacted);
    free(held);
}

static void held_group_free(void *value)
{
    struct mx_held_group *held = value;
    mx_state_unref(held->state);
    free(held);
}

struct gg_str mx_store_intern(struct mx_store *store, struct gg_str text)
{
    if (!text.s)
        return text;
    char *held = gg_map_get(store->names, text);
    if (!held) {
        held = gg_xmalloc(text.n + 1);
        memcpy(held, text.s, text.n);
        held[text.n] = 0;
        gg_map_put(store->names, text, held);
    }
    return gg_strn(held, text.n);
}

/* cache_func _get_event_cache (censored, expired), have_seen_event: (room, event). */
static void forget_event(void *self, const struct gg_str *keys, size_t n)
{
    if (!n)
        mx_events_forget_all(self);
    else
        mx_events_forget(self, keys[n - 1]);
}

/* History purged, room deleted: what is keyed by event or group cannot be found by room, so all of it goes. */
static void forget_room(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_store *store = self;
    mx_events_forget_all(store);
    mx_flight_spoil_all(store->group_flights);
    mx_cache_clear(store->groups);
    mx_cache_clear(store->event_groups);
    if (n)
        mx_cache_drop(store->versions, keys[0]);
    else
        mx_cache_clear(store->versions);
}

static void make_caches(struct mx_server *server, struct mx_store *store)
{
    size_t events = (size_t)gg_config_int(server->config, "event_cache_size");
    store->events =
        mx_cache_new(server, &(struct mx_cache_def){"*getEvent*", events * EVENT_BYTES, mx_held_event_free});
    store->groups = mx_cache_new(server, &(struct mx_cache_def){"*stateGroupCache*", GROUPS_BYTES, held_group_free});
    store->event_groups =
        mx_cache_new(server, &(struct mx_cache_def){"_get_state_group_for_event", EVENT_GROUPS_BYTES, free});
    store->versions = mx_cache_new(server, &(struct mx_cache_def){"get_room_version", VERSIONS_BYTES, free});
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_store *store = gg_xcalloc(1, sizeof(*store));
    store->server = server;
    store->event_flights = gg_map_new(NULL);
    store->group_flights = gg_map_new(NULL);
    store->names = gg_map_new(free);
    store->resolving = gg_map_new(NULL);
    gg_cond_init(&store->resolved);
    server->store = store;
    make_caches(server, store);
    mx_caches_on(server, "_get_event_cache", forget_event, store);
    mx_caches_on(server, "ph_cache_fake", forget_room, store);
    mx_caches_on(server, "dr_cache_fake", forget_room, store);
    mx_events_follow(server);
    return 0;
}

static void free_part(struct mx_server *server)
{
    struct mx_store *store = mx_store_of(server);
    mx_cache_clear(store->events);
    mx_cache_clear(store->groups);
    gg_map_free(store->event_flights);
    gg_map_free(store->group_flights);
    gg_map_free(store->names);
    gg_map_free(store->resolving);
    free(store);
    server->store = NULL;
}

const struct mx_part mx_part_store = {"store", make, NULL, NULL, free_part};
