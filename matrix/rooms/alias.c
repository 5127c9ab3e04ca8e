/* matrix/rooms/alias.c: names of rooms, made and taken away by users. */
#include "rooms/alias.h"

#include "directory/publish.h"
#include "directory/rules.h"
#include "rooms/access.h"
#include "storage/directory.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

enum { MAX_ALIAS = 255 };

static struct gg_logger logger = {"ganglion.rooms"};

bool mx_alias_has_blanks(struct gg_str localpart)
{
    for (size_t i = 0; i < localpart.n; i++)
        if (localpart.s[i] == ':' || strchr(" \t\n\r\v\f", localpart.s[i]) != NULL)
            return true;
    return false;
}

static int check_name(struct mx_server *server, struct gg_str alias, struct gg_error *err)
{
    const char *colon = memchr(alias.s, ':', alias.n);
    if (colon != NULL && mx_alias_has_blanks(gg_strn(alias.s, (size_t)(colon - alias.s))))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid characters in room alias");
    if (!mx_room_alias_valid(alias))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Room alias invalid");
    if (!mx_is_mine(server, alias))
        return gg_refuse(err, 400, "M_UNKNOWN", "Room alias must be local");
    if (alias.n > MAX_ALIAS)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Can't create aliases longer than %d characters", MAX_ALIAS);
    return 0;
}

int mx_alias_add(struct mx_server *server, const struct mx_requester *requester, struct gg_str alias, struct gg_str room_id,
                 struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_str membership = {0}, taken;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 400, "M_UNKNOWN", "Room does not exist");
    if (rc == 0)
        rc = mx_heads_membership(server, head, gg_str(requester->user_id), arena, &membership, err);
    if (rc == 0 && requester->app_service == NULL && gg_config_bool(server->config, "require_membership_for_aliases") &&
        !gg_str_is(membership, "join"))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "You must be in the room to create an alias for it");
    if (rc == 0)
        rc = check_name(server, alias, err);
    if (rc == 0)
        rc = mx_appservices_admit_alias(server, requester, alias, err);
    if (rc == 0 && !mx_may_create_alias(server, gg_str(requester->user_id), room_id, alias))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Not allowed to create alias");
    if (rc == 0)
        rc = mx_directory_find_alias(server, alias, arena, &taken, err);
    if (rc == 0 && taken.s != NULL)
        rc = gg_refuse(err, 409, "M_UNKNOWN", "Room alias %.*s already exists", GG_FMT(alias));
    return rc == 0 ? mx_directory_add_alias(server, alias, room_id, gg_str(requester->user_id), err) : rc;
}

/* ---- taking away ---- */

/* The content of m.room.canonical_alias without the alias; NULL: it does not name it. */
static struct mx_json *without_alias(const struct mx_json *content, struct gg_str alias, struct gg_arena *arena)
{
    struct mx_json *out = mx_json_copy_level(content, arena), *left = mx_json_array(arena);
    const struct mx_json *others = mx_json_member(content, "alt_aliases");
    bool changed = false;
    if (gg_str_eq(mx_json_text(mx_json_member(content, "alias")), alias))
        changed = mx_json_remove(out, "alias");
    if (others == NULL || others->kind != MX_JSON_ARRAY)
        return changed ? out : NULL;
    for (uint32_t i = 0; i < others->n; i++)
        if (!gg_str_eq(mx_json_text(others->items[i]), alias))
            mx_json_push(left, arena, others->items[i]);
    changed = changed || left->n < others->n;
    if (left->n == 0)
        mx_json_remove(out, "alt_aliases");
    else
        mx_json_set(out, arena, "alt_aliases", left);
    return changed ? out : NULL;
}

static int update_canonical(struct mx_server *server, const struct mx_requester *requester, struct gg_str alias,
                            struct gg_str room_id, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *event = NULL;
    struct mx_json *content = NULL;
    struct gg_str event_id;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.canonical_alias", GG_STR(""), arena, &event, err);
    if (rc != 0 || event == NULL)
        return rc;
    rc = mx_json_parse(event->content, 1000, arena, &content, err);
    if (rc == 0)
        content = without_alias(content, alias, arena);
    if (rc != 0 || content == NULL)
        return rc;
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, content);
    struct mx_new_event e = {.room_id = room_id, .type = GG_STR("m.room.canonical_alias"), .state_key = GG_STR(""),
                             .content = gg_buf_view(&text)};
    rc = mx_room_send(server, requester, &e, arena, &event_id, NULL, err);
    gg_buf_done(&text);
    return rc;
}

int mx_alias_remove(struct mx_server *server, const struct mx_requester *requester, struct gg_str alias, struct gg_arena *arena,
                    struct gg_error *err)
{
    struct gg_str creator, room_id;
    int rc = mx_directory_alias_creator(server, alias, arena, &creator, &room_id, err);
    if (rc == 0 && room_id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room alias");
    bool service = requester->app_service != NULL; /* in its namespaces it does as it likes, and its room is left alone */
    if (rc == 0)
        rc = mx_appservices_admit_alias(server, requester, alias, err);
    if (rc == 0 && !service && !gg_str_is(creator, requester->user_id))
        rc = mx_may_change_directory(server, requester, room_id, "You don't have permission to delete the alias.", arena, err);
    if (rc == 0)
        rc = mx_directory_remove_alias(server, alias, room_id, err);
    if (rc != 0 || service)
        return rc;
    rc = update_canonical(server, requester, alias, room_id, arena, err);
    if (rc != GG_E_FORBIDDEN)
        return rc;
    /* The alias is gone; its maker need not be one who may change the event. */
    gg_info(&logger, "%.*s stays named in its room: %s", GG_FMT(alias), err->message);
    *err = (struct gg_error)GG_ERROR_INIT;
    return 0;
}
