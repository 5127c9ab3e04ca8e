/* matrix/storage/directory.h: rows about rooms that the creating process writes itself, and aliases
 * (tables rooms, room_aliases, room_alias_servers). */
#ifndef MX_STORAGE_DIRECTORY_H
#define MX_STORAGE_DIRECTORY_H

#include <ganglion/matrix/server.h>

/* The rooms row, before the room's first event. */
GG_YIELDS GG_CHECKED int mx_directory_add_room(struct mx_server *server, struct gg_str room_id, struct gg_str creator,
                                               const struct mx_room_version *version, bool is_public, struct gg_error *err);
/* 409 M_UNKNOWN, as Synapse has it, when the alias is taken. */
GG_YIELDS GG_CHECKED int mx_directory_add_alias(struct mx_server *server, struct gg_str alias, struct gg_str room_id,
                                                struct gg_str creator, struct gg_error *err);
/* s NULL: no such alias. */
GG_YIELDS GG_CHECKED int mx_directory_find_alias(struct mx_server *server, struct gg_str alias, struct gg_arena *arena,
                                                 struct gg_str *room_id_out, struct gg_error *err);

/* Who made the alias (s NULL: not known), and its room (s NULL: no such alias). */
GG_YIELDS GG_CHECKED int mx_directory_alias_creator(struct mx_server *server, struct gg_str alias, struct gg_arena *arena,
                                                    struct gg_str *creator_out, struct gg_str *room_id_out,
                                                    struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_directory_remove_alias(struct mx_server *server, struct gg_str alias, struct gg_str room_id,
                                                   struct gg_error *err);
/* All aliases of a room that this server knows. */
GG_YIELDS GG_CHECKED int mx_directory_aliases_of(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                                                 struct gg_str **out, size_t *n_out, struct gg_error *err);

/* A room is replaced: its aliases and its place on the public list go to the new room. */
GG_YIELDS GG_CHECKED int mx_directory_move(struct mx_server *server, struct gg_str old_room, struct gg_str new_room,
                                           struct gg_error *err);
/* The member events of those who are banned, at most limit of them. */
GG_YIELDS GG_CHECKED int mx_directory_bans(struct mx_server *server, struct gg_str room_id, size_t limit, struct gg_arena *arena,
                                           struct gg_str **event_ids_out, size_t *n_out, struct gg_error *err);

#endif
