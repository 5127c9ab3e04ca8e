/* matrix/push/condition.c: reading conditions of push rules, and asking whether they are met. */
#include "push/condition.h"

#include "push/glob.h"
#include "push/rules.h"

#include <ganglion/matrix/id.h>

/* ---- reading ---- */

struct reading {
    struct gg_str json;
    bool own;
    struct gg_arena *arena;
};

/* A member that may be missing but, if it is there, must be text; false: it is something else. */
static bool read_text(const struct reading *r, const char *name, struct gg_str *out)
{
    struct gg_str value = mx_json_get(r->json, name);
    *out = value.s ? mx_json_string(value, r->arena) : value;
    if (out->s)
        *out = gg_arena_str(r->arena, *out);
    return !value.s || out->s;
}

static bool read_flag(const struct reading *r, const char *name, bool *out, bool *there)
{
    struct gg_str value = mx_json_get(r->json, name);
    *there = value.s != NULL;
    *out = gg_str_is(value, "true");
    return !value.s || *out || gg_str_is(value, "false");
}

static void read_whose(const struct reading *r, const char *name, struct mx_push_condition *c)
{
    struct gg_str whose;
    if (!r->own || !read_text(r, name, &whose) || !whose.s)
        return;
    c->whose = gg_str_is(whose, "user_id") ? MX_PUSH_USER_ID : MX_PUSH_LOCALPART;
}

static bool read_pattern(const struct reading *r, struct mx_push_condition *c)
{
    struct gg_str pattern;
    if (!read_text(r, "key", &c->key) || !read_text(r, "pattern", &pattern))
        return false;
    if (pattern.s)
        c->pattern = mx_push_pattern_of(pattern, r->arena);
    else
        read_whose(r, "pattern_type", c);
    c->word = gg_str_is(c->key, "content.body");
    return true;
}

static bool read_match(const struct reading *r, struct mx_push_condition *c)
{
    return read_pattern(r, c) && c->key.s;
}

static bool read_property(const struct reading *r, struct mx_push_condition *c)
{
    struct gg_str value = mx_json_get(r->json, "value");
    if (!read_text(r, "key", &c->key) || !c->key.s)
        return false;
    if (value.s)
        c->value = gg_arena_str(r->arena, value);
    else
        read_whose(r, "value_type", c);
    return value.s ? mx_push_is_simple(value) : c->whose != MX_PUSH_FIXED;
}

static bool read_nothing(const struct reading *r, struct mx_push_condition *c)
{
    return true;
}

static bool read_key(const struct reading *r, struct mx_push_condition *c)
{
    return read_text(r, "key", &c->key) && c->key.s;
}

static const struct {
    const char *text;
    uint8_t compare;
} compares[] = {{"", MX_PUSH_EQUAL},    {"==", MX_PUSH_EQUAL},    {"<", MX_PUSH_LESS},
                {">", MX_PUSH_MORE},    {"<=", MX_PUSH_AT_MOST},  {">=", MX_PUSH_AT_LEAST}};

static bool read_digits(struct gg_str digits, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.n; i++) {
        unsigned d = (unsigned)(digits.s[i] - '0');
        if (d > 9 || __builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, d, out))
            return false;
    }
    return digits.n > 0;
}

static bool read_count(const struct reading *r, struct mx_push_condition *c)
{
    struct gg_str is;
    size_t n = 0;
    if (!read_text(r, "is", &is) || !is.s)
        return false;
    while (n < is.n && (is.s[n] == '=' || is.s[n] == '<' || is.s[n] == '>'))
        n++;
    if (!read_digits(gg_strn(is.s + n, is.n - n), &c->count))
        return false;
    for (size_t i = 0; i < GG_COUNT(compares); i++)
        if (gg_str_is(gg_strn(is.s, n), compares[i].text)) {
            c->compare = compares[i].compare;
            return true;
        }
    return false;
}

static bool read_related(const struct reading *r, struct mx_push_condition *c)
{
    bool there;
    return read_pattern(r, c) && read_text(r, "rel_type", &c->rel_type) && c->rel_type.s &&
           read_flag(r, "include_fallbacks", &c->fallbacks, &there);
}

static bool read_feature(const struct reading *r, struct mx_push_condition *c)
{
    return read_text(r, "feature", &c->feature) && c->feature.s;
}

static bool read_subscribed(const struct reading *r, struct mx_push_condition *c)
{
    bool there;
    return read_flag(r, "subscribed", &c->subscribed, &there) && there;
}

static const struct {
    const char *name;
    uint8_t kind;
    bool (*read)(const struct reading *r, struct mx_push_condition *c);
} kinds[] = {{"event_match", MX_PUSH_EVENT_MATCH, read_match},
             {"event_property_is", MX_PUSH_PROPERTY_IS, read_property},
             {"event_property_contains", MX_PUSH_PROPERTY_CONTAINS, read_property},
             {"contains_display_name", MX_PUSH_DISPLAY_NAME, read_nothing},
             {"room_member_count", MX_PUSH_MEMBER_COUNT, read_count},
             {"sender_notification_permission", MX_PUSH_SENDER_PERMISSION, read_key},
             {"im.nheko.msc3664.related_event_match", MX_PUSH_RELATED_MATCH, read_related},
             {"org.matrix.msc3931.room_version_supports", MX_PUSH_ROOM_VERSION, read_feature},
             {"io.element.msc4306.thread_subscription", MX_PUSH_SUBSCRIPTION, read_subscribed}};

void mx_push_condition_read(struct gg_str json, bool own, struct gg_arena *arena, struct mx_push_condition *out)
{
    struct reading r = {json, own, arena};
    struct gg_str kind;
    *out = (struct mx_push_condition){.kind = MX_PUSH_NEVER};
    if (!mx_json_is_object(json) || !read_text(&r, "kind", &kind))
        return;
    for (size_t i = 0; i < GG_COUNT(kinds); i++) {
        if (!gg_str_is(kind, kinds[i].name))
            continue;
        if (kinds[i].read(&r, out))
            out->kind = kinds[i].kind;
        return;
    }
}

/* ---- asking ---- */

struct mx_push_user mx_push_user_of(struct gg_str user_id, struct gg_str display_name, struct gg_arena *arena)
{
    struct mx_push_user user = {.user_id = user_id, .subscribed = -1};
    const char *colon = user_id.n ? memchr(user_id.s, ':', user_id.n) : NULL;
    user.by_user_id = mx_push_pattern_of(user_id, arena);
    if (colon && user_id.s[0] == '@') {
        user.localpart = gg_strn(user_id.s + 1, (size_t)(colon - user_id.s) - 1);
        user.by_localpart = mx_push_pattern_of(user.localpart, arena);
    }
    if (display_name.n)
        user.by_name = mx_push_pattern_of(display_name, arena);
    return user;
}

static const struct mx_push_pattern *pattern_for(const struct mx_push_condition *c, const struct mx_push_user *user)
{
    return c->whose == MX_PUSH_FIXED ? &c->pattern : c->whose == MX_PUSH_USER_ID ? &user->by_user_id : &user->by_localpart;
}

static bool matches(const struct mx_push_condition *c, struct mx_push_view *view, uint64_t *budget,
                    const struct mx_push_user *user)
{
    const struct mx_push_pattern *pattern = pattern_for(c, user);
    struct mx_push_value *value = pattern->text.s ? mx_push_view_get(view, c->key) : NULL;
    return value && value->kind == MX_PUSH_STRING && mx_push_view_matches(view, value, pattern, c->word, budget);
}

static bool names_user(const struct mx_push_condition *c, struct gg_str json, const struct mx_push_user *user,
                       struct gg_arena *arena)
{
    struct gg_str name = c->whose == MX_PUSH_USER_ID ? user->user_id : user->localpart;
    return name.s && mx_json_is_string(json) && gg_str_eq(mx_json_string(json, arena), name);
}

static bool is_value(const struct mx_push_condition *c, struct gg_str json, const struct mx_push_user *user,
                     struct gg_arena *arena)
{
    return c->whose == MX_PUSH_FIXED ? mx_push_same(json, c->value, arena) : names_user(c, json, user, arena);
}

static bool property_is(const struct mx_push_condition *c, struct mx_push_event *event, const struct mx_push_user *user)
{
    struct mx_push_value *value = mx_push_view_get(&event->view, c->key);
    return (value->kind == MX_PUSH_STRING || value->kind == MX_PUSH_SCALAR) &&
           is_value(c, value->json, user, event->view.arena);
}

static bool property_contains(const struct mx_push_condition *c, struct mx_push_event *event,
                              const struct mx_push_user *user)
{
    struct mx_push_value *value = mx_push_view_get(&event->view, c->key);
    struct mx_json_iter it = mx_json_iter(value->json);
    while (value->kind == MX_PUSH_LIST && mx_json_next(&it))
        if (is_value(c, it.value, user, event->view.arena))
            return true;
    return false;
}

/* Without a body it is sought in an empty one: a name of nothing but '*' is found even there, as in Synapse. */
static bool has_display_name(struct mx_push_event *event, const struct mx_push_user *user)
{
    if (!user->by_name.text.n)
        return false;
    struct mx_push_value *body = mx_push_view_get(&event->view, GG_STR("content.body")), none = {.text = GG_STR("")};
    return mx_push_view_matches(&event->view, body->kind == MX_PUSH_STRING ? body : &none, &user->by_name, true,
                                &event->view.budget);
}

static bool compare(uint8_t how, uint64_t a, uint64_t b)
{
    switch (how) {
    case MX_PUSH_LESS:
        return a < b;
    case MX_PUSH_MORE:
        return a > b;
    case MX_PUSH_AT_MOST:
        return a <= b;
    case MX_PUSH_AT_LEAST:
        return a >= b;
    default:
        return a == b;
    }
}

enum { DEFAULT_LEVEL = 50 };

static bool sender_may(const struct mx_push_condition *c, const struct mx_push_event *event)
{
    if (!event->has_sender_level)
        return false;
    char key[256];
    if (c->key.n >= sizeof(key) || !event->power)
        return event->sender_level >= DEFAULT_LEVEL;
    memcpy(key, c->key.s, c->key.n);
    key[c->key.n] = '\0';
    return event->sender_level >= mx_power_for_notification(event->power, key);
}

static bool related_matches(const struct mx_push_condition *c, struct mx_push_event *event,
                            const struct mx_push_user *user)
{
    if (!(event->features & MX_PUSH_F_RELATED))
        return false;
    for (size_t i = 0; i < event->n_related; i++) {
        const struct mx_push_related *related = &event->related[i];
        if (!gg_str_eq(related->rel_type, c->rel_type))
            continue;
        if (related->fallback && !c->fallbacks)
            return false;
        return !c->key.s || matches(c, related->view, &event->view.budget, user);
    }
    return false;
}

static bool room_supports(const struct mx_push_condition *c, const struct mx_push_event *event)
{
    for (size_t i = 0; event->room_features && event->room_features[i]; i++)
        if (gg_str_is(c->feature, event->room_features[i]))
            return event->features & MX_PUSH_F_EXTENSIBLE;
    return false;
}

bool mx_push_condition_met(const struct mx_push_condition *c, struct mx_push_event *event,
                           const struct mx_push_user *user)
{
    switch (c->kind) {
    case MX_PUSH_EVENT_MATCH:
        return matches(c, &event->view, &event->view.budget, user);
    case MX_PUSH_PROPERTY_IS:
        return property_is(c, event, user);
    case MX_PUSH_PROPERTY_CONTAINS:
        return property_contains(c, event, user);
    case MX_PUSH_DISPLAY_NAME:
        return has_display_name(event, user);
    case MX_PUSH_MEMBER_COUNT:
        return compare(c->compare, event->n_members, c->count);
    case MX_PUSH_SENDER_PERMISSION:
        return sender_may(c, event);
    case MX_PUSH_RELATED_MATCH:
        return related_matches(c, event, user);
    case MX_PUSH_ROOM_VERSION:
        return room_supports(c, event);
    case MX_PUSH_SUBSCRIPTION:
        return (event->features & MX_PUSH_F_SUBSCRIPTIONS) && user->subscribed == (int)c->subscribed;
    default:
        return false;
    }
}

bool mx_push_condition_is_personal(const struct mx_push_condition *c)
{
    return c->whose != MX_PUSH_FIXED || c->kind == MX_PUSH_DISPLAY_NAME || c->kind == MX_PUSH_SUBSCRIPTION;
}
