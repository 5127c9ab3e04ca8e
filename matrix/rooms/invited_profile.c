/* matrix/rooms/invited_profile.c: asks the server of who is invited for their names. */
#include "rooms/invited_profile.h"

#include "federation/profiles.h"

#include <ganglion/fiber.h>
#include <ganglion/matrix/json.h>

enum { PATIENCE_MS = 5000, MAX_DEPTH = 100 };

static int ask(struct mx_server *server, struct gg_str target, struct gg_arena *arena, struct gg_str *out)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t before = gg_get_deadline(), mine = gg_deadline(PATIENCE_MS);
    gg_set_deadline(before < mine ? before : mine);
    int rc = mx_fed_profile(server, target, NULL, arena, out, &err);
    gg_set_deadline(before);
    return rc;
}

static void take(struct mx_json *content, struct gg_str profile, const char *key, struct gg_arena *arena)
{
    struct gg_str text = mx_json_string(mx_json_get(profile, key), arena);
    if (text.s != NULL && mx_json_member(content, key) == NULL)
        mx_json_set(content, arena, key, mx_json_new_string(arena, text));
}

struct gg_str mx_invited_profile(struct mx_server *server, struct gg_str target, struct gg_str content, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf buf = GG_BUF_INIT;
    struct mx_json *object = mx_json_object(arena);
    struct gg_str profile;
    if (content.s != NULL && (mx_json_parse(content, MAX_DEPTH, arena, &object, &err) != 0 || object->kind != MX_JSON_OBJECT))
        return content; /* it will be refused */
    if (ask(server, target, arena, &profile) != 0)
        return content;
    object = mx_json_copy_level(object, arena);
    take(object, profile, "displayname", arena);
    take(object, profile, "avatar_url", arena);
    mx_json_write(&buf, object);
    content = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return content;
}
