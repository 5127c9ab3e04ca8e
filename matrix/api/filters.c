/* filters.c: filters that a client keeps on the server (client-server API, "Filtering"). */
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <stdlib.h>

#include "api/accounts.h"

enum { DEPTH = 20 };

/* ---- the shape of a filter, as a table ---- */

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
                                               {"contains_url", FLAG},
                                               {"lazy_load_members", FLAG},
                                               {"include_redundant_members", FLAG},
                                               {"unread_thread_notifications", FLAG},
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

/* ---- the endpoints ---- */

static int check_owner(struct gg_request *rq, const char *verb, struct gg_error *err)
{
    return strcmp(gg_request_param(rq, "user_id"), mx_requester_of(rq)->user_id) == 0
               ? 0
               : gg_refuse(err, 403, "M_FORBIDDEN", "Cannot %s filters for other users", verb);
}

int mx_api_add_filter(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_json *tree;
    int64_t id;
    int status = check_owner(rq, "create", err);
    if (!status)
        status = check(gg_request_json(rq, err), of_filter, err);
    if (!status)
        status = mx_json_parse(gg_request_body(rq), DEPTH, arena, &tree, err);
    if (status)
        return status;
    struct gg_buf canonical = GG_BUF_INIT;
    mx_json_canonical(&canonical, tree);
    status = mx_filters_add(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_buf_view(&canonical),
                            &id, err);
    gg_buf_done(&canonical);
    if (status)
        return status;
    return gg_reply_json(rq, 200, json_pack("{ss}", "filter_id", gg_arena_printf(arena, "%lld", (long long)id)));
}

int mx_api_get_filter(void *self, struct gg_request *rq, struct gg_error *err)
{
    char *end;
    const char *text = gg_request_param(rq, "filter_id");
    struct gg_str json;
    int64_t id = strtoll(text, &end, 10);
    int status = check_owner(rq, "get", err);
    if (!status && (*end || end == text || id < 0))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid filter_id");
    if (!status)
        status = mx_filters_get(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), id,
                                gg_request_arena(rq), &json, err);
    return status ? status : gg_reply_text(rq, 200, "application/json", json);
}
