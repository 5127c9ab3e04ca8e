/* The list of addresses that outgoing requests must not reach. */
#include "client/deny.h"

#include "base/ip_range.h"

#include <netinet/in.h>

static bool any(const struct gg_ip_range *list, size_t n, const unsigned char *address)
{
    for (size_t i = 0; i < n; i++)
        if (gg_ip_range_holds(&list[i], address))
            return true;
    return false;
}

static bool unspecified(const unsigned char *address)
{
    static const unsigned char zero[16];
    return memcmp(address, zero, 16) == 0 || (memcmp(address, gg_ipv4_mapped, 12) == 0 && memcmp(address + 12, zero, 4) == 0);
}

static bool allows(const struct gg_deny *deny, const unsigned char *address)
{
    if (unspecified(address))
        return false;
    return any(deny->allowed, deny->n_allowed, address) || !any(deny->denied, deny->n_denied, address);
}

/* Where an IPv4 address hides in an IPv6 one; NULL: nowhere. */
static const unsigned char *inner(const unsigned char *address)
{
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b}, compatible[12] = {0};
    if (address[0] == 0x20 && address[1] == 0x02) /* 6to4 */
        return address + 2;
    if (memcmp(address, nat64, 12) == 0 || memcmp(address, compatible, 12) == 0)
        return address + 12;
    return NULL;
}

bool gg_deny_allows(const struct gg_deny *deny, const struct sockaddr *peer)
{
    unsigned char address[16];
    memcpy(address, gg_ipv4_mapped, sizeof(gg_ipv4_mapped));
    if (peer->sa_family == AF_INET)
        memcpy(address + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    else if (peer->sa_family == AF_INET6)
        memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    else
        return false;
    if (!allows(deny, address))
        return false;
    const unsigned char *v4 = memcmp(address, gg_ipv4_mapped, 12) != 0 ? inner(address) : NULL;
    if (v4 == NULL)
        return true;
    unsigned char whole[16];
    memcpy(whole, gg_ipv4_mapped, sizeof(gg_ipv4_mapped));
    memcpy(whole + 12, v4, 4);
    return allows(deny, whole);
}
