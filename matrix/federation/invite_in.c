/* matrix/federation/invite_in.c: another server invites one of our users.
 *
 * We may know nothing of the room: the event stands alone, outside any history (facts database 4.19), until the user joins or
 * turns it down. What the inviting server tells of the room is kept with it, each entry cut down to what clients are shown. */
#include "federation/invite_in.h"

#include "accounts/accounts.h"
#include "federation/entry.h"
#include "federation/keyring.h"
#include "federation/stripped_in.h"
#include "push/evaluate.h"
#include "rooms/blocked.h"
#include "storage/federation/rooms.h"
#include "userdata/invites.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

struct inviting {
    struct mx_server *server;
    struct gg_str origin;
    const struct mx_fed_invite *invite;
    const struct mx_room_version *version;
    struct gg_arena *arena;
    const struct mx_event *event; /* checked */
};

/* ---- checks ---- */

static int check_path(struct inviting *i, struct gg_error *err)
{
    struct mx_event *event;
    int rc = mx_event_parse(i->invite->event, i->version, (struct gg_str){0}, &event, err);
    if (rc != 0)
        return rc;
    rc = mx_fed_acl(i->server, i->origin, event->room_id, i->arena, err);
    if (rc == 0 && !gg_str_eq(event->event_id, i->invite->event_id))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM",
                       "Invite event ID must match event ID specified in the federation `/invite` request");
    if (rc == 0 && !gg_str_eq(event->room_id, i->invite->room_id))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM",
                       "The room_id specified in the invite event must match room ID specified in the federation `/invite` request");
    mx_event_unref(event);
    return rc;
}

static int check_signatures(struct inviting *i, struct gg_error *err)
{
    const char *why = NULL;
    int rc = mx_fed_check_pdus(i->server, i->version, &i->invite->event, 1, i->arena, &i->event, &why, err);
    if (rc == 0 && i->event == NULL)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "%s", why != NULL ? why : "The event's signatures are not right");
    return rc;
}

static int check_event(struct inviting *i, struct gg_error *err)
{
    const struct mx_event *e = i->event;
    int rc;
    if (e->state_key.s == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "The invite event did not have a state key");
    if ((rc = mx_room_not_blocked(i->server, e->room_id, err)) != 0)
        return rc;
    if (gg_config_bool(i->server->config, "block_non_admin_invites"))
        return gg_refuse(err, 403, "M_UNKNOWN", "This server does not accept room invites");
    if (!gg_str_is(e->type, "m.room.member") || !gg_str_is(e->membership, "invite"))
        return gg_refuse(err, 400, "M_UNKNOWN", "The event was not an m.room.member invite event");
    if (!gg_str_eq(mx_id_domain(e->sender), i->origin))
        return gg_refuse(err, 400, "M_UNKNOWN", "The invite event was not from the server sending it");
    if (!mx_user_id_valid(e->state_key) || !mx_is_mine(i->server, e->state_key))
        return gg_refuse(err, 400, "M_UNKNOWN", "The invite event must be for this server");
    if ((rc = mx_invites_check(i->server, e->state_key, i->arena, err)) != 0)
        return rc;
    return mx_limit(i->server, "rc_invites.per_user", e->state_key, NULL, true, err);
}

/* Where we are in the room ourselves we know better than the invite does: its version, and whether it can be right. */
static int check_room(struct inviting *i, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_str membership = {0};
    int rc = mx_heads_get(i->server, i->event->room_id, i->arena, &head, err);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && !mx_fed_is_in(i->server, head, gg_str(i->server->name)))) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mx_heads_membership(i->server, head, i->event->state_key, i->arena, &membership, err);
    if (rc == 0 && head->version != i->version)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "The room's version is %s", head->version->id);
    if (rc == 0 && (gg_str_is(membership, "join") || gg_str_is(membership, "ban")))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "The user is %s the room",
                       gg_str_is(membership, "join") ? "already in" : "banned from");
    return rc;
}

/* ---- the event that we keep ---- */

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static int sign(struct inviting *i, const struct mx_event **out, struct gg_error *err)
{
    struct mx_json *tree, *ours = mx_json_object(i->arena);
    struct mx_event *loaded;
    int rc = mx_json_parse(i->event->json, 1000, i->arena, &tree, err);
    if (rc != 0)
        return rc;
    mx_event_sign(tree, i->version, i->server->name, &i->server->keys[0], i->arena);
    if (i->invite->stripped.s != NULL)
        mx_json_set(ours, i->arena, "invite_room_state", mx_json_raw(i->arena, mx_stripped_clean(i->invite->stripped, i->arena)));
    mx_json_set(ours, i->arena, "age_ts", mx_json_new_i64(i->arena, gg_wall_ms()));
    mx_json_set(tree, i->arena, "unsigned", ours);
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, tree);
    rc = mx_event_load(gg_buf_view(&buf), i->version, i->event->event_id, (struct gg_str){0}, &loaded, err);
    gg_buf_done(&buf);
    if (rc != 0)
        return rc;
    struct mx_event_meta meta = {.outlier = true, .out_of_band = true};
    struct mx_event *kept = mx_event_with_meta(loaded, &meta);
    mx_event_unref(loaded);
    gg_arena_defer(i->arena, unref_event, kept);
    *out = kept;
    return 0;
}

static int store(struct inviting *i, const struct mx_event *event, struct gg_error *err)
{
    struct mx_persist_item item = {.event = event};
    bool here = strcmp(mx_persist_writer(i->server, event->room_id), gg_host_instance(i->server->host)) == 0;
    int64_t position;
    int rc = mx_push_evaluate(i->server, event->room_id, NULL, &item, 1, i->arena, err);
    if (rc == 0 && !here)
        rc = mx_push_stage(i->server, &item, 1, err);
    if (rc != 0)
        return rc;
    rc = mx_persist_remote(i->server, NULL, event->room_id, &item, 1, i->arena, &position, NULL, err);
    if (rc != 0 && !here)
        mx_push_unstage(i->server, &item, 1);
    return rc;
}

int mx_fed_invite_in(struct mx_server *server, struct gg_str origin, const struct mx_fed_invite *invite, struct gg_arena *arena,
                     const struct mx_event **out, struct gg_error *err)
{
    struct inviting i = {.server = server, .origin = origin, .invite = invite, .arena = arena,
                         .version = invite->room_version.s != NULL ? mx_room_version_find(invite->room_version) : NULL};
    if (i.version == NULL)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Homeserver does not support this room version");
    int rc = check_path(&i, err);
    if (rc == 0)
        rc = check_signatures(&i, err);
    if (rc == 0)
        rc = check_event(&i, err);
    if (rc == 0)
        rc = check_room(&i, err);
    if (rc == 0)
        rc = mx_room_note_version(server, i.event->room_id, i.version, err);
    if (rc == 0)
        rc = sign(&i, out, err);
    return rc != 0 ? rc : store(&i, *out, err);
}
