/* matrix/rooms/upgrade_levels.c: power levels in a room that is replaced, and in the one that replaces it. */
#include "rooms/upgrade_levels.h"

enum { MODERATOR = 50 };

/* A level as a number or, in old rooms, as text with blanks around it. */
static bool level_of(const struct mx_json *v, int64_t *out)
{
    if (v == NULL || (v->kind != MX_JSON_NUMBER && v->kind != MX_JSON_STRING))
        return false;
    struct gg_str text = v->text;
    while (text.n > 0 && strchr(" \t\r\n", text.s[0]) != NULL)
        text = gg_strn(text.s + 1, text.n - 1);
    while (text.n > 0 && strchr(" \t\r\n", text.s[text.n - 1]) != NULL)
        text.n--;
    if (text.n > 0 && text.s[0] == '+')
        text = gg_strn(text.s + 1, text.n - 1);
    return text.n > 0 && mx_json_i64(text, out);
}

static int64_t level_or(const struct mx_json *object, const char *key, int64_t fallback)
{
    int64_t level;
    return level_of(mx_json_member(object, key), &level) ? level : fallback;
}

static const char *key_of(const struct mx_json_member *member, struct gg_arena *arena)
{
    return gg_arena_strndup(arena, member->key.s, member->key.n);
}

/* Members that are levels, as numbers. */
static struct mx_json *levels_of(const struct mx_json *object, struct gg_arena *arena)
{
    struct mx_json *out = mx_json_object(arena);
    int64_t level;
    for (uint32_t i = 0; i < object->n; i++)
        if (level_of(object->members[i].value, &level))
            mx_json_set(out, arena, key_of(&object->members[i], arena), mx_json_new_i64(arena, level));
    return out;
}

struct mx_json *mx_levels_for_version(const struct mx_json *content, const struct mx_room_version *version,
                                      const struct gg_str *creators, size_t n_creators, struct gg_arena *arena)
{
    struct mx_json *out = mx_json_object(arena);
    for (uint32_t i = 0; i < content->n; i++) {
        const struct mx_json *v = content->members[i].value;
        int64_t level;
        if (v->kind == MX_JSON_OBJECT)
            mx_json_set(out, arena, key_of(&content->members[i], arena), levels_of(v, arena));
        else if (level_of(v, &level))
            mx_json_set(out, arena, key_of(&content->members[i], arena), mx_json_new_i64(arena, level));
    }
    struct mx_json *users = mx_json_member(out, "users");
    for (size_t i = 0; version->creators_privileged && users != NULL && users->kind == MX_JSON_OBJECT && i < n_creators; i++)
        mx_json_remove(users, gg_arena_strndup(arena, creators[i].s, creators[i].n));
    return out;
}

static int64_t highest(const struct mx_json *levels)
{
    int64_t need = level_or(levels, "state_default", MODERATOR), ban = level_or(levels, "ban", MODERATOR), level;
    const struct mx_json *events = mx_json_member(levels, "events");
    need = ban > need ? ban : need;
    for (uint32_t i = 0; events != NULL && events->kind == MX_JSON_OBJECT && i < events->n; i++)
        if (level_of(events->members[i].value, &level) && level > need)
            need = level;
    return need;
}

struct mx_json *mx_levels_raised(const struct mx_json *levels, struct gg_str user_id, struct gg_arena *arena)
{
    const char *user = gg_arena_strndup(arena, user_id.s, user_id.n);
    const struct mx_json *users = mx_json_member(levels, "users");
    int64_t need = highest(levels), now = level_or(levels, "users_default", 0);
    if (users != NULL && users->kind == MX_JSON_OBJECT)
        now = level_or(users, user, now);
    if (now >= need)
        return NULL;
    struct mx_json *out = mx_json_copy_level(levels, arena);
    struct mx_json *raised = users != NULL && users->kind == MX_JSON_OBJECT ? mx_json_copy_level(users, arena) : mx_json_object(arena);
    mx_json_set(raised, arena, user, mx_json_new_i64(arena, need));
    mx_json_set(out, arena, "users", raised);
    return out;
}

struct mx_json *mx_levels_restricted(const struct mx_json *content, struct gg_arena *arena)
{
    static const char *const keys[] = {"invite", "events_default"};
    int64_t above = level_or(content, "users_default", 0), least = above >= MODERATOR ? above + 1 : MODERATOR;
    struct mx_json *out = mx_json_copy_level(content, arena);
    bool changed = false;
    for (size_t i = 0; i < GG_COUNT(keys); i++) {
        if (level_or(content, keys[i], 0) >= least)
            continue;
        mx_json_set(out, arena, keys[i], mx_json_new_i64(arena, least));
        changed = true;
    }
    return changed ? out : NULL;
}
