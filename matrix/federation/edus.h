/* matrix/federation/edus.h: what servers tell each other beside events (server-server API, "EDUs"): one table of what we
 * understand, who handles it, and which process writes what comes of it. */
#ifndef MX_FEDERATION_EDUS_H
#define MX_FEDERATION_EDUS_H

#include <ganglion/matrix/server.h>
#include <jansson.h>

/* One EDU of origin, here or at the writer of its stream (fed_send_edu). content: an object. Kinds that we do not know
 * are passed over. 0, or why it was refused. */
GG_YIELDS GG_CHECKED int mx_fed_edu(struct mx_server *server, const char *origin, const char *type, json_t *content,
                                    struct gg_error *err);
/* The same on the process that is meant to handle it: what fed_send_edu does. */
GG_YIELDS GG_CHECKED int mx_fed_edu_here(struct mx_server *server, const char *origin, const char *type,
                                         const json_t *content, struct gg_error *err);

/* Handlers: of the domains whose streams they write to (people.h, e2ee). They check that origin may say so. */
typedef GG_YIELDS int mx_fed_edu_fn(struct mx_server *server, const char *origin, const json_t *content,
                                    struct gg_error *err);

#endif
