/* usage/seen.c: what follows from a user being seen, one user after the other and beside the request that showed them. */
#include "usage/internal.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.usage"};

/* Who does not fit is seen again. */
void mx_usage_seen(struct mx_server *server, struct gg_str user_id)
{
    const struct mx_usage *usage = server->usage;
    if (usage->scope == NULL)
        return;
    char *copy = gg_xstrndup(user_id.s, user_id.n);
    if (!gg_queue_try_push(usage->pending, copy))
        free(copy);
}

static void handle(struct mx_server *server, struct gg_str user_id)
{
    const struct mx_usage *usage = server->usage;
    struct gg_error err = GG_ERROR_INIT;
    int rc = usage->counts_here ? mx_usage_count(server, user_id, &err) : 0;
    if (rc == 0 && usage->tells_here)
        rc = mx_terms_tell(server, user_id, &err);
    if (rc == 0 && usage->tells_here)
        rc = mx_limit_tell(server, user_id, &err);
    if (rc != 0 && !gg_cancelled())
        gg_warn(&logger, "%.*s was seen, and was not counted or told: %s", GG_FMT(user_id), err.message);
}

static void handle_all(void *arg)
{
    struct mx_server *server = arg;
    struct mx_usage *usage = server->usage;
    struct gg_error err = GG_ERROR_INIT;
    void *user_id;
    if (usage->counts_here && usage->n_reserved > 0 && mx_usage_count_reserved(server, &err) != 0)
        gg_warn(&logger, "reserved users were not counted: %s", err.message);
    while (gg_queue_pop(usage->pending, &user_id, GG_FOREVER) == 0) {
        handle(server, gg_str(user_id));
        free(user_id);
    }
}

int mx_usage_follow(struct mx_server *server, struct gg_error *err)
{
    struct mx_usage *usage = server->usage;
    if (usage->pending == NULL)
        return 0;
    usage->scope = gg_scope_new(gg_host_scope(server->host), "users seen");
    return gg_spawn(usage->scope, "users seen", handle_all, server) != NULL
               ? 0
               : gg_fail(err, GG_E_UNAVAILABLE, "no fiber for users who are seen");
}
