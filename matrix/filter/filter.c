/* matrix/filter/filter.c: event filters, compiled and asked. */
#include "filter/filter.h"

#include "ids/glob.h"

static int read_list(struct gg_str json, const char *key, struct gg_arena *arena, struct mx_filter_list *out,
                     struct gg_error *err)
{
    struct gg_str value = mx_json_get(json, key);
    *out = (struct mx_filter_list){0};
    if (value.s == NULL || gg_str_is(value, "null"))
        return 0;
    if (!mx_json_is_array(value))
        return gg_refuse(err, 400, "M_BAD_JSON", "Filter: %s must be a list of strings", key);
    struct gg_str *v = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(value) + 1);
    struct mx_json_iter it = mx_json_iter(value);
    while (mx_json_next(&it)) {
        if (!mx_json_is_string(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "Filter: %s must be a list of strings", key);
        v[out->n++] = gg_arena_str(arena, mx_json_string(it.value, arena));
    }
    out->v = v;
    return 0;
}

/* What one event costs at most: a pattern with several stars may look at each character of a type again and again. */
enum { MAX_COST = 100000, LONGEST_TYPE = 255 };

static int check_cost(const struct mx_filter *f, struct gg_error *err)
{
    const struct mx_filter_list *const lists[] = {&f->types, &f->not_types};
    size_t cost = 0;
    for (size_t k = 0; k < GG_COUNT(lists); k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            struct gg_str pattern = lists[k]->v[i];
            const char *star = pattern.n > 0 ? memchr(pattern.s, '*', pattern.n) : NULL;
            bool several = star != NULL && memchr(star + 1, '*', (size_t)(pattern.s + pattern.n - star - 1)) != NULL;
            cost += pattern.n * (several ? LONGEST_TYPE : 1) + 1;
        }
    }
    return cost <= MAX_COST ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "Filter: too many types");
}

static int read_bool(struct gg_str json, const char *key, bool *out, struct gg_error *err)
{
    struct gg_str value = mx_json_get(json, key);
    *out = gg_str_is(value, "true");
    if (value.s == NULL || *out || gg_str_is(value, "false"))
        return 0;
    return gg_refuse(err, 400, "M_BAD_JSON", "Filter: %s must be true or false", key);
}

static int read_limit(struct gg_str json, int64_t *out, struct gg_error *err)
{
    struct gg_str value = mx_json_get(json, "limit");
    *out = -1;
    if (value.s == NULL)
        return 0;
    if (!mx_json_i64(value, out) || *out < 0)
        return gg_refuse(err, 400, "M_BAD_JSON", "Filter: limit must be a whole number, not below 0");
    return 0;
}

int mx_filter_parse(struct gg_str json, struct gg_arena *arena, struct mx_filter *out, struct gg_error *err)
{
    *out = (struct mx_filter)MX_FILTER_ALL;
    if (json.s == NULL)
        return 0;
    if (!mx_json_is_object(json))
        return gg_refuse(err, 400, "M_BAD_JSON", "Filter: must be an object");
    const struct {
        const char *key;
        struct mx_filter_list *list;
    } lists[] = {{"types", &out->types},       {"not_types", &out->not_types}, {"senders", &out->senders},
                 {"not_senders", &out->not_senders}, {"rooms", &out->rooms},   {"not_rooms", &out->not_rooms},
                 {"org.matrix.labels", &out->labels}, {"org.matrix.not_labels", &out->not_labels},
                 {"related_by_rel_types", &out->related_types}, {"related_by_senders", &out->related_senders}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(lists); i++)
        rc = read_list(json, lists[i].key, arena, lists[i].list, err);
    if (rc == 0)
        rc = check_cost(out, err);
    if (rc == 0)
        rc = read_limit(json, &out->limit, err);
    if (rc == 0)
        rc = read_bool(json, "lazy_load_members", &out->lazy_members, err);
    if (rc == 0)
        rc = read_bool(json, "include_redundant_members", &out->redundant_members, err);
    if (rc == 0)
        rc = read_bool(json, "unread_thread_notifications", &out->unread_threads, err);
    bool url;
    if (rc == 0 && mx_json_get(json, "contains_url").s != NULL) {
        rc = read_bool(json, "contains_url", &url, err);
        out->contains_url = url;
    }
    return rc;
}

/* With one star only, as nearly all are: what stands before it and what stands after. */
static bool glob_once(struct gg_str pattern, size_t star, struct gg_str text)
{
    size_t after = pattern.n - star - 1;
    return text.n >= pattern.n - 1 && memcmp(text.s, pattern.s, star) == 0 &&
           memcmp(text.s + text.n - after, pattern.s + star + 1, after) == 0;
}

/* "*" stands for any run of characters (in types). */
static bool glob(struct gg_str pattern, struct gg_str text)
{
    const char *first = pattern.n > 0 ? memchr(pattern.s, '*', pattern.n) : NULL;
    if (first == NULL)
        return gg_str_eq(pattern, text);
    size_t at = (size_t)(first - pattern.s);
    if (memchr(first + 1, '*', pattern.n - at - 1) == NULL)
        return glob_once(pattern, at, text);
    return mx_glob(pattern, text, 0);
}

static bool holds(const struct mx_filter_list *list, struct gg_str text, bool globs)
{
    for (size_t i = 0; i < list->n; i++)
        if (globs ? glob(list->v[i], text) : gg_str_eq(list->v[i], text))
            return true;
    return false;
}

static bool passes(const struct mx_filter_list *wanted, const struct mx_filter_list *unwanted, struct gg_str text, bool globs)
{
    return !holds(unwanted, text, globs) && (wanted->v == NULL || holds(wanted, text, globs));
}

bool mx_filter_type(const struct mx_filter *filter, struct gg_str type)
{
    return passes(&filter->types, &filter->not_types, type, true);
}

bool mx_filter_sender(const struct mx_filter *filter, struct gg_str user_id)
{
    return passes(&filter->senders, &filter->not_senders, user_id, false);
}

bool mx_filter_room(const struct mx_filter *filter, struct gg_str room_id)
{
    return passes(&filter->rooms, &filter->not_rooms, room_id, false);
}

/* Does the event carry one of these labels? */
static bool labelled(const struct mx_filter_list *list, const struct mx_event *event)
{
    struct gg_str labels = mx_json_get(event->content, "org.matrix.labels");
    struct mx_json_iter it = mx_json_iter(labels);
    if (list->n == 0 || !mx_json_is_array(labels))
        return false;
    bool found = false;
    struct gg_arena *arena = gg_arena_new();
    while (!found && mx_json_next(&it))
        found = mx_json_is_string(it.value) && holds(list, mx_json_string(it.value, arena), false);
    gg_arena_free(arena);
    return found;
}

bool mx_filter_event(const struct mx_filter *filter, const struct mx_event *event)
{
    if (labelled(&filter->not_labels, event) || (filter->labels.v != NULL && !labelled(&filter->labels, event)))
        return false;
    if (!mx_filter_type(filter, event->type) || !mx_filter_sender(filter, event->sender))
        return false;
    if (event->room_id.s != NULL && !mx_filter_room(filter, event->room_id))
        return false;
    return filter->contains_url < 0 || filter->contains_url == mx_json_is_string(mx_json_get(event->content, "url"));
}
