/* matrix/sliding/connection.h: what the server remembers of a sliding sync connection (facts database 3.5, 4.21): which
 * rooms were sent up to where, and how much of each was asked for. A connection is a user, a device and the client's
 * conn_id; each position that the client may name is a set of rows of its own, which never changes. */
#ifndef MX_SLIDING_CONNECTION_H
#define MX_SLIDING_CONNECTION_H

#include "sliding/request.h"

#include <ganglion/matrix/server.h>

enum mx_sliding_stream { MX_SLIDING_ROOMS, MX_SLIDING_RECEIPTS, MX_SLIDING_ACCOUNT_DATA, MX_SLIDING_STREAMS };
enum mx_sliding_status { MX_SLIDING_NEVER, MX_SLIDING_LIVE, MX_SLIDING_PREVIOUSLY };

struct mx_sliding_sent {
    uint8_t status;     /* enum mx_sliding_status; LIVE: up to the token of each answer */
    struct gg_str last; /* PREVIOUSLY: the stream's position up to which it was sent, as text */
};
struct mx_sliding_known {
    struct gg_str room_id;
    struct mx_sliding_sent sent[MX_SLIDING_STREAMS];
    const struct mx_room_config *config; /* NULL: never sent */
};

/* One position's worth. Immutable; reference-counted. */
struct mx_connection;
/* NULL: nothing is known of the room. */
const struct mx_sliding_known *mx_connection_room(const struct mx_connection *connection, struct gg_str room_id);
/* Of n rooms, what mx_connection_room says of each, by place (places: room id -> place from 1). Made once for each
 * owner of the places, which is told from others by its id. */
const struct mx_sliding_known *const *mx_connection_aligned(const struct mx_connection *connection, uint64_t id,
                                                            const struct gg_map *places, size_t n);
bool mx_connection_next(const struct mx_connection *connection, size_t *cursor, const struct mx_sliding_known **out);
int64_t mx_connection_last_used(const struct mx_connection *connection); /* ms; 0: never */

/* Whose connection. */
struct mx_connection_name {
    struct gg_str user_id, device_id, conn_id;
};
/* The state at a position that the client names, which confirms it: others of the connection end. position 0: an empty
 * one. The arena holds it. 400 M_UNKNOWN_POS: no such position (any more), or not of this connection. */
GG_YIELDS GG_CHECKED int mx_connection_at(struct mx_server *server, const struct mx_connection_name *name,
                                          int64_t position, struct gg_arena *arena, const struct mx_connection **out,
                                          struct gg_error *err);

/* What an answer changes. */
struct mx_connection_news {
    const struct mx_sliding_known **rooms; /* each with all that is known of the room now */
    size_t n_rooms, cap_rooms;
    struct mx_sliding_member {
        struct gg_str room_id, user_id;
    } * lazy, *stale; /* members sent lazily; members that are no longer */
    size_t n_lazy, n_stale, cap_lazy, cap_stale;
};
/* The room's entry in the news, made of what is known so far; to be changed. */
struct mx_sliding_known *mx_connection_change(struct mx_connection_news *news, struct gg_map *changed,
                                              const struct mx_connection *connection, struct gg_str room_id,
                                              struct gg_arena *arena);
void mx_connection_member(struct mx_connection_news *news, bool stale, struct gg_str room_id, struct gg_str user_id,
                          struct gg_arena *arena);
/* Makes the next position of the connection with the news; *position_out is `position` when there are none. A
 * connection without a position (0) begins anew: what there was under its name ends. 400 M_UNKNOWN_POS: it ended
 * meanwhile. */
GG_YIELDS GG_CHECKED int mx_connection_record(struct mx_server *server, const struct mx_connection_name *name,
                                              const struct mx_connection *before, int64_t position,
                                              const struct mx_connection_news *news, int64_t *position_out,
                                              struct gg_error *err);

/* When each of these members was last needed lazily, at this position: seen[i] in ms, -1: was not sent. */
GG_YIELDS GG_CHECKED int mx_connection_lazy_seen(struct mx_server *server, const struct mx_connection *connection,
                                                 int64_t position, const struct mx_sliding_member *members, size_t n,
                                                 struct gg_arena *arena, int64_t *seen, struct gg_error *err);
/* The same member as lately as this need not be noted again. */
enum { MX_SLIDING_LAZY_AGAIN_MS = 60 * 60 * 1000 };

/* Ends connections that nobody has used for a week. */
GG_YIELDS GG_CHECKED int mx_connections_expire(struct mx_server *server, struct gg_error *err);

/* The cache of positions. */
void mx_connections_make(struct mx_server *server);

#endif
