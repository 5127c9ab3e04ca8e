/* handlers.c: what is answered here, and what is passed on. */
#include "tables.h"

#include <ganglion/balancer.h>
#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

enum { DEEP = 1000 }; /* JSON within JSON */

/* What only processes ask each other, and what belongs to listeners that this one is not: such a path has reached the
 * route of everything else, because its own is not served here. */
static bool is_closed(struct gg_request *rq)
{
    static const char *const inner[] = {"/_synapse/replication", "/_synapse/metrics", "/metrics", "/_ganglion/"};
    static const char *const owned[] = {"/_matrix/client/", "/_matrix/federation/", "/_matrix/key/", "/_matrix/media/",
                                        "/_synapse/"};
    const char *path = gg_request_path(rq);
    for (size_t i = 0; i < GG_COUNT(inner); i++)
        if (strncmp(path, inner[i], strlen(inner[i])) == 0)
            return true;
    for (size_t i = 0; strcmp(gg_request_route(rq)->path, "/") == 0 && i < GG_COUNT(owned); i++)
        if (strncmp(path, owned[i], strlen(owned[i])) == 0)
            return true;
    return false;
}

int frontend_pass_on(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct frontend *frontend = self;
    const struct gg_config *config = gg_host_config(gg_request_host(rq));
    if (is_closed(rq))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    if (frontend->router != NULL)
        return gg_balancer_pass(frontend->router, rq, err);
    return gg_request_pass_on(rq, gg_config_text(config, "worker_main_http_uri"),
                              gg_config_int(config, "frontend_proxy.timeout"), err);
}

/* An object without members: the client only wants to know how many keys are left. */
static bool is_count_only(struct gg_str body)
{
    struct gg_error unread = GG_ERROR_INIT;
    if (body.n == 0)
        return true;
    return mx_json_check(body, DEEP, &unread) == 0 && mx_json_is_object(body) && mx_json_length(body) == 0;
}

int frontend_keys_upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    if (is_count_only(gg_request_body(rq)))
        return mx_api_keys_count(((const struct frontend *)self)->server, rq, err);
    return frontend_pass_on(self, rq, err); /* also what is no JSON: it is refused there */
}

int frontend_put_presence(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct gg_config *config = gg_host_config(gg_request_host(rq));
    if (strcmp(gg_config_text(config, "presence.enabled"), "false") != 0)
        return frontend_pass_on(self, rq, err);
    return gg_reply_empty_object(rq);
}
