/* matrix/rooms/check_content.c: what the content of an event must hold for us to send it, beyond the auth rules. */
#include "rooms/check_content.h"

#include "rooms/server_acl.h"

/* ---- members that must be there, or must be of a kind ---- */

static const struct {
    const char *type, *key;
} needed_texts[] = {{"m.room.message", "body"}, {"m.room.message", "msgtype"}, {"m.room.name", "name"}, {"m.room.topic", "topic"}};

static int check_texts(const struct mx_new_content *e, struct gg_error *err)
{
    for (size_t i = 0; i < GG_COUNT(needed_texts); i++) {
        if (!gg_str_is(e->type, needed_texts[i].type))
            continue;
        struct gg_str value = mx_json_get(e->content, needed_texts[i].key);
        if (value.s == NULL)
            return gg_refuse(err, 400, "M_UNKNOWN", "'%s' not in content", needed_texts[i].key);
        if (!mx_json_is_string(value))
            return gg_refuse(err, 400, "M_UNKNOWN", "'%s' not a string type", needed_texts[i].key);
    }
    return 0;
}

static int wrong(const char *key, const char *kind, struct gg_error *err)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "\"%s\" is not of type '%s'", key, kind);
}

/* ---- m.mentions, of any type (client-server API, "User and room mentions") ---- */

static bool all_strings(struct gg_str list)
{
    struct mx_json_iter it = mx_json_iter(list);
    bool fits = mx_json_is_array(list);
    while (fits && mx_json_next(&it))
        fits = mx_json_is_string(it.value);
    return fits;
}

static int check_mentions(const struct mx_new_content *e, struct gg_error *err)
{
    struct gg_str mentions = mx_json_get(e->content, "m.mentions");
    if (mentions.s == NULL)
        return 0;
    struct gg_str users = mx_json_get(mentions, "user_ids"), room = mx_json_get(mentions, "room");
    if (!mx_json_is_object(mentions))
        return wrong("m.mentions", "object", err);
    if (users.s != NULL && !all_strings(users))
        return wrong("user_ids", "array", err);
    if (room.s != NULL && !gg_str_is(room, "true") && !gg_str_is(room, "false"))
        return wrong("room", "boolean", err);
    return 0;
}

/* ---- m.room.power_levels: integers everywhere, also where the room version lets strings pass ---- */

static const char *const levels[] = {"ban", "events_default", "invite", "kick", "redact", "state_default", "users_default"};
static const char *const level_maps[] = {"users", "events", "notifications"};
#define LARGEST 9007199254740991

static bool is_level(struct gg_str value)
{
    int64_t level;
    return mx_json_i64(value, &level) && level >= -LARGEST && level <= LARGEST;
}

static int check_levels(const struct mx_new_content *e, struct gg_arena *arena, struct gg_error *err)
{
    for (size_t i = 0; i < GG_COUNT(levels); i++) {
        struct gg_str value = mx_json_get(e->content, levels[i]);
        if (value.s != NULL && !is_level(value))
            return wrong(levels[i], "integer", err);
    }
    for (size_t i = 0; i < GG_COUNT(level_maps); i++) {
        struct gg_str map = mx_json_get(e->content, level_maps[i]);
        struct mx_json_iter it = mx_json_iter(map);
        if (map.s != NULL && !mx_json_is_object(map))
            return wrong(level_maps[i], "object", err);
        while (map.s != NULL && mx_json_next(&it))
            if (!is_level(it.value))
                return wrong(gg_arena_strndup(arena, it.key.s, it.key.n), "integer", err);
    }
    return 0;
}

/* ---- m.room.retention (MSC1763) ---- */

static int check_retention(const struct mx_new_content *e, struct gg_error *err)
{
    struct gg_str least = mx_json_get(e->content, "min_lifetime"), most = mx_json_get(e->content, "max_lifetime");
    int64_t min, max;
    if (e->state_key.s == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "must be a state event");
    if (least.s != NULL && !mx_json_i64(least, &min))
        return gg_refuse(err, 400, "M_BAD_JSON", "'min_lifetime' must be an integer");
    if (most.s != NULL && !mx_json_i64(most, &max))
        return gg_refuse(err, 400, "M_BAD_JSON", "'max_lifetime' must be an integer");
    if (least.s != NULL && most.s != NULL && min > max)
        return gg_refuse(err, 400, "M_BAD_JSON", "'min_lifetime' can't be greater than 'max_lifetime'");
    return 0;
}

/* ---- m.room.member: a name and a picture of bounded length ---- */

static size_t code_points(struct gg_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.s[i] & 0xC0) != 0x80;
    return n;
}

static int check_member(const struct mx_new_content *e, struct gg_arena *arena, struct gg_error *err)
{
    enum { LONGEST_NAME = 256, LONGEST_URL = 1000 };
    if (code_points(mx_json_string(mx_json_get(e->content, "displayname"), arena)) > LONGEST_NAME)
        return gg_refuse(err, 400, "M_BAD_JSON", "Displayname is too long (max %d)", LONGEST_NAME);
    if (code_points(mx_json_string(mx_json_get(e->content, "avatar_url"), arena)) > LONGEST_URL)
        return gg_refuse(err, 400, "M_BAD_JSON", "Avatar URL is too long (max %d)", LONGEST_URL);
    return 0;
}

/* ---- all of it ---- */

/* Of our own events bytes are counted, whatever the room version says of others' (client-server API, "Size limits"). */
static int check_lengths(const struct mx_new_content *e, struct gg_error *err)
{
    enum { LONGEST = 255 };
    if (e->type.n > LONGEST)
        return gg_refuse(err, 413, "M_TOO_LARGE", "'type' too large");
    return e->state_key.n > LONGEST ? gg_refuse(err, 413, "M_TOO_LARGE", "'state_key' too large") : 0;
}

static int check_type(const struct mx_new_content *e, struct gg_arena *arena, struct gg_error *err)
{
    if (gg_str_is(e->type, "m.room.power_levels"))
        return check_levels(e, arena, err);
    if (gg_str_is(e->type, "m.room.retention"))
        return check_retention(e, err);
    if (gg_str_is(e->type, "m.room.member"))
        return check_member(e, arena, err);
    if (gg_str_is(e->type, "m.room.server_acl") && !mx_server_acl_allows(e->content, gg_str(e->server), arena))
        return gg_refuse(err, 400, "M_UNKNOWN", "Can't create an ACL event that denies the local server");
    if (gg_str_is(e->type, "m.room.tombstone") && mx_json_get(e->content, "replacement_room").s == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Content has no replacement_room key");
    return 0;
}

int mx_check_content(const struct mx_new_content *e, struct gg_arena *arena, struct gg_error *err)
{
    int rc = check_lengths(e, err);
    if (rc == 0)
        rc = check_texts(e, err);
    if (rc == 0)
        rc = check_type(e, arena, err);
    return rc != 0 ? rc : check_mentions(e, err);
}
