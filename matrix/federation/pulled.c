/* matrix/federation/pulled.c: history that we asked for finds its place: each event with the state before it, which is
 * that of its prev_events, or, where our copy ends, what the other server says it was. */
#include "federation/pulled.h"

#include "federation/gap.h"
#include "federation/keyring.h"
#include "federation/receive.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation"};

struct placing {
    struct mx_server *server;
    const char *origin;
    struct gg_str room_id;
    const struct mx_room_version *version;
    struct gg_arena *arena; /* of one event: states are large */
    size_t n_gaps;
};

/* ---- the state before an event whose prev_events we do not all hold ---- */

static int states_of_prevs(struct placing *p, const struct mx_event *event, const struct mx_state **maps, size_t *n_out,
                           struct gg_error *err)
{
    int64_t *groups = GG_NEW_ARRAY(p->arena, int64_t, event->n_prev + 1);
    size_t n = 0;
    int rc = mx_store_state_groups_of(p->server, event->prev_events, event->n_prev, groups, err);
    for (size_t i = 0; rc == 0 && i < event->n_prev; i++) {
        if (groups[i] != 0) {
            rc = mx_store_group_state(p->server, groups[i], p->arena, &maps[n++], err);
            continue;
        }
        if (p->n_gaps++ >= MX_PULLED_GAPS_MAX)
            return gg_fail(err, GG_E_LIMIT, "too many gaps in one answer");
        rc = mx_fed_remote_state_after(p->server, p->origin, p->room_id, p->version, event->prev_events[i], p->arena,
                                       &maps[n++], err);
    }
    *n_out = n;
    return rc;
}

static int accept_across(struct placing *p, const struct mx_event *event, struct mx_fed_verdict *verdict,
                         struct gg_error *err)
{
    const struct mx_state **maps = GG_NEW_ARRAY(p->arena, const struct mx_state *, event->n_prev + 1);
    struct mx_fed_place place = {.backfilled = true};
    size_t n = 0;
    int rc = states_of_prevs(p, event, maps, &n, err);
    if (rc == 0)
        place.before = maps[0];
    if (rc == 0 && n > 1)
        rc = mx_store_resolve(p->server, p->room_id, p->version, maps, n, p->arena, &place.before, err);
    return rc == 0 ? mx_fed_accept(p->server, p->origin, event, &place, p->arena, verdict, err) : rc;
}

static int place_one(struct placing *p, const struct mx_event *event, struct gg_error *err)
{
    const struct mx_fed_place place = {.backfilled = true};
    struct gg_str *missing = GG_NEW_ARRAY(p->arena, struct gg_str, event->n_prev + 1);
    struct mx_fed_verdict verdict;
    const char *why;
    size_t n_missing;
    bool settled;
    if (!mx_fed_sane(event, &why))
        return gg_fail(err, GG_E_INVALID, "%s", why);
    int rc = mx_fed_is_settled(p->server, event, &settled, err);
    if (rc != 0 || settled)
        return rc;
    rc = mx_fed_missing_prevs(p->server, event, missing, &n_missing, err);
    if (rc == 0 && n_missing > 0)
        return accept_across(p, event, &verdict, err);
    return rc == 0 ? mx_fed_accept(p->server, p->origin, event, &place, p->arena, &verdict, err) : rc;
}

/* ---- all of an answer ---- */

static int by_depth(const void *a, const void *b)
{
    const struct mx_event *x = *(const struct mx_event *const *)a, *y = *(const struct mx_event *const *)b;
    return x->depth != y->depth ? (x->depth < y->depth ? -1 : 1) : gg_str_cmp(x->event_id, y->event_id);
}

static int check(struct placing *p, struct gg_str list, size_t max, struct gg_arena *arena,
                 const struct mx_event ***out, size_t *n_out, struct gg_error *err)
{
    struct gg_str *texts = GG_NEW_ARRAY(arena, struct gg_str, max + 1);
    const struct mx_event **events = *out = GG_NEW_ARRAY(arena, const struct mx_event *, max + 1);
    const char **why = GG_NEW_ARRAY(arena, const char *, max + 1);
    struct mx_json_iter it = mx_json_iter(list);
    size_t n = 0, kept = 0;
    while (n < max && mx_json_next(&it))
        texts[n++] = it.value;
    int rc = n > 0 ? mx_fed_check_pdus(p->server, p->version, texts, n, arena, events, why, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i] == NULL)
            gg_info(&logger, "an event of the history of %.*s that %s told is left out: %s", GG_FMT(p->room_id),
                    p->origin, why[i]);
        else if (!gg_str_eq(events[i]->room_id, p->room_id))
            rc = gg_fail(err, GG_E_PROTOCOL, "%s told of %.*s, which is of another room", p->origin,
                         GG_FMT(events[i]->event_id));
        else
            events[kept++] = events[i];
    }
    *n_out = kept;
    return rc;
}

static bool is_outage(int rc)
{
    return rc == GG_E_CANCELLED || rc == GG_E_UNAVAILABLE || rc == GG_E_TIMEOUT || rc == GG_E_CLOSED;
}

static int place_all(struct placing *p, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    int rc = 0;
    p->arena = gg_arena_new();
    for (size_t i = 0; i < n && !is_outage(rc); i++) {
        struct gg_error why = GG_ERROR_INIT;
        rc = place_one(p, events[i], &why);
        if (rc != 0 && is_outage(rc)) {
            *err = why;
        } else if (rc != 0) {
            gg_info(&logger, "%.*s in %.*s has no place: %s", GG_FMT(events[i]->event_id), GG_FMT(p->room_id),
                    why.message);
            mx_fed_pull_failed(p->server, p->room_id, events[i]->event_id, why.message);
            rc = 0;
        }
        gg_arena_reset(p->arena);
    }
    gg_arena_free(p->arena);
    return rc;
}

int mx_fed_place_pulled(struct mx_server *server, const char *origin, struct gg_str room_id, struct gg_str list,
                        size_t max, struct gg_arena *arena, struct gg_error *err)
{
    struct placing p = {.server = server, .origin = origin, .room_id = room_id};
    const struct mx_event **events;
    size_t n = 0;
    int rc = mx_store_room_version(server, room_id, &p.version, err);
    if (rc == 0 && !mx_json_is_array(list))
        rc = gg_fail(err, GG_E_PROTOCOL, "the answer of %s holds no list of events", origin);
    if (rc == 0)
        rc = check(&p, list, max, arena, &events, &n, err);
    if (rc != 0)
        return rc;
    if (n > 1)
        qsort(events, n, sizeof(*events), by_depth);
    return place_all(&p, events, n, err);
}
