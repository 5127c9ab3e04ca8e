/* matrix/rooms/hierarchy.c: the rooms of a space, and of the spaces in it.
 *
 * The walk goes depth first over a stack of rooms; what is left of it when a page is full is kept for the next page in
 * the database, where every process finds it. */
#include "rooms/hierarchy.h"

#include "federation/spaces.h"
#include "rooms/children.h"
#include "rooms/summary.h"
#include "storage/sessions.h"

#include <ganglion/map.h>

#define SESSION "room_hierarchy_pagination"

enum {
    LIFETIME_MS = 5 * 60 * 1000,
    MAX_WAITING = 10000,   /* rooms of a walk that are still to come */
    PATIENCE_MS = 25 * 1000, /* of a page: servers that do not answer must not cost the client all of its */
    MAX_VIA = 10,
};

struct stop {
    struct gg_str room_id;
    int64_t depth;
    const struct gg_str *via; /* who may know the room, if we do not */
    size_t n_via;
    struct gg_str entry;      /* what one of them told of it already; s NULL: nothing */
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

static void push(struct walk *w, struct stop stop)
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
    stop.room_id = gg_arena_str(w->arena, stop.room_id);
    w->waiting[w->n++] = stop;
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
        gg_buf_printf(&buf, ",%lld,[", (long long)w->waiting[i].depth);
        for (size_t k = 0; k < w->waiting[i].n_via; k++) {
            gg_buf_text(&buf, k > 0 ? "," : "");
            gg_buf_json_string(&buf, w->waiting[i].via[k]);
        }
        gg_buf_char(&buf, ']');
        if (w->waiting[i].entry.s != NULL) {
            gg_buf_char(&buf, ',');
            gg_buf_str(&buf, w->waiting[i].entry);
        }
        gg_buf_char(&buf, ']');
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

static size_t read_via(struct gg_str list, struct gg_arena *arena, const struct gg_str **out)
{
    struct gg_str *via = GG_NEW_ARRAY(arena, struct gg_str, MAX_VIA);
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(list);
    while (n < MAX_VIA && mx_json_next(&it))
        if ((via[n] = mx_json_string(it.value, arena)).s != NULL)
            n++;
    *out = via;
    return n;
}

/* [room, depth, [server, ..], entry], the last two where there are any. */
static bool read_stop(struct gg_str text, struct gg_arena *arena, struct stop *out)
{
    struct gg_str v[4] = {{0}};
    size_t n = 0;
    for (struct mx_json_iter it = mx_json_iter(text); n < GG_COUNT(v) && mx_json_next(&it);)
        v[n++] = it.value;
    out->room_id = mx_json_string(v[0], arena);
    out->n_via = read_via(v[2], arena, &out->via);
    out->entry = v[3];
    return out->room_id.s != NULL && mx_json_i64(v[1], &out->depth);
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
        struct stop stop = {0};
        if (read_stop(it.value, w->arena, &stop))
            push(w, stop);
    }
    it = mx_json_iter(mx_json_get(session, "processed_rooms"));
    while (mx_json_next(&it))
        gg_map_put(w->seen, mx_json_string(it.value, w->arena), NULL);
    return 0;
}

/* ---- one room ---- */

static bool may_descend(const struct walk *w, int64_t depth)
{
    return w->query->max_depth < 0 || depth < w->query->max_depth;
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
        mx_space_child_write(w->out, children[i]);
    }
    gg_buf_lit(w->out, "]}");
    for (size_t i = n; i-- > 0 && may_descend(w, depth);) {
        struct stop stop = {.room_id = children[i]->state_key, .depth = depth + 1};
        stop.n_via = read_via(mx_json_get(children[i]->content, "via"), w->arena, &stop.via);
        push(w, stop);
    }
    return 0;
}

/* ---- a room that others know ---- */

static void write_remote(struct walk *w, struct gg_str entry, const struct mx_fed_child *children, size_t n)
{
    gg_buf_text(w->out, w->n_rooms++ > 0 ? "," : "");
    mx_fed_entry_write(w->out, entry);
    gg_buf_lit(w->out, ",\"children_state\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(w->out, i > 0 ? "," : "");
        gg_buf_str(w->out, children[i].event);
    }
    gg_buf_lit(w->out, "]}");
}

static int visit_remote(struct walk *w, const struct stop *stop, bool *found, struct gg_error *err)
{
    struct mx_fed_space space = {.entry = stop->entry};
    bool told = space.entry.s != NULL;
    int rc = 0;
    if (!told)
        rc = mx_fed_space(w->server, stop->room_id, stop->via, stop->n_via, w->query->suggested_only, w->arena, &space, &told, err);
    *found = false;
    if (rc == 0 && told)
        rc = mx_fed_entry_visible(w->server, w->query->user_id, space.entry, w->arena, found, err);
    if (rc != 0 || !*found)
        return rc;
    write_remote(w, space.entry, space.children, space.n_children);
    for (size_t i = space.n_children; i-- > 0 && may_descend(w, stop->depth);) {
        const struct mx_fed_child *child = &space.children[i];
        if (child->closed)
            gg_map_put(w->seen, child->room_id, NULL); /* others would say no more */
        else
            push(w, (struct stop){child->room_id, stop->depth + 1, child->via, child->n_via, child->entry});
    }
    return 0;
}

/* ---- the walk ---- */

static int find_room(struct walk *w, struct gg_str room_id, struct mx_summary *summary, bool *found, struct gg_error *err)
{
    int rc = mx_summary_find(w->server, w->query->user_id, room_id, w->arena, summary, found, err);
    if (rc == 0 && w->query->admin)
        *found = summary->head != NULL && mx_state_count(summary->head->state) > 0;
    return rc;
}

/* Rooms that we are in are ours to tell of; *found false: nobody tells. */
static int tell(struct walk *w, const struct stop *stop, bool *found, struct gg_error *err)
{
    struct mx_summary summary;
    int rc = find_room(w, stop->room_id, &summary, found, err);
    if (rc == 0 && *found)
        return write_room(w, &summary, stop->depth, err);
    bool here = rc == 0 && summary.head != NULL && mx_state_count(summary.head->state) > 0;
    return rc != 0 || here ? rc : visit_remote(w, stop, found, err);
}

static int visit(struct walk *w, struct stop stop, struct gg_error *err)
{
    bool found;
    if (gg_map_has(w->seen, stop.room_id))
        return 0;
    gg_map_put(w->seen, stop.room_id, NULL);
    return tell(w, &stop, &found, err);
}

/* The first room is the one that must be there. */
static int begin(struct walk *w, struct gg_error *err)
{
    struct stop root = {.room_id = w->query->room_id, .via = w->query->via, .n_via = w->query->n_via};
    bool found;
    if (w->query->from.s != NULL)
        return resume(w, err);
    size_t before = w->out->n;
    gg_map_put(w->seen, root.room_id, NULL);
    int rc = tell(w, &root, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %.*s not in room %.*s, and room previews are disabled",
                       GG_FMT(w->query->user_id), GG_FMT(w->query->room_id));
    if (rc == 0 && w->query->limit == 0) { /* a page of nothing: it was only seen that there is something */
        w->out->data[w->out->n = before] = '\0';
        w->n = 0;
        gg_map_clear(w->seen);
        push(w, root);
    }
    return rc;
}

static int walk_page(struct walk *w, struct gg_error *err)
{
    struct gg_str next;
    int64_t limit = w->query->limit < MX_HIERARCHY_MAX ? w->query->limit : MX_HIERARCHY_MAX;
    int64_t until = gg_deadline(PATIENCE_MS);
    gg_buf_lit(w->out, "{\"rooms\":[");
    int rc = begin(w, err);
    while (rc == 0 && w->n > 0 && w->n_rooms < limit && gg_now_ms() < until)
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
