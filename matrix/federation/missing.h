/* matrix/federation/missing.h: events that others cite and that we do not hold, asked of a server that has them. */
#ifndef MX_FEDERATION_MISSING_H
#define MX_FEDERATION_MISSING_H

#include "federation/place.h"

/* All auth events of an event, in its own order, rejected ones too. What is not held is asked of origin (NULL: of nobody)
 * and stored as outliers. GG_E_NOT_FOUND: one is not to be had. */
GG_YIELDS GG_CHECKED int mx_fed_auth_events(struct mx_server *server, const char *origin, const struct mx_event *event,
                                            struct gg_arena *arena, struct mx_fed_auth *out, struct gg_error *err);

#endif
