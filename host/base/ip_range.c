/* Ranges of addresses, as configurations write them. */
#include "base/ip_range.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

const unsigned char gg_ipv4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int gg_ip_range_parse(const char *text, struct gg_ip_range *out, struct gg_error *err)
{
    char address[64];
    size_t n = strcspn(text, "/");
    if (n >= sizeof(address))
        return gg_fail(err, GG_E_INVALID, "\"%.80s\" is no IP range", text);
    memcpy(address, text, n);
    address[n] = '\0';
    memcpy(out->address, gg_ipv4_mapped, sizeof(gg_ipv4_mapped));
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

bool gg_ip_range_holds(const struct gg_ip_range *range, const unsigned char *address)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->address, address, bytes) != 0)
        return false;
    return rest == 0 || ((range->address[bytes] ^ address[bytes]) >> (8 - rest)) == 0;
}

bool gg_ip_range_has(const struct gg_ip_range *range, const char *address)
{
    unsigned char bytes[16];
    memcpy(bytes, gg_ipv4_mapped, sizeof(gg_ipv4_mapped));
    if (inet_pton(AF_INET, address, bytes + 12) != 1 && inet_pton(AF_INET6, address, bytes) != 1)
        return false;
    return gg_ip_range_holds(range, bytes);
}
