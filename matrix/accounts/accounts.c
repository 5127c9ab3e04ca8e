/* accounts.c: the accounts part of a process: made, started and stopped. */
#include "accounts/accounts.h"

#include <ganglion/fiber.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "accounts/consent.h"
#include "accounts/deactivate.h"
#include "accounts/uia.h"
#include "accounts/validity.h"
#include "pages/pages.h"
#include "parts.h"

static int accounts_make(struct mx_server *server, struct gg_error *err)
{
    server->accounts = gg_xcalloc(1, sizeof(struct mx_accounts));
    mx_authenticate_make(server);
    mx_validity_make(server);
    mx_limits_make(server);
    mx_seen_make(server);
    mx_nonces_make(server);
    mx_guests_make(server);
    server->accounts->pages = mx_pages_load(server->config);
    server->accounts->consent_pages = mx_consent_load(server->config);
    mx_uia_make(server);
    mx_tasks_make(server);
    mx_deactivate_make(server);
    return 0;
}

static int accounts_start(struct mx_server *server, struct gg_error *err)
{
    struct mx_accounts *a = server->accounts;
    a->scope = gg_scope_new(gg_host_scope(server->host), "accounts");
    if (!gg_host_is_main(server->host))
        return 0;
    int status = mx_tokens_max_id(server, &a->last_token_id, err);
    return status ? status : mx_refresh_max_id(server, &a->last_refresh_id, err);
}

static void accounts_stop(struct mx_server *server)
{
    struct mx_accounts *a = server->accounts;
    if (a->scope)
        gg_scope_end(a->scope);
    a->scope = NULL;
    mx_seen_flush(server);
}

static void accounts_free(struct mx_server *server)
{
    struct mx_accounts *a = server->accounts;
    if (!a)
        return;
    mx_seen_free(a->seen);
    mx_guests_free(server);
    mx_pages_free(a->pages);
    gg_map_free(a->consent_pages);
    mx_nonces_free(a->nonces);
    mx_buckets_free(a->buckets);
    free(a);
    server->accounts = NULL;
}

const struct mx_part mx_part_accounts = {"accounts", accounts_make, accounts_start, accounts_stop, accounts_free};
