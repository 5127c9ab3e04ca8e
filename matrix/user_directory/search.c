/* matrix/user_directory/search.c: a search, within what the config lets users see. */
#include "json/text.h"
#include "storage/user_directory.h"

#include <ganglion/config.h>

int mx_directory_search(struct mx_server *server, const struct mx_directory_query *query, struct gg_arena *arena,
                        struct mx_directory_result *out, struct gg_error *err)
{
    const struct gg_config *config = server->config;
    struct mx_directory_scope scope = {.everybody = gg_config_bool(config, "user_directory.search_all_users"),
                                       .locals_only = gg_config_bool(config, "user_directory.exclude_remote_users"),
                                       .locals_first = gg_config_bool(config, "user_directory.prefer_local_users"),
                                       .locked_too = gg_config_bool(config, "user_directory.show_locked_users")};
    struct mx_directory_terms terms;
    *out = (struct mx_directory_result){.v = NULL};
    mx_directory_terms(mx_storable(query->term), arena, &terms);
    if (terms.any.n == 0)
        return 0;
    int rc = mx_directory_find(server, query->user_id, &terms, &scope, query->limit + 1, arena, out, err);
    out->limited = out->n > query->limit;
    out->n = out->limited ? query->limit : out->n;
    return rc;
}
