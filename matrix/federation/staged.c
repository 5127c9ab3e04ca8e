/* matrix/federation/staged.c: one staged event finds its place, or is dropped; what others will bring again is dropped
 * when too much waits. */
#include "federation/gap.h"
#include "federation/inbound.h"
#include "federation/receive.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

#define HANDLE_MS INT64_C(300000) /* asking others included */
#define GIVE_UP_MS (INT64_C(24) * 3600 * 1000)
enum { PAGE = 200, PRUNED_FROM = 20000 };

/* Our own trouble: the database is away, or we are stopping. It passes. */
static bool passes(int status)
{
    return status == GG_E_UNAVAILABLE || status == GG_E_CANCELLED || status == GG_E_CLOSED || status == GG_E_IO ||
           status == GG_E_NOMEM || status == GG_E_IN_DOUBT;
}

/* *fresh ends when others have told us of events: this one may be among them. */
static int fill(struct mx_server *server, const char *origin, const struct mx_event *event, bool *fresh,
                struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, event->n_prev + 1);
    size_t n;
    int rc = mx_fed_missing_prevs(server, event, missing, &n, err);
    if (rc || !n)
        return rc;
    *fresh = false;
    if ((rc = mx_fed_fill_gap(server, origin, event, arena, err)) || (rc = mx_fed_missing_prevs(server, event, missing, &n, err)))
        return rc;
    if (n) {
        mx_fed_pull_failed(server, event->room_id, missing[0], "the sender does not tell of it");
        return gg_refuse(err, 403, "M_FORBIDDEN", "%s does not tell of event %.*s, which this one cites", origin, GG_FMT(missing[0]));
    }
    return 0;
}

static int take(struct mx_server *server, const char *origin, const struct mx_event *event, bool *fresh,
                struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    struct mx_fed_verdict verdict;
    const char *why;
    bool settled = false;
    if (!mx_fed_sane(event, &why))
        return gg_refuse(err, 400, "M_BAD_JSON", "%s", why);
    int rc = *fresh ? 0 : mx_fed_is_settled(server, event, &settled, err);
    if (rc || settled)
        return rc;
    if ((rc = mx_heads_get(server, event->room_id, arena, &head, err)))
        return rc;
    if (!mx_state_count(head->state))
        return mx_fed_rescinded(server, origin, event, arena, err); /* none of ours is in the room */
    if ((rc = fill(server, origin, event, fresh, arena, err)))
        return rc;
    return mx_fed_accept(server, origin, event, &(struct mx_fed_place){.fresh = *fresh}, arena, &verdict, err);
}

static int load(struct mx_server *server, struct gg_str room_id, const struct mx_staged *staged, struct mx_event **out,
                struct gg_error *err)
{
    const struct mx_room_version *version;
    int rc = mx_store_room_version(server, room_id, &version, err);
    return rc ? rc : mx_event_load(staged->json, version, staged->event_id, staged->metadata, out, err);
}

int mx_fed_handle_staged(struct mx_server *server, struct gg_str room_id, const struct mx_staged *staged,
                         bool fresh, bool *asked, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    bool was_fresh = fresh;
    struct mx_event *event = NULL;
    int64_t deadline = gg_set_deadline(gg_deadline(HANDLE_MS));
    int rc = load(server, room_id, staged, &event, err);
    if (rc == 0)
        rc = take(server, gg_arena_strndup(arena, staged->origin.s, staged->origin.n), event, &fresh, arena, err);
    *asked |= was_fresh && !fresh;
    gg_set_deadline(deadline);
    mx_event_unref(event);
    gg_arena_free(arena);
    if (rc == 0 || (passes(rc) && gg_wall_ms() - staged->received_ms < GIVE_UP_MS))
        return rc;
    gg_info(&logger, "event %.*s of %.*s is dropped: %s", GG_FMT(staged->event_id), GG_FMT(staged->origin), err->message);
    memset(err, 0, sizeof(*err));
    return 0;
}

/* ---- too much of it ---- */

struct pruning {
    struct gg_arena *arena;
    struct gg_map *cited; /* event ids that staged events stand on */
    struct mx_staged *all;
    size_t n;
};

static void take_row(struct pruning *p, const struct mx_staged *row, const struct mx_room_version *version)
{
    struct mx_event *event;
    struct gg_error err = GG_ERROR_INIT;
    if (mx_event_load(row->json, version, row->event_id, gg_strn(NULL, 0), &event, &err))
        return;
    for (size_t i = 0; i < event->n_prev; i++)
        gg_map_put(p->cited, event->prev_events[i], NULL);
    p->all[p->n++] = (struct mx_staged){.origin = gg_arena_str(p->arena, row->origin),
                                        .event_id = gg_arena_str(p->arena, row->event_id)};
    mx_event_unref(event);
}

static int read_all(struct mx_server *server, struct gg_str room_id, const struct mx_room_version *version,
                    struct pruning *p, struct gg_error *err)
{
    p->all = GG_NEW_ARRAY(p->arena, struct mx_staged, PRUNED_FROM + PAGE);
    for (size_t n = PAGE; n == PAGE && p->n < PRUNED_FROM;) {
        struct gg_arena *page = gg_arena_new();
        struct mx_staged *rows;
        size_t from = p->n;
        int rc = mx_staging_page(server, room_id, from, PAGE, page, &rows, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            take_row(p, &rows[i], version);
        gg_arena_free(page);
        if (rc || p->n < from + n)
            return rc; /* one cannot be read: it is dropped when it is its turn */
    }
    return 0;
}

/* What others stand on comes again when they are handled, as missing events or as a state; the ends stay. */
int mx_fed_prune_staged(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    struct pruning p = {.arena = gg_arena_new(), .cited = gg_map_new(NULL)};
    const struct mx_room_version *version;
    size_t n = 0;
    int rc = mx_store_room_version(server, room_id, &version, err);
    if (rc == 0)
        rc = read_all(server, room_id, version, &p, err);
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        if (gg_map_has(p.cited, p.all[i].event_id))
            p.all[n++] = p.all[i];
    if (rc == 0 && n) {
        gg_info(&logger, "%zu of %zu staged events of %.*s are dropped", n, p.n, GG_FMT(room_id));
        rc = mx_staging_remove(server, room_id, p.all, n, p.arena, err);
    }
    gg_map_free(p.cited);
    gg_arena_free(p.arena);
    return rc;
}
