/* ganglion/names.h: what the domain name system knows, asked for by c-ares on the loop. */
#ifndef GANGLION_NAMES_H
#define GANGLION_NAMES_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_host;

/* The addresses of a host as texts, the best first; of an address: itself. Looks into /etc/hosts too. Answers are kept
 * as long as they say. GG_E_NOT_FOUND: there is no such host; GG_E_UNAVAILABLE: nobody could say; CANCELLED, TIMEOUT. */
GG_API GG_YIELDS GG_CHECKED int gg_names_addresses(struct gg_host *host, const char *name, struct gg_arena *arena,
                                                   const char ***out, size_t *n_out, struct gg_error *err);

struct gg_name_service {
    const char *host; /* "" (a record of "."): the service is said not to be there */
    uint16_t port, priority, weight;
};
/* SRV records in the order in which they are to be tried (RFC 2782: by priority, at random by weight): each call draws
 * anew. 0 with *n_out == 0: there are none. Errors as above, but for NOT_FOUND. */
GG_API GG_YIELDS GG_CHECKED int gg_names_services(struct gg_host *host, const char *name, struct gg_arena *arena,
                                                  struct gg_name_service **out, size_t *n_out, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
