/* matrix/groups/change.c: what the admins of a group of ours change in it. */
#include "groups/groups.h"

#include "groups/profile.h"
#include "storage/groups.h"

#include <ganglion/matrix/id.h>

enum { MAX_TEXT = 4096, MAX_LONG_TEXT = 32768, MAX_LABEL = 255 };

static int done(int rc, json_t **answer)
{
    *answer = rc == 0 ? json_object() : NULL;
    return rc;
}

int mx_group_visibility(const json_t *object, bool *is_public, struct gg_error *err)
{
    const json_t *said = json_object_get(object, "m.visibility"), *type = json_object_get(said, "type");
    *is_public = true;
    if (said == NULL)
        return 0;
    *is_public = json_is_string(type) && strcmp(json_string_value(type), "public") == 0;
    if (*is_public || (json_is_string(type) && strcmp(json_string_value(type), "private") == 0))
        return 0;
    return gg_refuse(err, 400, "M_INVALID_PARAM", "m.visibility must be of type 'public' or 'private'");
}

/* ---- profile ---- */

static int take_text(const json_t *object, const char *key, size_t max, struct gg_str *out, struct gg_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (v == NULL)
        return 0;
    if (json_is_null(v)) {
        *out = (struct gg_str){0};
        return 0;
    }
    if (!json_is_string(v))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%s value is not a string", key);
    if (json_string_length(v) > max)
        return gg_refuse(err, 400, "M_TOO_LARGE", "%s is too long", key);
    *out = gg_strn(json_string_value(v), json_string_length(v));
    return 0;
}

int mx_group_read_profile(const json_t *object, struct mx_group_row *row, struct gg_error *err)
{
    struct gg_str *const texts[] = {&row->name, &row->avatar_url, &row->short_description, &row->long_description};
    static const char *const keys[] = {"name", "avatar_url", "short_description", "long_description"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(keys); i++)
        rc = take_text(object, keys[i], i == 3 ? MAX_LONG_TEXT : MAX_TEXT, texts[i], err);
    return rc;
}

int mx_group_set_profile(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_row row;
    bool found;
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = mx_groups_get(call->server, call->group_id, call->arena, &row, &found, err);
    if (rc == 0)
        rc = mx_group_read_profile(call->body, &row, err);
    if (rc == 0)
        rc = mx_groups_set(call->server, call->group_id, &row, err);
    return done(rc, answer);
}

int mx_group_set_policy(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    const json_t *type = json_object_get(json_object_get(call->body, "m.join_policy"), "type");
    struct mx_group_row row;
    bool found;
    int rc = mx_group_admin(call, err);
    if (rc == 0 && !json_is_string(type))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "No m.join_policy with a type");
    if (rc == 0 && strcmp(json_string_value(type), "open") != 0 && strcmp(json_string_value(type), "invite") != 0)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Group join policy may be 'open' or 'invite'");
    if (rc == 0)
        rc = mx_groups_get(call->server, call->group_id, call->arena, &row, &found, err);
    if (rc == 0) {
        row.open = strcmp(json_string_value(type), "open") == 0;
        rc = mx_groups_set(call->server, call->group_id, &row, err);
    }
    return done(rc, answer);
}

/* ---- rooms ---- */

static int check_room(const struct mx_group_call *call, struct gg_error *err)
{
    return mx_room_id_valid(call->room_id) ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Not a room id");
}

int mx_group_put_room(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    bool is_public = true;
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = check_room(call, err);
    if (rc == 0)
        rc = mx_group_visibility(call->body, &is_public, err);
    if (rc == 0)
        rc = mx_groups_put_room(call->server, call->group_id, call->room_id, is_public, err);
    return done(rc, answer);
}

int mx_group_remove_room(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = mx_groups_remove_room(call->server, call->group_id, call->room_id, err);
    return done(rc, answer);
}

int mx_group_room_config(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    bool is_public = true;
    int rc = mx_group_admin(call, err);
    if (rc == 0 && !gg_str_is(call->key, "m.visibility"))
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Unknown config option");
    if (rc == 0)
        rc = check_room(call, err);
    json_t *wrapped = json_pack("{s:O?}", "m.visibility", call->body);
    if (rc == 0)
        rc = mx_group_visibility(wrapped, &is_public, err);
    json_decref(wrapped);
    if (rc == 0)
        rc = mx_groups_put_room(call->server, call->group_id, call->room_id, is_public, err);
    return done(rc, answer);
}

/* ---- categories and roles ---- */

static int check_label(const struct mx_group_call *call, struct gg_error *err)
{
    return call->label.n > 0 && call->label.n <= MAX_LABEL ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Not a valid name");
}

int mx_group_put_label(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    const json_t *profile = json_object_get(call->body, "profile");
    struct gg_str text = {0};
    char *dumped = NULL;
    bool is_public = true;
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = check_label(call, err);
    if (rc == 0)
        rc = mx_group_visibility(call->body, &is_public, err);
    if (rc == 0 && profile != NULL && !json_is_object(profile))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "profile must be an object");
    if (rc == 0 && profile != NULL) {
        dumped = json_dumps(profile, JSON_COMPACT);
        text = gg_str(dumped);
        if (text.n > MAX_LONG_TEXT)
            rc = gg_refuse(err, 400, "M_TOO_LARGE", "profile is too long");
    }
    if (rc == 0)
        rc = mx_groups_put_label(call->server, call->group_id, call->kind, call->label, text, is_public, err);
    free(dumped);
    return done(rc, answer);
}

int mx_group_remove_label(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = mx_groups_remove_label(call->server, call->group_id, call->kind, call->label, err);
    return done(rc, answer);
}

/* ---- places in the summary ---- */

static int place_of(const struct mx_group_call *call, struct mx_group_item *out, struct gg_error *err)
{
    const json_t *order = json_object_get(call->body, "order");
    *out = (struct mx_group_item){.id = call->kind == MX_GROUP_ROOMS ? call->room_id : call->user_id, .label = call->label};
    if (out->label.s == NULL)
        out->label = GG_STR("");
    if (order != NULL && (!json_is_integer(order) || json_integer_value(order) < 1))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "order must be a positive integer");
    out->order = json_integer_value(order);
    return mx_group_visibility(call->body, &out->is_public, err);
}

/* Only what is in the group can be in its summary, and under labels that it has. */
static int check_place(const struct mx_group_call *call, const struct mx_group_item *place, struct gg_error *err)
{
    struct mx_group_item *items;
    struct mx_group_member user;
    size_t n = 0;
    bool found = false;
    int rc;
    if (call->kind == MX_GROUP_USERS) {
        rc = mx_groups_member(call->server, call->group_id, place->id, call->arena, &user, &found, err);
        found = found && !user.invited;
    } else {
        rc = mx_groups_rooms(call->server, call->group_id, call->arena, &items, &n, err);
        for (size_t i = 0; i < n && !found; i++)
            found = gg_str_eq(items[i].id, place->id);
    }
    if (rc == 0 && !found)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "%s not in group", call->kind == MX_GROUP_USERS ? "user" : "room");
    if (rc != 0 || place->label.n == 0)
        return rc;
    rc = mx_groups_labels(call->server, call->group_id, call->kind, place->label, call->arena, &items, &n, err);
    return rc != 0 || n > 0 ? rc : gg_refuse(err, 400, "M_UNKNOWN", "%s doesn't exist", call->kind == MX_GROUP_USERS ? "Role" : "Category");
}

int mx_group_put_place(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_item place;
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = place_of(call, &place, err);
    if (rc == 0)
        rc = check_place(call, &place, err);
    if (rc == 0)
        rc = mx_groups_put_place(call->server, call->group_id, call->kind, &place, err);
    return done(rc, answer);
}

int mx_group_remove_place(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct gg_str id = call->kind == MX_GROUP_ROOMS ? call->room_id : call->user_id;
    int rc = mx_group_admin(call, err);
    if (rc == 0)
        rc = mx_groups_remove_place(call->server, call->group_id, call->kind, call->label.s != NULL ? call->label : GG_STR(""), id, err);
    return done(rc, answer);
}
