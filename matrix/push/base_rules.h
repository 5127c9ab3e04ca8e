/* matrix/push/base_rules.h: the push rules that every user has. */
#ifndef MX_PUSH_BASE_RULES_H
#define MX_PUSH_BASE_RULES_H

#include <ganglion/base.h>

/* push_rules.priority_class, and the order in which classes are asked (rules.c). */
enum mx_push_class {
    MX_PUSH_CHANGED = -1, /* no rule: other actions for one of the server's */
    MX_PUSH_UNDERRIDE = 1,
    MX_PUSH_SENDER = 2,
    MX_PUSH_ROOM = 3,
    MX_PUSH_CONTENT = 4,
    MX_PUSH_OVERRIDE = 5,
    MX_PUSH_POSTCONTENT = 6, /* MSC4306: only the server has such rules */
};

/* What the configuration switches (experimental_features). */
enum mx_push_feature {
    MX_PUSH_F_EXTENSIBLE = 1,       /* msc1767_enabled */
    MX_PUSH_F_POLLS = 2,            /* msc3381_polls_enabled */
    MX_PUSH_F_RELATED = 4,          /* msc3664_enabled */
    MX_PUSH_F_ENCRYPTED = 8,        /* msc4028_push_encrypted_events */
    MX_PUSH_F_CALLS = 16,           /* msc4075_enabled */
    MX_PUSH_F_MODERN_MENTIONS = 32, /* msc4210_enabled */
    MX_PUSH_F_SUBSCRIPTIONS = 64,   /* msc4306_enabled */
};

struct mx_push_base_rule {
    const char *id; /* "global/override/.m.rule.master" */
    int8_t class;
    const char *conditions, *actions; /* JSON lists */
    bool first;           /* before the user's own rules of its class */
    bool off;             /* disabled unless the user enables it */
    bool looks_for_names; /* not asked when the event has m.mentions */
    uint32_t needs, unless; /* features that bring it, that take it away */
};
extern const struct mx_push_base_rule mx_push_base_rules[];
extern const size_t mx_push_n_base_rules;

#endif
