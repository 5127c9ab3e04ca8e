/* matrix/sliding/roster.c: the rooms of a user in the order of their newest activity. */
#include "sliding/roster.h"

#include "sliding/part.h"
#include "sync/changes.h"
#include "userdata/ignored.h"

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

enum { CACHE_BYTES = 32 << 20, FEW = 8 /* changes that are sorted in one by one */ };

struct base {
    struct mx_roster_base shown; /* first */
    int refs;
    struct gg_arena *arena; /* holds rooms, labels, and text of facts */
};

struct roster {
    struct mx_roster shown; /* first */
    int refs;
    struct base *base;
    uint64_t seq; /* of the log of changed rooms, up to which the facts are known */
    struct mx_room_facts *facts;
    uint32_t *order;
};

static void base_unref(struct base *base)
{
    if (--base->refs > 0)
        return;
    gg_map_free(base->shown.places);
    gg_arena_free(base->arena);
    free(base);
}

static void roster_unref(void *value)
{
    struct roster *r = value;
    if (--r->refs > 0)
        return;
    base_unref(r->base);
    free(r->facts);
    free(r->order);
    free(r);
}

void mx_rosters_make(struct mx_server *server)
{
    server->sliding->rosters =
        mx_cache_new(server, &(struct mx_cache_def){"sliding_sync_rosters", CACHE_BYTES, roster_unref});
}

static struct roster *roster_new(struct base *base, uint64_t seq)
{
    struct roster *r = gg_xcalloc(1, sizeof(*r));
    r->refs = 1;
    r->base = base;
    base->refs++;
    r->seq = seq;
    r->facts = gg_xcalloc(base->shown.n + 1, sizeof(*r->facts));
    r->order = gg_xcalloc(base->shown.n + 1, sizeof(*r->order));
    r->shown = (struct mx_roster){&base->shown, r->facts, r->order, 0};
    return r;
}

static const struct mx_roster *lend(struct roster *r, struct gg_arena *arena)
{
    r->refs++;
    gg_arena_defer(arena, roster_unref, r);
    return &r->shown;
}

static void keep(struct mx_server *server, struct gg_str user_id, struct roster *r)
{
    size_t bytes =
        sizeof(*r) + sizeof(*r->base) + gg_arena_used(r->base->arena) + r->base->shown.n * (sizeof(*r->facts) + 100);
    r->refs++;
    mx_cache_put(server->sliding->rosters, user_id, r, bytes, mx_cache_tick(server->sliding->rosters));
}

/* ---- anew ---- */

static bool among(const struct gg_str *users, size_t n, struct gg_str user_id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(users[i], user_id))
            return true;
    return false;
}

/* May the room stand in lists? Rooms that the user left themselves do not, nor whose invitation is ignored. */
static bool listed(const struct mx_user_room *room, struct gg_str user_id, const struct gg_str *ignored,
                   size_t n_ignored)
{
    if (room->version == NULL || room->forgotten)
        return false;
    if (gg_str_is(room->membership, "leave") && gg_str_eq(room->sender, user_id))
        return false;
    return !gg_str_is(room->membership, "invite") || !among(ignored, n_ignored, room->sender);
}

static int base_make(struct mx_server *server, struct gg_str user_id, struct base **out, struct gg_error *err)
{
    struct base *base = gg_xcalloc(1, sizeof(*base));
    base->refs = 1;
    base->arena = gg_arena_new();
    base->shown.id = ++server->sliding->bases;
    base->shown.places = gg_map_new(NULL);
    int rc = mx_heads_rooms_of(server, user_id, base->arena, &base->shown.rooms, &base->shown.n, err);
    if (rc == 0)
        rc = mx_room_labels(server, user_id, base->arena, &base->shown.labels, err);
    for (size_t i = 0; rc == 0 && i < base->shown.n; i++)
        gg_map_put(base->shown.places, base->shown.rooms[i].room_id, (void *)(uintptr_t)(i + 1));
    if (rc == 0)
        *out = base;
    else
        base_unref(base);
    return rc;
}

static int by_activity(const void *a, const void *b, void *facts)
{
    int64_t x = ((const struct mx_room_facts *)facts)[*(const uint32_t *)a].activity;
    int64_t y = ((const struct mx_room_facts *)facts)[*(const uint32_t *)b].activity;
    return (x < y) - (x > y);
}

/* Facts of some rooms, their text held by the base. */
static int read_facts(struct mx_server *server, struct gg_str user_id, struct roster *r, const uint32_t *places,
                      size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_user_room **rooms = GG_NEW_ARRAY(arena, const struct mx_user_room *, n + 1);
    struct mx_room_facts *facts = GG_NEW_ARRAY(arena, struct mx_room_facts, n + 1);
    for (size_t i = 0; i < n; i++)
        rooms[i] = &r->base->shown.rooms[places[i]];
    int rc = mx_room_facts(server, user_id, rooms, n, false, arena, facts, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct gg_str type = r->facts[places[i]].type;
        r->facts[places[i]] = facts[i];
        r->facts[places[i]].name = (struct gg_str){0};
        if (facts[i].type.s != NULL) /* a room's type stays as it is: mostly the text is there */
            r->facts[places[i]].type =
                type.s != NULL && gg_str_eq(type, facts[i].type) ? type : gg_arena_str(r->base->arena, facts[i].type);
    }
    gg_arena_free(arena);
    return rc;
}

static int build(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct roster **out,
                 struct gg_error *err)
{
    const struct gg_str *ignored;
    size_t n_ignored;
    uint64_t seq = mx_changes_seq(server->room_changes);
    struct base *base;
    int rc = base_make(server, user_id, &base, err);
    if (rc != 0)
        return rc;
    struct roster *r = roster_new(base, seq);
    base_unref(base);
    rc = mx_ignored_users(server, user_id, arena, &ignored, &n_ignored, err);
    for (size_t i = 0; rc == 0 && i < base->shown.n; i++)
        if (listed(&base->shown.rooms[i], user_id, ignored, n_ignored))
            r->order[r->shown.n_order++] = (uint32_t)i;
    if (rc == 0)
        rc = read_facts(server, user_id, r, r->order, r->shown.n_order, err);
    if (rc == 0 && r->shown.n_order > 0)
        qsort_r(r->order, r->shown.n_order, sizeof(*r->order), by_activity, r->facts);
    if (rc == 0)
        *out = r;
    else
        roster_unref(r);
    return rc;
}

/* ---- with what happened since ---- */

struct changed {
    const struct roster *roster;
    uint32_t *places;
    size_t n, cap;
    bool *noted; /* by place */
    struct gg_arena *arena;
};

static void note_changed(void *arg, struct gg_str room_id)
{
    struct changed *c = arg;
    size_t place = (size_t)(uintptr_t)gg_map_get(c->roster->base->shown.places, room_id);
    if (place == 0 || c->noted[place - 1])
        return;
    c->noted[place - 1] = true;
    c->places[c->n++] = (uint32_t)(place - 1);
}

/* One that has become newer, to its place. */
static void move_up(struct roster *r, uint32_t place)
{
    size_t at = 0, to = 0;
    while (at < r->shown.n_order && r->order[at] != place)
        at++;
    if (at == r->shown.n_order)
        return;
    while (to < at && r->facts[r->order[to]].activity > r->facts[place].activity)
        to++;
    memmove(&r->order[to + 1], &r->order[to], (at - to) * sizeof(*r->order));
    r->order[to] = place;
}

static int advance(struct mx_server *server, struct gg_str user_id, const struct roster *old, const struct changed *c,
                   uint64_t seq, struct roster **out, struct gg_error *err)
{
    struct roster *r = roster_new(old->base, seq);
    memcpy(r->facts, old->facts, old->base->shown.n * sizeof(*r->facts));
    memcpy(r->order, old->order, old->shown.n_order * sizeof(*r->order));
    r->shown.n_order = old->shown.n_order;
    int rc = read_facts(server, user_id, r, c->places, c->n, err);
    for (size_t i = 0; rc == 0 && c->n <= FEW && i < c->n; i++)
        move_up(r, c->places[i]);
    if (rc == 0 && c->n > FEW)
        qsort_r(r->order, r->shown.n_order, sizeof(*r->order), by_activity, r->facts);
    if (rc == 0)
        *out = r;
    else
        roster_unref(r);
    return rc;
}

/* *out NULL: what is kept is out of date. */
static int refresh(struct mx_server *server, struct gg_str user_id, struct roster *old, struct gg_arena *arena,
                   struct roster **out, struct gg_error *err)
{
    struct changed c = {.roster = old, .arena = arena};
    uint64_t seq = mx_changes_seq(server->room_changes);
    *out = NULL;
    if (seq == old->seq) {
        old->refs++;
        *out = old;
        return 0;
    }
    c.places = GG_NEW_ARRAY(arena, uint32_t, old->base->shown.n + 1);
    c.noted = GG_NEW_ARRAY(arena, bool, old->base->shown.n + 1);
    if (!mx_changes_replay(server->room_changes, old->seq, note_changed, &c))
        return 0;
    if (c.n > 0)
        return advance(server, user_id, old, &c, seq, out, err);
    old->seq = seq; /* nothing of it was the user's: the same as if it had been read now */
    old->refs++;
    *out = old;
    return 0;
}

int mx_roster_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, const struct mx_roster **out,
                  struct gg_error *err)
{
    const struct mx_user_room *rooms;
    const struct mx_room_labels *labels;
    size_t n;
    struct roster *r = NULL;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    if (rc == 0)
        rc = mx_room_labels(server, user_id, arena, &labels, err);
    if (rc != 0)
        return rc;
    struct roster *old = mx_cache_get(server->sliding->rosters, user_id);
    bool fits = old != NULL && old->base->shown.rooms == rooms && old->base->shown.labels == labels;
    if (fits) {
        (void)lend(old, arena); /* reading may let others replace it */
        rc = refresh(server, user_id, old, arena, &r, err);
    }
    if (rc == 0 && r == NULL)
        rc = build(server, user_id, arena, &r, err);
    if (rc != 0)
        return rc;
    *out = lend(r, arena);
    if (r != old)
        keep(server, user_id, r);
    roster_unref(r);
    return 0;
}

const struct mx_user_room *mx_roster_room(const struct mx_roster *roster, struct gg_str room_id, size_t *place)
{
    size_t at = (size_t)(uintptr_t)gg_map_get(roster->base->places, room_id);
    if (at == 0)
        return NULL;
    *place = at - 1;
    return &roster->base->rooms[at - 1];
}
