/* avatar.c: avatars of a size and a type that the operator wants. */
#include "media/avatar.h"

#include <ganglion/config.h>

#include "media/upkeep/upkeep.h"
#include "storage/media/media.h"

static bool is_type_allowed(const struct gg_config *config, struct gg_str type)
{
    size_t n;
    const char *const *types = gg_config_texts(config, "allowed_avatar_mimetypes", &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(type, types[i]))
            return true;
    return n == 0;
}

static bool fits(const struct gg_config *config, const struct mx_media_row *row)
{
    bool small = !gg_config_set(config, "max_avatar_size") || row->length <= gg_config_int(config, "max_avatar_size");
    return row->length >= 0 && small && is_type_allowed(config, row->type);
}

int mx_avatar_check(struct mx_server *server, struct gg_str url, struct gg_error *err)
{
    const struct gg_config *config = server->config;
    struct mx_mxc mxc;
    struct mx_media_row row;
    bool found = false;
    if (url.n == 0 || (!gg_config_set(config, "max_avatar_size") && !gg_config_set(config, "allowed_avatar_mimetypes")))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    int rc = 0;
    if (mx_mxc_split(url, &mxc))
        rc = mx_media_row_get(server, gg_str_is(mxc.origin, server->name) ? (struct gg_str){0} : mxc.origin, mxc.id, arena, &row,
                              &found, err);
    if (rc == 0 && (!found || !fits(config, &row)))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "This avatar is not allowed");
    gg_arena_free(arena);
    return rc;
}
