/* matrix/push/ask.h: whom of many users one event notifies. */
#ifndef MX_PUSH_ASK_H
#define MX_PUSH_ASK_H

#include "push/members.h"

#include <ganglion/matrix/persist.h>

/* What is known of the event, the same for everybody, and what came of it. */
struct mx_push_question {
    const struct mx_push_base *base;
    struct gg_str sender, thread_id;
    bool unread;                     /* counts as unread even where it notifies nobody (MSC2654) */
    struct gg_map *subscribers;      /* to its thread (MSC4306); NULL: no thread, or the feature is off */
    struct mx_push_event facts;
    struct mx_push_memo memo;
    struct mx_push_action *actions;  /* as many as are asked find room */
    size_t n;
};

/* Adds an action if this member is notified. What it needs is in the arena. */
void mx_push_ask(struct mx_push_question *q, const struct mx_push_member *member, struct gg_arena *arena);
/* Asks all but those who are among ignorers (NULL: nobody), with pauses, in which members may come and go: who was there at
 * the beginning is asked. Makes room for the actions. ignorers is looked at before the first pause alone. */
GG_YIELDS GG_CHECKED int mx_push_ask_all(struct mx_push_question *q, const struct mx_push_members *members,
                                         const struct gg_map *ignorers, struct gg_arena *arena, struct gg_error *err);

#endif
