/* matrix/sliding/lists.c: windows of lists, subscriptions, and which of their rooms have something to tell. */
#include "sliding/sliding.h"

/* Rooms with news after a pause this long are better sent from the start. */
enum { MANY_ROOMS = 100, LONG_PAUSE_MS = 3600 * 1000 };

/* ---- rooms of the answer ---- */

/* What two lists ask of a room, together; most often they are the same object or one holds the other. */
static const struct mx_room_config *both(struct mx_sliding *s, const struct mx_room_config *a,
                                         const struct mx_room_config *b)
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

static void add_in_sight(struct mx_sliding *s, struct mx_sliding_entry *entry, const struct mx_room_config *config)
{
    if (entry->in_sight) {
        entry->config = both(s, entry->config, config);
        return;
    }
    entry->in_sight = true;
    entry->config = config;
    if (s->n_in_sight == s->cap_in_sight) {
        s->cap_in_sight = s->cap_in_sight != 0 ? s->cap_in_sight * 2 : 64;
        struct mx_sliding_entry **more = GG_NEW_ARRAY(s->arena, struct mx_sliding_entry *, s->cap_in_sight);
        if (s->n_in_sight > 0)
            memcpy(more, s->in_sight, s->n_in_sight * sizeof(*more));
        s->in_sight = more;
    }
    s->in_sight[s->n_in_sight++] = entry;
}

/* ---- windows ---- */

static void cut_window(struct mx_sliding *s, size_t list, const struct mx_sliding_range *range,
                       struct mx_sliding_entry **sorted, size_t n, struct mx_sliding_window *out)
{
    size_t first = range->first < (int64_t)n ? (size_t)range->first : n;
    size_t end = range->last < (int64_t)n ? (size_t)range->last + 1 : n;
    *out = (struct mx_sliding_window){range->first, range->last, sorted + first, end > first ? end - first : 0};
    for (size_t i = 0; i < out->n; i++) {
        out->entries[i]->lists[list / 64] |= UINT64_C(1) << list % 64;
        add_in_sight(s, out->entries[i], s->request->lists[list].config);
    }
}

static int make_list(struct mx_sliding *s, size_t at, bool *pass, struct gg_error *err)
{
    const struct mx_sliding_list *list = &s->request->lists[at];
    struct mx_sliding_list_answer *out = &s->lists[at];
    struct mx_sliding_entry **sorted = GG_NEW_ARRAY(s->arena, struct mx_sliding_entry *, s->n_entries + 1);
    size_t n = 0;
    int rc = mx_sliding_filter(s, &list->filters, pass, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s->n_entries; i++) {
        if (!pass[i])
            continue;
        s->entries[i].listed = true;
        sorted[n++] = &s->entries[i];
    }
    *out = (struct mx_sliding_list_answer){.list = list, .count = n, .n_windows = list->n_ranges};
    out->windows = GG_NEW_ARRAY(s->arena, struct mx_sliding_window, list->n_ranges + 1);
    for (size_t i = 0; i < list->n_ranges; i++)
        cut_window(s, at, &list->ranges[i], sorted, n, &out->windows[i]);
    return 0;
}

/* ---- which rooms have something to tell ---- */

/* Is more asked for than was before? Equal pairs of configs come one after the other. */
struct comparison {
    const struct mx_room_config *before, *now;
    bool more;
};

static bool asks_more(struct comparison *last, const struct mx_room_config *before, const struct mx_room_config *now)
{
    if (last->before != before || last->now != now)
        *last = (struct comparison){before, now,
                                    now->timeline_limit > before->timeline_limit ||
                                        !mx_required_covers(&before->required, &now->required)};
    return last->more;
}

static void add_room(struct mx_sliding *s, struct mx_sliding_entry *entry)
{
    struct mx_sliding_room *r = GG_NEW(s->arena, struct mx_sliding_room);
    *r = (struct mx_sliding_room){.entry = entry, .config = entry->config, .known = entry->known, .bump_stamp = -1};
    entry->answer = r;
    s->rooms[s->n_rooms++] = r;
}

static int choose_rooms(struct mx_sliding *s, struct gg_error *err)
{
    struct comparison last = {0};
    size_t n_moved = 0;
    s->rooms = GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->n_in_sight + 1);
    for (size_t i = 0; i < s->n_in_sight; i++) {
        struct mx_sliding_entry *e = s->in_sight[i];
        bool moved = s->has_from && mx_sliding_moved(e, s->from.room.at.min);
        n_moved += moved;
        if (!s->has_from || moved || e->known == NULL || e->known->sent[MX_SLIDING_ROOMS].status != MX_SLIDING_LIVE ||
            (e->known->config != NULL && asks_more(&last, e->known->config, e->config)))
            add_room(s, e);
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
    r->expanded =
        r->known != NULL && r->known->config != NULL && r->known->config->timeline_limit < r->config->timeline_limit;
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
    s->lists = GG_NEW_ARRAY(s->arena, struct mx_sliding_list_answer, q->n_lists + 1);
    for (size_t i = 0; rc == 0 && i < q->n_lists; i++)
        rc = make_list(s, i, pass, err);
    for (size_t i = 0; rc == 0 && i < q->n_subscriptions; i++) {
        struct mx_sliding_entry *entry = mx_sliding_find(s, q->subscriptions[i].room_id);
        if (entry == NULL)
            continue; /* not a room of the user's: they may not look into it */
        entry->listed = true;
        add_in_sight(s, entry, q->subscriptions[i].config);
    }
    if (rc == 0)
        rc = choose_rooms(s, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++)
        rc = find_start(s, s->rooms[i], err);
    return rc;
}
