/* matrix/filter/shape.c: the shape of a whole filter, as a table: what may be stored, or come with a request. */
#include "filter/filter.h"

#include <ganglion/matrix/id.h>

enum kind { TEXTS, ROOM_IDS, USER_IDS, FLAG, NUMBER, FORMAT, EVENTS, ROOM_EVENTS, ROOM };
struct member {
    const char *key;
    enum kind kind;
};
static const struct member of_events[] = {{"types", TEXTS},       {"not_types", TEXTS}, {"senders", USER_IDS},
                                          {"not_senders", USER_IDS}, {"limit", NUMBER},    {0}};
static const struct member of_room_events[] = {{"types", TEXTS},
                                               {"not_types", TEXTS},
                                               {"senders", USER_IDS},
                                               {"not_senders", USER_IDS},
                                               {"limit", NUMBER},
                                               {"rooms", ROOM_IDS},
                                               {"not_rooms", ROOM_IDS},
                                               {"related_by_rel_types", TEXTS},
                                               {"related_by_senders", TEXTS},
                                               {"contains_url", FLAG},
                                               {"lazy_load_members", FLAG},
                                               {"include_redundant_members", FLAG},
                                               {"unread_thread_notifications", FLAG},
                                               {"related_by_rel_types", TEXTS},
                                               {"related_by_senders", TEXTS},
                                               {0}};
static const struct member of_room[] = {
    {"rooms", ROOM_IDS},    {"not_rooms", ROOM_IDS},    {"include_leave", FLAG},       {"timeline", ROOM_EVENTS},
    {"state", ROOM_EVENTS}, {"ephemeral", ROOM_EVENTS}, {"account_data", ROOM_EVENTS}, {0}};
static const struct member of_filter[] = {{"event_fields", TEXTS},  {"event_format", FORMAT}, {"presence", EVENTS},
                                          {"account_data", EVENTS}, {"room", ROOM},           {0}};

static const struct member *const members_of[] = {
    [EVENTS] = of_events, [ROOM_EVENTS] = of_room_events, [ROOM] = of_room};

static bool is_text(const json_t *v, enum kind kind)
{
    if (!json_is_string(v))
        return false;
    struct gg_str text = gg_str(json_string_value(v));
    return kind == TEXTS || (kind == ROOM_IDS ? mx_room_id_valid(text) : mx_user_id_valid(text));
}

static bool all_texts(const json_t *list, enum kind kind)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!is_text(json_array_get(list, i), kind))
            return false;
    return json_is_array(list);
}

static bool fits(const json_t *v, enum kind kind)
{
    switch (kind) {
    case TEXTS:
    case ROOM_IDS:
    case USER_IDS:
        return all_texts(v, kind);
    case FLAG:
        return json_is_boolean(v);
    case NUMBER:
        return json_is_number(v);
    case FORMAT:
        return json_is_string(v) &&
               (!strcmp(json_string_value(v), "client") || !strcmp(json_string_value(v), "federation"));
    default:
        return json_is_object(v);
    }
}

static int bad(struct gg_error *err, const char *key)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "Invalid filter: '%s' has the wrong form", key);
}

/* Depth is bounded by the table: filter, room, events. */
static int check(const json_t *object, const struct member *members, struct gg_error *err)
{
    for (const struct member *m = members; m->key; m++) {
        const json_t *v = json_object_get(object, m->key);
        if (!v)
            continue;
        if (!fits(v, m->kind))
            return bad(err, m->key);
        int status = m->kind >= EVENTS ? check(v, members_of[m->kind], err) : 0;
        if (status)
            return status;
    }
    return 0;
}

int mx_filter_check_shape(const json_t *filter, struct gg_error *err)
{
    return json_is_object(filter) ? check(filter, of_filter, err)
                                  : gg_refuse(err, 400, "M_BAD_JSON", "Invalid filter: not an object");
}
