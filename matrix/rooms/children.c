/* matrix/rooms/children.c: the children of a space, in the order that the space gives them. */
#include "rooms/children.h"

#include "rooms/membership.h"

#include <stdlib.h>

enum { MAX_ORDER = 50 };

bool mx_is_space_child(struct gg_str content, bool suggested_only)
{
    struct gg_str via = mx_json_get(content, "via");
    if (!mx_json_is_array(via) || mx_json_length(via) == 0)
        return false;
    struct mx_json_iter it = mx_json_iter(via);
    while (mx_json_next(&it))
        if (!mx_json_is_string(it.value))
            return false;
    return !suggested_only || mx_json_true(mx_json_get(content, "suggested"));
}

struct mx_child_place mx_child_place_of(struct gg_str content, int64_t origin_server_ts, struct gg_str room_id,
                                        struct gg_arena *arena)
{
    struct mx_child_place place = {.origin_server_ts = origin_server_ts, .room_id = room_id};
    struct gg_str order = mx_json_string(mx_json_get(content, "order"), arena);
    bool valid = order.s != NULL && order.n <= MAX_ORDER;
    for (size_t i = 0; valid && i < order.n; i++)
        valid = order.s[i] >= 0x20 && order.s[i] <= 0x7e;
    if (valid)
        place.order = order;
    return place;
}

int mx_child_place_cmp(const struct mx_child_place *a, const struct mx_child_place *b)
{
    if ((a->order.s == NULL) != (b->order.s == NULL))
        return a->order.s == NULL ? 1 : -1;
    int by_order = a->order.s != NULL ? gg_str_cmp(a->order, b->order) : 0;
    if (by_order != 0)
        return by_order;
    if (a->origin_server_ts != b->origin_server_ts)
        return a->origin_server_ts < b->origin_server_ts ? -1 : 1;
    return gg_str_cmp(a->room_id, b->room_id);
}

struct child {
    struct mx_child_place place; /* first: sorted by it */
    const struct mx_event *event;
};

static int by_place(const void *a, const void *b)
{
    return mx_child_place_cmp(&((const struct child *)a)->place, &((const struct child *)b)->place);
}

int mx_space_children(struct mx_server *server, const struct mx_head *head, bool suggested_only, struct gg_arena *arena,
                      const struct mx_event ***out, size_t *n_out, struct gg_error *err)
{
    struct mx_state_entry entry;
    size_t n = 0, kept = 0;
    for (size_t i = 0; mx_state_next_of(head->state, GG_STR("m.space.child"), &i, &entry);)
        n++;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    n = 0;
    for (size_t i = 0; mx_state_next_of(head->state, GG_STR("m.space.child"), &i, &entry);)
        ids[n++] = entry.event_id;
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    int rc = mx_store_events(server, ids, n, false, arena, events, err);
    if (rc != 0)
        return rc;
    struct child *children = GG_NEW_ARRAY(arena, struct child, n + 1);
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL && mx_is_space_child(events[i]->content, suggested_only))
            children[kept++] = (struct child){mx_child_place_of(events[i]->content, events[i]->origin_server_ts,
                                                                events[i]->state_key, arena), events[i]};
    qsort(children, kept, sizeof(*children), by_place);
    for (size_t i = 0; i < kept; i++)
        events[i] = children[i].event;
    *out = events;
    *n_out = kept;
    return 0;
}

void mx_space_child_write(struct gg_buf *out, const struct mx_event *child)
{
    mx_stripped_open(out, child);
    gg_buf_printf(out, ",\"origin_server_ts\":%lld}", (long long)child->origin_server_ts);
}
