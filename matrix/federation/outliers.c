/* matrix/federation/outliers.c: events without a place in the graph: the state and auth events that others cite.
 *
 * Auth events come first: nodes wait for those that they cite among the given ones, and what never becomes ready (a
 * circle, or something that cannot be had) is left out. Nothing is recursive; the writer gets it in chunks. */
#include "federation/fetch.h"
#include "federation/place.h"
#include "federation/receive.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

enum {
    CHUNK = 100,        /* events handed to the writer at once */
    JUDGED_A_TURN = 50, /* events judged before others run */
    ASKED = 200,        /* events that are asked of origin, */
    ROUNDS = 20         /* in so many rounds: who lies about a chain is not followed for ever */
};

struct node;
struct wait {
    struct node *who;
    struct wait *next;
};
struct node {
    const struct mx_event *event;
    bool given;           /* to be stored; else it is held */
    bool broken;          /* cites what is not to be had */
    size_t n_waits;       /* cited nodes that are not judged yet */
    struct wait *waiting; /* who waits for this one */
};

struct storing {
    struct mx_server *server;
    const char *origin;
    struct gg_str room_id;
    const struct mx_room_version *version;
    struct gg_arena *arena;
    struct gg_map *nodes; /* event id -> struct node */
    struct gg_map *asked; /* event ids that origin was asked for */
    size_t n_asked;
    struct node **ready;
    size_t n_ready, n_judged, n_given;
    struct mx_persist_item *items;
    size_t n_items, n_written;
};

static void unref_event(void *event)
{
    mx_event_unref(event);
}

/* ---- what is held ---- */

static struct node *add_node(struct storing *s, const struct mx_event *event, bool given)
{
    struct node *node = GG_NEW(s->arena, struct node);
    node->event = event;
    node->given = given;
    gg_map_put(s->nodes, event->event_id, node);
    return node;
}

static int take_given(struct storing *s, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    bool *held = GG_NEW_ARRAY(s->arena, bool, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = events[i]->event_id;
    int rc = mx_fed_are_held(s->server, ids, n, s->arena, held, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (held[i] || gg_map_has(s->nodes, ids[i]) || !gg_str_eq(events[i]->room_id, s->room_id))
            continue;
        (void)add_node(s, events[i], true);
        s->n_given++;
    }
    return rc;
}

/* The auth events that are cited and not given, each once. */
static struct gg_str *cited_elsewhere(struct storing *s, size_t *n_out)
{
    struct gg_map *seen = gg_map_new(NULL);
    void *value;
    for (size_t i = 0; gg_map_next(s->nodes, &i, NULL, &value);) {
        const struct node *node = value;
        for (size_t k = 0; k < node->event->n_auth && node->given; k++)
            if (!gg_map_has(s->nodes, node->event->auth_events[k]))
                gg_map_put(seen, node->event->auth_events[k], NULL);
    }
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, gg_map_count(seen) + 1), id;
    size_t n = 0;
    for (size_t i = 0; gg_map_next(seen, &i, &id, NULL);)
        ids[n++] = gg_arena_str(s->arena, id);
    gg_map_free(seen);
    *n_out = n;
    return ids;
}

/* Those that nobody holds here are asked of origin, each once. */
static int fetch_cited(struct storing *s, const struct gg_str *ids, size_t n, size_t *n_got, struct gg_error *err)
{
    struct gg_str *wanted = GG_NEW_ARRAY(s->arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    size_t n_wanted = 0;
    *n_got = 0;
    for (size_t i = 0; i < n && s->n_asked < ASKED; i++) {
        if (gg_map_has(s->asked, ids[i]) || !mx_event_id_valid(ids[i]))
            continue;
        gg_map_put(s->asked, ids[i], NULL);
        wanted[n_wanted++] = ids[i];
        s->n_asked++;
    }
    int rc = n_wanted ? mx_fed_fetch_events(s->server, s->origin, s->room_id, s->version, wanted, n_wanted, s->arena, events,
                                            err)
                      : 0;
    for (size_t i = 0; rc == 0 && i < n_wanted; i++)
        if (events[i]) {
            (void)add_node(s, events[i], true);
            s->n_given++;
            ++*n_got;
        }
    return rc;
}

/* What is cited and was not given: from the database, else from origin, and what that cites in turn. */
static int load_cited(struct storing *s, struct gg_error *err)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t n, n_missing = 0, n_got = 0;
        struct gg_str *ids = cited_elsewhere(s, &n);
        const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
        int rc = n ? mx_store_events(s->server, ids, n, true, s->arena, events, err) : 0;
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (events[i])
                (void)add_node(s, events[i], false);
            else
                ids[n_missing++] = ids[i];
        }
        if (rc == 0 && n_missing && s->origin)
            rc = fetch_cited(s, ids, n_missing, &n_got, err);
        if (rc || !n_got)
            return rc;
    }
    return 0;
}

/* ---- order ---- */

static void connect(struct storing *s, struct node *node)
{
    for (size_t k = 0; k < node->event->n_auth; k++) {
        struct node *cited = gg_map_get(s->nodes, node->event->auth_events[k]);
        if (!cited) {
            node->broken = true;
        } else if (cited->given) {
            struct wait *wait = GG_NEW(s->arena, struct wait);
            *wait = (struct wait){node, cited->waiting};
            cited->waiting = wait;
            node->n_waits++;
        }
    }
}

static void connect_all(struct storing *s)
{
    void *value;
    s->ready = GG_NEW_ARRAY(s->arena, struct node *, s->n_given + 1);
    s->items = GG_NEW_ARRAY(s->arena, struct mx_persist_item, s->n_given + 1);
    for (size_t i = 0; gg_map_next(s->nodes, &i, NULL, &value);)
        if (((struct node *)value)->given)
            connect(s, value);
    for (size_t i = 0; gg_map_next(s->nodes, &i, NULL, &value);) {
        struct node *node = value;
        if (node->given && !node->broken && node->n_waits == 0)
            s->ready[s->n_ready++] = node;
    }
}

/* ---- judging ---- */

static bool is_allowed(const struct storing *s, const struct mx_event *event, struct gg_arena *scratch)
{
    struct mx_fed_auth auth = {GG_NEW_ARRAY(scratch, const struct mx_event *, event->n_auth + 1), event->n_auth, NULL};
    struct gg_error why = GG_ERROR_INIT;
    for (size_t k = 0; k < event->n_auth; k++) {
        auth.events[k] = ((struct node *)gg_map_get(s->nodes, event->auth_events[k]))->event;
        if (mx_event_is(auth.events[k], "m.room.create", ""))
            auth.create = auth.events[k];
    }
    if (!mx_auth_check_events(event, auth.events, auth.n, &why) && !mx_fed_auth_check(event, &auth, &why))
        return true;
    gg_info(&logger, "event %.*s in %.*s is rejected: %s", GG_FMT(event->event_id), GG_FMT(event->room_id), why.message);
    return false;
}

static void judge(struct storing *s, struct node *node, struct gg_arena *scratch)
{
    struct mx_event_meta meta = {.outlier = true};
    if (!is_allowed(s, node->event, scratch))
        meta.rejected = GG_STR(MX_FED_AUTH_ERROR);
    struct mx_event *event = mx_event_with_meta(node->event, &meta);
    gg_arena_defer(s->arena, unref_event, event);
    node->event = event;
    s->items[s->n_items++] = (struct mx_persist_item){.event = event, .backfilled = true, .push_known = true};
    for (struct wait *w = node->waiting; w; w = w->next)
        if (--w->who->n_waits == 0 && !w->who->broken)
            s->ready[s->n_ready++] = w->who;
}

static int write_items(struct storing *s, size_t n, struct gg_error *err)
{
    int rc = mx_persist_remote(s->server, NULL, s->room_id, s->items + s->n_written, n, s->arena, NULL, NULL, err);
    s->n_written += n;
    return rc;
}

static int store(struct storing *s, struct gg_error *err)
{
    struct gg_arena *scratch = gg_arena_new();
    int rc = 0;
    while (rc == 0 && s->n_judged < s->n_ready) {
        judge(s, s->ready[s->n_judged++], scratch);
        if (s->n_judged % JUDGED_A_TURN == 0) {
            gg_arena_reset(scratch);
            if (gg_yield())
                rc = gg_fail(err, GG_E_CANCELLED, "stopping");
        }
        if (rc == 0 && s->n_items - s->n_written == CHUNK)
            rc = write_items(s, CHUNK, err);
    }
    if (rc == 0 && s->n_items > s->n_written)
        rc = write_items(s, s->n_items - s->n_written, err);
    if (rc == 0 && s->n_items < s->n_given)
        gg_info(&logger, "%zu of %zu events in %.*s rest on what is not to be had, and are left out", s->n_given - s->n_items,
                s->n_given, GG_FMT(s->room_id));
    gg_arena_free(scratch);
    return rc;
}

int mx_fed_store_outliers(struct mx_server *server, const char *origin, struct gg_str room_id,
                          const struct mx_room_version *version, const struct mx_event *const *events, size_t n,
                          struct gg_arena *arena, struct gg_error *err)
{
    struct storing s = {.server = server, .origin = origin, .room_id = room_id, .version = version, .arena = arena};
    s.nodes = gg_map_new(NULL);
    s.asked = gg_map_new(NULL);
    int rc = n ? take_given(&s, events, n, err) : 0;
    if (rc == 0 && s.n_given)
        rc = load_cited(&s, err);
    if (rc == 0 && s.n_given) {
        connect_all(&s);
        rc = store(&s, err);
    }
    gg_map_free(s.nodes);
    gg_map_free(s.asked);
    return rc;
}
