/* matrix/appservice/services.c: the application services of a deployment, and what belongs to whom. */
#include "appservice/services.h"

#include "appservice/pattern.h"
#include "parts.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.appservice"};

/* ---- loading ---- */

static int check_distinct(const struct mx_appservices *all, const struct mx_appservice *s, const char *file, struct gg_error *err)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->v[i].id, s->id) == 0)
            return gg_fail(err, GG_E_INVALID, "%s: another application service has the id \"%s\"", file, s->id);
        if (strcmp(all->v[i].as_token, s->as_token) == 0)
            return gg_fail(err, GG_E_INVALID, "%s: application service \"%s\" has the same as_token", file, all->v[i].id);
    }
    return 0;
}

static int load_one(struct mx_appservices *all, const char *file, const char *server_name, struct gg_error *err)
{
    const struct gg_node *top;
    struct mx_appservice *s = &all->v[all->n];
    int rc = gg_node_read(all->arena, file, &top, err);
    if (rc == 0)
        rc = mx_appservice_read(top, file, server_name, all->arena, s, err);
    if (rc == 0)
        rc = check_distinct(all, s, file, err);
    if (rc == 0)
        s->index = all->n++;
    return rc;
}

/* all->arena is the caller's to free, whatever comes out. */
static int load_all(struct mx_appservices *all, const struct mx_server *server, struct gg_error *err)
{
    size_t n;
    const char *const *files = gg_config_texts(server->config, "app_service_config_files", &n);
    int rc = 0;
    all->arena = gg_arena_new();
    all->v = GG_NEW_ARRAY(all->arena, struct mx_appservice, n + 1);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = load_one(all, files[i], server->name, err);
    return rc;
}

static int appservices_check(const struct mx_server *server, struct gg_error *err)
{
    struct mx_appservices all = {0};
    int rc = load_all(&all, server, err);
    gg_arena_free(all.arena);
    return rc;
}

static int appservices_make(struct mx_server *server, struct gg_error *err)
{
    struct mx_appservices *all = gg_xcalloc(1, sizeof(*all));
    server->appservices = all;
    int rc = load_all(all, server, err);
    size_t n = all->n;
    if (rc != 0) /* a part that fails to be made is not freed by the library */
        mx_part_appservices.free(server);
    else if (n > 0)
        gg_info(&logger, "%zu application service%s", n, n == 1 ? "" : "s");
    return rc == 0 && n > 0 ? mx_interest_make(server, err) : rc;
}

static void appservices_free(struct mx_server *server)
{
    struct mx_appservices *all = mx_appservices_of(server);
    if (all == NULL)
        return;
    gg_arena_free(all->arena);
    free(all);
    server->appservices = NULL;
}

const struct mx_part mx_part_appservices = {.name = "appservices", .make = appservices_make, .free = appservices_free,
                                           .check = appservices_check};

struct mx_appservices *mx_appservices_of(const struct mx_server *server)
{
    return server->appservices;
}

/* ---- finding ---- */

const struct mx_appservice *mx_appservices(const struct mx_server *server, size_t *n_out)
{
    const struct mx_appservices *all = mx_appservices_of(server);
    *n_out = all != NULL ? all->n : 0;
    return all != NULL ? all->v : NULL;
}

const struct mx_appservice *mx_appservice_by_id(const struct mx_server *server, const char *id)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].id, id) == 0)
            return &v[i];
    return NULL;
}

/* All of them are compared, each in a time that says nothing of where they differ. */
const struct mx_appservice *mx_appservice_by_token(const struct mx_server *server, struct gg_str token)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n), *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (strlen(v[i].as_token) == token.n && CRYPTO_memcmp(v[i].as_token, token.s, token.n) == 0)
            found = &v[i];
    return found;
}

const struct mx_appservice *mx_appservice_by_sender(const struct mx_server *server, struct gg_str user_id)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(user_id, v[i].sender))
            return &v[i];
    return NULL;
}

/* ---- whose ---- */

static bool fits(const struct mx_namespaces *all, struct gg_str text)
{
    for (size_t i = 0; i < all->n; i++)
        if (mx_pattern_match(all->v[i].pattern, text) == MX_MATCH_YES)
            return true;
    return false;
}

/* The first that fits decides. One that was given up decides too: a name that explodes must not slip out of a namespace. */
static bool fits_exclusively(const struct mx_namespaces *all, struct gg_str text)
{
    for (size_t i = 0; i < all->n; i++)
        if (mx_pattern_match(all->v[i].pattern, text) != MX_MATCH_NO)
            return all->v[i].exclusive;
    return false;
}

bool mx_appservice_has_user(const struct mx_appservice *service, struct gg_str user_id)
{
    return gg_str_is(user_id, service->sender) || fits(&service->users, user_id);
}

bool mx_appservice_has_alias(const struct mx_appservice *service, struct gg_str alias)
{
    return fits(&service->aliases, alias);
}

bool mx_appservice_has_room_id(const struct mx_appservice *service, struct gg_str room_id)
{
    return fits(&service->rooms, room_id);
}

bool mx_appservice_owns_user(const struct mx_appservice *service, struct gg_str user_id)
{
    return gg_str_is(user_id, service->sender) || fits_exclusively(&service->users, user_id);
}

bool mx_appservices_own_user(const struct mx_server *server, struct gg_str user_id)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < v[i].users.n; k++)
            if (v[i].users.v[k].exclusive && mx_pattern_match(v[i].users.v[k].pattern, user_id) == MX_MATCH_YES)
                return true;
    return false;
}

int mx_appservices_admit_user(const struct mx_server *server, struct gg_str user_id, const struct mx_appservice *by,
                              struct gg_error *err)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    for (size_t i = 0; i < n; i++)
        if (&v[i] != by && mx_appservice_owns_user(&v[i], user_id))
            return gg_refuse(err, 400, "M_EXCLUSIVE", "This user ID is reserved by an application service.");
    return 0;
}

int mx_appservices_admit_alias(const struct mx_server *server, const struct mx_requester *who, struct gg_str alias,
                               struct gg_error *err)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n), *service = mx_appservice_of(server, who);
    if (service != NULL)
        return mx_appservice_has_alias(service, alias)
                   ? 0
                   : gg_refuse(err, 400, "M_EXCLUSIVE", "This application service has not reserved this kind of alias.");
    for (size_t i = 0; i < n; i++) {
        if (mx_appservice_has_alias(&v[i], alias) && strcmp(who->user_id, v[i].sender) == 0)
            return 0;
        if (fits_exclusively(&v[i].aliases, alias))
            return gg_refuse(err, 400, "M_EXCLUSIVE", "This alias is reserved by an application service.");
    }
    return 0;
}
