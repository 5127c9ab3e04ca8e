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
#include "usage/usage.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { DEVICE_ID_MAX = 512, DISPLAY_NAME_MAX = 100 };

/* A time from now by a duration of the configuration; 0: it is not set. */
static int64_t end_of(const struct gg_config *config, const char *key)
{
    int64_t life = gg_config_set(config, key) ? gg_config_int(config, key) : 0;
    return life > 0 ? gg_wall_ms() + life : 0;
}

/* The earlier of two times of which 0 means never. */
static int64_t earlier(int64_t a, int64_t b)
{
    return !a ? b : !b || a < b ? a : b;
}

/* Next id of a table whose ids are counted in the main process's memory. An id that is taken means that somebody else
 * inserted: the counter starts again behind them. */
struct counted {
    int64_t *last;
    GG_YIELDS int (*max_id)(struct mx_server *server, int64_t *out, struct gg_error *err);
    GG_YIELDS int (*insert)(struct mx_server *server, void *row, int64_t id, struct gg_error *err);
    const char *what;
};

static int insert_counted(struct mx_server *server, const struct counted *c, void *row, struct gg_error *err)
{
    enum { TRIES = 3 };
    int status = 0;
    for (int i = 0; i < TRIES; i++) {
        status = c->insert(server, row, ++*c->last, err);
        if (status != GG_E_CONFLICT)
            return status;
        gg_warn(&logger, "%s: another process inserts %s too", err->message, c->what);
        int64_t max;
        *err = (struct gg_error){0};
        if ((status = c->max_id(server, &max, err)))
            return status;
        if (max > *c->last)
            *c->last = max;
    }
    return gg_fail(err, GG_E_CONFLICT, "no id could be found for %s", c->what);
}

static int insert_access(struct mx_server *server, void *row, int64_t id, struct gg_error *err)
{
    struct mx_new_token *token = row;
    token->id = id;
    return mx_tokens_insert(server, token, err);
}

struct new_refresh {
    struct mx_refresh_row row;
    struct gg_str token;
};

static int insert_refresh(struct mx_server *server, void *row, int64_t id, struct gg_error *err)
{
    struct new_refresh *refresh = row;
    refresh->row.id = id;
    return mx_refresh_insert(server, &refresh->row, refresh->token, err);
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
        status = mx_device_made(server, user_id, out->device_id, err);
    return status;
}

/* A pair of tokens that belong together; the access token lives shortly. */
static int new_refresh_token(struct mx_server *server, struct new_refresh *refresh, struct gg_arena *arena,
                             struct mx_session *out, struct gg_error *err)
{
    const struct counted counted = {&server->accounts->last_refresh_id, mx_refresh_max_id, insert_refresh,
                                    "refresh tokens"};
    refresh->token = gg_str(mx_refresh_token_new(arena, mx_id_localpart(refresh->row.user_id)));
    refresh->row.expiry_ms = end_of(server->config, "refresh_token_lifetime");
    out->refresh_token = refresh->token;
    out->valid_until_ms = earlier(gg_wall_ms() + gg_config_int(server->config, "refreshable_access_token_lifetime"),
                                  refresh->row.session_end_ms);
    return insert_counted(server, &counted, refresh, err);
}

static int new_access_token(struct mx_server *server, struct gg_str user_id, int64_t refresh_id, struct gg_arena *arena,
                            struct mx_session *out, struct gg_error *err)
{
    const struct counted counted = {&server->accounts->last_token_id, mx_tokens_max_id, insert_access, "access tokens"};
    out->access_token = gg_str(mx_access_token_new(arena, mx_id_localpart(user_id)));
    struct mx_new_token token = {.valid_until_ms = out->valid_until_ms,
                                 .refresh_id = refresh_id,
                                 .token = out->access_token,
                                 .user_id = user_id,
                                 .device_id = out->device_id};
    return insert_counted(server, &counted, &token, err);
}

/* Guests were looked at when they registered. */
static int check_place(struct mx_server *server, const struct mx_session_wish *wish, struct gg_error *err)
{
    if (wish->guest || (wish->ghost && !gg_config_bool(server->config, "track_appservice_user_ips")))
        return 0;
    return mx_usage_check_login(server, wish->user_id, err);
}

static int session_here(struct mx_server *server, const struct mx_session_wish *wish, struct gg_arena *arena,
                        struct mx_session *out, struct gg_error *err)
{
    struct new_refresh refresh = {.row = {.user_id = wish->user_id}};
    int status = check_place(server, wish, err);
    if (wish->guest)
        out->device_id = GG_STR(MX_GUEST_DEVICE);
    if (!status)
        status = register_device(server, wish->user_id, wish->display_name, arena, out, err);
    if (status)
        return status;
    if (wish->guest) {
        out->access_token = mx_guest_token(server, wish->user_id, arena);
        return 0;
    }
    out->valid_until_ms = earlier(end_of(server->config, "nonrefreshable_access_token_lifetime"),
                                  end_of(server->config, "session_lifetime"));
    if (wish->refresh && mx_refreshable(server->config)) {
        refresh.row.device_id = out->device_id;
        refresh.row.session_end_ms = end_of(server->config, "session_lifetime");
        status = new_refresh_token(server, &refresh, arena, out, err);
    }
    return status ? status : new_access_token(server, wish->user_id, refresh.row.id, arena, out, err);
}

int mx_session_puppet(struct mx_server *server, struct gg_str admin_id, struct gg_str user_id, int64_t valid_until_ms,
                      struct gg_arena *arena, struct gg_str *token_out, struct gg_error *err)
{
    int status = mx_usage_check_login(server, admin_id, err);
    if (status)
        return status;
    *token_out = gg_str(mx_access_token_new(arena, mx_id_localpart(user_id)));
    struct mx_new_token token = {
        .valid_until_ms = valid_until_ms, .token = *token_out, .user_id = admin_id, .puppets = user_id};
    const struct counted counted = {&server->accounts->last_token_id, mx_tokens_max_id, insert_access, "access tokens"};
    return insert_counted(server, &counted, &token, err);
}

static json_t *text_or_null(struct gg_str s)
{
    return s.s ? json_stringn(s.s, s.n) : json_null();
}

static int session_of_main(struct mx_server *server, const struct mx_session_wish *wish, struct gg_arena *arena,
                           struct mx_session *out, struct gg_error *err)
{
    const char *const args[] = {gg_arena_strndup(arena, wish->user_id.s, wish->user_id.n), NULL};
    json_t *answer = NULL;
    json_t *body = json_pack("{so so sb sb sb sn sn}", "device_id", text_or_null(out->device_id),
                             "initial_display_name", text_or_null(wish->display_name), "is_guest", wish->guest,
                             "is_appservice_ghost", wish->ghost, "should_issue_refresh_token", wish->refresh,
                             "auth_provider_id", "auth_provider_session_id");
    int status = gg_repl_call(server->host, GG_MASTER, "device_check_registered", args, body, &answer, err);
    json_decref(body);
    if (status)
        return status;
    struct gg_str refresh_token = mx_text(answer, "refresh_token");
    out->device_id = gg_arena_str(arena, mx_text(answer, "device_id"));
    out->access_token = gg_arena_str(arena, mx_text(answer, "access_token"));
    out->refresh_token = refresh_token.s ? gg_arena_str(arena, refresh_token) : refresh_token;
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

int mx_session_begin(struct mx_server *server, const struct mx_session_wish *wish, struct gg_arena *arena,
                     struct mx_session *out, struct gg_error *err)
{
    *out = (struct mx_session){.device_id = wish->device_id};
    int status = mx_device_check(wish->device_id, wish->display_name, err);
    if (status)
        return status;
    return gg_host_is_main(server->host) ? session_here(server, wish, arena, out, err)
                                         : session_of_main(server, wish, arena, out, err);
}

int mx_session_new(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_str display_name,
                   struct gg_arena *arena, struct mx_session *out, struct gg_error *err)
{
    const struct mx_session_wish wish = {.user_id = user_id, .device_id = device_id, .display_name = display_name};
    return mx_session_begin(server, &wish, arena, out, err);
}

bool mx_refreshable(const struct gg_config *config)
{
    return gg_config_int(config, "refreshable_access_token_lifetime") > 0;
}

static int check_refresh(const struct mx_refresh_row *old, struct gg_error *err)
{
    int64_t now = gg_wall_ms();
    if (!old->id)
        return gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "refresh token does not exist");
    if (old->superseded)
        return gg_refuse(err, 403, "M_FORBIDDEN", "refresh token isn't valid anymore");
    if (old->expiry_ms && old->expiry_ms < now)
        return gg_refuse(err, 403, "M_FORBIDDEN", "The supplied refresh token has expired");
    if (old->session_end_ms && old->session_end_ms < now)
        return gg_refuse(err, 403, "M_FORBIDDEN", "The session has expired and can no longer be refreshed");
    return 0;
}

/* The presented token stays good until its successor is used: an answer may get lost on the way. */
int mx_session_refresh(struct mx_server *server, struct gg_str refresh_token, struct gg_arena *arena,
                       struct mx_session *out, struct gg_error *err)
{
    struct mx_refresh_row old;
    *out = (struct mx_session){0};
    if (!mx_refresh_token_valid(refresh_token))
        return gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "invalid refresh token");
    int status = mx_refresh_find(server, refresh_token, arena, &old, err);
    if (!status)
        status = check_refresh(&old, err);
    if (!status)
        status = mx_usage_check_login(server, old.user_id, err);
    if (status)
        return status;
    struct new_refresh refresh = {
        .row = {.user_id = old.user_id, .device_id = old.device_id, .session_end_ms = old.session_end_ms}};
    out->device_id = old.device_id;
    status = new_refresh_token(server, &refresh, arena, out, err);
    if (!status)
        status = new_access_token(server, old.user_id, refresh.row.id, arena, out, err);
    return status ? status : mx_refresh_replace(server, old.id, refresh.row.id, err);
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

int mx_logout_others(struct mx_server *server, struct gg_str user_id, const struct mx_requester *who, struct gg_error *err)
{
    struct mx_device *devices;
    size_t n, others = 0;
    if (!who || !who->device_id || !gg_str_is(user_id, who->user_id))
        return mx_logout(server, user_id, NULL, 0, (struct gg_str){0}, err);
    struct gg_arena *arena = gg_arena_new();
    int status = mx_devices_list(server, user_id, arena, &devices, &n, err);
    struct gg_str *ids = status ? NULL : GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; !status && i < n; i++)
        if (!gg_str_is(devices[i].device_id, who->device_id))
            ids[others++] = devices[i].device_id;
    if (others)
        status = mx_logout(server, user_id, ids, others, (struct gg_str){0}, err);
    gg_arena_free(arena);
    return status;
}

int mx_device_made(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_error *err)
{
    size_t n;
    const char *const *quiet = gg_config_texts(server->config, "dont_notify_new_devices_for", &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(user_id, quiet[i]))
            return 0;
    return mx_devices_changed(server, user_id, &device_id, 1, err);
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
