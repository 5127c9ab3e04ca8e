/* matrix/rooms/create_read.c: the body of createRoom, read and checked (client-server API, "Creation"). */
#include "rooms/alias.h"
#include "rooms/create_plan.h"
#include "storage/directory.h"
#include "userdata/invites.h"

#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

enum { MAX_THIRD_PARTY = 50 }; /* each asks another server */

static int bad(struct gg_error *err, const char *what)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "%s", what);
}

static int read_version(struct mx_room_plan *p, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(p->body, "room_version");
    p->version = p->chain->server->default_version;
    if (v == NULL)
        return 0;
    if (v->kind != MX_JSON_STRING)
        return bad(err, "room_version must be a string");
    p->version = mx_room_version_find(v->text);
    if (p->version == NULL)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Your homeserver does not support this room version");
    return 0;
}

static int read_preset(struct mx_room_plan *p, struct gg_error *err)
{
    struct gg_str visibility = mx_json_text(mx_json_member(p->body, "visibility"));
    if (visibility.s != NULL && !gg_str_is(visibility, "public") && !gg_str_is(visibility, "private"))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "visibility must be public or private");
    p->is_public = gg_str_is(visibility, "public");
    const struct mx_json *preset = mx_json_member(p->body, "preset");
    if (preset == NULL) {
        p->preset = mx_preset_find(p->is_public ? GG_STR("public_chat") : GG_STR("private_chat"));
        return 0;
    }
    p->preset = mx_preset_find(mx_json_text(preset));
    return p->preset != NULL ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "'preset' is not a valid preset");
}

static int read_alias(struct mx_room_plan *p, struct gg_error *err)
{
    const struct mx_json *name = mx_json_member(p->body, "room_alias_name");
    struct gg_str text = mx_json_text(name);
    if (name == NULL || name->kind == MX_JSON_NULL || (text.s != NULL && text.n == 0))
        return 0;
    if (mx_alias_has_blanks(text))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid characters in room alias");
    p->alias = gg_str(gg_arena_printf(p->chain->arena, "#%.*s:%s", GG_FMT(text), p->chain->server->name));
    if (text.s == NULL || text.n == 0 || !mx_room_alias_valid(p->alias))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_alias_name is not usable in an alias");
    struct gg_str taken;
    int rc = mx_directory_find_alias(p->chain->server, p->alias, p->chain->arena, &taken, err);
    if (rc == 0 && taken.s != NULL)
        rc = gg_refuse(err, 400, "M_ROOM_IN_USE", "Room alias already taken");
    if (rc == 0)
        rc = mx_appservices_admit_alias(p->chain->server, p->chain->requester, p->alias, err);
    return rc;
}

static int read_invites(struct mx_room_plan *p, struct gg_error *err)
{
    p->invites = mx_json_member(p->body, "invite");
    if (p->invites == NULL)
        return 0;
    if (p->invites->kind != MX_JSON_ARRAY)
        return bad(err, "invite must be a list");
    if (p->invites->n > MX_CHAIN_MAX)
        return bad(err, "Too many users are invited at once");
    for (uint32_t i = 0; i < p->invites->n; i++) {
        struct gg_str user = mx_json_text(p->invites->items[i]);
        if (user.s == NULL || !mx_user_id_valid(user))
            return gg_refuse(err, 400, "M_UNKNOWN", "Invalid user_id: %.*s", GG_FMT(user));
    }
    if (p->chain->requester->shadow_banned)
        p->invites = NULL; /* nobody hears of them, and they do not know */
    return 0;
}

static int read_third_party_invites(struct mx_room_plan *p, struct gg_error *err)
{
    const struct mx_json *invites = mx_json_member(p->body, "invite_3pid");
    struct gg_arena *arena = p->chain->arena;
    if (invites == NULL || invites->kind == MX_JSON_NULL)
        return 0;
    if (invites->kind != MX_JSON_ARRAY || invites->n > MAX_THIRD_PARTY)
        return bad(err, "invite_3pid must be a list, and not a long one");
    p->third_party = GG_NEW_ARRAY(arena, struct mx_third_party, invites->n + 1);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < invites->n; i++) {
        struct gg_buf text = GG_BUF_INIT;
        mx_json_write(&text, invites->items[i]);
        rc = mx_third_party_read(gg_buf_view(&text), arena, &p->third_party[p->n_third_party++], err);
        gg_buf_done(&text);
    }
    return rc;
}

/* From version 12 on: who else stands above all power levels. */
static int read_creators(struct mx_room_plan *p, struct gg_error *err)
{
    const struct mx_json *content = mx_json_member(p->body, "creation_content");
    if (content == NULL || content->kind == MX_JSON_NULL)
        return 0;
    if (content->kind != MX_JSON_OBJECT)
        return bad(err, "creation_content must be an object");
    const struct mx_json *creators = mx_json_member(content, "additional_creators");
    if (creators == NULL || !p->version->creators_privileged)
        return 0;
    if (creators->kind != MX_JSON_ARRAY)
        return gg_refuse(err, 400, "M_FORBIDDEN", "additional_creators must be an array");
    for (uint32_t i = 0; i < creators->n; i++)
        if (creators->items[i]->kind != MX_JSON_STRING || !mx_user_id_valid(creators->items[i]->text))
            return gg_refuse(err, 400, "M_FORBIDDEN", "entry in additional_creators is not a valid user ID");
    return 0;
}

static int check_inviting(struct mx_room_plan *p, struct gg_error *err)
{
    struct mx_server *server = p->chain->server;
    uint32_t n = p->invites != NULL ? p->invites->n : 0;
    int rc = 0;
    if (p->chain->requester->admin || n + p->n_third_party == 0)
        return 0;
    if (gg_config_bool(server->config, "block_non_admin_invites"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invites have been disabled on this server");
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        if (mx_is_mine(server, p->invites->items[i]->text))
            rc = mx_invites_check(server, p->invites->items[i]->text, p->chain->arena, err);
    return rc;
}

static int read_initial_state(struct mx_room_plan *p, struct gg_error *err)
{
    p->initial_state = mx_json_member(p->body, "initial_state");
    if (p->initial_state == NULL)
        return 0;
    if (p->initial_state->kind != MX_JSON_ARRAY)
        return bad(err, "initial_state must be a list");
    for (uint32_t i = 0; i < p->initial_state->n; i++) {
        const struct mx_json *e = p->initial_state->items[i];
        const struct mx_json *content = e->kind == MX_JSON_OBJECT ? mx_json_member(e, "content") : NULL;
        if (content == NULL || content->kind != MX_JSON_OBJECT || mx_json_text(mx_json_member(e, "type")).s == NULL)
            return bad(err, "initial_state: each event needs a type and an object as content");
        const struct mx_json *key = mx_json_member(e, "state_key");
        if (key != NULL && key->kind != MX_JSON_STRING)
            return bad(err, "initial_state: state_key must be a string");
    }
    return 0;
}

static int read_text(struct mx_room_plan *p, const char *key, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(p->body, key);
    if (v == NULL || v->kind == MX_JSON_NULL || v->kind == MX_JSON_STRING)
        return 0;
    return gg_refuse(err, 400, "M_UNKNOWN", "'%s' not a string type", key);
}

int mx_room_plan_read(struct mx_room_plan *p, struct gg_error *err)
{
    const struct mx_json *direct = mx_json_member(p->body, "is_direct");
    p->is_direct = direct != NULL && direct->kind == MX_JSON_TRUE;
    int rc = read_version(p, err);
    if (rc == 0)
        rc = read_preset(p, err);
    if (rc == 0)
        rc = read_text(p, "name", err);
    if (rc == 0)
        rc = read_text(p, "topic", err);
    if (rc == 0)
        rc = read_invites(p, err);
    if (rc == 0)
        rc = read_third_party_invites(p, err);
    if (rc == 0)
        rc = check_inviting(p, err);
    if (rc == 0)
        rc = read_creators(p, err);
    if (rc == 0)
        rc = read_initial_state(p, err);
    return rc == 0 ? read_alias(p, err) : rc;
}
