/* storage/admin/destinations.h: servers that we talk to, and how well that goes. */
#ifndef MX_STORAGE_ADMIN_DESTINATIONS_H
#define MX_STORAGE_ADMIN_DESTINATIONS_H

#include "storage/admin/ask.h"

bool mx_admin_destinations_order(const char *name);
extern const struct gg_stmt mx_admin_destinations;      /* (part of a name or NULL, order, backwards?, from, limit) */
extern const struct gg_stmt mx_admin_destination;       /* (name) */
extern const struct gg_stmt mx_admin_destination_rooms; /* (name, backwards?, from, limit); no row: unknown */
/* Forgets that a server could not be reached. 404 M_NOT_FOUND; 400 M_UNKNOWN when nothing is to be forgotten. */
GG_YIELDS GG_CHECKED int mx_admin_destination_reset(struct mx_server *server, struct gg_str destination, struct gg_error *err);

#endif
