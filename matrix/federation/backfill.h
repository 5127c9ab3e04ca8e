/* matrix/federation/backfill.h: older history of a room, asked of the servers that have it. */
#ifndef MX_FEDERATION_BACKFILL_H
#define MX_FEDERATION_BACKFILL_H

#include "rooms/history.h"

/* mx_history_page for a client; where the page runs into the end of our copy of the room, or shows holes, older events
 * are asked for first (server-server API, "Backfilling and retrieving missing events"). That nobody tells is no error.
 */
GG_YIELDS GG_CHECKED int mx_backfill_page(struct mx_server *server, struct gg_str user_id,
                                          const struct mx_access *access, const struct mx_page_query *query,
                                          struct gg_arena *arena, struct mx_page *out, struct gg_error *err);
/* Asks for what lies before the points near depth, when they are near enough for a page of that limit. *told: somebody
 * answered. One at a time for each room. */
GG_YIELDS GG_CHECKED int mx_backfill(struct mx_server *server, struct gg_str room_id, int64_t depth, size_t limit,
                                     bool *told, struct gg_error *err);

#endif
