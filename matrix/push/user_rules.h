/* matrix/push/user_rules.h: compiled rules of local users, read from the database and shared by all rooms they are in. */
#ifndef MX_PUSH_USER_RULES_H
#define MX_PUSH_USER_RULES_H

#include "push/push.h"
#include "push/rules.h"

/* One user's rules as of when they were read. Whoever holds it asks for new ones once it is stale. */
struct mx_push_held {
    int refs;
    bool stale;
    struct mx_push *push;
    struct gg_arena *arena;            /* of the rules; NULL: they are the server's own */
    const struct mx_push_rules *rules;
    size_t bytes;
    char user_id[];
};

/* Rules of n users with two reads at most; out[i]: one reference each. */
GG_YIELDS GG_CHECKED int mx_push_hold(struct mx_server *server, const struct gg_str *users, size_t n,
                                      struct mx_push_held **out, struct gg_error *err);
void mx_push_release(struct mx_push_held *held); /* NULL is fine */
/* The user's rules changed; user_id s NULL: perhaps everybody's. */
void mx_push_forget_rules(struct mx_server *server, struct gg_str user_id);
/* The rows themselves, as they are now, with their JSON: for showing them. In the arena. */
GG_YIELDS GG_CHECKED int mx_push_read_rules(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                            const struct mx_push_rules **out, struct gg_error *err);

#endif
