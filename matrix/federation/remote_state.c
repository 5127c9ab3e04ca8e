/* matrix/federation/remote_state.c: the state at an event that we do not hold, as another server tells it. */
#include "federation/client.h"
#include "federation/fetch.h"
#include "federation/gap.h"
#include "federation/inbound.h"
#include "federation/receive.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

enum {
    IDS_MAX = 250000,                   /* ids of one state and its auth chain that are looked at */
    IDS_BYTES = 32 * 1024 * 1024,       /* of the answer that holds them */
    STATE_BYTES = 100 * 1024 * 1024,    /* of the one that holds the events */
    SINGLE = 100,                       /* as many missing events are asked for one by one, more all at once */
    READ_AT_ONCE = 1000
};

struct telling {
    struct mx_server *server;
    const char *origin;
    struct gg_str room_id, event_id;
    const struct mx_room_version *version;
    struct gg_arena *arena;
    struct gg_str *state; /* ids of the state before the event */
    size_t n_state;
    struct gg_str *missing; /* ids of the state, of its auth chain and of the event itself that are not held */
    size_t n_missing;
};

/* ---- ids ---- */

static size_t most(struct gg_str list)
{
    size_t n = mx_json_is_array(list) ? mx_json_length(list) : 0;
    return n < IDS_MAX ? n : IDS_MAX;
}

static int find_missing(struct telling *t, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    bool *held = GG_NEW_ARRAY(t->arena, bool, n + 1);
    t->missing = GG_NEW_ARRAY(t->arena, struct gg_str, n + 1);
    int rc = mx_fed_are_held(t->server, ids, n, t->arena, held, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!held[i])
            t->missing[t->n_missing++] = ids[i];
    return rc;
}

static int take_ids(struct telling *t, struct gg_str body, struct gg_error *err)
{
    struct gg_str state = mx_json_get(body, "pdu_ids"), auth = mx_json_get(body, "auth_chain_ids");
    struct gg_str *ids = GG_NEW_ARRAY(t->arena, struct gg_str, most(state) + most(auth) + 2);
    struct gg_map *seen = gg_map_new(NULL);
    size_t n = t->n_state = mx_fed_ids_read(state, seen, IDS_MAX, t->arena, ids, 0);
    t->state = ids;
    n = mx_fed_ids_read(auth, seen, IDS_MAX, t->arena, ids, n);
    if (!gg_map_has(seen, t->event_id))
        ids[n++] = t->event_id;
    gg_map_free(seen);
    return find_missing(t, ids, n, err);
}

static int not_told(const struct telling *t, const struct gg_error *why, struct gg_error *err)
{
    if (gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "stopping");
    return gg_fail(err, GG_E_NOT_FOUND, "%s does not tell the state at %.*s: %s", t->origin, GG_FMT(t->event_id), why->message);
}

static int ask(struct telling *t, const char *format, size_t max, struct gg_str *body, struct gg_error *err)
{
    const char *room = gg_arena_strndup(t->arena, t->room_id.s, t->room_id.n);
    const char *id = gg_arena_strndup(t->arena, t->event_id.s, t->event_id.n);
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_text(&path, "/_matrix/federation/v1/");
    gg_buf_text(&path, format);
    gg_buf_char(&path, '/');
    gg_buf_urlencode(&path, gg_str(room));
    gg_buf_lit(&path, "?event_id=");
    gg_buf_urlencode(&path, gg_str(id));
    struct mx_fed_request rq = {.destination = t->origin, .method = "GET", .path = path.data, .max_answer = max};
    struct gg_error why = GG_ERROR_INIT;
    int rc = mx_fed_call(t->server, &rq, t->arena, body, &why);
    gg_buf_done(&path);
    return rc ? not_told(t, &why, err) : 0;
}

/* ---- events ---- */

static int fetch_single(struct telling *t, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(t->arena, const struct mx_event *, t->n_missing + 1);
    size_t n = 0;
    int rc = mx_fed_fetch_events(t->server, t->origin, t->room_id, t->version, t->missing, t->n_missing, t->arena, events, err);
    for (size_t i = 0; rc == 0 && i < t->n_missing; i++)
        if (events[i])
            events[n++] = events[i];
    return rc ? rc : mx_fed_store_outliers(t->server, t->origin, t->room_id, t->version, events, n, t->arena, err);
}

/* Of state and chain together: an event is judged by what it cites, whichever list has it. */
static int store_lists(struct telling *t, struct gg_str body, struct gg_error *err)
{
    const struct mx_event **state, **chain;
    size_t n_state, n_chain;
    int rc = mx_fed_checked_list(t->server, t->room_id, t->version, mx_json_get(body, "auth_chain"), IDS_MAX, t->arena, &chain,
                                 &n_chain, err);
    if (rc == 0)
        rc = mx_fed_checked_list(t->server, t->room_id, t->version, mx_json_get(body, "pdus"), IDS_MAX, t->arena, &state,
                                 &n_state, err);
    if (rc)
        return rc;
    const struct mx_event **all = GG_NEW_ARRAY(t->arena, const struct mx_event *, n_state + n_chain + 1);
    memcpy(all, chain, n_chain * sizeof(*all));
    memcpy(all + n_chain, state, n_state * sizeof(*all));
    return mx_fed_store_outliers(t->server, t->origin, t->room_id, t->version, all, n_state + n_chain, t->arena, err);
}

/* One such answer at a time in this process: it may be large. */
static int fetch_whole(struct telling *t, struct gg_error *err)
{
    struct gg_mutex *big = &t->server->fed_inbound->big_answers;
    struct gg_str body;
    int rc = gg_mutex_lock(big, GG_FOREVER);
    if (rc)
        return gg_fail(err, rc, "waiting to ask for a state");
    rc = ask(t, "state", STATE_BYTES, &body, err);
    if (rc == 0)
        rc = store_lists(t, body, err);
    gg_mutex_unlock(big);
    if (rc == 0) { /* the event itself is in neither list */
        t->missing[0] = t->event_id;
        t->n_missing = 1;
        rc = fetch_single(t, err);
    }
    return rc;
}

/* ---- the map ---- */

static const struct gg_stmt select_state = {
    "SELECT s.type, s.state_key, s.event_id FROM unnest($1::text[]) WITH ORDINALITY w(id, place)"
    " JOIN state_events s ON s.event_id = w.id WHERE s.room_id = $2"
    " AND NOT EXISTS (SELECT 1 FROM rejections r WHERE r.event_id = s.event_id) ORDER BY w.place",
    GG_LANE_POINT};

static void unref_state(void *state)
{
    mx_state_unref(state);
}

/* What is of this room and was not rejected; of two events for one piece of state the first. */
static int make_map(struct telling *t, struct mx_state *map, struct gg_error *err)
{
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < t->n_state; done += READ_AT_ONCE) {
        struct gg_rows *rows;
        size_t take = t->n_state - done < READ_AT_ONCE ? t->n_state - done : READ_AT_ONCE;
        rc = gg_db_read(t->server->db, &select_state, GG_PARAMS(gg_p_texts(t->state + done, take), gg_p_str(t->room_id)),
                        t->arena, &rows, err);
        for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
            if (!mx_state_get(map, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1)).s)
                mx_state_set(map, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2));
    }
    if (rc == 0 && mx_state_count(map) < t->n_state)
        gg_info(&logger, "%zu of %zu events of the state at %.*s that %s tells are of no use", t->n_state - mx_state_count(map),
                t->n_state, GG_FMT(t->event_id), t->origin);
    return rc;
}

/* The event's own change, if it is one. */
static int add_event(struct telling *t, struct mx_state *map, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_store_events(t->server, &t->event_id, 1, true, t->arena, &event, err);
    if (rc)
        return rc;
    if (!event || !gg_str_eq(event->room_id, t->room_id))
        return gg_fail(err, GG_E_NOT_FOUND, "%s does not show %.*s itself", t->origin, GG_FMT(t->event_id));
    if (mx_event_is_state(event) && !event->meta.rejected.s)
        mx_state_set(map, event->type, event->state_key, event->event_id);
    if (!mx_state_get(map, GG_STR("m.room.create"), GG_STR("")).s)
        return gg_fail(err, GG_E_NOT_FOUND, "the state at %.*s that %s tells has no create event", GG_FMT(t->event_id), t->origin);
    return 0;
}

int mx_fed_remote_state_after(struct mx_server *server, const char *origin, struct gg_str room_id,
                              const struct mx_room_version *version, struct gg_str event_id, struct gg_arena *arena,
                              const struct mx_state **out, struct gg_error *err)
{
    struct telling t = {.server = server, .origin = origin, .room_id = room_id, .event_id = event_id, .version = version};
    struct gg_str body;
    t.arena = arena;
    int rc = ask(&t, "state_ids", IDS_BYTES, &body, err);
    if (rc == 0)
        rc = take_ids(&t, body, err);
    if (rc == 0 && t.n_missing)
        rc = t.n_missing <= SINGLE ? fetch_single(&t, err) : fetch_whole(&t, err);
    if (rc)
        return rc;
    struct mx_state *map = mx_state_new();
    gg_arena_defer(arena, unref_state, map);
    if ((rc = make_map(&t, map, err)) == 0)
        rc = add_event(&t, map, err);
    *out = map;
    return rc;
}
