/* matrix/push/push.h: what push keeps for a process. Private to the folder. */
#ifndef MX_PUSH_PUSH_H
#define MX_PUSH_PUSH_H

#include <ganglion/fiber.h>
#include <ganglion/gather.h>
#include <ganglion/matrix/cache.h>

#define MX_PUSH_MAIN "main" /* thread_id of what is in no thread */

struct mx_push_base;
struct mx_push_rules;

struct mx_push {
    struct mx_server *server;
    bool enabled;          /* push.enabled: events are evaluated and counted */
    bool count_unread;     /* experimental_features.msc2654_enabled */
    bool unstable_threads; /* experimental_features.msc3773_enabled: counts of threads under both names */
    uint32_t features;     /* enum mx_push_feature: rules and conditions that the configuration switches */
    struct gg_arena *arena;
    const struct mx_push_base *base;
    const struct mx_push_rules *defaults; /* of users who have changed nothing */
    struct gg_map *held;         /* user id -> struct mx_push_held, those that somebody has and that are not stale */
    uint64_t tick;               /* grows with each change of somebody's rules */
    struct mx_cache *rooms;      /* room id -> its local members (members.c) */
    struct mx_cache *ignored_by; /* user id -> who ignores them (ignorers.c) */
    struct mx_changes *changes;  /* whose rules changed when */
    struct gg_mutex changing;    /* one change of rules at a time (change.c) */
    struct gg_gather *counts;    /* what many ask at the same time (counts.c) */
    struct gg_gather *news;      /* (news.c) */
    struct gg_gather *told;      /* what many write (delivered.c) */
};

extern const struct gg_gather_def mx_push_counts_gather, mx_push_news_gather, mx_push_told_gather;

#endif
