/* storage/admin/rooms.h: rooms as administrators see them. */
#ifndef MX_STORAGE_ADMIN_ROOMS_H
#define MX_STORAGE_ADMIN_ROOMS_H

#include "storage/admin/ask.h"

struct mx_admin_rooms_query {
    int64_t from, limit;
    const char *order_by;  /* one that mx_admin_rooms_order knows */
    bool backwards;
    struct gg_str search;  /* s NULL: all */
    int is_public, empty;  /* -1: do not restrict */
};
bool mx_admin_rooms_order(const char *name);
/* *rooms_out: a JSON list. */
GG_YIELDS GG_CHECKED int mx_admin_rooms_list(struct mx_server *server, const struct mx_admin_rooms_query *query,
                                             struct gg_arena *arena, struct gg_str *rooms_out, int64_t *total_out,
                                             struct gg_error *err);

/* Questions about one room, each a statement with the id as its only parameter. */
extern const struct gg_stmt mx_admin_room_details, mx_admin_room_members, mx_admin_room_extremities;
/* Rooms by the bytes that their events and states take, (limit). */
extern const struct gg_stmt mx_admin_rooms_sizes;

/* All forward extremities but the newest go. 404 M_UNKNOWN when there are none. *n_out: how many went. */
GG_YIELDS GG_CHECKED int mx_admin_room_one_extremity(struct mx_server *server, struct gg_str room_id, int64_t *n_out,
                                                     struct gg_error *err);

#endif
