/* matrix/api/rooms.h: handlers of the room endpoints; rooms_routes.c says which path each one serves. */
#ifndef MX_API_ROOMS_H
#define MX_API_ROOMS_H

#include <ganglion/matrix/rooms.h>

gg_handler_fn mx_api_create_room, mx_api_send, mx_api_put_state, mx_api_redact, mx_api_join, mx_api_join_room, mx_api_leave,
    mx_api_invite, mx_api_kick, mx_api_ban, mx_api_unban, mx_api_forget, mx_api_knock, mx_api_upgrade;
gg_handler_fn mx_api_get_alias, mx_api_put_alias, mx_api_delete_alias, mx_api_room_aliases;
gg_handler_fn mx_api_hierarchy, mx_api_room_summary, mx_api_mutual_rooms;
gg_handler_fn mx_api_public_rooms, mx_api_search_public_rooms, mx_api_get_listed, mx_api_put_listed, mx_api_put_network_listed,
    mx_api_delete_network_listed;
gg_handler_fn mx_api_get_state_all, mx_api_get_state, mx_api_members, mx_api_joined_members, mx_api_joined_rooms,
    mx_api_messages, mx_api_event, mx_api_context;
gg_handler_fn mx_api_relations, mx_api_threads, mx_api_timestamp_to_event;
gg_handler_fn mx_api_search, mx_api_report_event, mx_api_report_room, mx_api_report_user;

/* {"key": id} */
int mx_api_reply_id(struct gg_request *rq, const char *key, struct gg_str id);
/* The room of the path's room_identifier, an id or an alias: 400 if it is neither, 404 for an unknown alias. */
GG_YIELDS GG_CHECKED int mx_api_find_room(struct gg_request *rq, struct gg_str *room_id, struct gg_error *err);
/* The same with servers that may know it: what the client names, and what the alias says. */
struct mx_api_room {
    struct gg_str room_id;
    const struct gg_str *servers;
    size_t n_servers;
};
GG_YIELDS GG_CHECKED int mx_api_find_room_via(struct gg_request *rq, struct mx_api_room *out, struct gg_error *err);
/* A member event takes the same way whichever endpoint it came by. */
GG_YIELDS GG_CHECKED int mx_api_put_member(struct gg_request *rq, const struct mx_new_event *event, struct gg_str *event_id,
                                           struct gg_error *err);

#endif
