/* matrix/api/public_list.c: what is asked of the public list, by clients and by other servers alike. */
#include "api/public_list.h"

#include "json/text.h"

#include <ganglion/matrix/json.h>

static int read_limit(struct gg_str body, struct mx_list_query *q, struct gg_error *err)
{
    struct gg_str limit = mx_json_get(body, "limit");
    q->limit = 100;
    if (limit.s == NULL || gg_str_is(limit, "null"))
        return 0;
    if (!mx_json_i64(limit, &q->limit) || q->limit < 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "limit must be a positive integer");
    return 0;
}

static int read_types(struct gg_str filter, struct mx_list_query *q, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str types = mx_json_get(filter, "room_types");
    if (types.s == NULL || gg_str_is(types, "null"))
        return 0;
    if (!mx_json_is_array(types))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_types must be a list");
    struct gg_str *wanted = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(types) + 1);
    struct mx_json_iter it = mx_json_iter(types);
    while (mx_json_next(&it)) {
        struct gg_str type = mx_storable(mx_json_string(it.value, arena));
        if (type.s != NULL)
            wanted[q->n_room_types++] = type;
        else if (gg_str_is(it.value, "null"))
            q->untyped = true;
        else
            return gg_refuse(err, 400, "M_INVALID_PARAM", "room_types must hold texts and null");
    }
    q->typed = true;
    q->room_types = wanted;
    return 0;
}

static int read_filter(struct gg_str body, struct mx_list_query *q, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str filter = mx_json_get(body, "filter");
    if (filter.s == NULL || gg_str_is(filter, "null"))
        return 0;
    if (!mx_json_is_object(filter))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "filter must be an object");
    struct gg_str term = mx_json_get(filter, "generic_search_term");
    if (term.s != NULL && !gg_str_is(term, "null")) {
        if (!mx_json_is_string(term))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "generic_search_term must be a string");
        term = mx_storable(mx_json_string(term, arena));
        q->term = term.s != NULL ? term : GG_STR("\xef\xbf\xbf"); /* what no database text holds matches nothing */
        if (q->term.n == 0)
            q->term.s = NULL;
    }
    return read_types(filter, q, arena, err);
}

/* "appservice|network" */
int mx_public_list_network(struct gg_str id, bool all, struct mx_list_query *q, struct gg_error *err)
{
    q->scope = all ? MX_LIST_ALL : MX_LIST_OWN;
    if (id.n == 0)
        return 0;
    if (all)
        return gg_refuse(err, 400, "M_UNKNOWN", "Can't use include_all_networks with an explicit network");
    const char *bar = memchr(id.s, '|', id.n);
    if (bar == NULL || memchr(bar + 1, '|', (size_t)(id.s + id.n - bar - 1)) != NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Invalid ID '%.*s'", GG_FMT(id));
    q->scope = MX_LIST_NETWORK;
    q->appservice = gg_strn(id.s, (size_t)(bar - id.s));
    q->network = gg_strn(bar + 1, (size_t)(id.s + id.n - bar - 1));
    return 0;
}

int mx_public_list_read(struct gg_str body, struct gg_arena *arena, struct mx_list_query *q, struct gg_error *err)
{
    struct gg_str network = mx_storable(mx_json_string(mx_json_get(body, "third_party_instance_id"), arena));
    int rc = read_limit(body, q, err);
    if (rc == 0)
        rc = read_filter(body, q, arena, err);
    return rc == 0 ? mx_public_list_network(network, mx_json_true(mx_json_get(body, "include_all_networks")), q, err) : rc;
}
