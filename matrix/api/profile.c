/* profile.c: users' profiles (client-server API, "Profiles"); those of other servers are asked for each time. */
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <unistr.h>

#include "api/accounts.h"
#include "federation/profiles.h"

enum { NAME_MAX_CHARACTERS = 256, AVATAR_MAX_CHARACTERS = 1000, KEY_MAX = 255 };

/* ---- reading ---- */

static int not_found(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Profile was not found");
}

/* By default everybody may look; the configuration can ask for a login and for a shared room. */
static int check_reader(struct mx_server *server, struct gg_request *rq, struct gg_str user_id, struct gg_error *err)
{
    if (!gg_config_bool(server->config, "require_auth_for_profile_requests"))
        return 0;
    bool share = true;
    int status = mx_authenticate(server, rq, MX_AUTH_GUESTS, err);
    if (status || !gg_config_bool(server->config, "limit_profile_requests_to_users_who_share_rooms"))
        return status;
    struct gg_str reader = gg_str(mx_requester_of(rq)->user_id);
    if (!gg_str_eq(reader, user_id))
        status = mx_users_share_room(server, reader, user_id, &share, err);
    return status || share ? status : gg_refuse(err, 403, "M_FORBIDDEN", "Profile isn't available");
}

/* field NULL: all of it; the texts, and every other member as `fields`. */
static int read_remote(struct mx_server *server, struct gg_str user_id, const char *field, struct gg_arena *arena,
                       struct mx_profile_row *out, struct gg_error *err)
{
    struct gg_str answer;
    struct gg_buf others = GG_BUF_INIT;
    memset(out, 0, sizeof(*out));
    int status = mx_fed_profile(server, user_id, field, arena, &answer, err);
    if (status)
        return status;
    out->found = true;
    out->display_name = mx_json_string(mx_json_get(answer, "displayname"), arena);
    out->avatar_url = mx_json_string(mx_json_get(answer, "avatar_url"), arena);
    struct mx_json_iter it = mx_json_iter(answer);
    while (mx_json_next(&it)) {
        if (mx_json_key_is(it.key, "displayname") || mx_json_key_is(it.key, "avatar_url"))
            continue;
        gg_buf_printf(&others, "%c\"%.*s\":", others.n > 0 ? ',' : '{', GG_FMT(it.key));
        gg_buf_str(&others, it.value);
    }
    gg_buf_text(&others, others.n > 0 ? "}" : "{}");
    out->fields = gg_arena_str(arena, gg_buf_view(&others));
    gg_buf_done(&others);
    return 0;
}

static int read_profile(struct gg_request *rq, const char *field, struct mx_profile_row *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(gg_request_param(rq, "user_id"));
    if (!mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid user id");
    int status = check_reader(server, rq, user_id, err);
    if (!status && !mx_is_mine(server, user_id))
        return read_remote(server, user_id, field, gg_request_arena(rq), out, err);
    if (!status)
        status = mx_profiles_read(server, user_id, gg_request_arena(rq), out, err);
    return status || out->found ? status : not_found(err);
}

static void add_member(struct gg_buf *out, const char *key, struct gg_str text)
{
    if (!text.s)
        return;
    if (out->n > 1)
        gg_buf_char(out, ',');
    gg_buf_printf(out, "\"%s\":", key);
    gg_buf_json_string(out, text);
}

int mx_api_profile(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_profile_row row;
    int status = read_profile(rq, NULL, &row, err);
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '{');
    add_member(&out, "displayname", row.display_name);
    add_member(&out, "avatar_url", row.avatar_url);
    struct mx_json_iter it = mx_json_iter(row.fields);
    while (row.fields.s && mx_json_next(&it)) {
        if (out.n > 1)
            gg_buf_char(&out, ',');
        gg_buf_printf(&out, "\"%.*s\":", GG_FMT(it.key));
        gg_buf_str(&out, it.value);
    }
    gg_buf_char(&out, '}');
    if (out.n > 2 || !mx_is_mine(mx_server_of_request(rq), gg_str(gg_request_param(rq, "user_id"))))
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return not_found(err); /* a user of ours who shows nothing; another server has said that theirs is there */
}

static int reply_text(struct gg_request *rq, const char *key, struct gg_str text)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '{');
    add_member(&out, key, text);
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

int mx_api_profile_name(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_profile_row row;
    int status = read_profile(rq, "displayname", &row, err);
    return status ? status : reply_text(rq, "displayname", row.display_name);
}

int mx_api_profile_avatar(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_profile_row row;
    int status = read_profile(rq, "avatar_url", &row, err);
    return status ? status : reply_text(rq, "avatar_url", row.avatar_url);
}

/* Common Namespaced Identifier Grammar (appendices). */
static int check_key(struct gg_str key, struct gg_error *err)
{
    bool ok = key.n >= 1 && key.s[0] >= 'a' && key.s[0] <= 'z';
    if (key.n > KEY_MAX)
        return gg_refuse(err, 400, "M_KEY_TOO_LARGE", "Field name too long");
    for (size_t i = 1; ok && i < key.n; i++)
        ok = (key.s[i] >= 'a' && key.s[i] <= 'z') || (key.s[i] >= '0' && key.s[i] <= '9') || strchr("_.-", key.s[i]);
    return ok ? 0
              : gg_refuse(err, 400, "M_INVALID_PARAM",
                          "Field name does not follow Common Namespaced Identifier Grammar");
}

int mx_api_profile_field(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *key = gg_request_param(rq, "field");
    struct mx_profile_row row;
    int status = check_key(gg_str(key), err);
    if (!status)
        status = read_profile(rq, key, &row, err);
    if (status)
        return status;
    struct gg_str value = row.fields.s ? mx_json_get(row.fields, key) : row.fields;
    if (!value.s)
        return not_found(err);
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '{');
    gg_buf_json_string(&out, gg_str(key));
    gg_buf_char(&out, ':');
    gg_buf_str(&out, value);
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

/* ---- changing ---- */

/* Users change their own profile, administrators everybody's. */
static int check_writer(struct gg_request *rq, const char *enabled_key, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *who = mx_requester_of(rq);
    struct gg_str user_id = gg_str(gg_request_param(rq, "user_id"));
    if (!mx_user_id_valid(user_id) || !mx_is_mine(server, user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "User is not hosted on this homeserver");
    if (!gg_str_is(user_id, who->user_id) && !who->admin)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Cannot change another user's profile");
    if (who->suspended && !who->admin)
        return gg_refuse(err, 403, "M_USER_SUSPENDED",
                         "Updating the profile while the account is suspended is not allowed");
    if (enabled_key && !who->admin && !gg_config_bool(server->config, enabled_key))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Changing this part of the profile is disabled on this server");
    return 0;
}

static int change(struct gg_request *rq, enum mx_profile_field field, struct gg_str key, struct gg_str value,
                  struct gg_error *err)
{
    const char *asked = gg_request_query(rq, "propagate");
    bool propagate = (!asked || strcmp(asked, "false") != 0) && !mx_requester_of(rq)->shadow_banned;
    int status = mx_profile_set(mx_server_of_request(rq), gg_str(gg_request_param(rq, "user_id")), field, key, value,
                                propagate, err);
    return status ? status : gg_reply_empty_object(rq);
}

static const struct text_field {
    const char *key, *enabled_key, *what;
    enum mx_profile_field field;
    size_t max;
} name_field = {"displayname", "enable_set_displayname", "Displayname", MX_PROFILE_NAME, NAME_MAX_CHARACTERS},
  avatar_field = {"avatar_url", "enable_set_avatar_url", "Avatar URL", MX_PROFILE_AVATAR, AVATAR_MAX_CHARACTERS};

static int set_text(struct gg_request *rq, const struct text_field *f, struct gg_error *err)
{
    int status = check_writer(rq, f->enabled_key, err);
    if (status)
        return status;
    const json_t *body = gg_request_json(rq, err);
    struct gg_str text = mx_text(body, f->key);
    if (!json_object_get(body, f->key))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing key '%s'", f->key);
    if (!text.s)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "'%s' must be a string", f->key);
    if (u8_mbsnlen((const uint8_t *)text.s, text.n) > f->max)
        return gg_refuse(err, 400, "M_UNKNOWN", "%s is too long (max %zu)", f->what, f->max);
    return change(rq, f->field, gg_str(f->key), text.n ? text : (struct gg_str){0}, err);
}

int mx_api_set_name(void *self, struct gg_request *rq, struct gg_error *err)
{
    return set_text(rq, &name_field, err);
}

int mx_api_set_avatar(void *self, struct gg_request *rq, struct gg_error *err)
{
    return set_text(rq, &avatar_field, err);
}

static int delete_text(struct gg_request *rq, const struct text_field *f, struct gg_error *err)
{
    int status = check_writer(rq, f->enabled_key, err);
    return status ? status : change(rq, f->field, gg_str(f->key), (struct gg_str){0}, err);
}

int mx_api_delete_name(void *self, struct gg_request *rq, struct gg_error *err)
{
    return delete_text(rq, &name_field, err);
}

int mx_api_delete_avatar(void *self, struct gg_request *rq, struct gg_error *err)
{
    return delete_text(rq, &avatar_field, err);
}

/* The value is stored as it came, not as a JSON library would write it. */
int mx_api_set_field(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *key = gg_request_param(rq, "field");
    int status = check_writer(rq, NULL, err);
    if (!status)
        status = check_key(gg_str(key), err);
    if (status)
        return status;
    struct gg_str value = mx_json_get(gg_request_body(rq), key);
    if (!value.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing key '%s'", key);
    return change(rq, MX_PROFILE_CUSTOM, gg_str(key), value, err);
}

int mx_api_delete_field(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *key = gg_request_param(rq, "field");
    int status = check_writer(rq, NULL, err);
    if (!status)
        status = check_key(gg_str(key), err);
    return status ? status : change(rq, MX_PROFILE_CUSTOM, gg_str(key), (struct gg_str){0}, err);
}
