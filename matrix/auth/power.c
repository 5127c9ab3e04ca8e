/* power.c: power levels (client-server "m.room.power_levels"; room versions 1 "values as strings", "values as floats";
 * 12 creators). From version 10 on only integers get into a room, so all versions are read alike. Works on slices:
 * nothing is parsed. */
#include "internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The greatest level that is not a creator's. */
#define LEVEL_MAX (MX_POWER_INFINITE - 1)

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A decimal integer, saturating. */
static bool digits_value(struct gg_str s, bool negative, int64_t *out)
{
    int64_t v = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int digit = s.s[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        v = v > (LEVEL_MAX - digit) / 10 ? LEVEL_MAX : v * 10 + digit;
    }
    *out = negative ? -v : v;
    return true;
}

/* " +00100 ": blanks, one sign, leading zeros. */
static bool string_value(struct gg_str s, int64_t *out)
{
    bool negative;
    while (s.n && is_blank(s.s[0]))
        s.s++, s.n--;
    while (s.n && is_blank(s.s[s.n - 1]))
        s.n--;
    negative = s.n && s.s[0] == '-';
    if (s.n && (s.s[0] == '-' || s.s[0] == '+'))
        s.s++, s.n--;
    return digits_value(s, negative, out);
}

static bool float_value(struct gg_str s, int64_t *out)
{
    char text[400]; /* longer than any double that somebody would write */
    double v;
    if (s.n >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", GG_FMT(s));
    v = trunc(strtod(text, NULL));
    if (!isfinite(v))
        return false;
    *out = v >= 9.2e18 ? LEVEL_MAX : v <= -9.2e18 ? -LEVEL_MAX : (int64_t)v;
    return true;
}

bool mx_power_value(struct gg_str value, int64_t *out)
{
    bool negative = value.n && value.s[0] == '-';
    if (value.n && digits_value(gg_strn(value.s + negative, value.n - negative), negative, out))
        return true;
    if (!value.n)
        return false;
    if (value.s[0] == '"') {
        struct gg_str raw = gg_strn(value.s + 1, value.n - 2);
        return raw.n < 400 && string_value(raw, out);
    }
    if (value.s[0] == 't' || value.s[0] == 'f') {
        *out = value.s[0] == 't'; /* what Python's int() makes of them */
        return true;
    }
    return (value.s[0] == '-' || (value.s[0] >= '0' && value.s[0] <= '9')) && float_value(value, out);
}

/* A level of the content; null is absent. What cannot be read is `broken`: chosen so that nothing is allowed by it. */
static int64_t level(struct gg_str value, int64_t absent, int64_t broken)
{
    int64_t v;
    if (!value.s || gg_str_is(value, "null"))
        return absent;
    return mx_power_value(value, &v) ? v : broken;
}

static size_t read_creators(const struct mx_event *create, struct gg_arena *arena, struct gg_str **out)
{
    struct gg_str more = mx_json_get(create->content, "additional_creators");
    bool many = create->version->creators_privileged && mx_json_is_array(more);
    struct gg_str *list = GG_NEW_ARRAY(arena, struct gg_str, 1 + (many ? mx_json_length(more) : 0));
    struct mx_json_iter it = mx_json_iter(more);
    size_t n = 0;
    list[n++] = create->version->implicit_creator ? create->sender
                                                  : mx_json_string(mx_json_get(create->content, "creator"), arena);
    while (many && mx_json_next(&it)) {
        struct gg_str id = mx_json_string(it.value, arena);
        if (id.s)
            list[n++] = id;
    }
    *out = list;
    return n;
}

struct mx_power mx_power_read(const struct mx_event *power_levels, const struct mx_event *create,
                              struct gg_arena *arena)
{
    struct mx_power power = {.version = create ? create->version : power_levels ? power_levels->version : NULL};
    struct gg_str *creators;
    if (create) {
        power.n_creators = read_creators(create, arena, &creators);
        power.creators = creators;
    }
    if (power_levels) {
        power.have_event = true;
        power.content = power_levels->content;
    }
    return power;
}

static bool is_creator(const struct mx_power *power, struct gg_str user_id)
{
    for (size_t i = 0; i < power->n_creators; i++)
        if (power->creators[i].s && gg_str_eq(power->creators[i], user_id))
            return true;
    return false;
}

int64_t mx_power_of_user(const struct mx_power *power, struct gg_str user_id)
{
    struct gg_str own;
    if (is_creator(power, user_id) && power->version->creators_privileged)
        return MX_POWER_INFINITE;
    if (!power->have_event)
        return is_creator(power, user_id) ? 100 : 0;
    own = mx_json_get_str(mx_json_get(power->content, "users"), user_id);
    if (own.s && !gg_str_is(own, "null"))
        return level(own, 0, INT64_MIN);
    return level(mx_json_get(power->content, "users_default"), 0, INT64_MIN);
}

int64_t mx_power_for_event(const struct mx_power *power, struct gg_str type, bool state)
{
    struct gg_str own = mx_json_get_str(mx_json_get(power->content, "events"), type);
    if (own.s && !gg_str_is(own, "null"))
        return level(own, 0, MX_POWER_INFINITE);
    return level(mx_json_get(power->content, state ? "state_default" : "events_default"), state ? 50 : 0,
                 MX_POWER_INFINITE);
}

int64_t mx_power_for(const struct mx_power *power, const char *action)
{
    return level(mx_json_get(power->content, action), strcmp(action, "invite") == 0 ? 0 : 50, MX_POWER_INFINITE);
}

int64_t mx_power_for_notification(const struct mx_power *power, const char *key)
{
    return level(mx_json_get(mx_json_get(power->content, "notifications"), key), 50, MX_POWER_INFINITE);
}
