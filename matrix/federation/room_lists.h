/* matrix/federation/room_lists.h: public lists of other servers (server-server API, "Public Room Directory"). */
#ifndef MX_FEDERATION_ROOM_LISTS_H
#define MX_FEDERATION_ROOM_LISTS_H

#include <ganglion/matrix/server.h>

struct mx_fed_list_query {
    struct gg_str server_name;
    struct gg_str since, network;  /* s NULL: none */
    int64_t limit;                 /* 0: none */
    bool all_networks;
    struct gg_str filter;          /* JSON object text; s NULL: none */
};
/* *out: the answer, JSON object text in the arena. 502 M_UNKNOWN where the list cannot be had. */
GG_YIELDS GG_CHECKED int mx_fed_room_list(struct mx_server *server, const struct mx_fed_list_query *query,
                                          struct gg_arena *arena, struct gg_str *out, struct gg_error *err);

#endif
