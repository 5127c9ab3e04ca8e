/* matrix/sliding/request.c: reads the body of a sliding sync request, strictly: a member of the wrong type is refused.
 */
#include "sliding/request.h"

#include "json/text.h"

#include <ganglion/matrix/json.h>
#include <stdlib.h>

enum { MAX_DEPTH = 50 };

struct reader {
    struct gg_arena *arena;
    struct gg_map *configs; /* of this request, by their text */
    struct gg_error *err;
};

static int bad(struct reader *r, const char *what)
{
    return gg_refuse(r->err, 400, "M_BAD_JSON", "%s is not what sliding sync takes there", what);
}

static bool given(struct gg_str v)
{
    return v.s != NULL && !gg_str_is(v, "null");
}

/* ---- members of one kind ---- */

static int read_bool(struct reader *r, struct gg_str object, const char *key, int none, int *out)
{
    struct gg_str v = mx_json_get(object, key);
    *out = none;
    if (!given(v))
        return 0;
    if (!gg_str_is(v, "true") && !gg_str_is(v, "false"))
        return bad(r, key);
    *out = mx_json_true(v);
    return 0;
}

static int read_number(struct reader *r, struct gg_str object, const char *key, int64_t none, int64_t *out)
{
    struct gg_str v = mx_json_get(object, key);
    *out = none;
    return !given(v) || mx_json_i64(v, out) ? 0 : bad(r, key);
}

/* A string that may stand in a row of the database. */
static bool text_of(struct reader *r, struct gg_str v, struct gg_str *out)
{
    *out = mx_json_is_string(v) ? mx_storable(mx_json_string(v, r->arena)) : (struct gg_str){0};
    return out->s != NULL;
}

static size_t characters(struct gg_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.s[i] & 0xC0) != 0x80;
    return n;
}

static int read_text(struct reader *r, struct gg_str object, const char *key, struct gg_str *out)
{
    struct gg_str v = mx_json_get(object, key);
    *out = (struct gg_str){0};
    return !given(v) || text_of(r, v, out) ? 0 : bad(r, key);
}

static int read_texts(struct reader *r, struct gg_str object, const char *key, bool nulls, struct mx_texts *out)
{
    struct gg_str v = mx_json_get(object, key);
    *out = (struct mx_texts){0};
    if (!given(v))
        return 0;
    if (!mx_json_is_array(v))
        return bad(r, key);
    struct gg_str *texts = GG_NEW_ARRAY(r->arena, struct gg_str, mx_json_length(v) + 1);
    struct mx_json_iter it = mx_json_iter(v);
    while (mx_json_next(&it)) {
        bool null = nulls && gg_str_is(it.value, "null");
        if (!null && !text_of(r, it.value, &texts[out->n]))
            return bad(r, key);
        out->n++;
    }
    out->v = texts;
    return 0;
}

bool mx_texts_have(const struct mx_texts *texts, struct gg_str text)
{
    for (size_t i = 0; i < texts->n; i++)
        if ((texts->v[i].s == NULL) == (text.s == NULL) && gg_str_eq(texts->v[i], text))
            return true;
    return false;
}

/* ---- what a list and a subscription have in common ---- */

static int read_pair(struct reader *r, struct gg_str json, struct mx_pair *out)
{
    struct mx_json_iter it = mx_json_iter(json);
    bool ok = mx_json_is_array(json) && mx_json_length(json) == 2;
    ok = ok && mx_json_next(&it) && text_of(r, it.value, &out->type);
    ok = ok && mx_json_next(&it) && text_of(r, it.value, &out->key);
    return ok ? 0 : bad(r, "required_state");
}

static int read_pairs(struct reader *r, struct gg_str json, struct mx_required *out)
{
    if (!mx_json_is_array(json))
        return bad(r, "required_state");
    struct mx_pair *pairs = GG_NEW_ARRAY(r->arena, struct mx_pair, mx_json_length(json) + 1);
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(json);
    while (mx_json_next(&it)) {
        int rc = read_pair(r, it.value, &pairs[n++]);
        if (rc != 0)
            return rc;
    }
    *out = mx_required_of(pairs, n, r->arena);
    return 0;
}

static int missing(struct reader *r, const char *key)
{
    return gg_refuse(r->err, 400, "M_MISSING_PARAM", "Missing %s", key);
}

static int read_config(struct reader *r, struct gg_str object, const struct mx_room_config **out)
{
    struct gg_str required = mx_json_get(object, "required_state"), limit = mx_json_get(object, "timeline_limit");
    if (!mx_json_is_object(object))
        return bad(r, "A list or subscription");
    if (required.s == NULL || limit.s == NULL)
        return missing(r, required.s == NULL ? "required_state" : "timeline_limit");
    struct gg_str key = gg_str(gg_arena_printf(r->arena, "%.*s %.*s", GG_FMT(limit), GG_FMT(required)));
    if ((*out = gg_map_get(r->configs, key)) != NULL)
        return 0;
    struct mx_room_config *config = GG_NEW(r->arena, struct mx_room_config);
    if (!mx_json_i64(limit, &config->timeline_limit) || config->timeline_limit > MX_SLIDING_MAX_TIMELINE)
        return bad(r, "timeline_limit");
    int rc = read_pairs(r, required, &config->required);
    gg_map_put(r->configs, key, config);
    *out = config;
    return rc;
}

/* ---- lists ---- */

static int read_filters(struct reader *r, struct gg_str object, struct mx_sliding_filters *out)
{
    *out = (struct mx_sliding_filters){.is_dm = -1, .is_encrypted = -1, .is_invite = -1};
    if (!given(object))
        return 0;
    if (!mx_json_is_object(object))
        return bad(r, "filters");
    const struct {
        const char *key;
        int *out;
    } flags[] = {{"is_dm", &out->is_dm}, {"is_encrypted", &out->is_encrypted}, {"is_invite", &out->is_invite}};
    const struct {
        const char *key;
        bool nulls;
        struct mx_texts *out;
    } texts[] = {{"spaces", false, &out->spaces},
                 {"room_types", true, &out->room_types},
                 {"not_room_types", true, &out->not_room_types},
                 {"tags", false, &out->tags},
                 {"not_tags", false, &out->not_tags}};
    int rc = read_text(r, object, "room_name_like", &out->room_name_like);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(flags); i++)
        rc = read_bool(r, object, flags[i].key, -1, flags[i].out);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(texts); i++)
        rc = read_texts(r, object, texts[i].key, texts[i].nulls, texts[i].out);
    return rc;
}

static int read_range(struct reader *r, struct gg_str json, struct mx_sliding_range *out)
{
    struct mx_json_iter it = mx_json_iter(json);
    bool ok = mx_json_is_array(json) && mx_json_length(json) == 2;
    ok = ok && mx_json_next(&it) && mx_json_i64(it.value, &out->first) && out->first >= 0;
    ok = ok && mx_json_next(&it) && mx_json_i64(it.value, &out->last) && out->last >= 0;
    return ok ? 0 : bad(r, "ranges");
}

static int read_ranges(struct reader *r, struct gg_str json, struct mx_sliding_list *out)
{
    if (!given(json))
        return 0;
    if (!mx_json_is_array(json) || mx_json_length(json) > MX_SLIDING_MAX_RANGES)
        return bad(r, "ranges");
    struct mx_sliding_range *ranges = GG_NEW_ARRAY(r->arena, struct mx_sliding_range, mx_json_length(json) + 1);
    struct mx_json_iter it = mx_json_iter(json);
    int rc = 0;
    while (rc == 0 && mx_json_next(&it))
        rc = read_range(r, it.value, &ranges[out->n_ranges++]);
    out->ranges = ranges;
    return rc;
}

static int read_list(struct reader *r, struct gg_str object, struct mx_sliding_list *out)
{
    int flag, rc = read_config(r, object, &out->config);
    if (rc == 0)
        rc = read_ranges(r, mx_json_get(object, "ranges"), out);
    if (rc == 0)
        rc = read_bool(r, object, "slow_get_all_rooms", 0, &flag);
    return rc == 0 ? read_filters(r, mx_json_get(object, "filters"), &out->filters) : rc;
}

/* A member's name, unescaped. */
static bool key_of(struct reader *r, const struct mx_json_iter *it, struct gg_str *out)
{
    return text_of(r, gg_strn(it->key.s - 1, it->key.n + 2), out);
}

static int read_lists(struct reader *r, struct gg_str object, struct mx_sliding_request *out)
{
    if (!given(object))
        return 0;
    if (!mx_json_is_object(object) || mx_json_length(object) > MX_SLIDING_MAX_LISTS)
        return bad(r, "lists");
    struct mx_sliding_list *lists = GG_NEW_ARRAY(r->arena, struct mx_sliding_list, mx_json_length(object) + 1);
    struct mx_json_iter it = mx_json_iter(object);
    out->lists = lists;
    while (mx_json_next(&it)) {
        struct mx_sliding_list list = {0};
        int rc = !key_of(r, &it, &list.name) || characters(list.name) > MX_SLIDING_MAX_LIST_NAME
                     ? bad(r, "The name of a list")
                     : read_list(r, it.value, &list);
        size_t place = 0;
        while (place < out->n_lists &&
               !gg_str_eq(lists[place].name, list.name)) /* of equal names the last one stands */
            place++;
        lists[place] = list;
        out->n_lists += place == out->n_lists;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_subscriptions(struct reader *r, struct gg_str object, struct mx_sliding_request *out)
{
    if (!given(object))
        return 0;
    if (!mx_json_is_object(object))
        return bad(r, "room_subscriptions");
    struct mx_sliding_subscription *subs =
        GG_NEW_ARRAY(r->arena, struct mx_sliding_subscription, mx_json_length(object) + 1);
    struct mx_json_iter it = mx_json_iter(object);
    int rc = 0;
    while (rc == 0 && mx_json_next(&it)) {
        struct mx_sliding_subscription *sub = &subs[out->n_subscriptions++];
        rc = key_of(r, &it, &sub->room_id) ? read_config(r, it.value, &sub->config) : bad(r, "room_subscriptions");
    }
    out->subscriptions = subs;
    return rc;
}

/* ---- extensions ---- */

static int read_scope(struct reader *r, struct gg_str object, struct mx_sliding_scope *out)
{
    static const struct gg_str any[] = {{"*", 1}};
    const struct mx_texts all = {any, 1};
    int enabled = 0;
    if (!given(object))
        return 0;
    int rc = mx_json_is_object(object) ? read_bool(r, object, "enabled", 0, &enabled) : bad(r, "extensions");
    if (rc == 0)
        rc = read_texts(r, object, "lists", false, &out->lists);
    if (rc == 0)
        rc = read_texts(r, object, "rooms", false, &out->rooms);
    if (mx_json_get(object, "lists").s == NULL)
        out->lists = all;
    if (mx_json_get(object, "rooms").s == NULL)
        out->rooms = all;
    out->enabled = enabled;
    return rc;
}

/* What an extension needs besides being enabled; since may come as a string of digits only. */
static int read_flow(struct reader *r, struct gg_str object, bool *enabled, int64_t *limit, int64_t *since)
{
    int on = 0;
    struct gg_str text = {0};
    if (!given(object))
        return 0;
    int rc = mx_json_is_object(object) ? read_bool(r, object, "enabled", 0, &on) : bad(r, "extensions");
    if (rc == 0 && limit != NULL)
        rc = read_number(r, object, "limit", 100, limit);
    if (rc == 0 && since != NULL)
        rc = read_text(r, object, "since", &text);
    if (rc == 0 && text.s != NULL && !mx_json_i64(text, since))
        rc = bad(r, "since");
    *enabled = on;
    return rc;
}

static int read_extensions(struct reader *r, struct gg_str object, struct mx_sliding_request *out)
{
    if (!given(object))
        return 0;
    if (!mx_json_is_object(object))
        return bad(r, "extensions");
    const struct {
        const char *key;
        struct mx_sliding_scope *out;
    } scopes[] = {{"account_data", &out->account_data}, {"receipts", &out->receipts}, {"typing", &out->typing}};
    bool threads;
    int64_t limit;
    int rc =
        read_flow(r, mx_json_get(object, "to_device"), &out->to_device, &out->to_device_limit, &out->to_device_since);
    if (rc == 0)
        rc = read_flow(r, mx_json_get(object, "e2ee"), &out->e2ee, NULL, NULL);
    if (rc ==
        0) /* not served, as by Synapse unless its configuration has it on; a wrong form is refused all the same */
        rc = read_flow(r, mx_json_get(object, "io.element.msc4308.thread_subscriptions"), &threads, &limit, NULL);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(scopes); i++)
        rc = read_scope(r, mx_json_get(object, scopes[i].key), scopes[i].out);
    return rc;
}

static void free_map(void *map)
{
    gg_map_free(map);
}

int mx_sliding_request_read(struct gg_str body, struct gg_arena *arena, struct mx_sliding_request *out,
                            struct gg_error *err)
{
    struct reader r = {arena, gg_map_new(NULL), err};
    gg_arena_defer(arena, free_map, r.configs);
    *out = (struct mx_sliding_request){.to_device_limit = 100};
    for (; body.n > 0 && strchr(" \t\r\n", body.s[0]) != NULL && body.s[0] != '\0'; body.s++)
        body.n--;
    body = body.n > 0 ? body : GG_STR("{}");
    int rc = mx_json_check(body, MAX_DEPTH, err);
    if (rc == 0 && !mx_json_is_object(body))
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object");
    if (rc == 0)
        rc = read_text(&r, body, "conn_id", &out->conn_id);
    if (rc == 0 && out->conn_id.s == NULL)
        out->conn_id = GG_STR("");
    if (rc == 0)
        rc = read_lists(&r, mx_json_get(body, "lists"), out);
    if (rc == 0)
        rc = read_subscriptions(&r, mx_json_get(body, "room_subscriptions"), out);
    return rc == 0 ? read_extensions(&r, mx_json_get(body, "extensions"), out) : rc;
}

int mx_sliding_pos_read(const char *pos, int64_t *position_out, const char **token_out, struct gg_error *err)
{
    const char *slash = strchr(pos, '/');
    if (slash == NULL || slash == pos || !mx_json_i64(gg_strn(pos, (size_t)(slash - pos)), position_out) ||
        *position_out < 0)
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid stream token");
    *token_out = slash + 1;
    return 0;
}
