/* matrix/api/search.c: the client-server endpoint that searches (client-server API, "Server Side Search"). */
#include "api/search.h"
#include "api/params.h"
#include "api/rooms.h"

#include <ganglion/config.h>
#include <ganglion/matrix/crypto.h>

enum { USUAL_LIMIT = 10, MOST = 500, USUAL_CONTEXT = 5, MOST_CONTEXT = 100 };

static int invalid(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_UNKNOWN", "Invalid search query");
}

static int bad(struct gg_error *err, const char *key)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "search: %s is of the wrong type", key);
}

/* ---- next_batch: base64 of "all\n\nplace" or "room_id\n<room>\nplace", the place being "ts,stream" ---- */

static int read_place(struct mx_search_query *q, struct gg_str place, struct gg_error *err)
{
    const char *comma = memchr(place.s, ',', place.n);
    size_t n = comma != NULL ? (size_t)(comma - place.s) : 0;
    if (comma != NULL && mx_json_i64(gg_strn(place.s, n), &q->before_ts) &&
        mx_json_i64(gg_strn(comma + 1, place.n - n - 1), &q->before_stream))
        return 0;
    return gg_refuse(err, 400, "M_UNKNOWN", "Invalid pagination token");
}

static int read_batch(struct gg_request *rq, struct mx_api_search *s, struct gg_error *err)
{
    const char *batch = gg_request_query(rq, "next_batch");
    if (batch == NULL || batch[0] == '\0')
        return 0;
    char *text = gg_arena_alloc(gg_request_arena(rq), strlen(batch) + 1);
    int64_t n = mx_unbase64(gg_str(batch), text);
    text[n > 0 ? n : 0] = '\0';
    char *first = strchr(text, '\n'), *second = first != NULL ? strchr(first + 1, '\n') : NULL;
    if (n <= 0 || memchr(text, '\0', (size_t)n) != NULL || second == NULL || strchr(second + 1, '\n') != NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid batch");
    if (gg_str_is(gg_strn(text, (size_t)(first - text)), "room_id"))
        s->batch_room = s->query.only_room = gg_strn(first + 1, (size_t)(second - first - 1));
    return s->query.recent ? read_place(&s->query, gg_str(second + 1), err) : 0;
}

/* ---- the body ---- */

static int read_keys(struct gg_str json, struct gg_arena *arena, struct mx_search_query *q, struct gg_error *err)
{
    static const struct gg_str all[] = {{"content.body", 12}, {"content.name", 12}, {"content.topic", 13}};
    q->keys = all;
    q->n_keys = GG_COUNT(all);
    if (json.s == NULL)
        return 0;
    if (!mx_json_is_array(json))
        return bad(err, "keys");
    struct gg_str *keys = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(json) + 1);
    struct mx_json_iter it = mx_json_iter(json);
    q->n_keys = 0;
    while (mx_json_next(&it)) {
        if (!mx_json_is_string(it.value))
            return bad(err, "keys");
        keys[q->n_keys++] = mx_json_string(it.value, arena);
    }
    q->keys = keys;
    return 0;
}

static int read_filter(struct gg_str json, struct gg_arena *arena, struct mx_search_query *q, struct gg_error *err)
{
    if (json.s != NULL && !mx_json_is_object(json))
        return bad(err, "filter");
    int rc = mx_filter_parse(json, arena, &q->filter, err);
    q->limit = rc != 0 || q->filter.limit < 0 ? USUAL_LIMIT : q->filter.limit > MOST ? MOST : (size_t)q->filter.limit;
    return rc;
}

static int read_order(struct gg_str json, struct gg_arena *arena, struct mx_search_query *q, struct gg_error *err)
{
    struct gg_str order = json.s != NULL ? mx_json_string(json, arena) : GG_STR("rank");
    q->recent = gg_str_is(order, "recent");
    q->before_ts = q->before_stream = INT64_MAX;
    if (!q->recent && !gg_str_is(order, "rank"))
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid order by: '%.*s'", GG_FMT(order));
    return 0;
}

static int read_groups(struct gg_str json, struct gg_arena *arena, struct mx_api_search *s, struct gg_error *err)
{
    struct gg_str by = mx_json_get(json, "group_by");
    if (json.s != NULL && (!mx_json_is_object(json) || (by.s != NULL && !mx_json_is_array(by))))
        return bad(err, "groupings");
    struct mx_json_iter it = mx_json_iter(by);
    while (by.s != NULL && mx_json_next(&it)) {
        struct gg_str key = mx_json_string(mx_json_get(it.value, "key"), arena);
        if (key.s == NULL)
            return invalid(err);
        if (!gg_str_is(key, "room_id") && !gg_str_is(key, "sender"))
            return gg_refuse(err, 400, "M_UNKNOWN", "Invalid group by keys: {'%.*s'}", GG_FMT(key));
        s->by_room = s->by_room || gg_str_is(key, "room_id");
        s->by_sender = s->by_sender || gg_str_is(key, "sender");
    }
    return 0;
}

static int read_count(struct gg_str object, const char *key, size_t *out, struct gg_error *err)
{
    struct gg_str value = mx_json_get(object, key);
    int64_t n = USUAL_CONTEXT;
    if (value.s != NULL && !mx_json_i64(value, &n))
        return bad(err, key);
    *out = n < 0 ? 0 : n > MOST_CONTEXT ? MOST_CONTEXT : (size_t)n;
    return 0;
}

static int read_context(struct gg_str json, struct mx_api_search *s, struct gg_error *err)
{
    if (json.s == NULL || gg_str_is(json, "null"))
        return 0;
    if (!mx_json_is_object(json))
        return bad(err, "event_context");
    s->context = true;
    s->profiles = mx_json_true(mx_json_get(json, "include_profile"));
    int rc = read_count(json, "before_limit", &s->before, err);
    return rc != 0 ? rc : read_count(json, "after_limit", &s->after, err);
}

static int read_search(struct gg_request *rq, struct mx_api_search *s, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    if (mx_api_json(rq, err) == NULL) /* which refuses NUL: no text of a database has it */
        return err->code;
    struct gg_str json = mx_json_path(gg_request_body(rq), (const char *const[]){"search_categories", "room_events", NULL});
    struct gg_str term = mx_json_get(json, "search_term");
    if (term.s == NULL)
        return invalid(err);
    if (!mx_json_is_string(term))
        return bad(err, "search_term");
    s->query.user_id = gg_str(mx_requester_of(rq)->user_id);
    s->query.term = mx_json_string(term, arena);
    s->include_state = mx_json_true(mx_json_get(json, "include_state"));
    int rc = read_keys(mx_json_get(json, "keys"), arena, &s->query, err);
    if (rc == 0)
        rc = read_filter(mx_json_get(json, "filter"), arena, &s->query, err);
    if (rc == 0)
        rc = read_order(mx_json_get(json, "order_by"), arena, &s->query, err);
    if (rc == 0)
        rc = read_groups(mx_json_get(json, "groupings"), arena, s, err);
    if (rc == 0)
        rc = read_context(mx_json_get(json, "event_context"), s, err);
    return rc != 0 ? rc : read_batch(rq, s, err);
}

int mx_api_search(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_api_search search = {0};
    struct mx_search_result result;
    if (!gg_config_bool(server->config, "enable_search"))
        return gg_refuse(err, 400, "M_UNKNOWN", "Search is disabled on this homeserver");
    int rc = read_search(rq, &search, err);
    if (rc == 0)
        rc = mx_search(server, &search.query, gg_request_arena(rq), &result, err);
    return rc != 0 ? rc : mx_api_search_answer(rq, &search, &result, err);
}
