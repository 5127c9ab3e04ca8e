/* matrix/sliding/state.c: the state that rooms of a sliding sync answer show: what changed since they were sent, and
 * what is asked for anew. */
#include "sliding/sliding.h"

/* ---- what changed ---- */

static const struct gg_stmt read_changes = {
    "SELECT r.i, d.type, d.state_key, d.event_id, d.stream_id, d.instance_name"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (room_id, after, upto, i)"
    " JOIN current_state_delta_stream d ON d.room_id = r.room_id AND d.stream_id > r.after AND d.stream_id <= r.upto"
    " ORDER BY r.i, d.stream_id",
    GG_LANE_SCAN};

static bool shows_state(const struct mx_sliding_room *r)
{
    return !mx_sliding_is(r->entry, "invite") && !mx_sliding_is(r->entry, "knock");
}

/* The newest change of a pair stands. */
static void note_change(struct mx_sliding_room *r, struct gg_map *places, struct mx_pair pair, struct gg_str event_id,
                        struct gg_arena *arena)
{
    struct gg_str key = gg_str(gg_arena_printf(arena, "%.*s\n%.*s", GG_FMT(pair.type), GG_FMT(pair.key)));
    size_t place = (size_t)(uintptr_t)gg_map_get(places, key);
    if (place == 0) {
        place = ++r->n_changed;
        gg_map_put(places, key, (void *)(uintptr_t)place);
    }
    r->changed[place - 1] = pair;
    r->changed_ids[place - 1] = event_id;
    r->members_changed = r->members_changed || gg_str_eq(pair.type, MX_MEMBER);
    r->name_changed = r->name_changed || (gg_str_is(pair.type, "m.room.name") && pair.key.n == 0);
    r->avatar_changed = r->avatar_changed || (gg_str_is(pair.type, "m.room.avatar") && pair.key.n == 0);
}

static void take_changes(struct mx_sliding *s, struct mx_sliding_room *r, const struct gg_rows *rows, size_t first,
                         size_t end)
{
    struct gg_map *places = mx_text_set(s->arena);
    r->changed = GG_NEW_ARRAY(s->arena, struct mx_pair, end - first + 1);
    r->changed_ids = GG_NEW_ARRAY(s->arena, struct gg_str, end - first + 1);
    /* That the user left is told with the room, whatever is asked for. */
    if (r->entry->newly_left)
        note_change(r, places, (struct mx_pair){MX_MEMBER, s->user_id}, r->entry->room->event_id, s->arena);
    for (size_t i = first; i < end; i++) {
        const char *writer = gg_rows_null(rows, i, 5) ? "master" : gg_rows_str(rows, i, 5).s;
        int64_t stream = gg_rows_i64(rows, i, 4);
        if (mx_position_includes(s->server, &r->from, writer, stream) ||
            (!mx_sliding_left(r->entry) && !mx_position_includes(s->server, &s->now.room.at, writer, stream)))
            continue;
        note_change(r, places, (struct mx_pair){gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)},
                    gg_rows_str(rows, i, 3), s->arena);
    }
}

int mx_sliding_changes(struct mx_sliding *s, struct gg_error *err)
{
    struct mx_sliding_room **rooms = GG_NEW_ARRAY(s->arena, struct mx_sliding_room *, s->n_rooms + 1);
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_rooms + 1);
    int64_t *after = GG_NEW_ARRAY(s->arena, int64_t, s->n_rooms + 1),
            *upto = GG_NEW_ARRAY(s->arena, int64_t, s->n_rooms + 1);
    struct gg_rows *rows;
    size_t n = 0, at = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        if (!shows_state(r) || r->initial || !mx_sliding_moved(r->entry, r->from.min))
            continue;
        if (!mx_sliding_left(r->entry) && mx_head_state_position(r->head) <= r->from.min)
            continue;
        ids[n] = r->entry->room->room_id;
        after[n] = r->from.min;
        upto[n] = mx_sliding_left(r->entry) ? r->entry->room->stream_ordering : mx_position_max(&s->now.room.at);
        rooms[n++] = r;
    }
    if (n == 0)
        return 0;
    int rc = gg_db_read(s->server->db, &read_changes,
                        GG_PARAMS(gg_p_texts(ids, n), gg_p_i64s(after, n), gg_p_i64s(upto, n)), s->arena, &rows, err);
    for (size_t k = 0, end; rc == 0 && k < n; k++, at = end) {
        for (end = at; end < gg_rows_count(rows) && gg_rows_i64(rows, end, 0) == (int64_t)k + 1;)
            end++;
        take_changes(s, rooms[k], rows, at, end);
    }
    return rc;
}

/* ---- what is asked for ---- */

static void add_lazy_users(struct mx_sliding *s, struct mx_sliding_room *r)
{
    struct gg_str user;
    void *value;
    for (size_t i = 0; i < r->n_timeline; i++) {
        mx_text_add(r->lazy_users, r->timeline[i]->sender);
        if (gg_str_eq(r->timeline[i]->type, MX_MEMBER) && mx_event_is_state(r->timeline[i]))
            mx_text_add(r->lazy_users, r->timeline[i]->state_key);
    }
    if (r->limited || r->initial) {
        for (size_t i = 0; gg_map_next(r->lazy_users, &i, &user, &value);)
            mx_wish_add(&r->wish, s->arena, MX_MEMBER, gg_arena_str(s->arena, user));
        return;
    }
    /* Without a gap every change of a member is told: that is less than the client finding its lists out of date. */
    mx_wish_add(&r->wish, s->arena, MX_MEMBER, (struct gg_str){0});
    for (size_t i = 0; i < r->n_changed; i++)
        if (gg_str_eq(r->changed[i].type, MX_MEMBER))
            mx_text_add(r->lazy_users, r->changed[i].key);
}

/* explicit: members who are asked for by name. */
static void make_wish(struct mx_sliding *s, struct mx_sliding_room *r, struct gg_map *explicit)
{
    const struct mx_required *required = &r->config->required;
    r->lazy_users = mx_text_set(s->arena);
    for (size_t i = 0; i < required->n; i++)
        r->wish.all = r->wish.all || gg_str_eq(required->v[i].type, MX_ANY);
    for (size_t i = 0; i < required->n && !r->wish.all; i++) {
        struct mx_pair p = required->v[i];
        bool member = gg_str_eq(p.type, MX_MEMBER);
        if (gg_str_eq(p.key, MX_ANY)) {
            mx_wish_add(&r->wish, s->arena, p.type, (struct gg_str){0});
        } else if (member && gg_str_eq(p.key, MX_LAZY)) {
            r->lazy = true;
            add_lazy_users(s, r);
        } else {
            struct gg_str key = gg_str_eq(p.key, MX_ME) ? s->user_id : p.key;
            mx_wish_add(&r->wish, s->arena, p.type, key);
            if (member)
                mx_text_add(explicit, key);
        }
    }
    struct gg_str user;
    void *value;
    for (size_t i = 0; gg_map_next(explicit, &i, &user, &value);)
        gg_map_delete(r->lazy_users, user);
}

/* ---- ids of what is sent ---- */

struct ids {
    struct gg_str *v;
    size_t n, cap;
    struct gg_map *seen;
};

static void add_id(struct mx_sliding *s, struct ids *ids, struct gg_str id)
{
    if (id.s == NULL || gg_map_has(ids->seen, id))
        return;
    mx_text_add(ids->seen, id);
    if (ids->n == ids->cap) {
        size_t cap = ids->cap != 0 ? ids->cap * 2 : 32;
        struct gg_str *v = GG_NEW_ARRAY(s->arena, struct gg_str, cap);
        if (ids->n > 0)
            memcpy(v, ids->v, ids->n * sizeof(*v));
        ids->v = v;
        ids->cap = cap;
    }
    ids->v[ids->n++] = gg_arena_str(s->arena, id);
}

/* Entries of the room's state that both wishes name; also NULL: one will do. */
static void add_state(struct mx_sliding *s, const struct mx_sliding_room *r, const struct mx_wish *wish,
                      const struct mx_wish *also, struct ids *ids)
{
    struct mx_state_entry e;
    if (r->state == NULL)
        return;
    for (size_t i = 0; wish->all && mx_state_next(r->state, &i, &e);)
        if (also == NULL || mx_wish_has(also, e.type, e.state_key))
            add_id(s, ids, e.event_id);
    for (size_t k = 0; !wish->all && k < wish->n; k++) {
        struct mx_pair p = wish->v[k];
        if (p.key.s != NULL) {
            if (also == NULL || mx_wish_has(also, p.type, p.key))
                add_id(s, ids, mx_state_get(r->state, p.type, p.key));
            continue;
        }
        for (size_t i = 0; mx_state_next_of(r->state, p.type, &i, &e);)
            if (also == NULL || mx_wish_has(also, e.type, e.state_key))
                add_id(s, ids, e.event_id);
    }
}

/* ---- members who were sent lazily before ---- */

struct lookup {
    struct mx_sliding_member *members;
    int64_t *seen;
    size_t n, cap;
};

static void look_for(struct mx_sliding *s, struct lookup *l, struct gg_str room_id, const struct gg_map *users)
{
    struct gg_str user;
    void *value;
    for (size_t i = 0; gg_map_next(users, &i, &user, &value);) {
        if (l->n == l->cap) {
            size_t cap = l->cap != 0 ? l->cap * 2 : 64;
            struct mx_sliding_member *members = GG_NEW_ARRAY(s->arena, struct mx_sliding_member, cap);
            if (l->n > 0)
                memcpy(members, l->members, l->n * sizeof(*members));
            l->members = members;
            l->cap = cap;
        }
        l->members[l->n++] = (struct mx_sliding_member){room_id, gg_arena_str(s->arena, user)};
    }
}

static bool compares(const struct mx_sliding_room *r)
{
    return shows_state(r) && !r->initial && r->known != NULL && r->known->config != NULL;
}

/* The user whose list is asked: explicit, lazy and changed members. */
static void look_for_room(struct mx_sliding *s, struct lookup *l, const struct mx_sliding_room *r,
                          const struct gg_map *explicit)
{
    struct gg_map *users = mx_text_set(s->arena);
    struct gg_str user;
    void *value;
    for (size_t i = 0; gg_map_next(explicit, &i, &user, &value);)
        mx_text_add(users, user);
    for (size_t i = 0; gg_map_next(r->lazy_users, &i, &user, &value);)
        mx_text_add(users, user);
    for (size_t i = 0; i < r->n_changed; i++)
        if (gg_str_eq(r->changed[i].type, MX_MEMBER))
            mx_text_add(users, r->changed[i].key);
    look_for(s, l, r->entry->room->room_id, users);
}

/* ---- what the connection remembers ---- */

static void remember_config(struct mx_sliding *s, const struct mx_sliding_room *r,
                            const struct mx_required_news *turned)
{
    const struct mx_room_config *before = r->known != NULL ? r->known->config : NULL;
    bool turn = turned != NULL && turned->remember;
    bool shorter = before != NULL && r->limited && before->timeline_limit > r->config->timeline_limit;
    if (before != NULL && !r->expanded && !shorter && !turn)
        return;
    const struct mx_room_config *config = r->config;
    if (turn) {
        struct mx_room_config *own = GG_NEW(s->arena, struct mx_room_config);
        *own = (struct mx_room_config){r->config->timeline_limit, turned->now};
        config = own;
    }
    mx_connection_change(&s->news, s->news_by_id, s->connection, r->entry->room->room_id, s->arena)->config = config;
}

/* Members that the timeline needed. */
static void remember_members(struct mx_sliding *s, const struct mx_sliding_room *r, const struct gg_map *seen)
{
    struct gg_str user;
    void *value;
    int64_t now = gg_wall_ms();
    for (size_t i = 0; r->lazy && gg_map_next(r->lazy_users, &i, &user, &value);) {
        const int64_t *at = seen != NULL ? gg_map_get(seen, user) : NULL;
        if (at == NULL || now - *at >= MX_SLIDING_LAZY_AGAIN_MS)
            mx_connection_member(&s->news, false, r->entry->room->room_id, gg_arena_str(s->arena, user), s->arena);
    }
}

static void remember_set(struct mx_sliding *s, const struct mx_sliding_room *r, bool stale, const struct gg_map *users)
{
    struct gg_str user;
    void *value;
    for (size_t i = 0; gg_map_next(users, &i, &user, &value);)
        if (stale || !gg_map_has(r->lazy_users, user))
            mx_connection_member(&s->news, stale, r->entry->room->room_id, gg_arena_str(s->arena, user), s->arena);
}

/* lookup [first, end): the room's. */
static void turn_room(struct mx_sliding *s, struct mx_sliding_room *r, const struct lookup *l, size_t first, size_t end,
                      struct ids *ids)
{
    struct gg_map *sent = mx_text_set(s->arena);
    struct mx_required_news news;
    for (size_t i = first; i < end; i++)
        if (l->seen[i] >= 0)
            gg_map_put(sent, l->members[i].user_id, &l->seen[i]);
    const struct mx_required_turn turn = {.me = s->user_id,
                                          .before = &r->known->config->required,
                                          .asked = &r->config->required,
                                          .lazy_sent = sent,
                                          .lazy_wanted = r->lazy_users,
                                          .changed = r->changed,
                                          .n_changed = r->n_changed};
    mx_required_turn(&turn, s->arena, &news);
    add_state(s, r, &news.more, &r->wish, ids);
    remember_config(s, r, &news);
    remember_members(s, r, sent);
    remember_set(s, r, true, news.stale);
    remember_set(s, r, false, news.had);
}

static void collect(struct mx_sliding *s, struct mx_sliding_room *r, const struct lookup *l, size_t *at,
                    struct ids *ids)
{
    size_t first = *at;
    while (*at < l->n && gg_str_eq(l->members[*at].room_id, r->entry->room->room_id))
        ++*at;
    for (size_t i = 0; !r->initial && i < r->n_changed; i++)
        if (r->changed_ids[i].s != NULL && mx_wish_has(&r->wish, r->changed[i].type, r->changed[i].key))
            add_id(s, ids, r->changed_ids[i]);
    if (compares(r)) {
        turn_room(s, r, l, first, *at, ids);
        return;
    }
    if (r->initial)
        add_state(s, r, &r->wish, NULL, ids);
    remember_config(s, r, NULL);
    remember_members(s, r, NULL);
}

/* The ids of all rooms are read at once; ends[i]: those of room i end there. */
static int load(struct mx_sliding *s, const struct ids *ids, const size_t *ends, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, ids->n + 1);
    int rc = mx_store_events(s->server, ids->v, ids->n, false, s->arena, events, err);
    for (size_t i = 0, at = 0; rc == 0 && i < s->n_rooms; at = ends[i++]) {
        struct mx_sliding_room *r = s->rooms[i];
        r->required = &events[at];
        for (size_t k = at; k < ends[i]; k++)
            if (events[k] != NULL && events[k]->meta.rejected.s == NULL)
                r->required[r->n_required++] = events[k];
    }
    return rc;
}

int mx_sliding_state(struct mx_sliding *s, struct gg_error *err)
{
    struct lookup l = {0};
    struct ids ids = {.seen = mx_text_set(s->arena)};
    size_t *ends = GG_NEW_ARRAY(s->arena, size_t, s->n_rooms + 1), at = 0;
    for (size_t i = 0; i < s->n_rooms; i++) {
        struct mx_sliding_room *r = s->rooms[i];
        if (!shows_state(r))
            continue;
        struct gg_map *explicit = mx_text_set(s->arena);
        make_wish(s, r, explicit);
        if (compares(r))
            look_for_room(s, &l, r, explicit);
    }
    l.seen = GG_NEW_ARRAY(s->arena, int64_t, l.n + 1);
    int rc = mx_connection_lazy_seen(s->server, s->connection, s->position, l.members, l.n, s->arena, l.seen, err);
    for (size_t i = 0; rc == 0 && i < s->n_rooms; i++) {
        if (rc == 0)
            collect(s, s->rooms[i], &l, &at, &ids);
        ends[i] = ids.n;
    }
    return rc != 0 ? rc : load(s, &ids, ends, err);
}
