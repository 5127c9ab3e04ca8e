/* matrix/federation/inbound_read.c: the shapes of what other servers send. */
#include "federation/inbound_read.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

enum { DEEPEST = 1000 };

static bool fits(struct gg_str list, size_t max)
{
    return !list.s || mx_json_length(list) <= max;
}

int mx_fed_lists_read(struct gg_str body, struct mx_fed_lists *out, struct gg_error *err)
{
    int rc = mx_json_check(body, DEEPEST, err);
    if (rc)
        return rc;
    if (!mx_json_is_object(body))
        return gg_refuse(err, 400, "M_BAD_JSON", "A transaction is an object");
    *out = (struct mx_fed_lists){mx_json_get(body, "pdus"), mx_json_get(body, "edus")};
    if ((out->pdus.s && !mx_json_is_array(out->pdus)) || (out->edus.s && !mx_json_is_array(out->edus)))
        return gg_refuse(err, 400, "M_BAD_JSON", "pdus and edus are lists");
    if (!fits(out->pdus, MX_FED_TXN_PDUS) || !fits(out->edus, MX_FED_TXN_EDUS))
        return gg_refuse(err, 400, "M_TOO_LARGE", "A transaction holds at most %d PDUs and %d EDUs", MX_FED_TXN_PDUS,
                         MX_FED_TXN_EDUS);
    return 0;
}

const char *mx_fed_edu_read(struct gg_str edu, struct gg_arena *arena, json_t **content)
{
    struct gg_str type = mx_json_string(mx_json_get(edu, "edu_type"), arena), text = mx_json_get(edu, "content");
    if (!type.s || memchr(type.s, 0, type.n) || !mx_json_is_object(text))
        return NULL;
    *content = json_loadb(text.s, text.n, 0, NULL); /* what it refuses (lone surrogates, ...) no handler has a use for */
    return *content ? gg_arena_strndup(arena, type.s, type.n) : NULL;
}

size_t mx_fed_ids_read(struct gg_str list, struct gg_map *seen, size_t max, struct gg_arena *arena, struct gg_str *out,
                       size_t n)
{
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_is_array(list) && n < max && mx_json_next(&it)) {
        struct gg_str id = mx_json_string(it.value, arena);
        if (!id.s || !mx_event_id_valid(id) || gg_map_has(seen, id))
            continue;
        gg_map_put(seen, id, NULL);
        out[n++] = id;
    }
    return n;
}
