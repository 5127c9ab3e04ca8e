/* The tables that the role lists. */
#ifndef FRONTEND_PROXY_TABLES_H
#define FRONTEND_PROXY_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_route frontend_proxy_routes[];
extern const struct gg_config_key *const frontend_proxy_keys[];

struct gg_balancer;
struct mx_server;

/* What the role keeps: handlers' self. */
struct frontend {
    struct mx_server *server;
    struct gg_balancer *router; /* NULL: all is passed on to the main process */
};

/* handlers.c */
GG_YIELDS int frontend_keys_upload(void *self, struct gg_request *rq, struct gg_error *err);
GG_YIELDS int frontend_put_presence(void *self, struct gg_request *rq, struct gg_error *err);
GG_YIELDS int frontend_pass_on(void *self, struct gg_request *rq, struct gg_error *err);

#endif
