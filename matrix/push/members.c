/* matrix/push/members.c: the local members of rooms, kept up to date by differences. */
#include "push/members.h"

#include "heads/heads.h"

#include <ganglion/map.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/memory.h>
#include <stdlib.h>

/* Members that are made, or whose rules are read, before others run: each costs some microseconds. */
enum { AT_ONCE = 128 };

/* ---- one member ---- */

static void release_member(void *value)
{
    struct mx_push_member *m = value;
    if (--m->refs)
        return;
    mx_push_release(m->held);
    free(m);
}

/* Moves a text behind the member. */
static void keep_text(struct gg_str *text, char **at)
{
    if (!text->s)
        return;
    memcpy(*at, text->s, text->n);
    text->s = *at;
    *at += text->n;
}

/* display_name as it stands in the member event; s NULL: none. */
static struct mx_push_member *make_member(struct gg_str user_id, struct gg_str display_name, size_t *bytes)
{
    struct gg_arena *scratch = gg_arena_new();
    struct mx_push_user user = mx_push_user_of(user_id, display_name, scratch);
    struct gg_str *texts[] = {&user.user_id, &user.localpart, &user.by_user_id.text, &user.by_localpart.text,
                              &user.by_name.text};
    size_t n = 0;
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        n += texts[i]->n;
    struct mx_push_member *m = gg_xcalloc(1, sizeof(*m) + n + 1);
    char *at = (char *)(m + 1);
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        keep_text(texts[i], &at);
    m->refs = 1;
    m->user = user;
    *bytes = sizeof(*m) + n;
    gg_arena_free(scratch);
    return m;
}

static int take_rules(struct mx_server *server, struct mx_push_member *m, struct gg_error *err)
{
    struct mx_push_held *held;
    int rc = mx_push_hold(server, &m->user.user_id, 1, &held, err);
    if (rc == 0)
        m->held = held;
    return rc;
}

int mx_push_outsider(struct mx_server *server, struct gg_str user_id, struct gg_str display_name, struct gg_arena *arena,
                     struct mx_push_member **out, struct gg_error *err)
{
    size_t bytes;
    *out = make_member(user_id, display_name, &bytes);
    gg_arena_defer(arena, release_member, *out);
    return take_rules(server, *out, err);
}

/* ---- the members of a room ---- */

static struct mx_push_members *make_members(void)
{
    struct mx_push_members *members = gg_xcalloc(1, sizeof(*members));
    members->refs = 1;
    members->members = mx_state_new();
    members->map = gg_map_new(release_member);
    return members;
}

void mx_push_members_free(void *value)
{
    struct mx_push_members *members = value;
    if (--members->refs)
        return;
    mx_state_unref(members->members);
    gg_map_free(members->map);
    free(members);
}

/* ---- what differs ---- */

struct difference {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str *gone, *come, *event_ids; /* come[i] by event_ids[i] */
    size_t n_gone, n_come, cap_gone, cap_come;
};

static struct gg_str *grown(struct gg_arena *arena, struct gg_str *old, size_t n, size_t cap)
{
    struct gg_str *more = GG_NEW_ARRAY(arena, struct gg_str, cap);
    if (n)
        memcpy(more, old, n * sizeof(*old));
    return more;
}

static void note_gone(struct difference *d, struct gg_str user_id)
{
    if (d->n_gone == d->cap_gone) {
        d->cap_gone = d->cap_gone ? d->cap_gone * 2 : 16;
        d->gone = grown(d->arena, d->gone, d->n_gone, d->cap_gone);
    }
    d->gone[d->n_gone++] = gg_arena_str(d->arena, user_id);
}

static void note_come(struct difference *d, struct gg_str user_id, struct gg_str event_id)
{
    if (d->n_come == d->cap_come) {
        d->cap_come = d->cap_come ? d->cap_come * 2 : 16;
        d->come = grown(d->arena, d->come, d->n_come, d->cap_come);
        d->event_ids = grown(d->arena, d->event_ids, d->n_come, d->cap_come);
    }
    d->come[d->n_come] = gg_arena_str(d->arena, user_id);
    d->event_ids[d->n_come++] = gg_arena_str(d->arena, event_id);
}

static bool note(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    struct difference *d = arg;
    const struct mx_state_entry *e = b ? b : a;
    /* Users of bridges read elsewhere. */
    if (!gg_str_is(e->type, "join") || !mx_is_mine(d->server, e->state_key) || mx_appservices_own_user(d->server, e->state_key))
        return true;
    if (b)
        note_come(d, b->state_key, b->event_id);
    else
        note_gone(d, a->state_key);
    return true;
}

static const struct gg_stmt select_names = {
    "SELECT event_id, display_name FROM room_memberships WHERE event_id = ANY ($1::text[])", GG_LANE_POINT};

/* Of those who came, by event id. */
static int read_names(struct difference *d, struct gg_map *names, struct gg_error *err)
{
    struct gg_rows *rows;
    if (!d->n_come)
        return 0;
    int rc = gg_db_read(d->server->db, &select_names, GG_PARAMS(gg_p_texts(d->event_ids, d->n_come)), d->arena, &rows,
                        err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct gg_str *name = GG_NEW(d->arena, struct gg_str);
        *name = gg_rows_str(rows, i, 1);
        gg_map_put(names, gg_rows_str(rows, i, 0), name);
    }
    return rc;
}

/* Those who came, made with pauses: list[i] by d->come[i]. *n_out: how many there are, also after an error. */
static int make_all(const struct difference *d, const struct gg_map *names, struct mx_push_member **list, size_t *bytes_out,
                    size_t *n_out, struct gg_error *err)
{
    int rc = 0;
    *n_out = *bytes_out = 0;
    for (size_t i = 0; rc == 0 && i < d->n_come; i++) {
        const struct gg_str *name = gg_map_get(names, d->event_ids[i]);
        size_t bytes;
        list[(*n_out)++] = make_member(d->come[i], name ? *name : gg_strn(NULL, 0), &bytes);
        *bytes_out += bytes + 64; /* and its place in the map; those who leave are not taken off */
        if (i % AT_ONCE == AT_ONCE - 1 && (rc = gg_yield()) != 0)
            (void)gg_fail(err, rc, "the members of a room");
    }
    return rc;
}

/* All at once: nobody sees a map that is neither of one state nor of the other. */
static void change(struct mx_push_members *members, const struct difference *d, struct mx_push_member **come, struct mx_state *now)
{
    for (size_t i = 0; i < d->n_gone; i++)
        gg_map_delete(members->map, d->gone[i]);
    for (size_t i = 0; i < d->n_come; i++) {
        struct mx_push_member *old = gg_map_get(members->map, d->come[i]), *m = come[i];
        if (old && old->held) {
            m->held = old->held;
            m->held->refs++;
        }
        m->refs++;
        gg_map_put(members->map, d->come[i], m);
    }
    mx_state_unref(members->members);
    members->members = mx_state_ref(now);
}

/* One step towards the head; *done: nothing was missing, or nobody else changed it while names were read. */
static int follow_head(struct mx_server *server, struct mx_push_members *members, struct mx_state *now, bool *done,
                       struct gg_error *err)
{
    *done = members->members == now;
    if (*done)
        return 0;
    struct difference d = {.server = server, .arena = gg_arena_new()};
    struct gg_map *names = gg_map_new(NULL);
    struct mx_state *before = mx_state_ref(members->members);
    (void)mx_state_diff(before, now, note, &d);
    struct mx_push_member **come = GG_NEW_ARRAY(d.arena, struct mx_push_member *, d.n_come + 1);
    size_t n = 0, bytes = 0;
    int rc = read_names(&d, names, err);
    if (rc == 0)
        rc = make_all(&d, names, come, &bytes, &n, err);
    *done = rc == 0 && members->members == before;
    if (*done) {
        change(members, &d, come, now);
        members->bytes += bytes;
    }
    for (size_t i = 0; i < n; i++)
        release_member(come[i]);
    mx_state_unref(before);
    gg_map_free(names);
    gg_arena_free(d.arena);
    return rc;
}

/* ---- their rules ---- */

static size_t list_stale(struct mx_push_members *members, struct gg_str *users)
{
    struct gg_str key;
    void *value;
    size_t n = 0;
    for (size_t i = 0; gg_map_next(members->map, &i, &key, &value);) {
        const struct mx_push_member *m = value;
        if (!m->held || m->held->stale) {
            if (users)
                users[n] = m->user.user_id;
            n++;
        }
    }
    return n;
}

static void give_rules(struct mx_push_members *members, const struct gg_str *users, struct mx_push_held **held, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mx_push_member *m = gg_map_get(members->map, users[i]);
        if (!m) {
            mx_push_release(held[i]); /* has left meanwhile */
            continue;
        }
        mx_push_release(m->held);
        m->held = held[i];
        members->bytes += held[i]->bytes;
    }
}

static int refresh_rules(struct mx_server *server, struct mx_push_members *members, struct gg_error *err)
{
    size_t n = list_stale(members, NULL);
    if (!n)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, n);
    struct mx_push_held **held = GG_NEW_ARRAY(arena, struct mx_push_held *, AT_ONCE);
    n = list_stale(members, users);
    for (size_t i = 0; i < n; i++)
        users[i] = gg_arena_str(arena, users[i]); /* members may go while we read */
    int rc = 0;
    for (size_t i = 0, step; rc == 0 && i < n; i += step) {
        step = n - i < AT_ONCE ? n - i : AT_ONCE;
        rc = mx_push_hold(server, users + i, step, held, err);
        if (rc == 0)
            give_rules(members, users + i, held, step);
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- all of them, one after the other ---- */

struct list {
    struct mx_push_member **members;
    size_t n;
};

static void release_list(void *arg)
{
    struct list *list = arg;
    for (size_t i = 0; i < list->n; i++)
        release_member(list->members[i]);
}

struct mx_push_member **mx_push_members_list(const struct mx_push_members *members, const struct gg_map *without,
                                             struct gg_arena *arena, size_t *n_out)
{
    struct list *list = GG_NEW(arena, struct list);
    struct gg_str key;
    void *value;
    list->members = GG_NEW_ARRAY(arena, struct mx_push_member *, gg_map_count(members->map) + 1);
    for (size_t i = 0; gg_map_next(members->map, &i, &key, &value);)
        if (!without || !gg_map_has(without, key)) {
            ((struct mx_push_member *)value)->refs++;
            list->members[list->n++] = value;
        }
    gg_arena_defer(arena, release_list, list);
    *n_out = list->n;
    return list->members;
}

/* ---- the cache ---- */

static struct mx_push_members *find_members(struct mx_push *push, struct gg_str room_id)
{
    struct mx_push_members *members = mx_cache_get(push->rooms, room_id);
    if (members) {
        members->refs++;
        return members;
    }
    return make_members();
}

/* What the cache holds is counted anew: put again after it grew. */
static void keep_members(struct mx_push *push, struct gg_str room_id, struct mx_push_members *members, size_t before)
{
    if (mx_cache_get(push->rooms, room_id) == members && members->bytes == before)
        return;
    members->refs++;
    mx_cache_put(push->rooms, room_id, members, sizeof(*members) + members->bytes, mx_cache_tick(push->rooms));
}

enum { MAX_TRIES = 5 };

int mx_push_members_of(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                       struct mx_push_members **out, struct gg_error *err)
{
    struct mx_push_members *members = find_members(server->push, head->room_id);
    size_t before = members->bytes;
    struct mx_state *now = mx_held_head(head)->members;
    bool done = false;
    int rc = 0;
    for (int tries = 0; rc == 0 && !done && tries < MAX_TRIES; tries++)
        rc = follow_head(server, members, now, &done, err);
    if (rc == 0)
        rc = refresh_rules(server, members, err);
    if (rc) {
        mx_push_members_free(members);
        return rc;
    }
    gg_arena_defer(arena, mx_push_members_free, members);
    keep_members(server->push, head->room_id, members, before);
    *out = members;
    return 0;
}
