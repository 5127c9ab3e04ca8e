/* resolve_v1.c: state resolution of room version 1: by depth and the SHA-1 of the event id. */
#include "resolve.h"
#include <openssl/evp.h>
#include <stdlib.h>

struct candidate {
    const struct mx_event *event;
    uint8_t sha1[20];
};

/* The deepest first; of equals the lowest hash. */
static int by_depth(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->event->depth != y->event->depth)
        return x->event->depth > y->event->depth ? -1 : 1;
    return memcmp(x->sha1, y->sha1, sizeof(x->sha1));
}

/* The conflict's events that are held and were not rejected (Synapse leaves those out), in order. */
static struct candidate *candidates(struct resolution *r, const struct conflict *c, size_t *n_out)
{
    struct candidate *list = GG_NEW_ARRAY(r->arena, struct candidate, c->n_ids);
    size_t n = 0;
    for (size_t i = 0; i < c->n_ids; i++) {
        const struct mx_event *e = r->io->event(r->io->arg, c->ids[i]);
        if (!e || e->meta.rejected.s)
            continue;
        if (EVP_Digest(c->ids[i].s, c->ids[i].n, list[n].sha1, NULL, EVP_sha1(), NULL) != 1)
            abort();
        list[n++].event = e;
    }
    qsort(list, n, sizeof(*list), by_depth);
    *n_out = n;
    return list;
}

/* "Add the first event in the list; for each subsequent one, check that it would be allowed ...; if not, stop." The
 * list is in ascending depth, so it is read from its end. */
static struct gg_str choose_auth(struct resolution *r, const struct conflict *c)
{
    size_t n;
    struct candidate *list = candidates(r, c, &n);
    struct mx_state *before = r->resolved;
    struct gg_str chosen = {NULL, 0};
    if (!n)
        return chosen;
    r->resolved = mx_state_copy(before);
    while (n-- > 0 && (!chosen.s || resolve_allows(r, list[n].event, false))) {
        chosen = list[n].event->event_id;
        mx_state_set(r->resolved, c->type, c->state_key, chosen);
    }
    mx_state_unref(r->resolved);
    r->resolved = before;
    return chosen;
}

/* The deepest that is allowed; when none is, the least deep. */
static struct gg_str choose_other(struct resolution *r, const struct conflict *c)
{
    size_t n;
    struct candidate *list = candidates(r, c, &n);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || resolve_allows(r, list[i].event, false))
            return list[i].event->event_id;
    return gg_strn(NULL, 0);
}

static bool is_of(const struct conflict *c, size_t pass)
{
    static const char *const order[] = {"m.room.power_levels", "m.room.join_rules", "m.room.member"};
    if (pass == 0 && gg_str_is(c->type, order[0]))
        return c->state_key.n == 0;
    if (pass < GG_COUNT(order))
        return gg_str_is(c->type, order[pass]);
    return !gg_str_is(c->type, order[1]) && !gg_str_is(c->type, order[2]) &&
           !(gg_str_is(c->type, order[0]) && c->state_key.n == 0);
}

/* The choices of one pass are made against what the passes before it chose. */
static void run_pass(struct resolution *r, size_t pass)
{
    struct gg_str *chosen = GG_NEW_ARRAY(r->arena, struct gg_str, r->n_conflicts);
    for (size_t i = 0; i < r->n_conflicts; i++)
        if (is_of(&r->conflicts[i], pass))
            chosen[i] = pass < 3 ? choose_auth(r, &r->conflicts[i]) : choose_other(r, &r->conflicts[i]);
    for (size_t i = 0; i < r->n_conflicts; i++)
        if (chosen[i].s)
            mx_state_set(r->resolved, r->conflicts[i].type, r->conflicts[i].state_key, chosen[i]);
}

void resolve_v1(struct resolution *r)
{
    for (size_t pass = 0; pass < 4; pass++)
        run_pass(r, pass);
}
