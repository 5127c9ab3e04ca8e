/* matrix/sliding/lists.c: windows of lists, subscriptions, and which of their rooms have something to tell. */
#include "sliding/sliding.h"

#include "sync/changes.h"

#include <stdlib.h>

/* Rooms with news after a pause this long are better sent from the start. */
enum { MANY_ROOMS = 100, LONG_PAUSE_MS = 3600 * 1000 };

/* ---- rooms of the answer ---- */

/* What two lists ask of a room, together; most often they are the same object or one holds the other. */
static const struct mx_room_config *both(struct mx_sliding *s, const struct mx_room_config *a, const struct mx_room_config *b)
{
    if (a == b || (a->timeline_limit >= b->timeline_limit && mx_required_covers(&a->required, &b->required)))
        return a;
    if (b->timeline_limit >= a->timeline_limit && mx_required_covers(&b->required, &a->required))
        return b;
    struct mx_room_config *c = GG_NEW(s->arena, struct mx_room_config);
    c->timeline_limit = a->timeline_limit > b->timeline_limit ? a->timeline_limit : b->timeline_limit;
    c->required = mx_required_union(&a->required, &b->required, s->arena);
    return c;
}

static void grow(struct mx_sliding *s)
{
    if (s->n_rooms < s->cap_rooms)
        return;
    s->cap_rooms = s->cap_rooms != 0 ? s->cap_rooms * 2 : 64;
    struct mx_sliding_room **rooms = GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->cap_rooms);
    if (s->n_rooms > 0)
        memcpy(rooms, s->rooms, s->n_rooms * sizeof(*rooms));
    s->rooms = rooms;
}

static void add_room(struct mx_sliding *s, const struct mx_sliding_entry *entry, const struct mx_room_config *config)
{
    struct mx_sliding_room *room = gg_map_get(s->rooms_by_id, entry->room->room_id);
    if (room != NULL) {
        room->config = both(s, room->config, config);
        return;
    }
    room = GG_NEW(s->arena, struct mx_sliding_room);
    room->entry = entry;
    room->config = config;
    room->known = mx_connection_room(s->connection, entry->room->room_id);
    room->bump_stamp = -1;
    grow(s);
    s->rooms[s->n_rooms++] = room;
    gg_map_put(s->rooms_by_id, entry->room->room_id, room);
}

/* ---- windows ---- */

static int by_activity(const void *a, const void *b)
{
    const struct mx_sliding_entry *const *x = a, *const *y = b;
    int64_t i = (*x)->facts.activity, k = (*y)->facts.activity;
    return (i < k) - (i > k);
}

static void cut_window(struct mx_sliding *s, const struct mx_sliding_list *list, const struct mx_sliding_range *range,
                       const struct mx_sliding_entry **sorted, size_t n, struct mx_sliding_window *out)
{
    size_t first = range->first < (int64_t)n ? (size_t)range->first : n;
    size_t end = range->last < (int64_t)n ? (size_t)range->last + 1 : n;
    *out = (struct mx_sliding_window){range->first, range->last, sorted + first, end > first ? end - first : 0};
    for (size_t i = 0; i < out->n; i++)
        add_room(s, out->entries[i], list->config);
}

/* One window over everything needs no order. */
static bool holds_all(const struct mx_sliding_list *list, size_t n)
{
    return list->n_ranges == 1 && list->ranges[0].first == 0 && list->ranges[0].last + 1 >= (int64_t)n;
}

static int make_list(struct mx_sliding *s, const struct mx_sliding_list *list, bool *pass, struct mx_sliding_list_answer *out,
                     struct gg_error *err)
{
    const struct mx_sliding_entry **sorted = GG_NEW_ARRAY(s->arena, const struct mx_sliding_entry *, s->n_entries + 1);
    size_t n = 0;
    int rc = mx_sliding_filter(s, &list->filters, pass, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s->n_entries; i++) {
        if (!pass[i])
            continue;
        sorted[n++] = &s->entries[i];
        mx_text_add(s->in_lists, s->entries[i].room->room_id);
    }
    if (list->n_ranges > 0 && !holds_all(list, n) && n > 0)
        qsort(sorted, n, sizeof(*sorted), by_activity);
    *out = (struct mx_sliding_list_answer){.list = list, .count = n, .n_windows = list->n_ranges};
    out->windows = GG_NEW_ARRAY(s->arena, struct mx_sliding_window, list->n_ranges + 1);
    for (size_t i = 0; i < list->n_ranges; i++)
        cut_window(s, list, &list->ranges[i], sorted, n, &out->windows[i]);
    return 0;
}

/* ---- which rooms have something to tell ---- */

bool mx_sliding_moved(const struct mx_sliding *s, const struct mx_sliding_entry *entry, int64_t after)
{
    return mx_changes_after(s->server->room_changes, entry->room->room_id, after) && entry->facts.activity > after;
}

/* Is more asked for than was before? Equal pairs of configs come one after the other. */
struct comparison {
    const struct mx_room_config *before, *now;
    bool more;
};

static bool asks_more(struct comparison *last, const struct mx_room_config *before, const struct mx_room_config *now)
{
    if (last->before != before || last->now != now)
        *last = (struct comparison){before, now,
                                    now->timeline_limit > before->timeline_limit || !mx_required_covers(&before->required, &now->required)};
    return last->more;
}

static int choose_wanted(struct mx_sliding *s, struct gg_error *err)
{
    struct comparison last = {0};
    size_t n_moved = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        bool moved = s->has_from && mx_sliding_moved(s, r->entry, s->from.room.at.min);
        n_moved += moved;
        r->wanted = !s->has_from || moved || r->known == NULL || r->known->sent[MX_SLIDING_ROOMS].status != MX_SLIDING_LIVE ||
                    (r->known->config != NULL && asks_more(&last, r->known->config, r->config));
    }
    int64_t used = mx_connection_last_used(s->connection);
    if (n_moved > MANY_ROOMS && used > 0 && gg_wall_ms() - used > LONG_PAUSE_MS)
        return gg_refuse(err, 400, "M_UNKNOWN_POS", "Unknown position");
    return 0;
}

/* Where the room's story goes on for this client. */
static int find_start(struct mx_sliding *s, struct mx_sliding_room *r, struct gg_error *err)
{
    r->initial = true;
    if (!s->has_from || r->entry->newly_joined)
        return 0;
    const struct mx_sliding_sent *sent = r->known != NULL ? &r->known->sent[MX_SLIDING_ROOMS] : NULL;
    r->expanded = r->known != NULL && r->known->config != NULL && r->known->config->timeline_limit < r->config->timeline_limit;
    if (sent == NULL || sent->status == MX_SLIDING_NEVER)
        return 0;
    r->initial = false;
    if (sent->status == MX_SLIDING_PREVIOUSLY)
        return mx_sliding_token_read(s, MX_SLIDING_ROOMS, sent->last, &r->from, err);
    r->from = s->from.room.at;
    return 0;
}

int mx_sliding_lists(struct mx_sliding *s, struct gg_error *err)
{
    const struct mx_sliding_request *q = s->request;
    bool *pass = GG_NEW_ARRAY(s->arena, bool, s->n_entries + 1);
    int rc = 0;
    s->in_lists = mx_text_set(s->arena);
    s->rooms_by_id = mx_text_set(s->arena);
    s->lists = GG_NEW_ARRAY(s->arena, struct mx_sliding_list_answer, q->n_lists + 1);
    for (size_t i = 0; rc == 0 && i < q->n_lists; i++)
        rc = make_list(s, &q->lists[i], pass, &s->lists[i], err);
    for (size_t i = 0; rc == 0 && i < q->n_subscriptions; i++) {
        const struct mx_sliding_entry *entry = gg_map_get(s->by_id, q->subscriptions[i].room_id);
        if (entry == NULL)
            continue; /* not a room of the user's: they may not look into it */
        mx_text_add(s->in_lists, entry->room->room_id);
        add_room(s, entry, q->subscriptions[i].config);
    }
    if (rc == 0)
        rc = choose_wanted(s, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++)
        if (s->rooms[i]->wanted)
            rc = find_start(s, s->rooms[i], err);
    return rc;
}
