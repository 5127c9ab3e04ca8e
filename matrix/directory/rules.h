/* matrix/directory/rules.h: who may name and publish which room (alias_creation_rules, room_list_publication_rules). */
#ifndef MX_DIRECTORY_RULES_H
#define MX_DIRECTORY_RULES_H

#include <ganglion/matrix/server.h>

/* May the user give the room this alias? Without rules everybody may. */
bool mx_may_create_alias(const struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str alias);
/* May the user publish the room, which has these aliases? Without rules nobody may, as in Synapse since 1.126. */
bool mx_may_publish_room(const struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                         const struct gg_str *aliases, size_t n);
/* The rules that a node lists, the first match deciding. Pure. */
struct gg_node;
bool mx_rules_allow(const struct gg_node *rules, struct gg_str user_id, struct gg_str room_id, const struct gg_str *aliases,
                    size_t n);

#endif
