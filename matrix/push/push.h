/* matrix/push/push.h: what push keeps for a process. Private to the folder. */
#ifndef MX_PUSH_PUSH_H
#define MX_PUSH_PUSH_H

#include <ganglion/matrix/cache.h>

#define MX_PUSH_MAIN "main" /* thread_id of what is in no thread */

struct mx_push {
    struct mx_server *server;
    bool enabled;      /* push.enabled: events are evaluated and counted */
    bool count_unread; /* experimental_features.msc2654_enabled */
    bool unstable_threads; /* experimental_features.msc3773_enabled: counts of threads under both names */
    uint32_t features; /* enum mx_push_feature: rules and conditions that the configuration switches */
    struct mx_cache *rules;      /* user id -> struct mx_push_held (user_rules.c) */
    struct mx_cache *members;    /* room id -> local members (members.c) */
    struct mx_cache *ignored_by; /* user id -> who ignores them (ignored_by.c) */
    struct mx_changes *changes;  /* whose rules changed (stream.c) */
    int64_t next_rule, next_enable; /* ids that the writer gives out; 0: not read yet (change.c) */
    struct gg_map *changing;     /* user id -> struct changing: one change at a time (change.c) */
    int64_t day_ago;             /* stream ordering of a day ago (age.c) */
    bool rotating;
};

#endif
