/* matrix/rooms/check_relation.h: what an event may relate to (client-server API, "Relationship types"). */
#ifndef MX_ROOMS_CHECK_RELATION_H
#define MX_ROOMS_CHECK_RELATION_H

#include "rooms/chain.h"

/* 0 when it relates to nothing, or may relate to what it names; else 400. */
GG_YIELDS GG_CHECKED int mx_check_relation(struct mx_chain *chain, struct gg_str sender, const struct mx_new_event *event,
                                           struct gg_error *err);

#endif
