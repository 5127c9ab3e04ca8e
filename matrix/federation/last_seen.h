/* matrix/federation/last_seen.h: when a PDU last went to, or came from, the servers that the operator watches
 * (federation_metrics_domains). */
#ifndef MX_FEDERATION_LAST_SEEN_H
#define MX_FEDERATION_LAST_SEEN_H

#include <ganglion/matrix/server.h>

/* transaction: the JSON text of a transaction that was taken. Of other servers than those: nothing. */
void mx_fed_sent(const struct mx_server *server, const char *destination, struct gg_str transaction);
void mx_fed_received(const struct mx_server *server, const char *origin, struct gg_str transaction);

#endif
