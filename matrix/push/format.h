/* matrix/push/format.h: push rules as clients see them (client-server API, "Push Rules: API"). Pure. */
#ifndef MX_PUSH_FORMAT_H
#define MX_PUSH_FORMAT_H

#include "push/rules.h"

/* Kinds of rules in the order of the answer; "override" and its class. */
struct mx_push_kind_name {
    const char *name;
    int8_t class;
};
extern const struct mx_push_kind_name mx_push_kinds[];
extern const size_t mx_push_n_kinds;
/* The class of a kind; 0: there is no such kind. */
int8_t mx_push_class_of(struct gg_str kind);

/* {"global":{...}}: the content of m.push_rules. rules were made with_json. */
void mx_push_write_rules(struct gg_buf *out, const struct mx_push_rules *rules, struct gg_str user_id,
                         struct gg_arena *arena);
/* {"override":[...],...}; [...] of one kind. */
void mx_push_write_global(struct gg_buf *out, const struct mx_push_rules *rules, struct gg_str user_id,
                          struct gg_arena *arena);
void mx_push_write_kind(struct gg_buf *out, const struct mx_push_rules *rules, int8_t class, struct gg_str user_id,
                        struct gg_arena *arena);
/* One rule, by its id without scope and kind; false: the user has none of that kind and id, nothing was written. */
bool mx_push_write_rule(struct gg_buf *out, const struct mx_push_rules *rules, int8_t class, struct gg_str id,
                        struct gg_str user_id, struct gg_arena *arena);

#endif
