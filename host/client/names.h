/* client/names.h: parts of the name look-up that stand alone. For client/ and its tests. */
#ifndef GG_CLIENT_NAMES_H
#define GG_CLIENT_NAMES_H

#include "client/client.h"

#include <ganglion/names.h>

struct gg_names;
void gg_names_free(struct gg_names *names); /* NULL is fine */

/* The order of RFC 2782, in place; draw(arg, n) gives a number in 0..n-1. */
void gg_names_order(struct gg_name_service *services, size_t n, uint32_t (*draw)(void *arg, uint32_t n), void *arg);
/* The least time to live in seconds of the answers of a DNS message; fallback if it is malformed or has none. */
int64_t gg_names_ttl(const unsigned char *message, size_t n, int64_t fallback);

#endif
