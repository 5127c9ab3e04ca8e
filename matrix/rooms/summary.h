/* matrix/rooms/summary.h: what somebody who is not in a room is told of it (client-server API, "Room summary"), and who
 * that is. */
#ifndef MX_ROOMS_SUMMARY_H
#define MX_ROOMS_SUMMARY_H

#include <ganglion/buf.h>
#include <ganglion/matrix/heads.h>

struct mx_summary {
    const struct mx_head *head; /* held by the arena */
    bool space;                 /* may have children */
    struct gg_str membership;   /* of the asking user; s NULL: none or nobody asks */
};
/* May the user (s NULL: somebody without a login) be told of the room: those who are in or invited, and all where one may
 * join, knock or read; those who are let in by another room that they are in. *found false: not, or no such room here. */
GG_YIELDS GG_CHECKED int mx_summary_find(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                         struct gg_arena *arena, struct mx_summary *out, bool *found, struct gg_error *err);
/* The same for another server: one that has users in the room, all where anybody may join, knock or read, and one that has
 * users in a room whose members are let in. *known false: there is no such room here. */
GG_YIELDS GG_CHECKED int mx_summary_find_for_server(struct mx_server *server, struct gg_str host, struct gg_str room_id,
                                                    struct gg_arena *arena, struct mx_summary *out, bool *known, bool *found,
                                                    struct gg_error *err);
/* Appends the members of the room's entry without the closing brace. */
GG_YIELDS GG_CHECKED int mx_summary_write(struct mx_server *server, const struct mx_summary *summary, struct gg_arena *arena,
                                          struct gg_buf *out, struct gg_error *err);

#endif
