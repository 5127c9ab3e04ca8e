/* matrix/rooms/hierarchy.c: the rooms of a space, and of the spaces in it.
 *
 * The walk goes depth first over a stack of rooms; what is left of it when a page is full is kept for the next page in
 * the database, where every process finds it. */
#include "rooms/hierarchy.h"

#include "rooms/children.h"
#include "rooms/summary.h"
#include "storage/sessions.h"

#include <ganglion/map.h>

#define SESSION "room_hierarchy_pagination"

enum { LIFETIME_MS = 5 * 60 * 1000, MAX_WAITING = 10000 /* rooms of a walk that are still to come */ };

struct stop {
    struct gg_str room_id;
    int64_t depth;
};
struct walk {
    struct mx_server *server;
    const struct mx_hierarchy_query *query;
    struct gg_arena *arena;
    struct stop *waiting; /* the next one is the last */
    size_t n, cap;
    struct gg_map *seen;
    struct gg_buf *out;
    int64_t n_rooms;
};

static void push(struct walk *w, struct gg_str room_id, int64_t depth)
{
    if (w->n == MAX_WAITING)
        return;
    if (w->n == w->cap) {
        size_t cap = w->cap > 0 ? 2 * w->cap : 64;
        struct stop *more = GG_NEW_ARRAY(w->arena, struct stop, cap);
        if (w->n > 0)
            memcpy(more, w->waiting, w->n * sizeof(*more));
        w->waiting = more;
        w->cap = cap;
    }
    w->waiting[w->n++] = (struct stop){gg_arena_str(w->arena, room_id), depth};
}

/* ---- pages ---- */

static struct gg_str session_text(const struct walk *w)
{
    struct gg_buf buf = GG_BUF_INIT;
    struct gg_str room_id;
    void *value;
    bool first = true;
    gg_buf_lit(&buf, "{\"room_id\":");
    gg_buf_json_string(&buf, w->query->room_id);
    gg_buf_lit(&buf, ",\"user_id\":");
    gg_buf_json_string(&buf, w->query->user_id);
    gg_buf_printf(&buf, ",\"suggested_only\":%s,\"max_depth\":%lld,\"room_queue\":[", w->query->suggested_only ? "true" : "false",
                  (long long)w->query->max_depth);
    for (size_t i = 0; i < w->n; i++) {
        gg_buf_text(&buf, i > 0 ? ",[" : "[");
        gg_buf_json_string(&buf, w->waiting[i].room_id);
        gg_buf_printf(&buf, ",%lld]", (long long)w->waiting[i].depth);
    }
    gg_buf_lit(&buf, "],\"processed_rooms\":[");
    for (size_t i = 0; gg_map_next(w->seen, &i, &room_id, &value); first = false) {
        gg_buf_text(&buf, first ? "" : ",");
        gg_buf_json_string(&buf, room_id);
    }
    gg_buf_lit(&buf, "]}");
    struct gg_str text = gg_arena_str(w->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return text;
}

static int unknown_token(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_INVALID_PARAM", "Unknown pagination token");
}

static bool same_question(const struct walk *w, struct gg_str session)
{
    int64_t depth;
    return gg_str_eq(mx_json_string(mx_json_get(session, "room_id"), w->arena), w->query->room_id) &&
           gg_str_eq(mx_json_string(mx_json_get(session, "user_id"), w->arena), w->query->user_id) &&
           mx_json_true(mx_json_get(session, "suggested_only")) == w->query->suggested_only &&
           mx_json_i64(mx_json_get(session, "max_depth"), &depth) && depth == w->query->max_depth;
}

static int resume(struct walk *w, struct gg_error *err)
{
    struct gg_str session, from = w->query->from;
    if (memchr(from.s, '\0', from.n) != NULL)
        return unknown_token(err);
    int rc = mx_session_find(w->server, SESSION, from, w->arena, &session, err);
    if (rc != 0)
        return rc;
    if (session.s == NULL || !same_question(w, session))
        return unknown_token(err);
    struct mx_json_iter it = mx_json_iter(mx_json_get(session, "room_queue"));
    while (mx_json_next(&it)) {
        struct mx_json_iter stop = mx_json_iter(it.value);
        int64_t depth = 0;
        struct gg_str room_id = mx_json_next(&stop) ? mx_json_string(stop.value, w->arena) : (struct gg_str){0};
        if (room_id.s != NULL && mx_json_next(&stop) && mx_json_i64(stop.value, &depth))
            push(w, room_id, depth);
    }
    it = mx_json_iter(mx_json_get(session, "processed_rooms"));
    while (mx_json_next(&it))
        gg_map_put(w->seen, mx_json_string(it.value, w->arena), NULL);
    return 0;
}

/* ---- one room ---- */

static void write_child(struct gg_buf *out, const struct mx_event *child)
{
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, child->type);
    gg_buf_lit(out, ",\"state_key\":");
    gg_buf_json_string(out, child->state_key);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, child->content);
    gg_buf_lit(out, ",\"sender\":");
    gg_buf_json_string(out, child->sender);
    gg_buf_printf(out, ",\"origin_server_ts\":%lld}", (long long)child->origin_server_ts);
}

static int write_room(struct walk *w, const struct mx_summary *summary, int64_t depth, struct gg_error *err)
{
    const struct mx_event **children = NULL;
    size_t n = 0;
    gg_buf_text(w->out, w->n_rooms++ > 0 ? "," : "");
    int rc = mx_summary_write(w->server, summary, w->arena, w->out, err);
    if (rc == 0 && summary->space)
        rc = mx_space_children(w->server, summary->head, w->query->suggested_only, w->arena, &children, &n, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(w->out, ",\"children_state\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(w->out, i > 0 ? "," : "");
        write_child(w->out, children[i]);
    }
    gg_buf_lit(w->out, "]}");
    for (size_t i = n; i-- > 0 && (w->query->max_depth < 0 || depth < w->query->max_depth);)
        push(w, children[i]->state_key, depth + 1);
    return 0;
}

static int find_room(struct walk *w, struct gg_str room_id, struct mx_summary *summary, bool *found, struct gg_error *err)
{
    int rc = mx_summary_find(w->server, w->query->user_id, room_id, w->arena, summary, found, err);
    if (rc == 0 && w->query->admin)
        *found = summary->head != NULL && mx_state_count(summary->head->state) > 0;
    return rc;
}

static int visit(struct walk *w, struct stop stop, struct gg_error *err)
{
    struct mx_summary summary;
    bool found;
    if (gg_map_has(w->seen, stop.room_id))
        return 0;
    gg_map_put(w->seen, stop.room_id, NULL);
    int rc = find_room(w, stop.room_id, &summary, &found, err);
    return rc == 0 && found ? write_room(w, &summary, stop.depth, err) : rc;
}

static int begin(struct walk *w, struct gg_error *err)
{
    struct mx_summary summary;
    bool found;
    if (w->query->from.s != NULL)
        return resume(w, err);
    int rc = find_room(w, w->query->room_id, &summary, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %.*s not in room %.*s, and room previews are disabled",
                       GG_FMT(w->query->user_id), GG_FMT(w->query->room_id));
    push(w, w->query->room_id, 0);
    return rc;
}

static int walk_page(struct walk *w, struct gg_error *err)
{
    struct gg_str next;
    int64_t limit = w->query->limit < MX_HIERARCHY_MAX ? w->query->limit : MX_HIERARCHY_MAX;
    int rc = begin(w, err);
    gg_buf_lit(w->out, "{\"rooms\":[");
    while (rc == 0 && w->n > 0 && w->n_rooms < limit)
        rc = visit(w, w->waiting[--w->n], err);
    gg_buf_char(w->out, ']');
    if (rc == 0 && w->n > 0) {
        rc = mx_session_keep(w->server, SESSION, session_text(w), LIFETIME_MS, w->arena, &next, err);
        gg_buf_lit(w->out, ",\"next_batch\":");
        gg_buf_json_string(w->out, next);
    }
    gg_buf_char(w->out, '}');
    return rc;
}

int mx_hierarchy(struct mx_server *server, const struct mx_hierarchy_query *query, struct gg_arena *arena, struct gg_buf *out,
                 struct gg_error *err)
{
    struct walk w = {.server = server, .query = query, .arena = arena, .out = out, .seen = gg_map_new(NULL)};
    int rc = walk_page(&w, err);
    gg_map_free(w.seen);
    return rc;
}
