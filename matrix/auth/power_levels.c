/* power_levels.c: the rules for m.room.power_levels: its shape, and what its sender may change. */
#include "internal.h"
#include <stdlib.h>

static const char *const levels[] = {"users_default", "events_default", "state_default", "ban",
                                     "redact",        "kick",           "invite"};

struct pair {
    struct gg_str key, value;
};

struct pairs {
    struct pair *items; /* sorted by key, keys distinct */
    size_t n;
};

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = gg_str_cmp(x->key, y->key);
    return order ? order : x->value.s < y->value.s ? -1 : 1;
}

static struct gg_str plain_key(struct gg_str raw, struct gg_arena *arena)
{
    if (!memchr(raw.s, '\\', raw.n))
        return raw;
    return mx_json_string(gg_strn(raw.s - 1, raw.n + 2), arena); /* with its quotes */
}

/* The members of an object; of equal keys the last. */
static struct pairs read_pairs(struct gg_str object, struct gg_arena *arena)
{
    struct pairs out = {GG_NEW_ARRAY(arena, struct pair, mx_json_length(object) + 1), 0};
    size_t n = 0;
    for (struct mx_json_iter it = mx_json_iter(object); it.object && mx_json_next(&it);)
        out.items[out.n++] = (struct pair){plain_key(it.key, arena), it.value};
    qsort(out.items, out.n, sizeof(*out.items), by_key);
    for (size_t i = 0; i < out.n; i++) {
        if (n && gg_str_eq(out.items[n - 1].key, out.items[i].key))
            n--;
        out.items[n++] = out.items[i];
    }
    out.n = n;
    return out;
}

/* Version 10: numbers must be integers. */
static int check_integers(struct auth *a)
{
    static const char *const maps[] = {"events", "notifications", "users"};
    int64_t number;
    for (size_t i = 0; i < GG_COUNT(levels); i++) {
        struct gg_str v = mx_json_get(a->event->content, levels[i]);
        if (v.s && !mx_json_i64(v, &number))
            return DENY(a, "%s is no integer", levels[i]);
    }
    for (size_t i = 0; i < GG_COUNT(maps); i++) {
        struct gg_str v = mx_json_get(a->event->content, maps[i]);
        struct mx_json_iter it = mx_json_iter(v);
        if (v.s && !it.object)
            return DENY(a, "%s is no object", maps[i]);
        while (mx_json_next(&it))
            if (!mx_json_i64(it.value, &number))
                return DENY(a, "%s holds what is no integer", maps[i]);
    }
    return 0;
}

static int check_users(struct auth *a, const struct pairs *users)
{
    int64_t number;
    struct gg_str raw = mx_json_get(a->event->content, "users");
    if (raw.s && !mx_json_is_object(raw))
        return DENY(a, "users is no object");
    for (size_t i = 0; i < users->n; i++) {
        struct gg_str id = users->items[i].key;
        if (id.n < 1 || id.s[0] != '@' || !mx_id_domain(id).s)
            return DENY(a, "Not a valid user_id: %.*s", (int)(id.n < 200 ? id.n : 200), id.s);
        if (!mx_power_value(users->items[i].value, &number))
            return DENY(a, "Not a valid power level of %.*s", (int)(id.n < 200 ? id.n : 200), id.s);
        for (size_t k = 0; a->version->creators_privileged && k < a->power.n_creators; k++)
            if (gg_str_eq(id, a->power.creators[k]))
                return DENY(a, "Creator user %.*s must not appear in the power levels", GG_FMT(id));
    }
    return 0;
}

/* One level that may have been added, changed or removed (then its value is s NULL). own: the sender's own entry or not
 * an entry of users: it may be lowered even where it equals the sender's power. */
static int check_change(struct auth *a, int64_t power, struct gg_str before, struct gg_str after, bool own)
{
    int64_t old = 0, new = 0;
    if ((before.s && !mx_power_value(before, &old)) || (after.s && !mx_power_value(after, &new)))
        return DENY(a, "Not a valid power level");
    if (before.s && after.s && old == new)
        return 0;
    if (!own && before.s && old == power)
        return DENY(a, "You don't have permission to remove ops level equal to your own");
    if ((before.s && old > power) || (after.s && new > power))
        return DENY(a, "You don't have permission to add ops level greater than your own");
    return 0;
}

/* Every key of either object. */
static int check_changes(struct auth *a, int64_t power, struct pairs before, struct pairs after, bool users)
{
    size_t i = 0, k = 0;
    while (i < before.n || k < after.n) {
        int order = i == before.n ? 1 : k == after.n ? -1 : gg_str_cmp(before.items[i].key, after.items[k].key);
        struct gg_str none = {NULL, 0}, key = order <= 0 ? before.items[i].key : after.items[k].key;
        int rc = check_change(a, power, order <= 0 ? before.items[i].value : none,
                              order >= 0 ? after.items[k].value : none, !users || gg_str_eq(key, a->event->sender));
        if (rc)
            return rc;
        i += order <= 0;
        k += order >= 0;
    }
    return 0;
}

static int check_against(struct auth *a, const struct mx_event *current, struct pairs users)
{
    static const char *const maps[] = {"events", "notifications"};
    int64_t power = mx_power_of_user(&a->power, a->event->sender);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(levels); i++)
        rc = check_change(a, power, mx_json_get(current->content, levels[i]), mx_json_get(a->event->content, levels[i]),
                          true);
    if (rc == 0)
        rc = check_changes(a, power, read_pairs(mx_json_get(current->content, "users"), a->arena), users, true);
    for (size_t i = 0; rc == 0 && i < (a->version->notifications_auth ? 2 : 1); i++)
        rc = check_changes(a, power, read_pairs(mx_json_get(current->content, maps[i]), a->arena),
                           read_pairs(mx_json_get(a->event->content, maps[i]), a->arena), false);
    return rc;
}

int mx_auth_power_levels(struct auth *a)
{
    const struct mx_event *current = a->state(a->arg, GG_STR("m.room.power_levels"), GG_STR(""));
    struct pairs users = read_pairs(mx_json_get(a->event->content, "users"), a->arena);
    int rc = a->version->integer_power_levels ? check_integers(a) : 0;
    if (rc == 0)
        rc = check_users(a, &users);
    if (rc == 0 && current)
        rc = check_against(a, current, users);
    return rc;
}
