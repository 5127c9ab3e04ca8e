/* matrix/api/admin_rooms.h: handlers of the admin API about rooms. */
#ifndef MX_API_ADMIN_ROOMS_H
#define MX_API_ADMIN_ROOMS_H

#include "api/admin.h"

/* admin_rooms.c */
gg_handler_fn mx_admin_api_rooms, mx_admin_api_room, mx_admin_api_room_members, mx_admin_api_room_block,
    mx_admin_api_put_room_block, mx_admin_api_extremities, mx_admin_api_one_extremity, mx_admin_api_rooms_sizes;
/* admin_rooms_read.c */
gg_handler_fn mx_admin_api_room_state, mx_admin_api_fetch_event;
/* admin_rooms_act.c */
gg_handler_fn mx_admin_api_join, mx_admin_api_make_room_admin;
/* admin_rooms_end.c */
gg_handler_fn mx_admin_api_purge_history, mx_admin_api_purge_status, mx_admin_api_delete_room,
    mx_admin_api_delete_room_now, mx_admin_api_delete_status, mx_admin_api_delete_status_of_room;

/* The room that {room_id} names by its id: 400 M_UNKNOWN when that is none. */
GG_CHECKED int mx_admin_room_id(const struct gg_request *rq, struct gg_str *out, struct gg_error *err);
/* The room that a path member names by its id or an alias of ours; 400, 404. */
GG_YIELDS GG_CHECKED int mx_admin_room_named(struct gg_request *rq, const char *param, struct gg_str *out, struct gg_error *err);

#endif
