/* methods.c: what other processes ask of us about accounts (facts replication 8.4). */
#include <ganglion/matrix/api.h>
#include <stdlib.h>

#include "accounts/accounts.h"

/* The methods' self is the role's; a Matrix role hands out its server. */
static struct gg_str user_of(const struct gg_call *call)
{
    return gg_str(call->args[0]);
}

static int check_registered(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct mx_server *server = self;
    struct mx_session session;
    const struct mx_session_wish wish = {.user_id = user_of(call),
                                         .device_id = mx_text(call->body, "device_id"),
                                         .display_name = mx_text(call->body, "initial_display_name"),
                                         .refresh = json_is_true(json_object_get(call->body, "should_issue_refresh_token")),
                                         .guest = json_is_true(json_object_get(call->body, "is_guest")),
                                         .ghost = json_is_true(json_object_get(call->body, "is_appservice_ghost"))};
    int status = mx_session_begin(server, &wish, call->arena, &session, err);
    if (status)
        return status;
    *answer_out =
        json_pack("{ss# ss# so so}", "device_id", session.device_id.s, (int)session.device_id.n, "access_token",
                  session.access_token.s, (int)session.access_token.n, "valid_until_ms",
                  session.valid_until_ms ? json_integer(session.valid_until_ms) : json_null(), "refresh_token",
                  session.refresh_token.s ? json_stringn(session.refresh_token.s, session.refresh_token.n)
                                          : json_null());
    return 0;
}

static int post_register(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_str token = mx_text(call->body, "access_token");
    const json_t *results = json_object_get(call->body, "auth_result");
    int status = mx_registered(server, user_of(call), results, token.s, err);
    if (!status)
        *answer_out = json_object();
    return status;
}

static int register_user(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    const json_t *b = call->body;
    struct mx_new_user user = {
        .user_id = user_of(call),
        .password_hash = mx_text(b, "password_hash"),
        .display_name = mx_text(b, "create_profile_with_displayname"),
        .user_type = mx_text(b, "user_type"),
        .app_service = mx_text(b, "appservice_id"),
        .admin = json_is_true(json_object_get(b, "admin")),
        .guest = json_is_true(json_object_get(b, "make_guest")),
        .shadow_banned = json_is_true(json_object_get(b, "shadow_banned")),
        .approved = json_is_true(json_object_get(b, "approved")),
    };
    int status = mx_users_create(self, &user, err);
    if (!status)
        *answer_out = json_object();
    return status;
}

static int device_update(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    const json_t *list = json_object_get(call->body, "device_ids");
    size_t n = json_array_size(list);
    struct gg_str *ids = GG_NEW_ARRAY(call->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id))
            return gg_refuse(err, 400, "M_BAD_JSON", "device_ids must hold strings");
        ids[i] = gg_strn(json_string_value(id), json_string_length(id));
    }
    int status = mx_devices_changed(self, user_of(call), ids, n, err);
    if (!status)
        *answer_out = json_object();
    return status;
}

static enum mx_profile_field field_of(struct gg_str name)
{
    return gg_str_is(name, "displayname")  ? MX_PROFILE_NAME
           : gg_str_is(name, "avatar_url") ? MX_PROFILE_AVATAR
                                           : MX_PROFILE_CUSTOM;
}

/* value: borrowed from the arena of the call. */
static struct gg_str field_value(const struct gg_call *call, enum mx_profile_field field, const json_t *value)
{
    if (field != MX_PROFILE_CUSTOM) {
        struct gg_str text = json_is_string(value) ? gg_str(json_string_value(value)) : (struct gg_str){0};
        return text.n ? text : (struct gg_str){0};
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    struct gg_str copy = gg_str(gg_arena_strdup(call->arena, text));
    free(text);
    return copy;
}

static int profile_set(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct gg_str name = mx_text(call->body, "field_name");
    const json_t *propagate = json_object_get(call->body, "propagate");
    if (!name.n)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "field_name is missing");
    enum mx_profile_field field = field_of(name);
    int status = mx_profile_set(self, user_of(call), field, name,
                                field_value(call, field, json_object_get(call->body, "new_value")),
                                !json_is_false(propagate), err);
    if (!status)
        *answer_out = json_object();
    return status;
}

static int profile_delete(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct gg_str name = mx_text(call->body, "field_name");
    if (!name.n)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "field_name is missing");
    int status = mx_profile_set(self, user_of(call), field_of(name), name, (struct gg_str){0}, true, err);
    if (!status)
        *answer_out = json_object();
    return status;
}

/* Whoever ends an account also has its rooms left, and the row in the database tells the background process. */
static int account_deactivated(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    *answer_out = json_object();
    return 0;
}

const struct gg_method mx_methods_accounts[] = {
    {"notify_account_deactivated", 1, GG_METHOD_TXN | GG_METHOD_MAIN_ONLY, account_deactivated,
     .doc = "An account has ended."},
    {"device_check_registered", 1, GG_METHOD_TXN | GG_METHOD_MAIN_ONLY, check_registered,
     .doc = "Makes sure of a device and issues an access token for it."},
    {"post_register", 1, GG_METHOD_TXN | GG_METHOD_MAIN_ONLY, post_register, .doc = "A registration is complete."},
    {"register_user", 1, GG_METHOD_TXN, register_user, .doc = "Inserts a user."},
    {"notify_device_update", 1, 0, device_update, .writer = "device_lists",
     .doc = "Devices of a local user changed: writes the device list streams."},
    {"profile_set_field", 1, 0, profile_set, .writer = "events", .doc = "Changes a field of a profile."},
    {"profile_delete_field", 1, 0, profile_delete, .writer = "events", .doc = "Deletes a field of a profile."},
    {0},
};
