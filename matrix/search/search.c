/* matrix/search/search.c: finds, filters and pages what the full text index holds. */
#include "search/search.h"

#include "json/text.h"
#include "persist/writer.h"
#include "storage/search.h"

#include <ganglion/fiber.h>

enum { MOST_BEST = 500, ROUNDS = 5, TURN = 50 };

struct search {
    struct mx_server *server;
    const struct mx_search_query *q;
    struct mx_filter filter;
    struct mx_text_query text;
    struct mx_search_room *rooms; /* of the hits, as they come up; one for each of text.rooms at most */
    size_t n_rooms;
    struct gg_str *texts;         /* in which words are to be highlighted */
    size_t n_texts, cap_texts;
    struct gg_arena *arena;
    struct mx_search_result *out;
};

/* ---- what of the hits the user gets ---- */

static int room_of(struct search *s, struct gg_str room_id, struct mx_search_room **out, struct gg_error *err)
{
    for (size_t i = 0; i < s->n_rooms; i++) {
        if (!gg_str_eq(s->rooms[i].room_id, room_id))
            continue;
        *out = &s->rooms[i];
        return 0;
    }
    *out = &s->rooms[s->n_rooms++];
    (*out)->room_id = room_id;
    return mx_room_access(s->server, s->q->user_id, room_id, s->arena, &(*out)->access, err);
}

static void add_text(struct search *s, const struct mx_event *event)
{
    const char *key;
    struct gg_str text;
    if (s->n_texts < s->cap_texts && mx_content_search(event, s->arena, &key, &text) && mx_storable(text).s != NULL)
        s->texts[s->n_texts++] = text;
}

/* What is gone, what the filter keeps out and what the user may not see is left out. */
static int look(struct search *s, const struct mx_text_hit *hit, const struct mx_event *event, struct gg_error *err)
{
    struct mx_search_room *room;
    bool visible;
    if (event == NULL || event->meta.redacted || event->meta.rejected.s != NULL || !mx_filter_event(&s->filter, event))
        return 0;
    int rc = room_of(s, event->room_id, &room, err);
    if (rc == 0)
        rc = mx_events_visible(s->server, s->q->user_id, &room->access, &event, 1, s->arena, &visible, err);
    if (rc != 0 || !visible)
        return rc;
    s->out->hits[s->out->n++] = (struct mx_search_hit){event, room, hit->rank, hit->ts, hit->stream};
    add_text(s, event);
    return 0;
}

static int take(struct search *s, const struct mx_text_hit *hits, size_t n, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = hits[i].event_id;
    int rc = mx_store_events(s->server, ids, n, false, s->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n && s->out->n < s->q->limit; i++) {
        if (i % TURN == TURN - 1 && (rc = gg_yield()) != 0)
            return gg_fail(err, rc, "searching");
        rc = look(s, &hits[i], events[i], err);
    }
    return rc;
}

/* ---- the two orders ---- */

static int best_first(struct search *s, struct gg_error *err)
{
    struct mx_text_hit *hits;
    size_t n;
    int rc = mx_search_best(s->server, &s->text, MOST_BEST, s->arena, &hits, &n, err);
    return rc != 0 ? rc : take(s, hits, n, err);
}

static int newest_first(struct search *s, struct gg_error *err)
{
    int64_t ts = s->q->before_ts, stream = s->q->before_stream;
    int rc = 0;
    for (int i = 0; rc == 0 && i < ROUNDS && s->out->n < s->q->limit; i++) {
        struct mx_text_hit *hits;
        size_t n, want = s->q->limit * 2;
        rc = mx_search_newest(s->server, &s->text, ts, stream, want, s->arena, &hits, &n, err);
        if (rc == 0)
            rc = take(s, hits, n, err);
        if (rc != 0 || n < want)
            return rc;
        ts = hits[n - 1].ts;
        stream = hits[n - 1].stream;
    }
    return rc;
}

static int where(struct search *s, struct gg_error *err)
{
    struct gg_str *rooms;
    size_t n, kept = 0;
    int rc = mx_search_rooms(s->server, s->q->user_id, &s->filter, s->arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (s->q->only_room.s == NULL || gg_str_eq(rooms[i], s->q->only_room))
            rooms[kept++] = rooms[i];
    s->text.rooms = rooms;
    s->text.n_rooms = kept;
    return rc;
}

int mx_search(struct mx_server *server, const struct mx_search_query *q, struct gg_arena *arena, struct mx_search_result *out,
              struct gg_error *err)
{
    struct search s = {.server = server, .q = q, .filter = q->filter, .arena = arena, .out = out,
                       .text = {.term = q->term, .keys = q->keys, .n_keys = q->n_keys}};
    memset(out, 0, sizeof(*out));
    int rc = where(&s, err);
    if (rc != 0 || s.text.n_rooms == 0)
        return rc;
    s.rooms = GG_NEW_ARRAY(arena, struct mx_search_room, s.text.n_rooms);
    s.cap_texts = q->limit;
    s.texts = GG_NEW_ARRAY(arena, struct gg_str, s.cap_texts + 1);
    out->hits = GG_NEW_ARRAY(arena, struct mx_search_hit, q->limit + 1);
    rc = mx_search_count(server, &s.text, &out->count, err);
    if (rc == 0 && out->count > 0)
        rc = q->recent ? newest_first(&s, err) : best_first(&s, err);
    return rc != 0 ? rc : mx_search_words(server, q->term, s.texts, s.n_texts, arena, &out->words, &out->n_words, err);
}
