/* admin_user_put.c: creating and modifying accounts (admin API, "Create or modify account"). */
#include <ganglion/matrix/pushers.h>

#include "api/admin.h"

#include <ganglion/matrix/id.h>

#include "accounts/password.h"
#include "accounts/threepid.h"
#include "accounts/user_type.h"
#include "storage/admin/users.h"

/* What the body asks for; checked before anything is written. */
struct wanted {
    const json_t *body;
    struct gg_str user_id, password, type;
    bool admin, logout_devices, deactivated, locked;
    struct gg_str *media, *addresses, *providers, *ids;
    size_t n_addresses, n_ids;
};

static bool has(const struct wanted *w, const char *key)
{
    return json_object_get(w->body, key) != NULL;
}

/* A list of objects with two texts each; null and absent are no list. */
static int read_pairs(struct gg_request *rq, const json_t *body, const char *key, const char *first, const char *second,
                      struct gg_str **firsts, struct gg_str **seconds, size_t *n_out, struct gg_error *err)
{
    const json_t *list = json_object_get(body, key);
    size_t n = json_array_size(list);
    *n_out = n;
    *firsts = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, n + 1);
    *seconds = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, n + 1);
    if (list && !json_is_null(list) && !json_is_array(list))
        return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a list", key);
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        (*firsts)[i] = mx_text(pair, first);
        (*seconds)[i] = mx_text(pair, second);
        if (!(*firsts)[i].s || !(*seconds)[i].s)
            return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['%s']", (*firsts)[i].s ? second : first);
    }
    return 0;
}

/* Addresses are kept as logging in looks for them. */
static int read_addresses(struct gg_request *rq, struct wanted *w, struct gg_error *err)
{
    int status = read_pairs(rq, w->body, "threepids", "medium", "address", &w->media, &w->addresses, &w->n_addresses, err);
    for (size_t i = 0; !status && i < w->n_addresses; i++) {
        if (gg_str_is(w->media[i], "email"))
            status = mx_mail_canonical(w->addresses[i], gg_request_arena(rq), &w->addresses[i], err);
        else if (!gg_str_is(w->media[i], "msisdn"))
            status = gg_refuse(err, 400, "M_INVALID_PARAM", "'medium' must be email or msisdn");
    }
    return status;
}

static int not_boolean(struct gg_error *err, const char *key)
{
    return gg_refuse(err, 400, "M_UNKNOWN", "'%s' parameter is not of type boolean", key);
}

static int read_flags(struct wanted *w, struct gg_error *err)
{
    const struct {
        const char *key;
        bool *out, fallback;
    } flags[] = {{"logout_devices", &w->logout_devices, true}, {"deactivated", &w->deactivated, false}, {"locked", &w->locked, false}};
    for (size_t i = 0; i < GG_COUNT(flags); i++) {
        const json_t *v = json_object_get(w->body, flags[i].key);
        if (v && !json_is_boolean(v))
            return not_boolean(err, flags[i].key);
        *flags[i].out = v ? json_is_true(v) : flags[i].fallback;
    }
    if (w->deactivated && w->locked)
        return gg_refuse(err, 400, "M_UNKNOWN", "An user can't be deactivated and locked");
    return mx_admin_bool(w->body, "admin", false, &w->admin, err);
}

static int read_texts(const struct gg_config *config, struct wanted *w, struct gg_error *err)
{
    static const char *const names[] = {"displayname", "avatar_url"};
    const json_t *type = json_object_get(w->body, "user_type"), *password = json_object_get(w->body, "password");
    w->type = mx_text(w->body, "user_type");
    w->password = mx_text(w->body, "password");
    if (type && !json_is_null(type) && !mx_user_type_known(config, w->type))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid user type");
    if (password && !json_is_null(password) && !mx_password_fits(w->password))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid password");
    for (size_t i = 0; i < GG_COUNT(names); i++) {
        const json_t *v = json_object_get(w->body, names[i]);
        if (v && !json_is_null(v) && !json_is_string(v))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "'%s' parameter must be a string", names[i]);
    }
    return 0;
}

static int read_body(struct gg_request *rq, struct wanted *w, struct gg_error *err)
{
    int status = read_addresses(rq, w, err);
    if (!status)
        status = read_pairs(rq, w->body, "external_ids", "auth_provider", "external_id", &w->providers, &w->ids, &w->n_ids, err);
    if (!status)
        status = read_texts(mx_server_of_request(rq)->config, w, err);
    return status ? status : read_flags(w, err);
}

static int set_profile(struct mx_server *server, const struct wanted *w, const char *key, enum mx_profile_field field,
                       struct gg_error *err)
{
    if (!has(w, key))
        return 0;
    struct gg_str text = mx_text(w->body, key);
    return mx_profile_set(server, w->user_id, field, gg_str(key), text.n ? text : (struct gg_str){0}, true, err);
}

/* Addresses and ids of other providers, which both a new and an old account get. */
static int set_identities(struct mx_server *server, const struct wanted *w, struct gg_error *err)
{
    int status = 0;
    if (json_is_array(json_object_get(w->body, "threepids")))
        status = mx_admin_user_set_addresses(server, w->user_id, w->media, w->addresses, w->n_addresses, err);
    if (!status && json_is_array(json_object_get(w->body, "external_ids")))
        status = mx_admin_user_set_external_ids(server, w->user_id, w->providers, w->ids, w->n_ids, err);
    return status;
}

static bool is_kept(const struct wanted *w, struct gg_str address)
{
    for (size_t i = 0; i < w->n_addresses; i++)
        if (gg_str_is(w->media[i], "email") && gg_str_eq(w->addresses[i], address))
            return true;
    return false;
}

/* Mails of notifications go to a new user's addresses, and no longer to those that an old one loses. */
static int set_mails(struct gg_request *rq, const struct wanted *w, bool new_user, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_pusher *pushers;
    size_t n = 0;
    int status = 0;
    if (!json_is_array(json_object_get(w->body, "threepids")))
        return 0;
    for (size_t i = 0; !status && new_user && i < w->n_addresses; i++)
        if (gg_str_is(w->media[i], "email"))
            status = mx_push_mails_begin(server, w->user_id, w->addresses[i], err);
    if (!status && !new_user)
        status = mx_pushers_list(server, w->user_id, 0, 0, gg_request_arena(rq), &pushers, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        if (gg_str_is(pushers[i].app_id, MX_MAIL_APP_ID) && !is_kept(w, pushers[i].pushkey))
            status = mx_pusher_remove(server, w->user_id, pushers[i].app_id, pushers[i].pushkey, err);
    return status;
}

static int set_password(struct gg_request *rq, const struct wanted *w, struct gg_error *err)
{
    return w->password.s ? mx_admin_set_password(rq, w->user_id, w->password, w->logout_devices, err) : 0;
}

static int modify(struct gg_request *rq, const struct wanted *w, const struct mx_user *user, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = set_profile(server, w, "displayname", MX_PROFILE_NAME, err);
    if (!status)
        status = set_identities(server, w, err);
    if (!status)
        status = set_mails(rq, w, false, err);
    if (!status)
        status = set_profile(server, w, "avatar_url", MX_PROFILE_AVATAR, err);
    if (!status && has(w, "admin") && !w->admin && user->admin && gg_str_is(w->user_id, mx_requester_of(rq)->user_id))
        status = gg_refuse(err, 400, "M_UNKNOWN", "You may not demote yourself.");
    if (!status && has(w, "admin") && w->admin != user->admin)
        status = mx_admin_user_set_flag(server, w->user_id, MX_FLAG_ADMIN, w->admin, err);
    if (!status)
        status = set_password(rq, w, err);
    if (!status && has(w, "deactivated") && w->deactivated != user->deactivated)
        status = mx_admin_set_deactivated(rq, w->user_id, w->deactivated, err);
    if (!status && has(w, "locked") && w->locked != user->locked)
        status = mx_admin_user_set_flag(server, w->user_id, MX_FLAG_LOCKED, w->locked, err);
    if (!status && has(w, "user_type"))
        status = mx_admin_user_set_type(server, w->user_id, w->type, err);
    return status;
}

static int create(struct gg_request *rq, struct wanted *w, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *hash = NULL;
    struct gg_str display_name = mx_text(w->body, "displayname");
    int status = w->password.s ? mx_password_hash(server->config, w->password, gg_request_arena(rq), &hash, err) : 0;
    struct mx_registration registration = {.localpart = mx_id_localpart(w->user_id),
                                           .password_hash = hash ? gg_str(hash) : (struct gg_str){0},
                                           .display_name = display_name,
                                           .user_type = w->type,
                                           .admin = w->admin};
    if (!status)
        status = mx_register(server, &registration, gg_request_arena(rq), &w->user_id, err);
    if (!status)
        status = set_identities(server, w, err);
    if (!status)
        status = set_mails(rq, w, true, err);
    return status ? status : set_profile(server, w, "avatar_url", MX_PROFILE_AVATAR, err);
}

int mx_admin_api_put_user(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct wanted w = {.body = gg_request_json(rq, err)};
    struct gg_str json;
    struct mx_user user;
    int status = mx_admin_target(rq, "user_id", "This endpoint can only be used with local users", NULL, &w.user_id, err);
    if (!status)
        status = mx_users_get(server, w.user_id, gg_request_arena(rq), &user, err);
    if (!status)
        status = read_body(rq, &w, err);
    if (!status)
        status = user.id.s ? modify(rq, &w, &user, err) : create(rq, &w, err);
    if (!status)
        status = mx_admin_ask(server, &mx_admin_user_details, GG_PARAMS(gg_p_str(w.user_id)), gg_request_arena(rq), &json, err);
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_str(&out, json);
    return gg_reply_buf(rq, user.id.s ? 200 : 201, &out);
}
