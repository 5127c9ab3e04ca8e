/* matrix/federation/hosts.c: which servers are in a room.
 *
 * Kept for each room beside the members that it was counted from: the members are a map that shares what does not
 * change, so the next count is the last one and the difference of two maps. The hosts of a former state (of a state
 * group) are the present ones and the difference of the two states. */
#include "federation/hosts.h"

#include "federation/host_set.h"
#include "heads/heads.h"
#include "parts.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>

enum { COUNTS_BYTES = 32 << 20, AT_JOIN_BYTES = 1 << 20, EVENTS_AT_ONCE = 200 };

struct mx_fed_hosts_part {
    struct mx_cache *counts;  /* room id -> struct counted */
    struct mx_cache *at_join; /* room id -> struct mx_host_set */
};

struct counted {
    int refs;
    struct mx_state *members; /* of a head: (membership, user id) -> event id */
    struct mx_host_set *hosts;
    int64_t strangers; /* members of other servers, whatever their membership */
};

static void counted_unref(void *value)
{
    struct counted *counted = value;
    if (--counted->refs)
        return;
    mx_state_unref(counted->members);
    mx_host_set_unref(counted->hosts);
    free(counted);
}

static void unref_set(void *set)
{
    mx_host_set_unref(set);
}

static struct mx_fed_hosts_part *part_of(const struct mx_server *server)
{
    return server->fed_hosts;
}

static void lend(struct mx_host_set *set, struct gg_arena *arena, struct mx_fed_hosts *out)
{
    gg_arena_defer(arena, unref_set, mx_host_set_ref(set));
    *out = (struct mx_fed_hosts){set->names, set->n};
}

/* ---- changes, gathered ---- */

struct changes {
    struct gg_arena *arena;
    struct mx_host_change *v;
    size_t n, cap;
};

static void add_change(struct changes *c, struct gg_str user_id, int64_t by)
{
    struct gg_str domain = mx_id_domain(user_id);
    if (domain.s == NULL)
        return;
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        struct mx_host_change *more = GG_NEW_ARRAY(c->arena, struct mx_host_change, c->cap);
        if (c->n > 0)
            memcpy(more, c->v, c->n * sizeof(*more));
        c->v = more;
    }
    c->v[c->n++] = (struct mx_host_change){domain, by};
}

/* ---- the current state ---- */

struct count {
    struct changes joined;
    const struct mx_server *server;
    int64_t strangers;
};

static void count_member(struct count *c, const struct mx_state_entry *e, int64_t by)
{
    if (gg_str_is(e->type, "join"))
        add_change(&c->joined, e->state_key, by);
    c->strangers += mx_is_mine(c->server, e->state_key) ? 0 : by;
}

static bool member_moved(void *arg, const struct mx_state_entry *old, const struct mx_state_entry *now)
{
    if (old == NULL || now == NULL)
        count_member(arg, old != NULL ? old : now, now != NULL ? 1 : -1);
    return true;
}

/* One reference. last: an earlier count of the room, or NULL. */
static struct counted *count_anew(const struct mx_server *server, const struct mx_held_head *held, const struct counted *last)
{
    struct count c = {{.arena = gg_arena_new()}, server, last != NULL ? last->strangers : 0};
    struct counted *now = gg_xcalloc(1, sizeof(*now));
    struct mx_state_entry e;
    if (last != NULL)
        mx_state_diff(last->members, held->members, member_moved, &c);
    else
        for (size_t i = 0; mx_state_next(held->members, &i, &e);)
            count_member(&c, &e, 1);
    struct mx_host_set *before = last != NULL ? last->hosts : NULL;
    *now = (struct counted){1, mx_state_ref(held->members), NULL, c.strangers};
    now->hosts = before != NULL && c.joined.n == 0 ? mx_host_set_ref(before) : mx_host_set_changed(before, c.joined.v, c.joined.n);
    gg_arena_free(c.joined.arena);
    return now;
}

/* One reference. */
static struct counted *count(struct mx_server *server, const struct mx_head *head)
{
    const struct mx_held_head *held = mx_held_head(head);
    struct mx_cache *cache = part_of(server)->counts;
    struct counted *last = mx_cache_get(cache, head->room_id);
    if (last != NULL && last->members == held->members) {
        last->refs++;
        return last;
    }
    struct counted *now = count_anew(server, held, last);
    now->refs++; /* the cache's own */
    mx_cache_put(cache, head->room_id, now, sizeof(*now) + now->hosts->bytes + mx_state_bytes(now->members), mx_cache_tick(cache));
    return now;
}

/* One reference. */
static struct mx_host_set *present(struct mx_server *server, const struct mx_head *head)
{
    struct counted *counted = count(server, head);
    struct mx_host_set *hosts = mx_host_set_ref(counted->hosts);
    counted_unref(counted);
    return hosts;
}

bool mx_fed_hosts_never_others(struct mx_server *server, const struct mx_head *head)
{
    struct counted *counted = count(server, head);
    bool never = counted->strangers == 0 && head->n_joined > 0;
    counted_unref(counted);
    return never;
}

void mx_fed_hosts_of_head(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                          struct mx_fed_hosts *out)
{
    struct mx_host_set *hosts = present(server, head);
    lend(hosts, arena, out);
    mx_host_set_unref(hosts);
}

/* ---- rooms that we know in part ---- */

static const struct gg_stmt select_at_join = {"SELECT server_name FROM partial_state_rooms_servers WHERE room_id = $1",
                                              GG_LANE_POINT};

int mx_fed_hosts_at_join(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                         struct mx_fed_hosts *out, struct gg_error *err)
{
    struct mx_cache *cache = part_of(server)->at_join;
    struct mx_host_set *held = mx_cache_get(cache, room_id);
    if (held != NULL) {
        lend(held, arena, out);
        return 0;
    }
    struct gg_rows *rows;
    uint64_t tick = mx_cache_tick(cache);
    int rc = gg_db_read(server->db, &select_at_join, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (rc != 0)
        return rc;
    size_t n = gg_rows_count(rows);
    struct mx_host_change *names = GG_NEW_ARRAY(arena, struct mx_host_change, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = (struct mx_host_change){gg_rows_str(rows, i, 0), 1};
    held = mx_host_set_changed(NULL, names, n);
    lend(held, arena, out);
    mx_cache_put(cache, room_id, held, held->bytes, tick);
    return 0;
}

bool mx_fed_hosts_complete(const struct mx_server *server, struct gg_str room_id)
{
    const struct mx_host_set *held = mx_cache_get(part_of(server)->at_join, room_id);
    return held != NULL && held->n == 0;
}

int mx_fed_hosts_in_room(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                         struct mx_fed_hosts *out, struct gg_error *err)
{
    const struct mx_head *head;
    struct mx_fed_hosts first = {0};
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_fed_hosts_at_join(server, room_id, arena, &first, err);
    if (rc != 0)
        return rc;
    mx_fed_hosts_of_head(server, head, arena, out);
    if (first.n == 0)
        return 0;
    struct mx_host_change *all = GG_NEW_ARRAY(arena, struct mx_host_change, first.n + out->n);
    for (size_t i = 0; i < first.n + out->n; i++)
        all[i] = (struct mx_host_change){i < first.n ? first.names[i] : out->names[i - first.n], 1};
    struct mx_host_set *both = mx_host_set_changed(NULL, all, first.n + out->n);
    lend(both, arena, out);
    mx_host_set_unref(both);
    return 0;
}

/* ---- a former state ---- */

struct former {
    struct changes changes;
    const struct mx_held_head *held;
    struct gg_str *events; /* members of the former state that the present one has not */
    size_t n, cap;
};

static void add_event(struct former *f, struct gg_str event_id)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        struct gg_str *more = GG_NEW_ARRAY(f->changes.arena, struct gg_str, f->cap);
        if (f->n > 0)
            memcpy(more, f->events, f->n * sizeof(*more));
        f->events = more;
    }
    f->events[f->n++] = event_id;
}

static bool member_differs(void *arg, const struct mx_state_entry *now, const struct mx_state_entry *then)
{
    struct former *f = arg;
    const struct mx_state_entry *e = now != NULL ? now : then;
    if (!gg_str_is(e->type, "m.room.member"))
        return true;
    if (now != NULL && mx_state_get(f->held->members, GG_STR("join"), e->state_key).s != NULL)
        add_change(&f->changes, e->state_key, -1);
    if (then != NULL)
        add_event(f, then->event_id);
    return true;
}

/* Who was joined then: their own events say. Chunk by chunk, as a state long ago may differ in everybody. */
static int add_joined_then(struct mx_server *server, struct former *f, struct gg_error *err)
{
    const struct mx_event *events[EVENTS_AT_ONCE];
    for (size_t i = 0; i < f->n; i += EVENTS_AT_ONCE) {
        size_t n = f->n - i < EVENTS_AT_ONCE ? f->n - i : EVENTS_AT_ONCE;
        struct gg_arena *arena = gg_arena_new();
        int rc = mx_store_events(server, f->events + i, n, true, arena, events, err);
        for (size_t k = 0; rc == 0 && k < n; k++)
            if (events[k] != NULL && gg_str_is(events[k]->membership, "join"))
                add_change(&f->changes, gg_arena_str(f->changes.arena, events[k]->state_key), 1);
        gg_arena_free(arena);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mx_fed_hosts_of_state(struct mx_server *server, const struct mx_head *head, const struct mx_state *state,
                          struct gg_arena *arena, struct mx_fed_hosts *out, struct gg_error *err)
{
    struct former f = {.changes = {.arena = gg_arena_new()}, .held = head != NULL ? mx_held_head(head) : NULL};
    struct mx_host_set *now = head != NULL ? present(server, head) : NULL;
    struct mx_state_entry e;
    if (head != NULL)
        mx_state_diff(head->state, state, member_differs, &f);
    else
        for (size_t i = 0; mx_state_next_of(state, GG_STR("m.room.member"), &i, &e);)
            add_event(&f, e.event_id);
    int rc = add_joined_then(server, &f, err);
    if (rc == 0) {
        struct mx_host_set *then = mx_host_set_changed(now, f.changes.v, f.changes.n);
        lend(then, arena, out);
        mx_host_set_unref(then);
    }
    mx_host_set_unref(now);
    gg_arena_free(f.changes.arena);
    return rc;
}

int mx_fed_hosts_of_group(struct mx_server *server, const struct mx_head *head, int64_t group, struct gg_arena *arena,
                          struct mx_fed_hosts *out, struct gg_error *err)
{
    const struct mx_state *state;
    if (head != NULL && group != 0 && group == head->group) {
        mx_fed_hosts_of_head(server, head, arena, out);
        return 0;
    }
    int rc = mx_store_group_state(server, group, arena, &state, err);
    return rc != 0 ? rc : mx_fed_hosts_of_state(server, head, state, arena, out, err);
}

/* ---- asking ---- */

bool mx_fed_hosts_has(const struct mx_fed_hosts *hosts, struct gg_str name)
{
    size_t low = 0, high = hosts->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gg_str_cmp(hosts->names[middle], name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool mx_fed_hosts_others(const struct mx_server *server, const struct mx_fed_hosts *hosts)
{
    return hosts->n > 1 || (hosts->n == 1 && !gg_str_is(hosts->names[0], server->name));
}

/* ---- the part ---- */

static void forget_room(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_fed_hosts_part *part = self;
    if (n > 0)
        mx_cache_drop(part->at_join, keys[0]);
    else
        mx_cache_clear(part->at_join);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_fed_hosts_part *part = server->fed_hosts = gg_xcalloc(1, sizeof(*part));
    part->counts = mx_cache_new(server, &(struct mx_cache_def){"federation_hosts", COUNTS_BYTES, counted_unref});
    part->at_join = mx_cache_new(
        server, &(struct mx_cache_def){"_get_partial_state_servers_at_join", AT_JOIN_BYTES, unref_set});
    mx_caches_on(server, "is_partial_state_room", forget_room, part);
    return 0;
}

static void free_part(struct mx_server *server)
{
    struct mx_fed_hosts_part *part = part_of(server);
    if (part == NULL)
        return;
    mx_cache_clear(part->counts);
    mx_cache_clear(part->at_join);
    free(part);
    server->fed_hosts = NULL;
}

const struct mx_part mx_part_fed_hosts = {"federation hosts", make, NULL, NULL, free_part};
