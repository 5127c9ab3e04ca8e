/* well_known.c: /.well-known/matrix: where a server and its clients' servers are (client-server API, "Server
 * Discovery"). */
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

#include "accounts/consent.h"
#include "api/accounts.h"
#include "config/as_json.h"

static int reply_none(struct gg_request *rq, struct gg_str text)
{
    return gg_reply_text(rq, 404, "text/plain; charset=utf-8", text);
}

json_t *mx_well_known_client(struct mx_server *server)
{
    const struct gg_node *extra = gg_config_node(server->config, "extra_well_known_client_content");
    const char *identity = gg_config_text(server->config, "default_identity_server");
    if (!gg_config_set(server->config, "public_baseurl"))
        return NULL;
    struct gg_arena *arena = gg_arena_new();
    json_t *out = gg_node_kind(extra) == GG_NODE_MAP ? mx_config_json(extra) : json_object();
    json_object_set_new(out, "m.homeserver", json_pack("{ss}", "base_url", mx_public_baseurl(server, arena)));
    if (identity)
        json_object_set_new(out, "m.identity_server", json_pack("{ss}", "base_url", identity));
    gg_arena_free(arena);
    return out;
}

int mx_api_well_known_client(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *out = mx_well_known_client(mx_server_of_request(rq));
    return out ? gg_reply_json(rq, 200, out) : reply_none(rq, GG_STR(".well-known not available"));
}

/* A name without a port gets the one of HTTPS: whoever asks by it would else try 8448. */
int mx_api_well_known_server(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *colon = strrchr(server->name, ':');
    bool has_port = colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) && colon[1];
    if (!gg_config_bool(server->config, "serve_server_wellknown"))
        return reply_none(rq, GG_STR("404. Is anything ever truly *well* known?\n"));
    return gg_reply_json(rq, 200,
                         json_pack("{ss}", "m.server",
                                   has_port ? server->name
                                            : gg_arena_printf(gg_request_arena(rq), "%s:443", server->name)));
}

int mx_api_welcome(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *to = gg_config_text(mx_server_of_request(rq)->config, "web_client_location");
    if (!to)
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    gg_reply_header(rq, "Location", to);
    return gg_reply_text(rq, 302, "text/plain; charset=utf-8", GG_STR(""));
}
