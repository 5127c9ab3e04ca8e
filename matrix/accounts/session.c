/* session.c: logins: a device and a token. Token ids are counted in the main process's memory, so it issues all of them
 * (facts database 2); the others ask it by device_check_registered (facts replication 8.4). */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/topology.h>
#include <unistr.h>

#include "accounts/access_token.h"
#include "accounts/accounts.h"
#include "accounts/session.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { DEVICE_ID_MAX = 512, DISPLAY_NAME_MAX = 100 };

static int64_t token_end(const struct gg_config *config)
{
    static const char *const keys[] = {"nonrefreshable_access_token_lifetime", "session_lifetime"};
    int64_t end = 0;
    for (size_t i = 0; i < GG_COUNT(keys); i++) {
        int64_t life = gg_config_set(config, keys[i]) ? gg_config_int(config, keys[i]) : 0;
        if (life > 0 && (!end || gg_wall_ms() + life < end))
            end = gg_wall_ms() + life;
    }
    return end;
}

/* An id that is taken means that somebody else inserted: the counter starts again behind them. */
static int insert_token(struct mx_server *server, struct mx_new_token *token, struct gg_error *err)
{
    enum { TRIES = 3 };
    struct mx_accounts *a = server->accounts;
    int status = 0;
    for (int i = 0; i < TRIES; i++) {
        token->id = ++a->last_token_id;
        status = mx_tokens_insert(server, token, err);
        if (status != GG_E_CONFLICT)
            return status;
        gg_warn(&logger, "%s: another process inserts access tokens too", err->message);
        int64_t max;
        *err = (struct gg_error){0};
        if ((status = mx_tokens_max_id(server, &max, err)))
            return status;
        if (max > a->last_token_id)
            a->last_token_id = max;
    }
    return gg_fail(err, GG_E_CONFLICT, "no id for an access token could be found");
}

static int register_device(struct mx_server *server, struct gg_str user_id, struct gg_str display_name,
                           struct gg_arena *arena, struct mx_session *out, struct gg_error *err)
{
    bool is_new;
    if (!out->device_id.s) {
        char id[11];
        mx_device_id_new(id);
        out->device_id = gg_str(gg_arena_strdup(arena, id));
    }
    int status = mx_devices_register(server, user_id, out->device_id, display_name, &is_new, err);
    if (!status && is_new)
        status = mx_devices_changed(server, user_id, &out->device_id, 1, err);
    return status;
}

static int session_here(struct mx_server *server, struct gg_str user_id, struct gg_str display_name,
                        struct gg_arena *arena, struct mx_session *out, struct gg_error *err)
{
    int status = register_device(server, user_id, display_name, arena, out, err);
    if (status)
        return status;
    out->access_token = gg_str(mx_access_token_new(arena, mx_id_localpart(user_id)));
    out->valid_until_ms = token_end(server->config);
    struct mx_new_token token = {.valid_until_ms = out->valid_until_ms,
                                 .token = out->access_token,
                                 .user_id = user_id,
                                 .device_id = out->device_id};
    return insert_token(server, &token, err);
}

int mx_session_puppet(struct mx_server *server, struct gg_str admin_id, struct gg_str user_id, int64_t valid_until_ms,
                      struct gg_arena *arena, struct gg_str *token_out, struct gg_error *err)
{
    *token_out = gg_str(mx_access_token_new(arena, mx_id_localpart(user_id)));
    struct mx_new_token token = {
        .valid_until_ms = valid_until_ms, .token = *token_out, .user_id = admin_id, .puppets = user_id};
    return insert_token(server, &token, err);
}

static json_t *text_or_null(struct gg_str s)
{
    return s.s ? json_stringn(s.s, s.n) : json_null();
}

static int session_of_main(struct mx_server *server, struct gg_str user_id, struct gg_str display_name,
                           struct gg_arena *arena, struct mx_session *out, struct gg_error *err)
{
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL;
    json_t *body = json_pack("{so so sb sb sb sn sn}", "device_id", text_or_null(out->device_id),
                             "initial_display_name", text_or_null(display_name), "is_guest", 0, "is_appservice_ghost",
                             0, "should_issue_refresh_token", 0, "auth_provider_id", "auth_provider_session_id");
    int status = gg_repl_call(server->host, GG_MASTER, "device_check_registered", args, body, &answer, err);
    json_decref(body);
    if (status)
        return status;
    out->device_id = gg_arena_str(arena, mx_text(answer, "device_id"));
    out->access_token = gg_arena_str(arena, mx_text(answer, "access_token"));
    out->valid_until_ms = json_integer_value(json_object_get(answer, "valid_until_ms"));
    json_decref(answer);
    if (!out->device_id.n || !out->access_token.n)
        return gg_fail(err, GG_E_PROTOCOL, "device_check_registered: the answer lacks device_id or access_token");
    return 0;
}

int mx_device_check(struct gg_str device_id, struct gg_str display_name, struct gg_error *err)
{
    if (device_id.s && (!device_id.n || device_id.n > DEVICE_ID_MAX))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "device_id must have 1 to %d bytes", DEVICE_ID_MAX);
    if (display_name.s && u8_mbsnlen((const uint8_t *)display_name.s, display_name.n) > DISPLAY_NAME_MAX)
        return gg_refuse(err, 400, "M_TOO_LARGE", "Device display name is too long (max %d)", DISPLAY_NAME_MAX);
    return 0;
}

int mx_session_new(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_str display_name,
                   struct gg_arena *arena, struct mx_session *out, struct gg_error *err)
{
    *out = (struct mx_session){.device_id = device_id};
    int status = mx_device_check(device_id, display_name, err);
    if (status)
        return status;
    return gg_host_is_main(server->host) ? session_here(server, user_id, display_name, arena, out, err)
                                         : session_of_main(server, user_id, display_name, arena, out, err);
}

int mx_registered(struct mx_server *server, struct gg_str user_id, const char *access_token, struct gg_error *err)
{
    if (gg_host_is_main(server->host))
        return 0; /* nothing that we build waits for it: rooms to join and welcome notices are of later */
    struct gg_arena *arena = gg_arena_new();
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL;
    json_t *body = json_pack("{s{sb} ss?}", "auth_result", "m.login.dummy", 1, "access_token", access_token);
    int status = gg_repl_call(server->host, GG_MASTER, "post_register", args, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return status;
}

int mx_logout(struct mx_server *server, struct gg_str user_id, const struct gg_str *devices, size_t n,
              struct gg_str token, struct gg_error *err)
{
    struct mx_logout logout = {
        .user_id = user_id, .devices = devices, .n_devices = n, .token = token, .arena = gg_arena_new()};
    int status = mx_logout_write(server, &logout, err);
    if (!status)
        status = mx_devices_changed(server, user_id, logout.gone_devices, logout.n_gone, err);
    gg_arena_free(logout.arena);
    return status;
}

int mx_devices_changed(struct mx_server *server, struct gg_str user_id, const struct gg_str *device_ids, size_t n,
                       struct gg_error *err)
{
    if (!n)
        return 0;
    if (gg_stream_is_writer(server->device_lists))
        return mx_devices_write_change(server, user_id, device_ids, n, err);
    struct gg_arena *arena = gg_arena_new();
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL, *body = json_object(), *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_stringn(device_ids[i].s, device_ids[i].n));
    json_object_set_new(body, "device_ids", ids);
    int status = gg_repl_call(server->host, gg_stream_writer_of(server->device_lists, user_id), "notify_device_update",
                              args, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return status;
}
