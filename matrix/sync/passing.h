/* matrix/sync/passing.h: all that passed between two positions as one list, as the old event stream tells it
 * (client-server API r0.0, "GET /events"). */
#ifndef MX_SYNC_PASSING_H
#define MX_SYNC_PASSING_H

#include "presence/presence.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"

#include <ganglion/matrix/store.h>
#include <ganglion/matrix/token.h>

struct mx_passing_query {
    const struct mx_requester *requester;
    struct mx_token from;
    struct gg_str room_id; /* s NULL: all rooms that they are joined to */
    size_t limit;          /* events of rooms, at most */
};

struct mx_passed {
    struct mx_token end;
    const struct mx_event **events;    /* by stream ordering */
    size_t n;
    struct mx_presence_seen *presence; /* those who changed, and those who came */
    size_t n_presence;
    struct gg_str *typing;             /* rooms whose list changed */
    size_t n_typing;
    struct mx_room_receipts *receipts; /* content s NULL: none of that room */
    size_t n_receipts;
    struct mx_data_row *data;
    size_t n_data;
};

/* Rooms that the query speaks of. 403 M_FORBIDDEN for a named room that the user may not read. */
GG_YIELDS GG_CHECKED int mx_passing_rooms(struct mx_server *server, const struct mx_passing_query *q, struct gg_arena *arena,
                                          struct gg_str **out, size_t *n_out, struct gg_error *err);
/* From q->from up to what is known now. */
GG_YIELDS GG_CHECKED int mx_passing_read(struct mx_server *server, const struct mx_passing_query *q, const struct gg_str *rooms,
                                         size_t n_rooms, struct gg_arena *arena, struct mx_passed *out, struct gg_error *err);
bool mx_passing_empty(const struct mx_passed *passed);

#endif
