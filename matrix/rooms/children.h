/* matrix/rooms/children.h: the children of a space, in the order that the space gives them. */
#ifndef MX_ROOMS_CHILDREN_H
#define MX_ROOMS_CHILDREN_H

#include <ganglion/buf.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/store.h>

/* m.space.child events that name a server to go by, sorted (client-server API, "Ordering of children within a space"). The
 * array is in the arena, which holds the events. */
GG_YIELDS GG_CHECKED int mx_space_children(struct mx_server *server, const struct mx_head *head, bool suggested_only,
                                           struct gg_arena *arena, const struct mx_event ***out, size_t *n_out,
                                           struct gg_error *err);

/* Appends the event as hierarchies show it: stripped, with its time. */
void mx_space_child_write(struct gg_buf *out, const struct mx_event *child);

/* Pure: is the content a child's, and how do two children stand to each other? */
bool mx_is_space_child(struct gg_str content, bool suggested_only);
struct mx_child_place {
    struct gg_str order; /* s NULL: none that is valid */
    int64_t origin_server_ts;
    struct gg_str room_id;
};
struct mx_child_place mx_child_place_of(struct gg_str content, int64_t origin_server_ts, struct gg_str room_id,
                                        struct gg_arena *arena);
int mx_child_place_cmp(const struct mx_child_place *a, const struct mx_child_place *b);

#endif
