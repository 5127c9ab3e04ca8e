/* matrix/push/change.h: changes of push rules, on the process that writes the stream push_rules (facts database 4.8). */
#ifndef MX_PUSH_CHANGE_H
#define MX_PUSH_CHANGE_H

#include <ganglion/matrix/server.h>

/* A rule as the tables have it: id "global/room/!r:h", JSON in the form of push/text.h. */
struct mx_push_new_rule {
    struct gg_str id, conditions, actions;
    int8_t class;
    struct gg_str before, after; /* ids of rules of the same class, or s NULL; before goes first */
};
/* Adds the rule or replaces it; without before and after it becomes the first of its class. 400, 413: beyond the limits
 * of push_rules.limits, or the other rule is not there or of another class. */
GG_YIELDS GG_CHECKED int mx_push_add_rule(struct mx_server *server, struct gg_str user_id,
                                          const struct mx_push_new_rule *rule, struct gg_error *err);
/* 404 M_NOT_FOUND: the user has no such rule. Of one of the server's it takes back what the user has changed. */
GG_YIELDS GG_CHECKED int mx_push_delete_rule(struct mx_server *server, struct gg_str user_id, struct gg_str id,
                                             struct gg_error *err);
/* 404: there is no such rule. */
GG_YIELDS GG_CHECKED int mx_push_enable_rule(struct mx_server *server, struct gg_str user_id, struct gg_str id,
                                             bool enabled, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_push_set_actions(struct mx_server *server, struct gg_str user_id, struct gg_str id,
                                             struct gg_str actions, struct gg_error *err);
/* What the user has set for one room holds for the room that takes its place, too. */
GG_YIELDS GG_CHECKED int mx_push_copy_room(struct mx_server *server, struct gg_str user_id, struct gg_str old_room_id,
                                           struct gg_str new_room_id, struct gg_error *err);
/* The same from any process: asks the writer (copy_push_rules). */
GG_YIELDS GG_CHECKED int mx_push_copy_room_anywhere(struct mx_server *server, struct gg_str user_id,
                                                    struct gg_str old_room_id, struct gg_str new_room_id,
                                                    struct gg_error *err);

#endif
