/* client/deny.h: addresses that outgoing requests must not reach (ip_range_blacklist, ip_range_whitelist). */
#ifndef GG_CLIENT_DENY_H
#define GG_CLIENT_DENY_H

#include <ganglion/client.h>
#include <sys/socket.h>

struct gg_deny {
    struct gg_ip_range *denied, *allowed; /* allowed wins */
    size_t n_denied, n_allowed;
};

/* May this peer be connected to? The unspecified addresses never; an IPv4 address
 * that travels inside an IPv6 one (mapped, compatible, 6to4, NAT64) counts as both. */
bool gg_deny_allows(const struct gg_deny *deny, const struct sockaddr *peer);

#endif
