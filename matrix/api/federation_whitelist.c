/* federation_whitelist.c: which servers this one talks to, for clients that say so before they invite (Synapse's own;
 * federation_whitelist_endpoint_enabled). */
#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/server.h>

static int get_whitelist(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct gg_config *config = gg_host_config(gg_request_host(rq));
    if (!gg_config_bool(config, "federation_whitelist_endpoint_enabled"))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    struct gg_buf out = GG_BUF_INIT;
    size_t n;
    const char *const *names = gg_config_texts(config, "federation_domain_whitelist", &n);
    bool set = gg_config_set(config, "federation_domain_whitelist");
    gg_buf_printf(&out, "{\"whitelist_enabled\":%s,\"whitelist\":[", set ? "true" : "false");
    for (size_t i = 0; i < n; i++) {
        if (i)
            gg_buf_char(&out, ',');
        gg_buf_json_string(&out, gg_str(names[i]));
    }
    gg_buf_lit(&out, "]}");
    return gg_reply_buf(rq, 200, &out);
}

const struct gg_route mx_routes_federation_whitelist[] = {
    {"GET", "/_synapse/client/v1/config/federation_whitelist", get_whitelist, "client", GG_AUTH_USER, GG_ROUTE_CANCELLABLE,
     .doc = "the servers that this one talks to"},
    {0}};
