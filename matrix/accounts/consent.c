/* consent.c: the terms of use as the configuration names them. */
#include "accounts/consent.h"

#include <ganglion/config.h>

const char *mx_consent_version(const struct gg_config *config)
{
    return gg_config_text(config, "user_consent.version");
}

const char *mx_consent_name(const struct gg_config *config)
{
    return gg_config_text(config, "user_consent.policy_name");
}

const char *mx_public_baseurl(const struct mx_server *server, struct gg_arena *arena)
{
    const char *url = gg_config_text(server->config, "public_baseurl");
    if (!url)
        return gg_arena_printf(arena, "https://%s/", server->name);
    size_t n = strlen(url);
    return n && url[n - 1] == '/' ? url : gg_arena_printf(arena, "%s/", url);
}
