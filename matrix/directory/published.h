/* matrix/directory/published.h: a page of the public list, as clients and other servers see it. */
#ifndef MX_DIRECTORY_PUBLISHED_H
#define MX_DIRECTORY_PUBLISHED_H

#include "storage/room_list.h"

#include <ganglion/buf.h>

enum { MX_LIST_MAX = 5000 }; /* rooms of one answer, also when no limit is asked for */

/* The public list of a large server is worked out at most once in a while; a process that publishes a room itself forgets
 * what it kept. */
void mx_published_forget(struct mx_server *server);

/* Appends the answer of GET /publicRooms (client-server API, "Listing rooms"). query->since and limit (0: none) as the
 * client gave them. */
GG_YIELDS GG_CHECKED int mx_published_rooms(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena,
                                            struct gg_buf *out, struct gg_error *err);

#endif
