/* matrix/federation/gap.c: fills the gap before an event that was sent to us: missing events, each at its place. */
#include "federation/gap.h"
#include "federation/client.h"
#include "federation/fetch.h"
#include "federation/receive.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

enum {
    PREV_MAX = 20, /* references of one event (server-server API, "PDUs") */
    AUTH_MAX = 10,
    LIMIT = 10,        /* missing events that are asked for, */
    LOOKED_AT = 20,    /* and of an answer looked at */
    STATES = 10,       /* states that are asked of origin for one event */
    GAP_BYTES = 4 * 1024 * 1024
};
#define ASK_MS INT64_C(60000)

bool mx_fed_sane(const struct mx_event *event, const char **why)
{
    size_t implied = event->version->room_id_is_hash && event->n_auth ? 1 : 0; /* the create event */
    *why = event->n_prev > PREV_MAX                ? "Too many prev_events"
           : event->n_auth - implied > AUTH_MAX ? "Too many auth_events"
                                                   : NULL;
    return *why == NULL;
}

int mx_fed_is_settled(struct mx_server *server, const struct mx_event *event, bool *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_event *held;
    int rc = mx_store_events(server, &event->event_id, 1, true, arena, &held, err);
    *out = rc == 0 && held && (!held->meta.outlier || held->meta.rejected.s);
    gg_arena_free(arena);
    return rc;
}

int mx_fed_missing_prevs(struct mx_server *server, const struct mx_event *event, struct gg_str *missing, size_t *n_out,
                         struct gg_error *err)
{
    int64_t groups[PREV_MAX];
    *n_out = 0;
    if (event->n_prev > PREV_MAX)
        return gg_fail(err, GG_E_INVALID, "too many prev_events");
    int rc = event->n_prev ? mx_store_state_groups_of(server, event->prev_events, event->n_prev, groups, err) : 0;
    for (size_t i = 0; rc == 0 && i < event->n_prev; i++)
        if (!groups[i])
            missing[(*n_out)++] = event->prev_events[i];
    return rc;
}

static const struct gg_stmt insert_failed = {
    "INSERT INTO event_failed_pull_attempts (room_id, event_id, num_attempts, last_attempt_ts, last_cause)"
    " VALUES ($1, $2, 1, $3, $4) ON CONFLICT (room_id, event_id) DO UPDATE SET"
    " num_attempts = event_failed_pull_attempts.num_attempts + 1, last_attempt_ts = EXCLUDED.last_attempt_ts,"
    " last_cause = EXCLUDED.last_cause",
    GG_LANE_POINT};

void mx_fed_pull_failed(struct mx_server *server, struct gg_str room_id, struct gg_str event_id, const char *cause)
{
    struct gg_error err = GG_ERROR_INIT;
    if (gg_db_write(server->db, &insert_failed,
                    GG_PARAMS(gg_p_str(room_id), gg_p_str(event_id), gg_p_i64(gg_wall_ms()), gg_p_text(cause)), NULL, NULL,
                    &err) &&
        !gg_cancelled())
        gg_warn(&logger, "noting that %.*s could not be had: %s", GG_FMT(event_id), err.message);
}

/* ---- asking ---- */

static const struct gg_stmt select_depth = {"SELECT COALESCE(min_depth, 0) FROM room_depth WHERE room_id = $1",
                                            GG_LANE_POINT};

static int lowest_depth(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, int64_t *out,
                        struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_depth, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0;
    return rc;
}

static void add_id(struct gg_buf *out, struct gg_str id, size_t *n)
{
    if ((*n)++)
        gg_buf_char(out, ',');
    gg_buf_json_string(out, id);
}

/* What we have: the ends of our graph, and those of its prev_events that we hold. */
static void write_question(struct gg_buf *out, const struct mx_event *event, const struct mx_head *head,
                           const struct gg_str *missing, size_t n_missing, int64_t min_depth)
{
    size_t n = 0;
    gg_buf_printf(out, "{\"limit\":%d,\"min_depth\":%lld,\"latest_events\":[", LIMIT, (long long)min_depth);
    gg_buf_json_string(out, event->event_id);
    gg_buf_lit(out, "],\"earliest_events\":[");
    for (size_t i = 0; i < head->n_extremities; i++)
        add_id(out, head->extremities[i], &n);
    for (size_t i = 0; i < event->n_prev; i++) {
        bool lacks = false;
        for (size_t k = 0; k < n_missing && !lacks; k++)
            lacks = gg_str_eq(missing[k], event->prev_events[i]);
        if (!lacks)
            add_id(out, event->prev_events[i], &n);
    }
    gg_buf_lit(out, "]}");
}

static int ask(struct mx_server *server, const char *origin, const struct mx_event *event, struct gg_str question,
               struct gg_arena *arena, const struct mx_event ***out, size_t *n_out, struct gg_error *err)
{
    const char *room = gg_arena_strndup(arena, event->room_id.s, event->room_id.n);
    struct mx_fed_request rq = {.destination = origin,
                                .method = "POST",
                                .path = mx_fed_path(arena, "/_matrix/federation/v1/get_missing_events/%s", room),
                                .body = question,
                                .timeout_ms = ASK_MS,
                                .max_answer = GAP_BYTES};
    struct gg_error why = GG_ERROR_INIT;
    struct gg_str body;
    *n_out = 0;
    if (mx_fed_call(server, &rq, arena, &body, &why)) {
        gg_info(&logger, "%s does not tell what is missing before %.*s: %s", origin, GG_FMT(event->event_id), why.message);
        return gg_cancelled() ? gg_fail(err, GG_E_CANCELLED, "stopping") : 0;
    }
    return mx_fed_checked_list(server, event->room_id, event->version, mx_json_get(body, "events"), LOOKED_AT, arena, out,
                               n_out, err);
}

/* ---- placing ---- */

struct pulling {
    struct mx_server *server;
    const char *origin;
    unsigned n_states; /* asked so far */
};

/* The states after all its prev_events, some told by origin, resolved. */
static int state_before(struct pulling *p, const struct mx_event *event, const struct gg_str *missing, size_t n_missing,
                        struct gg_arena *arena, const struct mx_state **out, struct gg_error *err)
{
    int64_t groups[PREV_MAX];
    const struct mx_state *maps[PREV_MAX];
    size_t n = 0;
    int rc = mx_store_state_groups_of(p->server, event->prev_events, event->n_prev, groups, err);
    for (size_t i = 0; rc == 0 && i < event->n_prev; i++)
        if (groups[i])
            rc = mx_store_group_state(p->server, groups[i], arena, &maps[n++], err);
    for (size_t i = 0; rc == 0 && i < n_missing; i++) {
        if (p->n_states++ >= STATES)
            return gg_fail(err, GG_E_NOT_FOUND, "too many gaps");
        rc = mx_fed_remote_state_after(p->server, p->origin, event->room_id, event->version, missing[i], arena, &maps[n++],
                                       err);
    }
    if (rc == 0 && n > 1)
        return mx_store_resolve(p->server, event->room_id, event->version, maps, n, arena, out, err);
    *out = maps[0];
    return rc;
}

static int place(struct pulling *p, const struct mx_event *event, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str missing[PREV_MAX];
    struct mx_fed_place at = {0};
    struct mx_fed_verdict verdict;
    const char *why;
    size_t n;
    bool settled;
    if (!mx_fed_sane(event, &why))
        return gg_fail(err, GG_E_INVALID, "%s", why);
    int rc = mx_fed_is_settled(p->server, event, &settled, err);
    if (rc || settled)
        return rc;
    rc = mx_fed_missing_prevs(p->server, event, missing, &n, err);
    if (rc == 0 && n)
        rc = state_before(p, event, missing, n, arena, &at.before, err);
    return rc ? rc : mx_fed_accept(p->server, p->origin, event, &at, arena, &verdict, err);
}

/* What is the fault of an event, or of who told of it, says nothing of the next one. */
static bool is_ours(int status)
{
    return status == GG_E_UNAVAILABLE || status == GG_E_CANCELLED || status == GG_E_CLOSED || status == GG_E_IO ||
           status == GG_E_TIMEOUT || status == GG_E_NOMEM || status == GG_E_IN_DOUBT;
}

static int place_all(struct pulling *p, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct gg_arena *arena = gg_arena_new();
        rc = place(p, events[i], arena, err);
        gg_arena_free(arena);
        if (rc == 0 || is_ours(rc))
            continue;
        gg_info(&logger, "event %.*s that %s told of is not taken: %s", GG_FMT(events[i]->event_id), p->origin, err->message);
        mx_fed_pull_failed(p->server, events[i]->room_id, events[i]->event_id, err->message);
        memset(err, 0, sizeof(*err));
        rc = 0;
    }
    return rc;
}

static int by_depth(const void *a, const void *b)
{
    const struct mx_event *x = *(const struct mx_event *const *)a, *y = *(const struct mx_event *const *)b;
    return x->depth != y->depth ? (x->depth < y->depth ? -1 : 1) : gg_str_cmp(x->event_id, y->event_id);
}

int mx_fed_fill_gap(struct mx_server *server, const char *origin, const struct mx_event *event, struct gg_arena *arena,
                    struct gg_error *err)
{
    struct pulling p = {server, origin, 0};
    struct gg_buf question = GG_BUF_INIT;
    struct gg_str missing[PREV_MAX];
    const struct mx_head *head;
    const struct mx_event **events;
    size_t n_missing, n;
    int64_t min_depth;
    int rc = lowest_depth(server, event->room_id, arena, &min_depth, err);
    if (rc || event->depth <= min_depth)
        return rc; /* it is older than all that we have: there is nothing between */
    rc = mx_fed_missing_prevs(server, event, missing, &n_missing, err);
    if (rc || !n_missing || (rc = mx_heads_extremities(server, event->room_id, arena, &head, err)))
        return rc;
    write_question(&question, event, head, missing, n_missing, min_depth);
    rc = ask(server, origin, event, gg_buf_view(&question), arena, &events, &n, err);
    gg_buf_done(&question);
    if (rc || !n)
        return rc;
    qsort(events, n, sizeof(*events), by_depth);
    return place_all(&p, events, n, err);
}
