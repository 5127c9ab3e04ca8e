/* matrix/sync/notifier.c: who waits for what; one wake-up a change, no scan over waiters.
 *
 * A watch hangs in one list for its user and in one for each of its rooms, and waiters hang in the watch. The lists are
 * found by name; an empty one is dropped. A room that nobody waits for costs one failed look-up. The watch of a user with
 * all their rooms outlives a waiter: the next poll finds it, and pays nothing for its rooms. */
#include "sync/sync.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/notifier.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_IDLE_HOOKS = 500000 }; /* of watches without waiters: about 25 MiB */

struct topic {              /* a room or a user that somebody waits for */
    struct gg_list hooks;
    size_t n;
    char name[];
};

struct hook {
    struct gg_list link;    /* in topic.hooks */
    struct topic *topic;
    struct watch *watch;
};

struct watch {
    struct mx_notifier *notifier;
    struct gg_list waiters;
    struct gg_list idle;    /* in notifier.idle while nobody waits; of kept ones only */
    struct gg_arena *arena; /* holds the list that it was made of; NULL: dropped with its waiter */
    const struct mx_user_room *rooms;
    size_t n_hooks;
    struct hook hooks[];    /* the first one is the user's */
};

struct mx_waiter {
    struct watch *watch;
    struct gg_list in_watch;
    struct gg_list link;    /* in notifier.all */
    struct gg_cond cond;
    bool notified;
};

struct mx_notifier {
    struct gg_map *topics;
    struct gg_map *kept;    /* user id -> watch of all their rooms */
    struct gg_list idle;    /* the one left longest ago first */
    size_t idle_hooks;
    struct gg_list all;
    bool ending;            /* nobody is made to wait any more */
};

struct mx_notifier *mx_notifier_new(void)
{
    struct mx_notifier *notifier = gg_xcalloc(1, sizeof(*notifier));
    notifier->topics = gg_map_new(free);
    notifier->kept = gg_map_new(NULL);
    gg_list_init(&notifier->idle);
    gg_list_init(&notifier->all);
    return notifier;
}

static void wake(struct mx_waiter *waiter)
{
    waiter->notified = true;
    gg_cond_signal(&waiter->cond);
}

static void notify(struct mx_server *server, struct gg_str name)
{
    struct topic *topic = gg_map_get(server->notifier->topics, name);
    if (topic == NULL)
        return;
    GG_LIST_EACH(link, &topic->hooks) {
        struct watch *watch = GG_CONTAINER(link, struct hook, link)->watch;
        GG_LIST_EACH(waiter, &watch->waiters)
            wake(GG_CONTAINER(waiter, struct mx_waiter, in_watch));
    }
}

void mx_notify_room(struct mx_server *server, struct gg_str room_id)
{
    notify(server, room_id);
}

void mx_notify_user(struct mx_server *server, struct gg_str user_id)
{
    notify(server, user_id);
}

bool mx_notifier_idle(const struct mx_server *server)
{
    return gg_list_empty(&server->notifier->all);
}

void mx_notify_everybody(struct mx_server *server)
{
    GG_LIST_EACH(link, &server->notifier->all)
        wake(GG_CONTAINER(link, struct mx_waiter, link));
}

static struct topic *topic_for(struct mx_notifier *notifier, struct gg_str name)
{
    struct topic *topic = gg_map_get(notifier->topics, name);
    if (topic != NULL)
        return topic;
    topic = gg_xcalloc(1, sizeof(*topic) + name.n + 1);
    gg_list_init(&topic->hooks);
    memcpy(topic->name, name.s, name.n);
    topic->n = name.n;
    gg_map_put(notifier->topics, name, topic);
    return topic;
}

static void hook_on(struct watch *watch, struct gg_str name)
{
    struct hook *hook = &watch->hooks[watch->n_hooks++];
    hook->watch = watch;
    hook->topic = topic_for(watch->notifier, name);
    gg_list_push(&hook->topic->hooks, &hook->link);
}

static struct watch *watch_new(struct mx_notifier *notifier, struct gg_str user_id, size_t n)
{
    struct watch *watch = gg_xcalloc(1, sizeof(*watch) + (n + 1) * sizeof(struct hook));
    watch->notifier = notifier;
    gg_list_init(&watch->waiters);
    gg_list_init(&watch->idle);
    hook_on(watch, user_id);
    return watch;
}

static void watch_free(struct watch *watch)
{
    struct mx_notifier *notifier = watch->notifier;
    if (!gg_list_empty(&watch->idle))
        notifier->idle_hooks -= watch->n_hooks;
    gg_list_remove(&watch->idle);
    for (size_t i = 0; i < watch->n_hooks; i++) {
        struct topic *topic = watch->hooks[i].topic;
        gg_list_remove(&watch->hooks[i].link);
        if (gg_list_empty(&topic->hooks))
            gg_map_delete(notifier->topics, gg_strn(topic->name, topic->n));
    }
    gg_arena_free(watch->arena);
    free(watch);
}

void mx_notifier_free(struct mx_notifier *notifier)
{
    if (notifier == NULL)
        return;
    GG_LIST_EACH(link, &notifier->idle)
        watch_free(GG_CONTAINER(link, struct watch, idle));
    gg_map_free(notifier->kept);
    gg_map_free(notifier->topics);
    free(notifier);
}

static struct mx_waiter *wait_on(struct watch *watch)
{
    struct mx_waiter *waiter = gg_xcalloc(1, sizeof(*waiter));
    waiter->watch = watch;
    gg_cond_init(&waiter->cond);
    gg_list_push(&watch->notifier->all, &waiter->link);
    gg_list_push(&watch->waiters, &waiter->in_watch);
    return waiter;
}

struct mx_waiter *mx_wait_begin(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n)
{
    struct watch *watch = watch_new(server->notifier, user_id, n);
    for (size_t i = 0; i < n; i++)
        hook_on(watch, rooms[i]);
    return wait_on(watch);
}

/* ---- watches that are kept ---- */

static struct gg_str user_of(const struct watch *watch)
{
    return gg_strn(watch->hooks[0].topic->name, watch->hooks[0].topic->n);
}

static bool is_kept(const struct watch *watch)
{
    return watch->arena != NULL && gg_map_get(watch->notifier->kept, user_of(watch)) == watch;
}

/* The last waiter went: a kept one stays for the next, as long as there is room; one that was replaced does not. */
static void leave(struct watch *watch)
{
    struct mx_notifier *notifier = watch->notifier;
    if (!is_kept(watch)) {
        watch_free(watch);
        return;
    }
    gg_list_push(&notifier->idle, &watch->idle);
    notifier->idle_hooks += watch->n_hooks;
    while (notifier->idle_hooks > MAX_IDLE_HOOKS) {
        struct watch *oldest = GG_CONTAINER(notifier->idle.next, struct watch, idle);
        gg_map_delete(notifier->kept, user_of(oldest));
        watch_free(oldest);
    }
}

/* The user's rooms are others now: those who still wait keep the old one until they go. */
static void replace(struct watch *old, struct gg_str user_id)
{
    gg_map_delete(old->notifier->kept, user_id);
    if (gg_list_empty(&old->waiters))
        watch_free(old);
}

static struct watch *watch_everywhere(struct mx_notifier *notifier, struct gg_str user_id, const struct mx_user_rooms *rooms,
                                      struct gg_arena *arena)
{
    struct watch *watch = watch_new(notifier, user_id, rooms->n);
    watch->arena = arena;
    watch->rooms = rooms->v;
    for (size_t i = 0; i < rooms->n; i++)
        if (gg_str_is(rooms->v[i].membership, "join"))
            hook_on(watch, rooms->v[i].room_id);
    gg_map_put(notifier->kept, user_id, watch);
    return watch;
}

int mx_wait_begin_everywhere(struct mx_server *server, struct gg_str user_id, struct mx_waiter **waiter_out, struct gg_error *err)
{
    struct mx_notifier *notifier = server->notifier;
    struct gg_arena *arena = gg_arena_new();
    struct mx_user_rooms rooms;
    *waiter_out = NULL;
    int rc = mx_heads_room_list(server, user_id, arena, &rooms, err);
    if (rc != 0) {
        gg_arena_free(arena);
        return rc;
    }
    struct watch *watch = gg_map_get(notifier->kept, user_id);
    if (watch != NULL && watch->rooms == rooms.v) { /* both hold the list, so the address is no other's */
        gg_arena_free(arena);
        if (!gg_list_empty(&watch->idle))
            notifier->idle_hooks -= watch->n_hooks;
        gg_list_remove(&watch->idle);
    } else {
        if (watch != NULL)
            replace(watch, user_id);
        watch = watch_everywhere(notifier, user_id, &rooms, arena);
    }
    *waiter_out = wait_on(watch);
    return 0;
}

/* ---- waiting ---- */

void mx_notifier_end(void *self)
{
    struct mx_server *server = self;
    server->notifier->ending = true;
    GG_LIST_EACH(link, &server->notifier->all)
        gg_cond_signal(&GG_CONTAINER(link, struct mx_waiter, link)->cond);
}

int mx_wait(struct mx_waiter *waiter, int64_t deadline)
{
    int rc = 0;
    while (rc == 0 && !waiter->notified)
        rc = waiter->watch->notifier->ending ? GG_E_TIMEOUT : gg_cond_wait(&waiter->cond, deadline);
    waiter->notified = false;
    return rc;
}

void mx_wait_end(struct mx_waiter *waiter)
{
    if (waiter == NULL)
        return;
    struct watch *watch = waiter->watch;
    gg_list_remove(&waiter->in_watch);
    gg_list_remove(&waiter->link);
    free(waiter);
    if (gg_list_empty(&watch->waiters))
        leave(watch);
}
