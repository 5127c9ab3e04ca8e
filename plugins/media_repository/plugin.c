/* media_repository: files that users send, here and from other servers. */
#include "decoder.h"
#include "page.h"
#include "tables.h"

#include <ganglion/matrix/role.h>

/* As with Synapse, a process of this name may have listeners for other requests, and serve them. */
static const struct gg_include includes[] = {
    {.role = "generic_worker", .resource = "client"},
    {.role = "generic_worker", .resource = "federation"},
    {0},
};

static int load(struct gg_host *host, void **self_out, struct gg_error *err)
{
    int rc = mx_media_load(host, &decoder, self_out, err);
    return rc == 0 ? mx_previews_lend(host, &page_reader, err) : rc;
}

MX_ROLE("media_repository", "files that users send", .includes = includes, .key_groups = media_repository_keys,
        .route_groups = media_repository_routes, .method_groups = media_repository_methods, .load = load);
