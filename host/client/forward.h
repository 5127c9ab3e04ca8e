/* client/forward.h: forward proxies, through which requests leave a network that has no other way out. For client/ and the
 * check of the configuration. */
#ifndef GG_CLIENT_FORWARD_H
#define GG_CLIENT_FORWARD_H

#include <ganglion/config.h>

/* The proxy for a URL of that scheme whose connection would go to host (a name, or an address without brackets); NULL: none.
 * From the configuration (http_proxy, https_proxy, no_proxy_hosts), where it is silent from the environment variables
 * http_proxy, https_proxy and no_proxy in either case. Borrowed. */
const char *gg_forward_proxy(const struct gg_config *config, const char *scheme, const char *host);
/* Does an entry of no_proxy stand for the host: its name, or a domain that it is in? Pure. */
bool gg_forward_matches(struct gg_str entry, const char *host);
/* "host", "host:port" or a URL with http or https, and a host in it. Pure. */
bool gg_forward_valid(const char *proxy);

#endif
