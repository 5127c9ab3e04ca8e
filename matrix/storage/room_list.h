/* matrix/storage/room_list.h: the published rooms and their order (tables rooms, appservice_room_list, room_stats_*). */
#ifndef MX_STORAGE_ROOM_LIST_H
#define MX_STORAGE_ROOM_LIST_H

#include "directory/page_token.h"

#include <ganglion/matrix/server.h>

enum mx_list_scope { MX_LIST_OWN, MX_LIST_NETWORK, MX_LIST_ALL }; /* the server's own, an appservice network's, both */

struct mx_list_query {
    enum mx_list_scope scope;
    struct gg_str appservice, network; /* of MX_LIST_NETWORK */
    struct gg_str term;                /* s NULL: all; else a part of name, topic or canonical alias */
    const struct gg_str *room_types;   /* with `untyped`, which room types are wanted; any when typed is false */
    size_t n_room_types;
    bool typed, untyped;
    bool federatable;                  /* only those that other servers may join */
    const struct mx_list_token *since; /* NULL: from the start */
    int64_t limit;                     /* rows at most; < 0: no bound */
};
struct mx_listed_room { /* s NULL where the room does not say */
    struct gg_str room_id, name, topic, canonical_alias, avatar_url, join_rule, history_visibility, guest_access, room_type;
    int64_t joined;
};
/* Most members first, whatever the direction of travel. */
GG_YIELDS GG_CHECKED int mx_room_list_page(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena,
                                           struct mx_listed_room **out, size_t *n_out, struct gg_error *err);
/* Of all pages, whatever the term. */
GG_YIELDS GG_CHECKED int mx_room_list_count(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena,
                                            int64_t *out, struct gg_error *err);

/* Is the room on the server's list? *known: is there such a room? */
GG_YIELDS GG_CHECKED int mx_room_list_get(struct mx_server *server, struct gg_str room_id, bool *known, bool *listed,
                                          struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_room_list_set(struct mx_server *server, struct gg_str room_id, bool listed, struct gg_error *err);
/* The same for a network of an appservice. */
GG_YIELDS GG_CHECKED int mx_room_list_set_network(struct mx_server *server, struct gg_str appservice, struct gg_str network,
                                                  struct gg_str room_id, bool listed, struct gg_error *err);

#endif
