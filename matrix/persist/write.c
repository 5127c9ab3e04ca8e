/* matrix/persist/write.c: one transaction for the plans of many rooms: ids, locks, rows, outcome. */
#include <ganglion/log.h>
#include <ganglion/metrics.h>
#include <stdio.h>
#include <stdlib.h>

#include "announce.h"
#include "fill.h"
#include "writer.h"

static struct gg_logger logger = {"ganglion.persist"};

static struct gg_metric metric_events = {
    "synapse_storage_events_persisted_events", "Events that were written", GG_COUNTER, {0}};
static struct gg_metric metric_commits = {
    "ganglion_persist_commits", "Transactions that wrote events", GG_COUNTER, {"result"}};

/* The rooms must be there, and stay. */
static const struct gg_stmt lock_rooms = {
    "SELECT room_id, pg_current_xact_id()::text FROM rooms WHERE room_id = ANY($1) ORDER BY room_id FOR SHARE",
    GG_LANE_POINT};

/* The state groups that the events name must be there, and a pending deletion of them is put off; both hold until the
 * rows that name them are committed. Who deletes a group locks its row and deletes its pending row in one transaction, so
 * one of the two waits for the other and then fails: on the group that is gone, or on the pending row that has another
 * number. The rows of state_groups_persisting bridge the time between Synapse's several transactions, of which there is
 * none here (tests/interop/test_state_deletion.py). */
static const struct gg_stmt lock_groups = {
    "WITH bump AS (UPDATE state_groups_pending_deletion SET sequence_number = DEFAULT, insertion_ts = $2"
    " WHERE state_group = ANY($1) RETURNING 1),"
    " held AS (SELECT id FROM state_groups WHERE id = ANY($1) FOR KEY SHARE)"
    " SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM bump)",
    GG_LANE_POINT};

static const struct gg_stmt uncensor = {
    "UPDATE redactions SET have_censored = false WHERE redacts = ANY($1) RETURNING redacts", GG_LANE_POINT};

static const struct gg_stmt in_progress = {"SELECT pg_xact_status($1::text::xid8) = 'in progress'", GG_LANE_POINT};
static const struct gg_stmt is_written = {
    "SELECT EXISTS (SELECT 1 FROM events WHERE stream_ordering = $1 AND event_id = $2)", GG_LANE_POINT};

struct ids {
    int64_t *all; /* of every try, since each must be finished */
    size_t n, cap;
    size_t n_last; /* of the last try: the end of all */
};

struct commit {
    struct mx_persister *persister;
    struct mx_server *server;
    struct mx_plan **plans;
    size_t n;
    struct gg_arena *arena;
    struct ids events, backfill;
    struct mx_forget forget;
    struct gg_str *rooms;
    size_t n_rooms;
    int64_t *groups;
    size_t n_groups;
    struct gg_str xid; /* of the last try */
};

/* ---- ids ---- */

static int draw(struct commit *c, struct gg_stream *stream, struct ids *ids, size_t n, struct gg_txn *txn,
                struct gg_error *err)
{
    ids->n_last = 0;
    if (!n)
        return 0;
    if (ids->n + n > ids->cap) {
        ids->cap = (ids->n + n) * 2;
        int64_t *more = GG_NEW_ARRAY(c->arena, int64_t, ids->cap);
        if (ids->n)
            memcpy(more, ids->all, ids->n * sizeof(*more));
        ids->all = more;
    }
    int status = gg_stream_allocate(stream, txn, n, ids->all + ids->n, err);
    if (!status) {
        ids->n += n;
        ids->n_last = n;
    }
    return status;
}

static bool takes_id(const struct mx_planned *p)
{
    return p->fate == MX_FATE_NEW || p->fate == MX_FATE_EX_OUTLIER;
}

static size_t count_ids(const struct commit *c, bool backfilled)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->plans[i]->backfilled != backfilled)
            continue;
        for (size_t k = 0; k < c->plans[i]->n; k++)
            n += takes_id(&c->plans[i]->events[k]);
        n += c->plans[i]->wants_state_id;
    }
    return n;
}

/* Every plan gets its ids in order: a room's events are consecutive. */
static void hand_out(struct commit *c)
{
    const int64_t *live = c->events.all + c->events.n - c->events.n_last;
    const int64_t *back = c->backfill.all + c->backfill.n - c->backfill.n_last;
    for (size_t i = 0; i < c->n; i++) {
        struct mx_plan *plan = c->plans[i];
        const int64_t **next = plan->backfilled ? &back : &live;
        for (size_t k = 0; k < plan->n; k++)
            if (takes_id(&plan->events[k]))
                plan->events[k].stream = *(*next)++;
        if (plan->wants_state_id)
            plan->state_id = *(*next)++;
    }
}

/* ---- the transaction ---- */

static int by_str(const void *a, const void *b)
{
    return gg_str_cmp(*(const struct gg_str *)a, *(const struct gg_str *)b);
}

static int by_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Is it written by this very transaction? */
static bool is_new_group(const struct mx_plan *plan, int64_t group)
{
    for (size_t i = 0; i < plan->n; i++)
        for (size_t k = 0; k < plan->events[i].item->n_new_groups; k++)
            if (plan->events[i].item->new_groups[k].id == group)
                return true;
    return false;
}

/* Rooms and groups, each once and sorted: two transactions lock in one order. */
static void find_locks(struct commit *c)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < c->n; i++)
        total += c->plans[i]->n * 2;
    c->rooms = GG_NEW_ARRAY(c->arena, struct gg_str, c->n);
    c->groups = GG_NEW_ARRAY(c->arena, int64_t, total + 1);
    for (size_t i = 0; i < c->n; i++) {
        c->rooms[c->n_rooms++] = c->plans[i]->room_id;
        for (size_t k = 0; k < c->plans[i]->n; k++) {
            const struct mx_persist_item *item = c->plans[i]->events[k].item;
            if (item->group && !is_new_group(c->plans[i], item->group))
                c->groups[n++] = item->group;
            if (item->group_before && !is_new_group(c->plans[i], item->group_before))
                c->groups[n++] = item->group_before;
        }
    }
    qsort(c->rooms, c->n_rooms, sizeof(*c->rooms), by_str);
    qsort(c->groups, n, sizeof(*c->groups), by_i64);
    for (size_t i = 0; i < n; i++)
        if (!c->n_groups || c->groups[c->n_groups - 1] != c->groups[i])
            c->groups[c->n_groups++] = c->groups[i];
}

static int lock(struct commit *c, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_rows *rooms, *groups = NULL;
    int status =
        gg_txn_queue_rows(txn, &lock_rooms, GG_PARAMS(gg_p_texts(c->rooms, c->n_rooms)), c->arena, &rooms, err);
    if (!status && c->n_groups)
        status =
            gg_txn_queue_rows(txn, &lock_groups, GG_PARAMS(gg_p_i64s(c->groups, c->n_groups), gg_p_i64(gg_wall_ms())),
                              c->arena, &groups, err);
    if (!status)
        status = draw(c, c->server->events, &c->events, count_ids(c, false), txn, err);
    if (!status)
        status = draw(c, c->server->backfill, &c->backfill, count_ids(c, true), txn, err);
    if (!status && c->forget.n)
        status = mx_forget_write(&c->forget, txn, err);
    if (!status)
        status = gg_txn_flush(txn, err);
    if (status)
        return status;
    if (gg_rows_count(rooms) != c->n_rooms)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room");
    c->xid = gg_rows_str(rooms, 0, 1);
    if (groups && gg_rows_i64(groups, 0, 0) != (int64_t)c->n_groups)
        return gg_fail(err, GG_E_CONFLICT, "a state group of the event was deleted meanwhile");
    hand_out(c);
    return 0;
}

static void take_redacted(struct commit *c, const struct gg_rows *rows)
{
    for (size_t r = 0; r < gg_rows_count(rows); r++)
        for (size_t i = 0; i < c->n; i++)
            for (size_t k = 0; k < c->plans[i]->n; k++)
                if (gg_str_eq(c->plans[i]->events[k].event->event_id, gg_rows_str(rows, r, 0)))
                    c->plans[i]->events[k].redacted_before = true;
}

/* Redactions that came before what they redact. */
static int run_uncensor(struct commit *c, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_rows *rows;
    size_t total = 0, n = 0;
    for (size_t i = 0; i < c->n; i++)
        total += c->plans[i]->n;
    struct gg_str *ids = GG_NEW_ARRAY(c->arena, struct gg_str, total + 1);
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->plans[i]->n; k++)
            if (c->plans[i]->events[k].fate == MX_FATE_NEW && !c->plans[i]->events[k].local)
                ids[n++] = c->plans[i]->events[k].event->event_id;
    int status = n ? gg_txn_exec(txn, &uncensor, GG_PARAMS(gg_p_texts(ids, n)), c->arena, &rows, err) : 0;
    if (!status && n)
        take_redacted(c, rows);
    return status;
}

static int write_all(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct commit *c = arg;
    struct mx_rowset tables[MX_T_COUNT];
    int status = lock(c, txn, err);
    if (status)
        return status;
    for (size_t t = 0; t < MX_T_COUNT; t++)
        mx_rowset_begin(&tables[t], &mx_tables[t], c->arena);
    for (size_t i = 0; i < c->n; i++)
        mx_fill_plan(tables, c->plans[i], c->arena);
    for (size_t t = 0; t < MX_T_COUNT && !status; t++)
        status = mx_rowset_queue(&tables[t], txn, err);
    return status ? status : run_uncensor(c, txn, err); /* else COMMIT travels with the rows */
}

enum outcome { COMMITTED, ABORTED, UNKNOWN };

/* Failures after which asking again makes sense: the database is away. */
static bool is_away(int status)
{
    return status == GG_E_UNAVAILABLE || status == GG_E_CLOSED || status == GG_E_TIMEOUT || status == GG_E_IN_DOUBT ||
           status == GG_E_IO;
}

/* An event that only this try can have written under its id; NULL: none. */
static const struct mx_planned *find_witness(const struct commit *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->plans[i]->n; k++)
            if (c->plans[i]->events[k].fate == MX_FATE_NEW)
                return &c->plans[i]->events[k];
    return NULL;
}

/* Once the transaction has ended its rows tell, not its id: after a crash of the database an id whose rows never reached
 * the disk is given out again, and "committed" is then said of another's transaction (or that the id is in the future).
 * Without a witness it counts as not done: such a plan may be written twice. */
static int ask_outcome(struct commit *c, bool *ended, bool *committed, struct gg_error *err)
{
    const struct mx_planned *witness = find_witness(c);
    struct gg_rows *rows;
    int status = gg_db_read(c->server->db, &in_progress, GG_PARAMS(gg_p_str(c->xid)), c->arena, &rows, err);
    *ended = status ? strcmp(gg_db_sqlstate(), "22023") == 0 : !gg_rows_bool(rows, 0, 0);
    *committed = false;
    if (!*ended || !witness)
        return *ended ? 0 : status;
    status = gg_db_read(c->server->db, &is_written,
                        GG_PARAMS(gg_p_i64(witness->stream), gg_p_str(witness->event->event_id)), c->arena, &rows, err);
    *committed = !status && gg_rows_bool(rows, 0, 0);
    return status;
}

/* COMMIT was sent and the connection was lost. Asks until it is known what became of it: nobody may be told anything
 * before. */
static int look_up_outcome(struct commit *c, struct gg_error *err)
{
    for (int64_t pause = 20;; pause = pause < 1000 ? pause * 2 : 1000) {
        struct gg_error again = GG_ERROR_INIT;
        bool ended, committed;
        int status = ask_outcome(c, &ended, &committed, &again);
        if (!status && ended) {
            gg_warn(&logger, "a commit was in doubt: %s", committed ? "it was done" : "it was not");
            return committed ? COMMITTED : ABORTED;
        }
        if (status && !is_away(status)) {
            *err = again;
            return UNKNOWN;
        }
        if (gg_sleep(pause)) {
            (void)gg_fail(err, GG_E_UNAVAILABLE, "the outcome of a commit is not known");
            return UNKNOWN;
        }
    }
}

enum { DOUBTS = 5 };

/* Runs the transaction until its outcome is certain. */
static int commit_surely(struct commit *c, char *sqlstate, struct gg_error *err)
{
    for (int doubts = 0;; doubts++) {
        int status = gg_db_txn(c->server->db, "persist_events", 0, write_all, c, err);
        snprintf(sqlstate, 6, "%s", status ? gg_db_sqlstate() : "");
        if (status != GG_E_IN_DOUBT)
            return status;
        int outcome = look_up_outcome(c, err);
        if (outcome == COMMITTED)
            return 0;
        if (outcome == UNKNOWN || doubts == DOUBTS)
            return gg_fail(err, GG_E_UNAVAILABLE, "the database was lost while events were written");
        memset(err, 0, sizeof(*err));
    }
}

static void finish_ids(struct commit *c, bool committed)
{
    size_t live = committed ? c->events.n - c->events.n_last : c->events.n;
    size_t back = committed ? c->backfill.n - c->backfill.n_last : c->backfill.n;
    if (live)
        gg_stream_finish(c->server->events, c->events.all, live);
    if (back)
        gg_stream_finish(c->server->backfill, c->backfill.all, back);
    mx_forget_end(&c->forget, committed);
    if (committed)
        mx_announce(c->server, c->plans, c->n, c->events.all + live, c->events.n_last, c->backfill.all + back,
                    c->backfill.n_last, c->arena);
}

int mx_write_plans(struct mx_persister *p, struct mx_plan **plans, size_t n, char *sqlstate, struct gg_error *err)
{
    struct commit c = {.persister = p, .server = p->server, .plans = plans, .n = n, .arena = gg_arena_new()};
    size_t n_events = 0;
    mx_forget_begin(&c.forget, c.server, c.arena);
    for (size_t i = 0; i < n; i++) {
        mx_fill_forget(&c.forget, plans[i]);
        n_events += plans[i]->n;
    }
    find_locks(&c);
    int status = commit_surely(&c, sqlstate, err);
    finish_ids(&c, status == 0);
    gg_metric_add(&metric_commits, 1, GG_LABELS(status ? "failed" : "done"));
    if (!status)
        gg_metric_add(&metric_events, (double)n_events, NULL);
    gg_arena_free(c.arena);
    return status;
}
