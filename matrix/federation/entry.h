/* matrix/federation/entry.h: may another server ask about a room at all? */
#ifndef MX_FEDERATION_ENTRY_H
#define MX_FEDERATION_ENTRY_H

#include <ganglion/matrix/heads.h>

/* Does the server have a joined member? */
bool mx_fed_is_in(struct mx_server *server, const struct mx_head *head, struct gg_str name);
/* Are we in the room without having been told all of its state yet? */
GG_YIELDS GG_CHECKED int mx_fed_is_partial(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *partial,
                                           struct gg_error *err);

enum mx_fed_need {
    MX_FED_ANY_STATE,  /* what is asked for can be told while our own state of the room is not complete */
    MX_FED_FULL_STATE, /* it cannot: 403 M_UNABLE_DUE_TO_PARTIAL_STATE */
};
/* The room as it is now, for a server that is in it and that its ACL lets in; the arena holds the head. 403 M_FORBIDDEN for
 * all others, and for rooms that nobody here knows: strangers learn nothing. */
GG_YIELDS GG_CHECKED int mx_fed_admit(struct mx_server *server, struct gg_str origin, struct gg_str room_id, enum mx_fed_need need,
                                      struct gg_arena *arena, const struct mx_head **head_out, struct gg_error *err);
/* The same whatever the room's ACL says: single events are not among what it protects (server-server API, "Server Access
 * Control Lists"). */
GG_YIELDS GG_CHECKED int mx_fed_admit_member(struct mx_server *server, struct gg_str origin, struct gg_str room_id,
                                             enum mx_fed_need need, struct gg_arena *arena, const struct mx_head **head_out,
                                             struct gg_error *err);
/* For servers that are only about to come in (joins, knocks, leaves): the ACL alone. 404 M_NOT_FOUND for a room that is unknown,
 * or that we cannot tell all about yet. */
GG_YIELDS GG_CHECKED int mx_fed_admit_stranger(struct mx_server *server, struct gg_str origin, struct gg_str room_id,
                                               struct gg_arena *arena, const struct mx_head **head_out, struct gg_error *err);
/* The ACL alone, where the room may be unknown (an invite): then it lets everybody in. */
GG_YIELDS GG_CHECKED int mx_fed_acl(struct mx_server *server, struct gg_str origin, struct gg_str room_id,
                                    struct gg_arena *arena, struct gg_error *err);

#endif
