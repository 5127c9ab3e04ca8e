/* matrix/sync/notifier.c: who waits for what; one wake-up a change, no scan over waiters.
 *
 * A waiter hangs in one list for its user and in one for each of its rooms. The lists are found by name; an empty one is
 * dropped. A room that nobody waits for costs one failed look-up. */
#include "sync/sync.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/notifier.h>
#include <ganglion/memory.h>
#include <stdlib.h>

struct topic {              /* a room or a user that somebody waits for */
    struct gg_list hooks;
    size_t n;
    char name[];
};

struct hook {
    struct gg_list link;    /* in topic.hooks */
    struct topic *topic;
    struct mx_waiter *waiter;
};

struct mx_waiter {
    struct mx_notifier *notifier;
    struct gg_list link;    /* in notifier.all */
    struct gg_cond cond;
    bool notified;
    size_t n_hooks;
    struct hook hooks[];
};

struct mx_notifier {
    struct gg_map *topics;
    struct gg_list all;
};

struct mx_notifier *mx_notifier_new(void)
{
    struct mx_notifier *notifier = gg_xcalloc(1, sizeof(*notifier));
    notifier->topics = gg_map_new(free);
    gg_list_init(&notifier->all);
    return notifier;
}

void mx_notifier_free(struct mx_notifier *notifier)
{
    if (notifier == NULL)
        return;
    gg_map_free(notifier->topics);
    free(notifier);
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
    GG_LIST_EACH(link, &topic->hooks)
        wake(GG_CONTAINER(link, struct hook, link)->waiter);
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

static void hook_on(struct mx_waiter *waiter, struct gg_str name)
{
    struct hook *hook = &waiter->hooks[waiter->n_hooks++];
    hook->waiter = waiter;
    hook->topic = topic_for(waiter->notifier, name);
    gg_list_push(&hook->topic->hooks, &hook->link);
}

struct mx_waiter *mx_wait_begin(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n)
{
    struct mx_waiter *waiter = gg_xcalloc(1, sizeof(*waiter) + (n + 1) * sizeof(struct hook));
    waiter->notifier = server->notifier;
    gg_cond_init(&waiter->cond);
    gg_list_push(&server->notifier->all, &waiter->link);
    hook_on(waiter, user_id);
    for (size_t i = 0; i < n; i++)
        hook_on(waiter, rooms[i]);
    return waiter;
}

int mx_wait(struct mx_waiter *waiter, int64_t deadline)
{
    int rc = 0;
    while (rc == 0 && !waiter->notified)
        rc = gg_cond_wait(&waiter->cond, deadline);
    waiter->notified = false;
    return rc;
}

void mx_wait_end(struct mx_waiter *waiter)
{
    if (waiter == NULL)
        return;
    for (size_t i = 0; i < waiter->n_hooks; i++) {
        struct topic *topic = waiter->hooks[i].topic;
        gg_list_remove(&waiter->hooks[i].link);
        if (gg_list_empty(&topic->hooks))
            gg_map_delete(waiter->notifier->topics, gg_strn(topic->name, topic->n));
    }
    gg_list_remove(&waiter->link);
    free(waiter);
}
