/* matrix/api/search_out.c: the answer of POST /search: hits with what was around them, groups, pages. */
#include "api/events_out.h"
#include "api/search.h"

#include "rooms/around.h"
#include "rooms/show.h"

#include <ganglion/matrix/crypto.h>

/* All events of the answer, hit by hit: the event itself, those before, those after. */
struct answer {
    struct gg_request *rq;
    struct mx_server *server;
    struct gg_arena *arena;
    const struct mx_api_search *search;
    const struct mx_search_result *result;
    struct mx_around *around;      /* of each hit; NULL: no context is wanted */
    struct mx_show show;
    struct mx_client_format format;
    size_t at;                     /* the next event to be written */
};

/* ---- gathering ---- */

static int read_around(struct answer *a, struct gg_error *err)
{
    int rc = 0;
    if (!a->search->context)
        return 0;
    a->around = GG_NEW_ARRAY(a->arena, struct mx_around, a->result->n + 1);
    for (size_t i = 0; rc == 0 && i < a->result->n; i++) {
        const struct mx_search_hit *hit = &a->result->hits[i];
        rc = mx_around(a->server, a->search->query.user_id, &hit->room->access, hit->event, a->search->before, a->search->after, NULL,
                       a->arena, &a->around[i], err);
    }
    return rc;
}

static size_t count_events(const struct answer *a)
{
    size_t n = a->result->n;
    for (size_t i = 0; a->around != NULL && i < a->result->n; i++)
        n += a->around[i].before.n + a->around[i].after.n;
    return n;
}

static size_t put_page(const struct mx_event **events, size_t at, const struct mx_page *page)
{
    for (size_t k = 0; k < page->n; k++)
        events[at++] = page->events[k];
    return at;
}

static int read_show(struct answer *a, struct gg_error *err)
{
    size_t n = count_events(a), at = 0;
    const struct mx_event **events = GG_NEW_ARRAY(a->arena, const struct mx_event *, n + 1);
    struct mx_show_room *rooms = GG_NEW_ARRAY(a->arena, struct mx_show_room, a->result->n + 1);
    for (size_t i = 0; i < a->result->n; i++) {
        size_t first = at;
        events[at++] = a->result->hits[i].event;
        if (a->around != NULL)
            at = put_page(events, put_page(events, at, &a->around[i].before), &a->around[i].after);
        rooms[i] = (struct mx_show_room){.room_id = a->result->hits[i].event->room_id, .first = first, .n = at - first};
    }
    struct gg_str user_id = a->search->query.user_id;
    int rc = mx_show_read(a->server, events, n, a->arena, &a->show, err);
    if (rc == 0)
        rc = mx_show_memberships(a->server, user_id, rooms, a->result->n, &a->show, a->arena, err);
    return rc != 0 ? rc : mx_show_relations(a->server, user_id, &a->show, a->arena, err);
}

/* ---- hits ---- */

static void write_page(struct answer *a, struct gg_buf *buf, const char *key, const struct mx_page *page)
{
    gg_buf_printf(buf, "\"%s\":[", key);
    for (size_t k = 0; k < page->n; k++) {
        gg_buf_text(buf, k > 0 ? "," : "");
        mx_show_write(buf, &a->show, a->at++, &a->format);
    }
    gg_buf_lit(buf, "],");
}

static void write_member(struct gg_buf *buf, const char *key, struct gg_str json)
{
    gg_buf_printf(buf, "\"%s\":", key);
    gg_buf_str(buf, json.s != NULL ? json : GG_STR("null"));
}

/* Names and pictures of those who speak in a context. */
static int write_profiles(struct answer *a, struct gg_buf *buf, size_t i, size_t first, size_t n, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, n + 1);
    const struct mx_event **members = GG_NEW_ARRAY(a->arena, const struct mx_event *, n + 1);
    size_t m = 0;
    for (size_t k = first; k < first + n; k++) {
        struct gg_str id = mx_state_get(a->around[i].state, GG_STR("m.room.member"), a->show.events[k]->sender);
        bool have = id.s == NULL;
        for (size_t j = 0; j < m && !have; j++)
            have = gg_str_eq(ids[j], id);
        if (!have)
            ids[m++] = id;
    }
    int rc = mx_store_events(a->server, ids, m, false, a->arena, members, err);
    bool one = false;
    gg_buf_lit(buf, ",\"profile_info\":{");
    for (size_t k = 0; rc == 0 && k < m; k++) {
        if (members[k] == NULL)
            continue;
        gg_buf_text(buf, one ? "," : "");
        gg_buf_json_string(buf, members[k]->state_key);
        gg_buf_lit(buf, ":{");
        write_member(buf, "displayname", mx_json_get(members[k]->content, "displayname"));
        gg_buf_char(buf, ',');
        write_member(buf, "avatar_url", mx_json_get(members[k]->content, "avatar_url"));
        gg_buf_char(buf, '}');
        one = true;
    }
    gg_buf_char(buf, '}');
    return rc;
}

static int write_context(struct answer *a, struct gg_buf *buf, size_t i, struct gg_error *err)
{
    const struct mx_around *around = &a->around[i];
    size_t first = a->at - 1;
    int rc = 0;
    gg_buf_char(buf, '{');
    write_page(a, buf, "events_before", &around->before);
    write_page(a, buf, "events_after", &around->after);
    mx_api_write_room_token(buf, "start", &(struct mx_token){0}, &around->before.end);
    gg_buf_char(buf, ',');
    mx_api_write_room_token(buf, "end", &(struct mx_token){0}, &around->after.end);
    if (a->search->profiles)
        rc = write_profiles(a, buf, i, first, a->at - first, err);
    gg_buf_char(buf, '}');
    return rc;
}

static int write_hits(struct answer *a, struct gg_buf *buf, struct gg_error *err)
{
    int rc = 0;
    gg_buf_lit(buf, "\"results\":[");
    for (size_t i = 0; rc == 0 && i < a->result->n; i++) {
        gg_buf_text(buf, i > 0 ? ",{\"rank\":" : "{\"rank\":");
        gg_buf_str(buf, a->result->hits[i].rank);
        gg_buf_lit(buf, ",\"result\":");
        mx_show_write(buf, &a->show, a->at++, &a->format);
        gg_buf_lit(buf, ",\"context\":");
        if (a->around != NULL)
            rc = write_context(a, buf, i, err);
        else
            gg_buf_lit(buf, "{}");
        gg_buf_char(buf, '}');
    }
    gg_buf_char(buf, ']');
    return rc;
}

/* ---- groups and pages ---- */

static void write_batch(struct gg_buf *buf, struct gg_arena *arena, struct gg_str group, struct gg_str key, const struct mx_search_hit *last)
{
    char *text = gg_arena_printf(arena, "%.*s\n%.*s\n%lld,%lld", GG_FMT(group), GG_FMT(key), (long long)last->ts, (long long)last->stream);
    char *batch = gg_arena_alloc(arena, mx_base64_size(strlen(text)));
    mx_base64(text, strlen(text), false, batch);
    gg_buf_printf(buf, "\"next_batch\":\"%s\"", batch);
}

/* The last hit, if there may be more: only what comes newest first has pages. */
static const struct mx_search_hit *last_of_full_page(const struct answer *a)
{
    bool full = a->search->query.recent && a->result->n > 0 && a->result->n >= a->search->query.limit;
    return full ? &a->result->hits[a->result->n - 1] : NULL;
}

static struct gg_str group_key(const struct mx_search_hit *hit, bool by_sender)
{
    return by_sender ? hit->event->sender : hit->event->room_id;
}

static bool seen_before(const struct mx_search_result *r, size_t i, bool by_sender)
{
    for (size_t k = 0; k < i; k++)
        if (gg_str_eq(group_key(&r->hits[k], by_sender), group_key(&r->hits[i], by_sender)))
            return true;
    return false;
}

static void write_group(const struct answer *a, struct gg_buf *buf, size_t i, bool by_sender)
{
    const struct mx_search_result *r = a->result;
    const struct mx_search_hit *last = last_of_full_page(a);
    struct gg_str key = group_key(&r->hits[i], by_sender);
    bool one = false;
    gg_buf_json_string(buf, key);
    gg_buf_lit(buf, ":{\"results\":[");
    for (size_t k = i; k < r->n; k++) {
        if (!gg_str_eq(group_key(&r->hits[k], by_sender), key))
            continue;
        gg_buf_text(buf, one ? "," : "");
        gg_buf_json_string(buf, r->hits[k].event->event_id);
        one = true;
    }
    gg_buf_char(buf, ']');
    if (!a->search->query.recent) {
        gg_buf_lit(buf, ",\"order\":");
        gg_buf_str(buf, r->hits[i].rank);
    }
    if (last != NULL && !by_sender) {
        gg_buf_char(buf, ',');
        write_batch(buf, a->arena, GG_STR("room_id"), key, last);
    }
    gg_buf_char(buf, '}');
}

static void write_grouping(const struct answer *a, struct gg_buf *buf, bool by_sender)
{
    bool one = false;
    gg_buf_text(buf, by_sender ? "\"sender\":{" : "\"room_id\":{");
    for (size_t i = 0; i < a->result->n; i++) {
        if (seen_before(a->result, i, by_sender))
            continue;
        gg_buf_text(buf, one ? "," : "");
        write_group(a, buf, i, by_sender);
        one = true;
    }
    gg_buf_char(buf, '}');
}

/* By sender only what comes best first is grouped, as in Synapse. */
static void write_groups(const struct answer *a, struct gg_buf *buf)
{
    bool by_sender = a->search->by_sender && !a->search->query.recent;
    if (a->result->n == 0 || (!a->search->by_room && !by_sender))
        return;
    gg_buf_lit(buf, ",\"groups\":{");
    if (a->search->by_room)
        write_grouping(a, buf, false);
    gg_buf_text(buf, a->search->by_room && by_sender ? "," : "");
    if (by_sender)
        write_grouping(a, buf, true);
    gg_buf_char(buf, '}');
}

/* ---- the rest ---- */

static int write_state(struct answer *a, struct gg_buf *buf, struct gg_error *err)
{
    int rc = 0;
    bool one = false;
    if (!a->search->include_state || a->result->n == 0)
        return 0;
    gg_buf_lit(buf, ",\"state\":{");
    for (size_t i = 0; rc == 0 && i < a->result->n; i++) {
        if (seen_before(a->result, i, false))
            continue;
        const struct mx_state *state = a->result->hits[i].room->access.state;
        struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, mx_state_count(state) + 1);
        const struct mx_event **events = GG_NEW_ARRAY(a->arena, const struct mx_event *, mx_state_count(state) + 1);
        struct mx_state_entry entry;
        size_t n = 0;
        for (size_t k = 0; mx_state_next(state, &k, &entry);)
            ids[n++] = entry.event_id;
        gg_buf_text(buf, one ? "," : "");
        gg_buf_json_string(buf, a->result->hits[i].event->room_id);
        gg_buf_char(buf, ':');
        rc = mx_store_events(a->server, ids, n, false, a->arena, events, err);
        if (rc == 0)
            rc = mx_api_write_events(a->rq, buf, events, n, NULL, err);
        one = true;
    }
    gg_buf_char(buf, '}');
    return rc;
}

static void write_words(const struct mx_search_result *r, struct gg_buf *buf)
{
    gg_buf_lit(buf, ",\"highlights\":[");
    for (size_t i = 0; i < r->n_words; i++) {
        gg_buf_text(buf, i > 0 ? "," : "");
        gg_buf_json_string(buf, r->words[i]);
    }
    gg_buf_char(buf, ']');
}

static int write_all(struct answer *a, struct gg_buf *buf, struct gg_error *err)
{
    const struct mx_search_hit *last = last_of_full_page(a);
    bool of_room = a->search->batch_room.s != NULL;
    gg_buf_lit(buf, "{\"search_categories\":{\"room_events\":{");
    int rc = write_hits(a, buf, err);
    gg_buf_printf(buf, ",\"count\":%lld", (long long)a->result->count);
    write_words(a->result, buf);
    if (rc == 0)
        rc = write_state(a, buf, err);
    write_groups(a, buf);
    if (last != NULL) {
        gg_buf_char(buf, ',');
        write_batch(buf, a->arena, of_room ? GG_STR("room_id") : GG_STR("all"), a->search->batch_room, last);
    }
    gg_buf_lit(buf, "}}}");
    return rc;
}

int mx_api_search_answer(struct gg_request *rq, const struct mx_api_search *search, const struct mx_search_result *result,
                         struct gg_error *err)
{
    struct answer a = {.rq = rq, .server = mx_server_of_request(rq), .arena = gg_request_arena(rq), .search = search, .result = result,
                       .format = mx_api_format(rq)};
    struct gg_buf buf = GG_BUF_INIT;
    int rc = read_around(&a, err);
    if (rc == 0)
        rc = read_show(&a, err);
    if (rc == 0)
        rc = write_all(&a, &buf, err);
    return mx_api_answer(rq, &buf, rc);
}
