/* matrix/api/relations.c: the client-server endpoints that list what relates to an event, and a room's threads. */
#include "api/events_out.h"
#include "api/params.h"
#include "api/rooms.h"

#include "rooms/relations.h"
#include "storage/relations.h"
#include "userdata/ignored.h"

enum { MOST = 1000, USUAL = 5 };

static int read_limit(struct gg_request *rq, size_t *out, struct gg_error *err)
{
    int64_t limit;
    int rc = gg_request_query_i64(rq, "limit", USUAL, &limit, err);
    if (rc == 0 && limit <= 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter limit must be a positive integer.");
    *out = limit < MOST ? (size_t)limit : MOST;
    return rc;
}

/* The rows that may be shown, as events in their order; hidden ones become NULL. */
static int load(struct gg_request *rq, const struct mx_access *access, const struct gg_str *ids, size_t n,
                const struct mx_event ***out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    bool *visible = GG_NEW_ARRAY(arena, bool, n + 1);
    int rc = mx_store_events(server, ids, n, false, arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL && (events[i]->meta.outlier || events[i]->meta.rejected.s != NULL))
            events[i] = NULL;
    if (rc == 0)
        rc = mx_events_visible(server, gg_str(mx_requester_of(rq)->user_id), access, events, n, arena, visible, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!visible[i])
            events[i] = NULL;
    *out = events;
    return rc;
}

/* ---- relations of an event ---- */

/* What was redacted is not edited any more. */
static void drop_edits(const struct mx_event **events, size_t n, struct gg_arena *arena)
{
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL && gg_str_is(mx_relation_type(events[i], arena), "m.replace"))
            events[i] = NULL;
}

static int read_place(struct gg_request *rq, const char *key, struct mx_token *token, bool *given, struct gg_error *err)
{
    const char *text = mx_api_query_text(rq, key);
    *given = text != NULL;
    if (text == NULL || mx_token_parse(mx_server_of_request(rq), text, token, err) == 0)
        return 0;
    return gg_refuse(err, 400, "M_UNKNOWN", "'%s' parameter is invalid", key);
}

/* A live position bounds the stream alone: from above backwards, from below forwards. */
static int64_t stream_of(const struct mx_room_token *at, bool upper)
{
    return at->depth < 0 && upper ? mx_position_max(&at->at) : at->at.min;
}

struct places {
    struct mx_token from, to;
};

static int read_query(struct gg_request *rq, struct mx_relation_query *q, struct places *places, struct gg_error *err)
{
    const char *dir = gg_request_query(rq, "dir");
    bool recurse = false;
    if (dir != NULL && strcmp(dir, "b") != 0 && strcmp(dir, "f") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'dir' must be one of ['b', 'f']");
    *q = (struct mx_relation_query){.room_id = mx_api_param(rq, "room_id"), .parent = mx_api_param(rq, "parent_id"),
                                    .rel_type = mx_api_param(rq, "relation_type"), .event_type = mx_api_param(rq, "event_type"),
                                    .backwards = dir == NULL || dir[0] == 'b'};
    int rc = read_limit(rq, &q->limit, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "recurse", false, &q->recurse, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "org.matrix.msc3981.recurse", false, &recurse, err);
    if (rc == 0)
        rc = read_place(rq, "from", &places->from, &q->has_from, err);
    if (rc == 0)
        rc = read_place(rq, "to", &places->to, &q->has_to, err);
    q->recurse = q->recurse || recurse;
    q->from_depth = places->from.room.depth;
    q->from_stream = stream_of(&places->from.room, q->backwards);
    q->to_depth = places->to.room.depth;
    q->to_stream = stream_of(&places->to.room, !q->backwards);
    return rc;
}

static int read_parent(struct gg_request *rq, const struct mx_access *access, struct gg_str parent, const struct mx_event **out,
                       struct gg_error *err)
{
    bool visible = false;
    int rc = mx_store_events(mx_server_of_request(rq), &parent, 1, false, gg_request_arena(rq), out, err);
    if (rc == 0 && (*out == NULL || !gg_str_eq((*out)->room_id, access->head->room_id)))
        return gg_refuse(err, 404, "M_UNKNOWN", "Unknown parent event.");
    if (rc == 0)
        rc = mx_events_visible(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), access, out, 1,
                               gg_request_arena(rq), &visible, err);
    return rc != 0 || visible ? rc : gg_refuse(err, 403, "M_FORBIDDEN", "You don't have permission to access that event.");
}

/* Who is ignored keeps no place in a page. */
static int drop_ignored(struct gg_request *rq, struct mx_related_row *rows, size_t *n, struct gg_error *err)
{
    const struct gg_str *ignored;
    size_t n_ignored, kept = 0;
    int rc = mx_ignored_users(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq), &ignored, &n_ignored, err);
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        bool drop = false;
        for (size_t k = 0; k < n_ignored && !drop; k++)
            drop = gg_str_eq(rows[i].sender, ignored[k]);
        if (!drop)
            rows[kept++] = rows[i];
    }
    *n = rc == 0 ? kept : *n;
    return rc;
}

struct answer {
    const struct mx_event *parent;
    const struct mx_event **events;
    size_t n;
    const struct mx_related_row *next; /* the last row, if there are more; else NULL */
};

/* The unstable spelling also shows the event that was asked for. */
static int write_parent(struct gg_request *rq, struct gg_buf *buf, const struct mx_access *access, const struct mx_event *parent,
                        struct gg_error *err)
{
    if (strncmp(gg_request_path(rq), "/_matrix/client/unstable/", 25) != 0)
        return 0;
    gg_buf_lit(buf, ",\"original_event\":");
    return mx_api_write_event(rq, buf, parent, access, true, err);
}

static int write_relations(struct gg_request *rq, struct gg_buf *buf, const struct mx_access *access,
                           const struct mx_relation_query *q, const struct places *places, const struct answer *a,
                           struct gg_error *err)
{
    struct mx_token none = {0};
    const struct mx_related_row *next = a->next;
    gg_buf_lit(buf, "{\"chunk\":");
    int rc = mx_api_write_events(rq, buf, a->events, a->n, access, err);
    if (rc == 0)
        rc = write_parent(rq, buf, access, a->parent, err);
    if (next != NULL) {
        struct mx_room_token at = {.depth = next->depth, .at = {.min = next->stream - (q->backwards ? 1 : 0)}};
        gg_buf_char(buf, ',');
        mx_api_write_room_token(buf, "next_batch", q->has_from ? &places->from : &none, &at);
    }
    if (q->has_from) {
        gg_buf_char(buf, ',');
        mx_api_write_room_token(buf, "prev_batch", &places->from, &places->from.room);
    }
    gg_buf_text(buf, q->recurse ? ",\"recursion_depth\":3}" : "}");
    return rc;
}

int mx_api_relations(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_relation_query q;
    struct places places = {0};
    struct mx_access access;
    struct mx_related_row *rows;
    struct answer a = {0};
    int rc = read_query(rq, &q, &places, err);
    if (rc == 0)
        rc = mx_api_access(rq, &access, err);
    if (rc == 0)
        rc = read_parent(rq, &access, q.parent, &a.parent, err);
    q.limit++;
    if (rc == 0)
        rc = mx_relations_page(mx_server_of_request(rq), &q, arena, &rows, &a.n, err);
    if (rc != 0)
        return rc;
    bool more = a.n == q.limit;
    a.n -= more ? 1 : 0;
    struct mx_related_row last = more ? rows[a.n - 1] : (struct mx_related_row){0};
    a.next = more ? &last : NULL;
    rc = drop_ignored(rq, rows, &a.n, err);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, a.n + 1);
    for (size_t i = 0; rc == 0 && i < a.n; i++)
        ids[i] = rows[i].event_id;
    if (rc == 0)
        rc = load(rq, &access, ids, a.n, &a.events, err);
    if (rc != 0)
        return rc;
    if (a.parent->meta.redacted)
        drop_edits(a.events, a.n, arena);
    struct gg_buf buf = GG_BUF_INIT;
    return mx_api_answer(rq, &buf, write_relations(rq, &buf, &access, &q, &places, &a, err));
}

/* ---- threads of a room ---- */

/* "depth_stream" of the last thread's latest event. */
static int read_thread_place(struct gg_request *rq, struct mx_thread_query *q, struct gg_error *err)
{
    const char *text = mx_api_query_text(rq, "from"), *bar = text != NULL ? strchr(text, '_') : NULL;
    if (text == NULL)
        return 0;
    q->has_from = bar != NULL && mx_json_i64(gg_strn(text, (size_t)(bar - text)), &q->from_depth) &&
                  mx_json_i64(gg_str(bar + 1), &q->from_stream);
    return q->has_from ? 0 : gg_refuse(err, 400, "M_UNKNOWN", "Invalid threads token");
}

static int read_thread_query(struct gg_request *rq, struct mx_thread_query *q, struct gg_error *err)
{
    const char *include = gg_request_query(rq, "include");
    *q = (struct mx_thread_query){.room_id = mx_api_param(rq, "room_id")};
    int rc = read_limit(rq, &q->limit, err);
    if (rc == 0 && include != NULL && strcmp(include, "all") != 0 && strcmp(include, "participated") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'include' must be one of ['all', 'participated']");
    if (include != NULL && include[0] == 'p')
        q->participant = gg_str(mx_requester_of(rq)->user_id);
    return rc != 0 ? rc : read_thread_place(rq, q, err);
}

int mx_api_threads(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_thread_query q;
    struct mx_access access;
    struct mx_thread_row *rows;
    const struct mx_event **events;
    size_t n;
    int rc = read_thread_query(rq, &q, err);
    if (rc == 0)
        rc = mx_api_access(rq, &access, err);
    q.limit++;
    if (rc == 0)
        rc = mx_threads_page(mx_server_of_request(rq), &q, arena, &rows, &n, err);
    if (rc != 0)
        return rc;
    bool more = n == q.limit;
    n -= more ? 1 : 0;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = rows[i].root;
    rc = load(rq, &access, ids, n, &events, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"chunk\":");
    rc = mx_api_write_events(rq, &buf, events, n, &access, err);
    if (more)
        gg_buf_printf(&buf, ",\"next_batch\":\"%lld_%lld\"", (long long)rows[n - 1].depth, (long long)rows[n - 1].stream);
    gg_buf_char(&buf, '}');
    return mx_api_answer(rq, &buf, rc);
}
