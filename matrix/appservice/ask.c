/* matrix/appservice/ask.c: requests to an application service (application service API, "Querying"). */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"
#include "storage/directory.h"

static struct gg_logger logger = {"ganglion.appservice"};

enum { TIMEOUT_MS = 60000, CONNECT_MS = 10000, MAX_ANSWER = 1 << 20 };

static const char *url_of(struct mx_server *server, const struct mx_appservice *service, const char *path,
                          struct gg_arena *arena)
{
    if (!gg_config_bool(server->config, "use_appservice_legacy_authorization"))
        return gg_arena_printf(arena, "%s%s", service->url, path);
    struct gg_buf url = GG_BUF_INIT;
    gg_buf_printf(&url, "%s%s%caccess_token=", service->url, path, strchr(path, '?') != NULL ? '&' : '?');
    gg_buf_urlencode(&url, gg_str(service->hs_token));
    const char *text = gg_arena_strndup(arena, url.data, url.n);
    gg_buf_done(&url);
    return text;
}

int mx_appservice_request(struct mx_server *server, const struct mx_appservice *service, const char *method,
                          const char *path, struct gg_str body, struct gg_arena *arena, struct gg_client_answer *out,
                          struct gg_error *err)
{
    const char *const headers[] = {gg_arena_printf(arena, "Authorization: Bearer %s", service->hs_token),
                                   body.s != NULL ? "Content-Type: application/json" : NULL, NULL};
    const struct gg_client_request request = {.method = method,
                                              .url = url_of(server, service, path, arena),
                                              .headers = headers,
                                              .body = body,
                                              .connect_timeout_ms = CONNECT_MS,
                                              .max_answer = MAX_ANSWER,
                                              .insecure = mx_trusts_anybody(server)};
    int64_t own = gg_deadline(TIMEOUT_MS), before = gg_set_deadline(own);
    if (before < own)
        (void)gg_set_deadline(before);
    int rc = gg_client_fetch(server->host, &request, arena, out, err);
    (void)gg_set_deadline(before);
    return rc;
}

/* Does the service say yes? What fails counts as no. */
static bool says_yes(struct mx_server *server, const struct mx_appservice *service, const char *what, struct gg_str id)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_client_answer answer = {0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, "/_matrix/app/v1/%s/", what);
    gg_buf_urlencode(&path, id);
    int rc = mx_appservice_request(server, service, "GET", path.data, gg_strn(NULL, 0), arena, &answer, &err);
    bool yes = rc == 0 && answer.status >= 200 && answer.status < 300;
    if (rc < 0)
        gg_info(&logger, "%s was asked for %.*s: %s", service->id, GG_FMT(id), err.message);
    else if (!yes && answer.status != 404)
        gg_info(&logger, "%s was asked for %.*s and answered %d", service->id, GG_FMT(id), answer.status);
    gg_buf_done(&path);
    gg_arena_free(arena);
    return yes;
}

int mx_appservice_ask_user(struct mx_server *server, const struct mx_appservice *service, struct gg_str user_id,
                           struct gg_error *err)
{
    struct mx_user user;
    if (service->url == NULL || !mx_is_mine(server, user_id) || mx_appservice_by_sender(server, user_id) != NULL)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_users_get(server, user_id, arena, &user, err);
    if (rc == 0 && user.id.s == NULL)
        (void)says_yes(server, service, "users", user_id);
    gg_arena_free(arena);
    return rc;
}

int mx_appservices_find_alias(struct mx_server *server, struct gg_str alias, struct gg_arena *arena, struct gg_str *room_id_out,
                              struct gg_error *err)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    bool made = false;
    int rc = mx_directory_find_alias(server, alias, arena, room_id_out, err);
    if (rc != 0 || room_id_out->s != NULL || !mx_is_mine(server, alias) || !mx_room_alias_valid(alias))
        return rc;
    for (size_t i = 0; i < n && !made; i++)
        made = v[i].url != NULL && mx_appservice_has_alias(&v[i], alias) && says_yes(server, &v[i], "rooms", alias);
    return made ? mx_directory_find_alias(server, alias, arena, room_id_out, err) : 0;
}
