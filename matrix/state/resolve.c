/* resolve.c: state resolution (specification, room versions "State resolution"): what is in conflict, which algorithm,
 * and the result. */
#include "resolve.h"

struct differing {
    struct resolution *r;
    struct gg_map *keys; /* "type NUL state_key" of every conflict */
    size_t cap;
    bool absence; /* is "has none" a value of its own? */
};

static bool in_all_alike(const struct resolution *r, struct gg_str type, struct gg_str state_key, bool absence)
{
    struct gg_str first = {NULL, 0};
    for (size_t i = 0; i < r->n_maps; i++) {
        struct gg_str id = mx_state_get(r->maps[i], type, state_key);
        if (!id.s && absence)
            return false;
        if (id.s && first.s && !gg_str_eq(id, first))
            return false;
        first = id.s ? id : first;
    }
    return true;
}

static void collect_ids(struct resolution *r, struct conflict *c)
{
    c->ids = GG_NEW_ARRAY(r->arena, struct gg_str, r->n_maps);
    for (size_t i = 0; i < r->n_maps; i++) {
        struct gg_str id = mx_state_get(r->maps[i], c->type, c->state_key);
        bool known = !id.s;
        for (size_t k = 0; k < c->n_ids && !known; k++)
            known = gg_str_eq(c->ids[k], id);
        if (!known)
            c->ids[c->n_ids++] = id;
    }
}

static bool note_difference(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    struct differing *d = arg;
    struct resolution *r = d->r;
    const struct mx_state_entry *e = a ? a : b;
    const char *joined = gg_arena_printf(r->arena, "%.*s%c%.*s", GG_FMT(e->type), 0, GG_FMT(e->state_key));
    struct gg_str key = gg_strn(joined, e->type.n + 1 + e->state_key.n);
    if (gg_map_has(d->keys, key))
        return true;
    gg_map_put(d->keys, key, NULL);
    if (in_all_alike(r, e->type, e->state_key, d->absence)) {
        /* only some maps have it, and all those the same: it stands (version 1 of the algorithm) */
        mx_state_set(r->unconflicted, e->type, e->state_key, e->event_id);
        return true;
    }
    if (r->n_conflicts == d->cap) {
        struct conflict *more = GG_NEW_ARRAY(r->arena, struct conflict, d->cap ? d->cap * 2 : 32);
        if (r->n_conflicts)
            memcpy(more, r->conflicts, r->n_conflicts * sizeof(*more));
        r->conflicts = more;
        d->cap = d->cap ? d->cap * 2 : 32;
    }
    r->conflicts[r->n_conflicts] = (struct conflict){.type = e->type, .state_key = e->state_key};
    collect_ids(r, &r->conflicts[r->n_conflicts++]);
    return true;
}

/* Splits the maps into the unconflicted map and the conflicts. As cheap as what the maps do not share. */
static void separate(struct resolution *r)
{
    struct differing d = {.r = r, .keys = gg_map_new(NULL), .absence = r->version->state_res != MX_STATE_RES_V1};
    r->unconflicted = mx_state_copy(r->maps[0]);
    for (size_t i = 1; i < r->n_maps; i++)
        mx_state_diff(r->maps[0], r->maps[i], note_difference, &d);
    for (size_t i = 0; i < r->n_conflicts; i++)
        mx_state_delete(r->unconflicted, r->conflicts[i].type, r->conflicts[i].state_key);
    gg_map_free(d.keys);
}

struct auth_view {
    struct resolution *r;
    const struct mx_event *event;
    bool use_own;
};

static const struct mx_event *accepted(const struct mx_event *e)
{
    return e && !e->meta.rejected.s ? e : NULL;
}

static const struct mx_event *look_up(void *arg, struct gg_str type, struct gg_str state_key)
{
    const struct auth_view *v = arg;
    const struct mx_resolve_io *io = v->r->io;
    struct gg_str id = mx_state_get(v->r->resolved, type, state_key);
    const struct mx_event *e = id.s ? accepted(io->event(io->arg, id)) : NULL;
    for (size_t i = v->event->n_auth; !e && v->use_own && i-- > 0;) {
        const struct mx_event *own = accepted(io->event(io->arg, v->event->auth_events[i]));
        if (own && own->state_key.s && gg_str_eq(own->type, type) && gg_str_eq(own->state_key, state_key))
            e = own;
    }
    return e;
}

bool resolve_allows(struct resolution *r, const struct mx_event *event, bool use_own)
{
    struct auth_view view = {r, event, use_own};
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_event *create = look_up(&view, GG_STR("m.room.create"), GG_STR(""));
    /* Rejected events stay out, as with Synapse: their status cannot change in the database. The specification would
     * admit those that only failed against the state before them. */
    return !event->meta.rejected.s && mx_auth_check(event, create, look_up, &view, &err) == 0;
}

/* What the algorithm chose for keys that were in conflict, or that only auth events brought up, over the unconflicted
 * map, which wins. */
static struct mx_state *overlay(struct resolution *r)
{
    struct mx_state *out = mx_state_copy(r->unconflicted);
    struct mx_state_entry e;
    for (size_t i = 0; mx_state_next(r->resolved, &i, &e);)
        if (!mx_state_get(r->unconflicted, e.type, e.state_key).s)
            mx_state_set(out, e.type, e.state_key, e.event_id);
    return out;
}

static struct mx_state *run(struct resolution *r)
{
    struct mx_state *out;
    if (!r->n_conflicts)
        return mx_state_ref(r->unconflicted);
    if (r->version->state_res == MX_STATE_RES_V1) {
        r->resolved = mx_state_copy(r->unconflicted);
        resolve_v1(r);
    } else {
        r->resolved = r->version->state_res == MX_STATE_RES_V2 ? mx_state_copy(r->unconflicted) : mx_state_new();
        resolve_v2(r);
    }
    out = overlay(r);
    mx_state_unref(r->resolved);
    return out;
}

int mx_resolve(const struct mx_room_version *version, const struct mx_state *const *maps, size_t n,
               const struct mx_resolve_io *io, struct mx_state **out, struct gg_error *err)
{
    struct resolution r = {.version = version, .maps = maps, .n_maps = n, .io = io};
    if (version->state_res < MX_STATE_RES_V1 || version->state_res > MX_STATE_RES_V2_1)
        return gg_fail(err, GG_E_INTERNAL, "Room version %s: unknown state resolution %d", version->id,
                       version->state_res);
    if (n == 0) {
        *out = mx_state_new();
        return 0;
    }
    r.arena = gg_arena_new();
    separate(&r);
    *out = run(&r);
    mx_state_unref(r.unconflicted);
    gg_arena_free(r.arena);
    return 0;
}
