/* matrix/push/condition.h: one condition of a push rule, read once and asked often (client-server API, "Conditions"). Pure. */
#ifndef MX_PUSH_CONDITION_H
#define MX_PUSH_CONDITION_H

#include "push/view.h"

#include <ganglion/matrix/state.h>

enum mx_push_condition_kind {
    MX_PUSH_NEVER = 0, /* unknown, or not what its kind asks for: never met */
    MX_PUSH_EVENT_MATCH,
    MX_PUSH_PROPERTY_IS,
    MX_PUSH_PROPERTY_CONTAINS,
    MX_PUSH_DISPLAY_NAME,
    MX_PUSH_MEMBER_COUNT,
    MX_PUSH_SENDER_PERMISSION,
    MX_PUSH_RELATED_MATCH,  /* MSC3664 */
    MX_PUSH_ROOM_VERSION,   /* MSC3931 */
    MX_PUSH_SUBSCRIPTION,   /* MSC4306 */
};
enum mx_push_whose { MX_PUSH_FIXED, MX_PUSH_USER_ID, MX_PUSH_LOCALPART }; /* only the server's own rules name the user */
enum mx_push_compare { MX_PUSH_EQUAL, MX_PUSH_LESS, MX_PUSH_MORE, MX_PUSH_AT_MOST, MX_PUSH_AT_LEAST };

struct mx_push_condition {
    uint8_t kind, whose, compare;
    bool word;             /* the key is content.body: parts between the boundaries of words */
    bool fallbacks;        /* RELATED_MATCH: a reply that only stands for a thread counts too */
    bool subscribed;
    struct gg_str key;     /* dotted; s NULL: none */
    struct mx_push_pattern pattern;
    struct gg_str value;   /* JSON text */
    struct gg_str rel_type, feature;
    uint64_t count;
};

/* The event that is judged, and what is known of its room: the same for everybody. */
struct mx_push_related {
    struct gg_str rel_type;
    struct mx_push_view *view;
    bool fallback;         /* the reply of a message in a thread that is there for old clients */
};
struct mx_push_event {
    struct mx_push_view view;
    bool has_mentions;     /* content has m.mentions: rules that look for names in the text rest */
    uint64_t n_members;
    bool has_sender_level;
    int64_t sender_level;
    const struct mx_power *power; /* levels of notifications; NULL: the defaults */
    const struct mx_push_related *related;
    size_t n_related;
    const char *const *room_features; /* of the room version (MSC3931), NULL-ended; NULL: none */
    uint32_t features;     /* enum mx_push_feature */
};
/* For whom. */
struct mx_push_user {
    struct gg_str user_id, localpart; /* localpart s NULL: it is no user id */
    struct mx_push_pattern by_user_id, by_localpart, by_name; /* by_name: the display name, if any */
    int subscribed;                   /* to the event's thread: 1, 0; -1: not known, or no thread */
};

/* Never fails: what is no good condition is one that is never met. own: one of the server's rules, which may name the
 * user (pattern_type, value_type). Texts are in the arena. */
void mx_push_condition_read(struct gg_str json, bool own, struct gg_arena *arena, struct mx_push_condition *out);
bool mx_push_condition_met(const struct mx_push_condition *c, struct mx_push_event *event,
                           const struct mx_push_user *user);
/* Does the answer depend on the user? */
bool mx_push_condition_is_personal(const struct mx_push_condition *c);
/* display_name s NULL: none. */
struct mx_push_user mx_push_user_of(struct gg_str user_id, struct gg_str display_name, struct gg_arena *arena);

#endif
