/* matrix/rooms/checks.h: what a local client's event must fulfil beyond the auth rules. */
#ifndef MX_ROOMS_CHECKS_H
#define MX_ROOMS_CHECKS_H

#include "rooms/chain.h"

/* May the requester (not always the one who began the chain) send the event next? 0, or the client's error. */
GG_YIELDS GG_CHECKED int mx_check_new_event(struct mx_chain *chain, const struct mx_requester *requester,
                                            const struct mx_new_event *event, struct gg_error *err);

#endif
