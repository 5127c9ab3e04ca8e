/* matrix/push/relation.h: what an event relates to, as far as notifications care. */
#ifndef MX_PUSH_RELATION_H
#define MX_PUSH_RELATION_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

struct mx_push_relation {
    struct gg_str rel_type, event_id; /* both, or s NULL: no relation */
    struct gg_str reply_to;           /* m.in_reply_to; s NULL: none */
    bool falling_back;                /* the reply stands for a thread, for old clients */
};
struct mx_push_relation mx_push_relation_of(const struct mx_event *event, struct gg_arena *arena);
/* Does the event make a room unread (MSC2654)? */
bool mx_push_makes_unread(const struct mx_event *event, const struct mx_push_relation *relation, struct gg_arena *arena);
/* "main", or the root of the thread that the event belongs to, also by way of what it relates to. In the arena. */
GG_YIELDS GG_CHECKED int mx_push_thread_of(struct mx_server *server, const struct mx_push_relation *relation,
                                           struct gg_arena *arena, struct gg_str *out, struct gg_error *err);

#endif
