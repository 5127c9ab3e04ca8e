/* matrix/federation/well_known.h: where a server says that it is to be found: /.well-known/matrix/server (server-server
 * API, "Resolving server names", step 3). */
#ifndef MX_FEDERATION_WELL_KNOWN_H
#define MX_FEDERATION_WELL_KNOWN_H

#include "federation/client_part.h"

/* *out: the server that it delegates to, in the arena; NULL: to none. Cached; a server that cannot be asked delegates to
 * none, or for a while to what it said last. 0, or the fiber's own end (TIMEOUT, CANCELLED). */
GG_YIELDS GG_CHECKED int mx_fed_well_known(struct mx_fed_client *client, const char *host, struct gg_arena *arena,
                                           const char **out, struct gg_error *err);

void mx_fed_well_knowns_make(struct mx_fed_client *client);
void mx_fed_well_knowns_free(struct mx_fed_client *client);

/* ---- pure parts ---- */

/* m.server of an answer, in the arena; NULL: it is none. */
const char *mx_well_known_parse(struct gg_str body, struct gg_arena *arena);
/* How long an answer is kept by its headers, in ms, within bounds; -1: they do not say. now_ms: wall clock. */
int64_t mx_well_known_period(const char *cache_control, const char *expires, int64_t now_ms);

#endif
