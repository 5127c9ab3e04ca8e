/* ganglion/matrix/role.h: what the Matrix roles have in common, so that a role's plugin.c is its tables. */
#ifndef GANGLION_MATRIX_ROLE_H
#define GANGLION_MATRIX_ROLE_H

#include <ganglion/matrix/server.h>
#include <ganglion/plugin.h>

/* check() of every role that has Matrix's keys. */
GG_API GG_CHECKED int mx_role_check(const struct gg_host *host, struct gg_error *err);

/* The descriptor of the role that `synapse.app.NAME` loads; more: members of struct gg_plugin. */
#define MX_ROLE(name_, summary_, ...)                                                                 \
    static const char *const worker_apps[] = {"synapse.app." name_, NULL};                            \
    GG_PLUGIN(name_, .version = GANGLION_VERSION, .summary = summary_, .license = "Apache-2.0",       \
              .worker_apps = worker_apps, .check = mx_role_check, __VA_ARGS__)

/* The same for a role that is one object: make_(struct mx_server *) returns it and does no I/O; it is the plugin's self. */
#define MX_ROLE_OF(name_, summary_, make_, ...)                                                       \
    static int load(struct gg_host *host, void **self_out, struct gg_error *err)                      \
    {                                                                                                 \
        struct mx_server *server;                                                                     \
        int rc = mx_server_attach(host, &server, err);                                                \
        if (rc == 0)                                                                                  \
            *self_out = make_(server);                                                                \
        return rc;                                                                                    \
    }                                                                                                 \
    MX_ROLE(name_, summary_, .load = load, __VA_ARGS__)

#endif
