/* login.c: checking a password, with its limits. What is asked of an unknown user costs what it costs for a known one.
 */
#include <ctype.h>
#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

#include "accounts/accounts.h"
#include "accounts/password.h"
#include "accounts/threepid.h"

static struct gg_logger logger = {"ganglion.accounts"};

/* ---- whom does the request name? ---- */

static int third_party(struct mx_server *server, const json_t *identifier, struct gg_arena *arena, struct gg_str *out,
                       struct gg_error *err)
{
    struct gg_str medium = mx_text(identifier, "medium"), address = mx_text(identifier, "address");
    if (!medium.s || !address.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Invalid thirdparty identifier");
    int status = gg_str_is(medium, "email") ? mx_mail_canonical(address, arena, &address, err) : 0;
    if (status)
        return status;
    status = mx_users_by_address(server, medium, address, arena, out, err);
    if (!status && !out->s)
        *out = GG_STR(""); /* nobody: refused like a wrong password, after the same work */
    return status;
}

static int named_user(struct mx_server *server, const json_t *body, struct gg_arena *arena, struct gg_str *out,
                      struct gg_error *err)
{
    const json_t *identifier = json_object_get(body, "identifier");
    *out = mx_text(body, "user");
    if (!identifier && !out->s && mx_text(body, "medium").s)
        return third_party(server, body, arena, out, err);
    if (!identifier)
        return out->s ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid login submission");
    struct gg_str type = mx_text(identifier, "type");
    if (!type.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "'identifier' dict has no key 'type'");
    if (gg_str_is(type, "m.id.thirdparty"))
        return third_party(server, identifier, arena, out, err);
    if (!gg_str_is(type, "m.id.user"))
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown login identifier type");
    *out = mx_text(identifier, "user");
    return out->n ? 0 : gg_refuse(err, 400, "M_MISSING_PARAM", "User identifier is missing 'user' key");
}

int mx_login_name(struct mx_server *server, const json_t *body, struct gg_arena *arena, struct gg_str *out,
                  struct gg_error *err)
{
    int status = named_user(server, body, arena, out, err);
    if (!status && !(out->n && out->s[0] == '@'))
        *out = gg_str(gg_arena_printf(arena, "@%.*s:%s", GG_FMT(*out), server->name));
    return status;
}

/* ---- is it them? ---- */

static int wrong(struct gg_error *err)
{
    return gg_refuse(err, 403, "M_FORBIDDEN", "Invalid username or password");
}

/* The account: by its exact name, else the only one that differs in case. id.s NULL: there is none. */
static int find_account(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_user *out,
                        struct gg_error *err)
{
    *out = (struct mx_user){0};
    if (!mx_user_id_valid(user_id) || !mx_is_mine(server, user_id))
        return 0;
    int status = mx_users_get(server, user_id, arena, out, err);
    if (status || out->id.s)
        return status;
    struct mx_user like[MX_USERS_LIKE_MAX];
    size_t n;
    if ((status = mx_users_like(server, user_id, arena, like, &n, err)))
        return status;
    if (n == 1)
        *out = like[0];
    return 0;
}

/* Limits are counted by the name in small letters, so that spellings do not help. */
static struct gg_str limit_key(struct gg_str user_id, struct gg_arena *arena)
{
    char *key = gg_arena_strndup(arena, user_id.s, user_id.n);
    for (size_t i = 0; i < user_id.n; i++)
        key[i] = (char)tolower((unsigned char)key[i]);
    return gg_strn(key, user_id.n);
}

static int check_account(const struct mx_user *user, struct gg_error *err)
{
    if (user->deactivated)
        return gg_refuse(err, 403, "M_USER_DEACTIVATED", "This account has been deactivated");
    if (user->locked) {
        int status = gg_refuse(err, 401, "M_USER_LOCKED", "User account has been locked");
        gg_error_extra(err, "soft_logout", "true");
        return status;
    }
    return 0;
}

int mx_login_password(struct mx_server *server, struct gg_request *rq, struct gg_str user_id, struct gg_str password,
                      struct gg_str *user_id_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str key = limit_key(user_id, arena);
    struct mx_user user;
    bool ok;
    int status = mx_limit(server, "rc_login.failed_attempts", key, NULL, false, err);
    if (!status)
        status = find_account(server, user_id, arena, &user, err);
    if (!status)
        status = mx_password_verify(server->config, password, user.password_hash, &ok, err);
    if (status)
        return status;
    if (!ok) {
        status = mx_limit(server, "rc_login.failed_attempts", key, NULL, true, err);
        gg_info(&logger, "failed login of %.*s from %s", GG_FMT(user_id), gg_request_address(rq));
        return status ? status : wrong(err);
    }
    *user_id_out = user.id;
    return check_account(&user, err);
}

int mx_login_find(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct mx_user user;
    int status = find_account(server, user_id, arena, &user, err);
    *out = user.id;
    return status ? status : user.id.s ? check_account(&user, err) : 0;
}

int mx_login_check(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_user user;
    int status = mx_users_get(server, user_id, arena, &user, err);
    if (!status && !user.id.s)
        return gg_refuse(err, 403, "M_FORBIDDEN", "There is no such user");
    return status ? status : check_account(&user, err);
}
