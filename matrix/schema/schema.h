/* schema/schema.h: the tables that the Matrix library shares with Synapse, and the checks before they are used. */
#ifndef MX_SCHEMA_SCHEMA_H
#define MX_SCHEMA_SCHEMA_H

#include <ganglion/error.h>

struct mx_server;

/* One domain of the schema: matrix/schema/<name>.sql as text. */
struct mx_schema_file {
    const char *name, *sql;
};
/* In the order in which they must run; ends with name NULL. Made at build time. */
extern const struct mx_schema_file mx_schema_files[];

enum {
    MX_SCHEMA_VERSION = 94, /* the generation that mx_schema_files describe */
    MX_SCHEMA_COMPAT = 84,  /* the oldest generation whose programs can use it */
};

/* The schema duty (gg_host_on_schema): checks the server and the database as Synapse does at each start; the main
 * process creates the schema in an empty database, everybody else only checks. Refuses (GG_E_INVALID) with what the
 * operator has to do. */
GG_YIELDS GG_CHECKED int mx_schema_prepare(struct mx_server *server, struct gg_error *err);

/* ids that went past their sequence: what one process of a deployment would hand out twice. Part of mx_schema_prepare.
 */
GG_YIELDS GG_CHECKED int mx_schema_check_sequences(struct mx_server *server, struct gg_error *err);

#endif
