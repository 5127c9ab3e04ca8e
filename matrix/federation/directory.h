/* matrix/federation/directory.h: which room an alias of another server names (server-server API, "Querying for
 * information"). */
#ifndef MX_FEDERATION_DIRECTORY_H
#define MX_FEDERATION_DIRECTORY_H

#include <ganglion/matrix/server.h>

/* Asks the server that the alias names. *room_id_out and the servers by which the room can be reached (the array ends with
 * an entry whose s is NULL; each a valid name; at most a few hundred) lie in the arena. 404 M_NOT_FOUND: it knows no such
 * alias; 502 M_UNKNOWN: it cannot be asked. */
GG_YIELDS GG_CHECKED int mx_fed_directory(struct mx_server *server, struct gg_str alias, struct gg_arena *arena,
                                          struct gg_str *room_id_out, struct gg_str **servers_out, struct gg_error *err);
/* Pure: the answer to that question; false: it is none. */
bool mx_fed_directory_read(struct gg_str answer, struct gg_arena *arena, struct gg_str *room_id_out,
                           struct gg_str **servers_out);

#endif
