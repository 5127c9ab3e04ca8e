/* storage/federation/timings.h: how well other servers can be reached (table destinations). */
#ifndef MX_STORAGE_FEDERATION_TIMINGS_H
#define MX_STORAGE_FEDERATION_TIMINGS_H

#include "federation/backoff.h"

/* Of many servers: out[i] of names[i]; zeros where nothing is known. */
GG_YIELDS GG_CHECKED int mx_fed_timings_read(struct mx_server *server, const struct gg_str *names, size_t n,
                                             struct mx_fed_timings *out, struct gg_error *err);
/* Stores them and tells every process; a row that says more (a later try, a longer interval) stays as it is. */
GG_YIELDS GG_CHECKED int mx_fed_timings_write(struct mx_server *server, struct gg_str name,
                                              const struct mx_fed_timings *timings, struct gg_error *err);

#endif
