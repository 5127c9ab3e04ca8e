/* matrix/rooms/inherit.c: a user's own data about a room moves with them into the room that replaces it. */
#include "rooms/inherit.h"

#include "json/text.h"
#include "push/change.h"
#include "userdata/route.h"
#include "userdata/tags.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.rooms"};

struct gg_str mx_room_predecessor(const struct mx_event *create, struct gg_arena *arena)
{
    if (create == NULL)
        return (struct gg_str){0};
    struct gg_str id = mx_json_path(create->content, (const char *const[]){"predecessor", "room_id", NULL});
    id = mx_storable(mx_json_string(id, arena));
    return id.s != NULL ? gg_arena_str(arena, id) : id;
}

static int copy_tags(struct mx_server *server, struct gg_str user_id, struct gg_str old_room, struct gg_str new_room,
                     struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str tags;
    int rc = mx_tags_get(server, user_id, old_room, arena, &tags, err);
    struct mx_json_iter it = mx_json_iter(rc == 0 ? tags : GG_STR("{}"));
    while (rc == 0 && mx_json_next(&it)) {
        struct gg_str quoted = gg_str(gg_arena_printf(arena, "\"%.*s\"", GG_FMT(it.key)));
        struct gg_str tag = mx_json_string(quoted, arena);
        rc = mx_tag_put(server, user_id, new_room, gg_arena_str(arena, tag), it.value, err);
    }
    return rc;
}

static bool holds(const struct mx_json *list, struct gg_str value)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (gg_str_eq(mx_json_text(list->items[i]), value))
            return true;
    return false;
}

/* m.direct: user id -> rooms. */
static int copy_direct(struct mx_server *server, struct gg_str user_id, struct gg_str old_room, struct gg_str new_room,
                       struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str text;
    struct mx_json *direct;
    bool changed = false;
    int rc = mx_account_data_get(server, user_id, (struct gg_str){0}, GG_STR("m.direct"), arena, &text, err);
    if (rc == GG_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = mx_json_parse(text, 200, arena, &direct, err);
    if (rc != 0 || direct->kind != MX_JSON_OBJECT)
        return rc;
    for (uint32_t i = 0; i < direct->n; i++) {
        struct mx_json *rooms = direct->members[i].value;
        if (rooms->kind != MX_JSON_ARRAY || !holds(rooms, old_room) || holds(rooms, new_room))
            continue;
        mx_json_push(rooms, arena, mx_json_new_string(arena, new_room));
        changed = true;
    }
    if (!changed)
        return 0;
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, direct);
    rc = mx_account_data_put(server, user_id, (struct gg_str){0}, GG_STR("m.direct"), gg_buf_view(&buf), err);
    gg_buf_done(&buf);
    return rc;
}

static int copy_push_rules(struct mx_server *server, struct gg_str user_id, struct gg_str old_room, struct gg_str new_room,
                           struct gg_arena *arena, struct gg_error *err)
{
    return mx_push_copy_room_anywhere(server, user_id, old_room, new_room, err);
}

typedef int inherit_fn(struct mx_server *server, struct gg_str user_id, struct gg_str old_room, struct gg_str new_room,
                       struct gg_arena *arena, struct gg_error *err);
static const struct {
    const char *what;
    inherit_fn *fn;
} parts[] = {{"tags", copy_tags}, {"direct chats", copy_direct}, {"push rules", copy_push_rules}};

void mx_room_inherit(struct mx_server *server, struct gg_str user_id, struct gg_str old_room, struct gg_str new_room,
                     struct gg_arena *arena)
{
    for (size_t i = 0; i < GG_COUNT(parts); i++) {
        struct gg_error err = GG_ERROR_INIT;
        if (parts[i].fn(server, user_id, old_room, new_room, arena, &err) != 0)
            gg_warn(&logger, "%s of %.*s did not move to %.*s: %s", parts[i].what, GG_FMT(user_id), GG_FMT(new_room), err.message);
    }
}
