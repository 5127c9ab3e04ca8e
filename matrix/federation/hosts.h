/* matrix/federation/hosts.h: which servers are in a room: distinct domains of its joined members. */
#ifndef MX_FEDERATION_HOSTS_H
#define MX_FEDERATION_HOSTS_H

#include <ganglion/matrix/heads.h>

struct mx_fed_hosts {
    const struct gg_str *names; /* bytewise ascending, each once; we are among them when one of our users is in the room */
    size_t n;
};

/* Of the room's current state. Kept with the room's members: what changes costs only what changed. In a room whose state
 * is not complete yet, also the servers that were named when we joined. In the arena. 404 M_NOT_FOUND: no such room. */
GG_YIELDS GG_CHECKED int mx_fed_hosts_in_room(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                              struct mx_fed_hosts *out, struct gg_error *err);
/* Of a head's current state alone; does not wait. Lives as long as the arena. */
void mx_fed_hosts_of_head(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                          struct mx_fed_hosts *out);
/* Is one of ours in the room, and every member event of its current state, whatever its membership, that of a user of ours? Then
 * nobody else ever was in it or was invited, and its events concern nobody else. (Of a room that our last user has left we
 * hold no state.) Does not wait. */
bool mx_fed_hosts_never_others(struct mx_server *server, const struct mx_head *head);
/* Of the state that a group of this room stands for: as cheap as the group is near to the current state. head NULL: the
 * room has none any more (our last user left); then all of its members are looked at. */
GG_YIELDS GG_CHECKED int mx_fed_hosts_of_group(struct mx_server *server, const struct mx_head *head, int64_t group,
                                               struct gg_arena *arena, struct mx_fed_hosts *out, struct gg_error *err);
/* Of a whole state of this room, likewise. */
GG_YIELDS GG_CHECKED int mx_fed_hosts_of_state(struct mx_server *server, const struct mx_head *head,
                                               const struct mx_state *state, struct gg_arena *arena,
                                               struct mx_fed_hosts *out, struct gg_error *err);
/* Servers that were in a room when we joined it, while its state is not complete; n 0: it is complete, or none of ours. */
GG_YIELDS GG_CHECKED int mx_fed_hosts_at_join(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                              struct mx_fed_hosts *out, struct gg_error *err);
/* Is that known, and n 0? Does not wait. */
bool mx_fed_hosts_complete(const struct mx_server *server, struct gg_str room_id);
bool mx_fed_hosts_has(const struct mx_fed_hosts *hosts, struct gg_str name);
/* Is anybody there but us? */
bool mx_fed_hosts_others(const struct mx_server *server, const struct mx_fed_hosts *hosts);

#endif
