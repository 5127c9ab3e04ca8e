/* The list of addresses that outgoing requests must not reach. */
#include "client/deny.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int gg_range_parse(const char *text, struct gg_range *out, struct gg_error *err)
{
    char address[64];
    size_t n = strcspn(text, "/");
    if (n >= sizeof(address))
        return gg_fail(err, GG_E_INVALID, "\"%.80s\" is no IP range", text);
    memcpy(address, text, n);
    address[n] = '\0';
    memcpy(out->address, mapped, sizeof(mapped));
    unsigned most = inet_pton(AF_INET, address, out->address + 12) == 1 ? 32 : 128;
    if (most == 128 && inet_pton(AF_INET6, address, out->address) != 1)
        return gg_fail(err, GG_E_INVALID, "\"%.80s\" is no IP range", text);
    char *end = NULL;
    unsigned long bits = text[n] == '/' ? strtoul(text + n + 1, &end, 10) : most;
    if (bits > most || (end != NULL && (*end != '\0' || end == text + n + 1)))
        return gg_fail(err, GG_E_INVALID, "\"%.80s\" is no IP range", text);
    out->bits = (unsigned)bits + (128 - most);
    return 0;
}

static bool within(const struct gg_range *range, const unsigned char *address)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->address, address, bytes) != 0)
        return false;
    return rest == 0 || ((range->address[bytes] ^ address[bytes]) >> (8 - rest)) == 0;
}

static bool any(const struct gg_range *list, size_t n, const unsigned char *address)
{
    for (size_t i = 0; i < n; i++)
        if (within(&list[i], address))
            return true;
    return false;
}

static bool unspecified(const unsigned char *address)
{
    static const unsigned char zero[16];
    return memcmp(address, zero, 16) == 0 || (memcmp(address, mapped, 12) == 0 && memcmp(address + 12, zero, 4) == 0);
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
    memcpy(address, mapped, sizeof(mapped));
    if (peer->sa_family == AF_INET)
        memcpy(address + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    else if (peer->sa_family == AF_INET6)
        memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    else
        return false;
    if (!allows(deny, address))
        return false;
    const unsigned char *v4 = memcmp(address, mapped, 12) != 0 ? inner(address) : NULL;
    if (v4 == NULL)
        return true;
    unsigned char whole[16];
    memcpy(whole, mapped, sizeof(mapped));
    memcpy(whole + 12, v4, 4);
    return allows(deny, whole);
}
