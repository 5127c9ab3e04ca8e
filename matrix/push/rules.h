/* matrix/push/rules.h: one user's push rules, compiled once, and the verdict of all of them over one event. Pure.
 *
 * A user without rules of their own has the server's: those sets are one object for everybody. */
#ifndef MX_PUSH_RULES_H
#define MX_PUSH_RULES_H

#include "push/base_rules.h"
#include "push/condition.h"

/* What a rule does, as text: as clients see it; without what has no effect; and as event_push_actions has that, where the
 * two most frequent lists are written as nothing (facts database 4.9). */
struct mx_push_actions {
    struct gg_str json, run, stored;
    bool notify, highlight;
};

struct mx_push_rule {
    struct gg_str id; /* "global/room/!r:h" */
    int8_t class;
    int8_t base;      /* place in mx_push_base_rules; -1: the user's own */
    bool enabled, looks_for_names;
    const struct mx_push_condition *conditions;
    size_t n;
    struct mx_push_actions actions;
    struct gg_str conditions_json; /* s NULL unless asked for */
};
struct mx_push_rules {
    uint32_t features;
    size_t n;
    struct mx_push_rule rules[]; /* in the order in which they are asked */
};

/* Rows of push_rules, highest priority_class first, then highest priority; and of push_rules_enable. */
struct mx_push_rule_row {
    struct gg_str id, conditions, actions;
    int64_t class;
};
struct mx_push_enable_row {
    struct gg_str id;
    bool enabled;
};
struct mx_push_rows {
    const struct mx_push_rule_row *rules;
    const struct mx_push_enable_row *enables;
    size_t n_rules, n_enables;
};

/* The server's conditions, read once for a process. */
struct mx_push_base;
struct mx_push_base *mx_push_base_new(struct gg_arena *arena);
/* Everything that the result needs is in the arena (or in base). with_json: conditions_json is kept, for showing. */
struct mx_push_rules *mx_push_rules_make(const struct mx_push_base *base, uint32_t features,
                                         const struct mx_push_rows *rows, bool with_json, struct gg_arena *arena);
/* A rule of the server's with this id, whatever the features; -1: none. */
int mx_push_base_find(struct gg_str id);
struct mx_push_actions mx_push_actions_read(struct gg_str json, struct gg_arena *arena);
/* What a row of event_push_actions holds, written out. */
struct gg_str mx_push_stored_actions(struct gg_str stored, bool highlight);

/* What the server's impersonal conditions said of one event already: the same for everybody who has them. */
struct mx_push_memo {
    uint8_t *answers; /* 0: not asked yet, 1: no, 2: yes */
};
struct mx_push_memo mx_push_memo_new(const struct mx_push_base *base, struct gg_arena *arena);
/* The actions of the first enabled rule whose conditions are all met; NULL: of none. */
const struct mx_push_actions *mx_push_rules_run(const struct mx_push_rules *rules, const struct mx_push_base *base,
                                                struct mx_push_event *event, const struct mx_push_user *user,
                                                struct mx_push_memo *memo);

#endif
