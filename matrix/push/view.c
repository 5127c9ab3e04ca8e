/* matrix/push/view.c: values of an event by dotted key, looked up once each. */
#include "push/view.h"

#include <ganglion/map.h>

enum { MAX_ABSENT = 256, MAX_DEPTH = 64 }; /* values that are there are bounded by the event's size */

static void free_map(void *map)
{
    gg_map_free(map);
}

void mx_push_view_begin(struct mx_push_view *view, struct gg_str json, struct gg_arena *arena)
{
    *view = (struct mx_push_view){.json = json, .arena = arena, .values = gg_map_new(NULL), .budget = MX_PUSH_BUDGET};
    gg_arena_defer(arena, free_map, view->values);
}

static bool is_integer(struct gg_str json)
{
    if (!json.n || (json.s[0] != '-' && (json.s[0] < '0' || json.s[0] > '9')))
        return false;
    for (size_t i = 1; i < json.n; i++)
        if (json.s[i] < '0' || json.s[i] > '9')
            return false;
    return true;
}

bool mx_push_is_simple(struct gg_str json)
{
    return mx_json_is_string(json) || is_integer(json) || gg_str_is(json, "true") || gg_str_is(json, "false") ||
           gg_str_is(json, "null");
}

bool mx_push_same(struct gg_str a, struct gg_str b, struct gg_arena *arena)
{
    if (gg_str_eq(a, b))
        return true;
    if (!mx_json_is_string(a) || !mx_json_is_string(b)) {
        int64_t x, y;
        return mx_json_i64(a, &x) && mx_json_i64(b, &y) && x == y; /* -0 and 0 */
    }
    return gg_str_eq(mx_json_string(a, arena), mx_json_string(b, arena)); /* escapes */
}

/* ---- keys ---- */

/* The next part of a dotted key, without its escapes; false: no property has such a key. */
static bool take_part(struct gg_str *key, struct gg_str *part, bool *last, struct gg_arena *arena)
{
    char *out = gg_arena_alloc(arena, key->n + 1);
    size_t n = 0, i = 0;
    for (; i < key->n && key->s[i] != '.'; i++) {
        if (key->s[i] == '\\' && (++i >= key->n || (key->s[i] != '.' && key->s[i] != '\\')))
            return false;
        out[n++] = key->s[i];
    }
    *part = gg_strn(out, n);
    *last = i >= key->n;
    *key = *last ? gg_strn("", 0) : gg_strn(key->s + i + 1, key->n - i - 1);
    return true;
}

static struct gg_str find(struct mx_push_view *view, struct gg_str key)
{
    struct gg_str at = view->json, part;
    bool last = false;
    for (int depth = 0; !last && at.s && depth < MAX_DEPTH; depth++) {
        if (view->budget < at.n || !take_part(&key, &part, &last, view->arena))
            return gg_strn(NULL, 0);
        view->budget -= at.n;
        at = mx_json_is_object(at) ? mx_json_get_str(at, part) : gg_strn(NULL, 0);
    }
    return last ? at : gg_strn(NULL, 0);
}

static struct mx_push_value *value_of(struct mx_push_view *view, struct gg_str json)
{
    struct mx_push_value *value = GG_NEW(view->arena, struct mx_push_value);
    value->json = json;
    if (!json.s)
        return value;
    if (mx_json_is_string(json)) {
        value->kind = MX_PUSH_STRING;
        value->text = mx_json_string(json, view->arena);
    } else if (mx_json_is_array(json)) {
        value->kind = MX_PUSH_LIST;
    } else if (mx_push_is_simple(json)) {
        value->kind = MX_PUSH_SCALAR;
    }
    return value;
}

struct mx_push_value *mx_push_view_get(struct mx_push_view *view, struct gg_str key)
{
    struct mx_push_value *value = gg_map_get(view->values, key);
    if (value)
        return value;
    struct gg_str json = find(view, key);
    /* Rules of the kind "sender" are stored with this key of the first client API; events name their sender otherwise. */
    if (!json.s && gg_str_is(key, "user_id"))
        json = mx_json_get(view->json, "sender");
    if (!json.s && gg_map_count(view->values) >= MAX_ABSENT)
        return &view->absent;
    value = value_of(view, json);
    gg_map_put(view->values, key, value);
    return value;
}

bool mx_push_view_matches(struct mx_push_view *view, struct mx_push_value *value, const struct mx_push_pattern *pattern,
                          bool word, uint64_t *budget)
{
    if (!value->low.s)
        value->low = mx_push_lower(value->text, view->arena);
    if (pattern->wild && !value->folded.s)
        value->folded = mx_push_fold(value->low, view->arena);
    struct gg_str text = pattern->wild ? value->folded : value->low;
    return word ? mx_push_glob_word(pattern->text, text, budget) : mx_push_glob(pattern->text, text, budget);
}
