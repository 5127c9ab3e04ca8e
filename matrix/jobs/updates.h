/* matrix/jobs/updates.h: background updates that a database brings along from Synapse (table background_updates).
 *
 * Those that make an index are here, those that work on rows in matrix/updates; of unknown ones the rows stay. */
#ifndef MX_JOBS_UPDATES_H
#define MX_JOBS_UPDATES_H

#include "jobs/jobs.h"

struct mx_index_update {
    const char *update, *index, *sql; /* sql makes the index without locking writers out */
    const char *replaces;             /* an index that goes then; or NULL */
};
extern const struct mx_index_update mx_index_updates[]; /* ends with update NULL */

/* {"enabled":..,"current_updates":{..}} of this process. */
GG_CHECKED int mx_updates_status(const struct mx_server *server, struct gg_arena *arena, struct gg_str *json_out,
                                 struct gg_error *err);
struct mx_wanted_update {
    const char *name, *depends_on; /* NULL: on nothing */
};
/* Asks for updates, and has them begun. 400 when one is asked for already. */
GG_YIELDS GG_CHECKED int mx_updates_queue(struct mx_server *server, const struct mx_wanted_update *wanted, size_t n,
                                          struct gg_error *err);
bool mx_updates_enabled(const struct mx_server *server);
void mx_updates_enable(struct mx_server *server, bool enabled);

#endif
