/* base/ip_range.h: ranges of addresses, over addresses that are 16 bytes. */
#ifndef GG_BASE_IP_RANGE_H
#define GG_BASE_IP_RANGE_H

#include <ganglion/client.h>

extern const unsigned char gg_ipv4_mapped[12]; /* what stands before the four bytes of an IPv4 address */

bool gg_ip_range_holds(const struct gg_ip_range *range, const unsigned char *address);

#endif
