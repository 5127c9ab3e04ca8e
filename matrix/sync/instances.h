/* matrix/sync/instances.h: numbers that stand for writers inside tokens (table instance_map). */
#ifndef MX_SYNC_INSTANCES_H
#define MX_SYNC_INSTANCES_H

#include <ganglion/matrix/server.h>

struct mx_instances;
struct mx_instances *mx_instances_new(void);
void mx_instances_free(struct mx_instances *instances);
struct mx_instances *mx_instances_of(const struct mx_server *server);

/* Number of a writer; makes one on first need. */
GG_YIELDS GG_CHECKED int mx_instance_id(struct mx_server *server, const char *name, int32_t *out, struct gg_error *err);
/* Its name, borrowed for good; NULL: no such number is known here (mx_instances_load reads the table again). */
const char *mx_instance_name(const struct mx_server *server, int32_t id);
GG_YIELDS GG_CHECKED int mx_instances_load(struct mx_server *server, struct gg_error *err);

#endif
