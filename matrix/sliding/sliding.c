/* matrix/sliding/sliding.c: one answer of sliding sync from beginning to end, and what the connection remembers of it.
 */
#include "sliding/sliding.h"

#include "push/counts.h"
#include "rooms/relations.h"

/* ---- what is told of every room that is shown ---- */

static int count_unread(struct mx_sliding *s, struct gg_error *err)
{
    struct mx_sliding_room **rooms = GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->n_rooms + 1);
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_rooms + 1);
    size_t n = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        if (!s->rooms[i]->shown || !mx_sliding_is(s->rooms[i]->entry, "join"))
            continue;
        ids[n] = s->rooms[i]->entry->room->room_id;
        rooms[n++] = s->rooms[i];
    }
    struct mx_push_room *counts = GG_NEW_ARRAY(s->arena, struct mx_push_room, n + 1);
    int rc = n > 0 ? mx_push_count(s->server, s->user_id, ids, n, s->arena, counts, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mx_push_counts total = mx_push_total(&counts[i]);
        rooms[i]->notifications = total.notify;
        rooms[i]->highlights = total.highlight;
    }
    return rc;
}

/* Where a timeline has a gap, what relates to its events may lie in it; else the client sees that by itself. */
static int bundle(struct mx_sliding *s, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, s->show.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        const struct mx_sliding_room *r = s->rooms[i];
        for (size_t k = 0; r->shown && r->limited && k < r->n_timeline; k++, n++)
            events[r->timeline_at + k] = r->timeline[k];
    }
    if (n == 0)
        return 0;
    s->show.bundles = GG_NEW_ARRAY(s->arena, const struct mx_bundle *, s->show.n + 1);
    return mx_relations_bundle(s->server, s->user_id, events, s->show.n, s->arena, s->show.bundles, err);
}

static int fill_rooms(struct mx_sliding *s, struct gg_error *err)
{
    int rc = mx_sliding_view(s, err);
    if (rc == 0)
        rc = mx_sliding_lists(s, err);
    if (rc == 0)
        rc = mx_sliding_timelines(s, err);
    if (rc == 0)
        rc = mx_sliding_changes(s, err);
    if (rc == 0)
        rc = mx_sliding_state(s, err);
    if (rc == 0)
        rc = mx_sliding_summaries(s, err);
    if (rc == 0)
        rc = bundle(s, err);
    return rc == 0 ? count_unread(s, err) : rc;
}

static bool about_rooms(const struct mx_sliding *s)
{
    return s->request->n_lists > 0 || s->request->n_subscriptions > 0;
}

int mx_sliding_compute(struct mx_sliding *s, struct gg_error *err)
{
    s->user_id = gg_str(s->requester->user_id);
    s->computed = true;
    s->news_by_id = mx_text_set(s->arena);
    int rc = about_rooms(s) ? fill_rooms(s, err) : mx_token_now(s->server, &s->now, err);
    return rc == 0 ? mx_sliding_extend(s, err) : rc;
}

bool mx_sliding_empty(const struct mx_sliding *s)
{
    for (size_t i = 0; i < s->n_rooms; i++)
        if (s->rooms[i]->shown)
            return false;
    return !mx_sliding_extended(s);
}

/* ---- positions of single streams as text ---- */

/* Where its fields stand in a token (facts database, section 7): underscores before them. */
static const int fields[MX_SLIDING_STREAMS] = {
    [MX_SLIDING_ROOMS] = 0, [MX_SLIDING_RECEIPTS] = 3, [MX_SLIDING_ACCOUNT_DATA] = 4};

struct gg_str mx_sliding_token_text(const struct mx_sliding *s, enum mx_sliding_stream stream)
{
    struct gg_buf token = GG_BUF_INIT;
    mx_token_write(&token, &s->from);
    const char *p = token.data;
    for (int i = 0; i < fields[stream]; i++)
        p = strchr(p, '_') + 1;
    struct gg_str text = gg_arena_str(s->arena, gg_strn(p, strcspn(p, "_")));
    gg_buf_done(&token);
    return text;
}

int mx_sliding_token_read(const struct mx_sliding *s, enum mx_sliding_stream stream, struct gg_str text,
                          struct mx_position *out, struct gg_error *err)
{
    static const char *const before[MX_SLIDING_STREAMS] = {
        [MX_SLIDING_ROOMS] = "", [MX_SLIDING_RECEIPTS] = "s0_0_0_", [MX_SLIDING_ACCOUNT_DATA] = "s0_0_0_0_"};
    struct mx_token token;
    int rc = mx_token_parse(s->server, gg_arena_printf(s->arena, "%s%.*s", before[stream], GG_FMT(text)), &token, err);
    if (rc != 0) /* not what we or Synapse write: the connection is of no use */
        return gg_refuse(err, 400, "M_UNKNOWN_POS", "Unknown position");
    *out = stream == MX_SLIDING_ROOMS      ? token.room.at
           : stream == MX_SLIDING_RECEIPTS ? token.receipts
                                           : (struct mx_position){.min = token.account_data};
    return 0;
}

/* ---- remembering ---- */

/* Rooms of which something came that the answer does not tell, as they are in no window now. */
static void remember_unsent(struct mx_sliding *s)
{
    for (size_t i = 0; s->has_from && i < s->n_entries && mx_sliding_moved(&s->entries[i], s->from.room.at.min); i++) {
        const struct mx_sliding_entry *e = &s->entries[i];
        if (e->in_sight || !e->listed || e->known == NULL || e->known->sent[MX_SLIDING_ROOMS].status != MX_SLIDING_LIVE)
            continue;
        mx_connection_change(&s->news, s->news_by_id, s->connection, e->room->room_id, s->arena)
            ->sent[MX_SLIDING_ROOMS] =
            (struct mx_sliding_sent){MX_SLIDING_PREVIOUSLY, mx_sliding_token_text(s, MX_SLIDING_ROOMS)};
    }
}

static void remember_sent(struct mx_sliding *s)
{
    for (size_t i = 0; i < s->n_rooms; i++) {
        const struct mx_sliding_room *r = s->rooms[i];
        if (r->known != NULL && r->known->sent[MX_SLIDING_ROOMS].status == MX_SLIDING_LIVE)
            continue;
        mx_connection_change(&s->news, s->news_by_id, s->connection, r->entry->room->room_id, s->arena)
            ->sent[MX_SLIDING_ROOMS] = (struct mx_sliding_sent){.status = MX_SLIDING_LIVE};
    }
}

int mx_sliding_remember(struct mx_sliding *s, const struct mx_connection_name *name, struct gg_error *err)
{
    if (!about_rooms(s))
        return 0;
    remember_unsent(s);
    remember_sent(s);
    return mx_connection_record(s->server, name, s->connection, s->position, &s->news, &s->position, err);
}
