/* host/db/lane_call.c: the caller's side of a lane: choosing one, waiting, going away early. */
#include "db/lane.h"

#include <stdlib.h>

#include <ganglion/log.h>

/* ---- choosing a lane ---- */

/* The least loaded one; opening another costs something, more where statements
 * are short and do not stand in each other's way. */
static struct gg_db_lane *pick(const struct gg_lanes *group, size_t kind)
{
    size_t cost_of_new = kind == GG_LANE_POINT ? 8 : 1, best_cost = SIZE_MAX;
    struct gg_db_lane *best = NULL;
    for (size_t i = 0; i < group->n; i++) {
        struct gg_db_lane *lane = group->lane[i];
        bool ready = lane->conn && !lane->conn->retire;
        size_t cost = gg_lane_load(lane) + (ready ? 0 : cost_of_new);
        if (cost < best_cost) {
            best = lane;
            best_cost = cost;
        }
    }
    return best;
}

static GG_YIELDS int find_room(struct gg_db *db, size_t kind, struct gg_db_lane **lane_out, struct gg_error *err)
{
    struct gg_lanes *group = &db->lanes[kind];
    int64_t limit = gg_deadline(GG_DB_OUTAGE_GRACE_MS);
    struct gg_db_lane *lane;
    while (gg_lane_load(lane = pick(group, kind)) >= GG_DB_LANE_CAP) {
        int rc = gg_cond_wait(&group->room, limit);
        if (rc == GG_E_CANCELLED)
            return gg_fail(err, rc, "cancelled");
        if (rc)
            return gg_fail(err, GG_E_UNAVAILABLE, "too many statements wait for the database");
    }
    if (lane->stopping)
        return gg_fail(err, GG_E_CLOSED, "the database pool is closed");
    if (!lane->conn && gg_db_long_outage(db) && lane->fiber) {
        gg_lane_want(lane);
        return gg_db_unavailable(db, err);
    }
    *lane_out = lane;
    return gg_lane_start(lane) ? 0 : gg_fail(err, GG_E_UNAVAILABLE, "no fiber for a database lane");
}

/* ---- one caller ---- */

static bool on_the_wire(const struct gg_lane_call *call)
{
    if (call->leader)
        call = call->leader;
    return call->held && call->op.stage != GG_OP_QUEUED;
}

/* Takes the caller's hands off. */
static void call_leave(struct gg_lane_call *call)
{
    call->waited = false;
    if (!call->held) {
        gg_lane_call_free(call);
    } else if (call->op.stage == GG_OP_QUEUED) {
        gg_list_remove(&call->op.link);
        call->lane->n_queued--;
        gg_lane_call_free(call);
    }
}

static int give_up(struct gg_lane_call *call, int rc, struct gg_error *err)
{
    struct gg_db_lane *lane = call->lane;
    if (rc == GG_E_CANCELLED)
        return gg_fail(err, rc, "cancelled");
    if (!lane->conn)
        return gg_db_unavailable(lane->db, err);
    return gg_fail(err, rc, "the database did not answer in time");
}

/* Until the answer is there. A read may be left at any time. A write that was sent
 * is waited for, as only its answer tells what happened. */
static GG_YIELDS int call_await(struct gg_lane_call *call, struct gg_error *err)
{
    bool shielded = false, write = gg_lane_writes(call->lane);
    int64_t limit = gg_deadline(GG_DB_OUTAGE_GRACE_MS);
    int rc = 0;
    while (!call->done) {
        rc = gg_cond_wait(&call->cond, on_the_wire(call) ? GG_FOREVER : limit);
        if (rc == 0 || call->done)
            continue;
        if (on_the_wire(call) && write && !shielded) {
            gg_shield_begin();
            shielded = true;
        } else if (!on_the_wire(call) || !write) {
            break;
        }
    }
    if (shielded)
        gg_shield_end();
    return call->done ? 0 : give_up(call, rc, err);
}

static int call_result(struct gg_lane_call *call, PGresult **result_out, struct gg_error *err)
{
    if (!call->result) {
        if (call->code == GG_E_IN_DOUBT)
            return gg_fail(err, call->code, "the connection was lost while writing: %.120s",
                           call->op.variant->stmt->sql);
        if (call->err.code == 0)
            return gg_db_unavailable(call->lane->db, err);
        *err = call->err;
        return call->code;
    }
    if (PQresultStatus(call->result) == PGRES_FATAL_ERROR)
        return gg_sql_error(err, call->op.variant, call->result);
    *result_out = call->result;
    call->result = NULL;
    return 0;
}

int gg_lanes_run(struct gg_db *db, size_t kind, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 PGresult **result_out, struct gg_error *err)
{
    struct gg_db_lane *lane = NULL;
    struct gg_variant *variant = gg_stmts_get(db->stmts, stmt, params, n, err);
    if (!variant)
        return err->code;
    int rc = find_room(db, kind, &lane, err);
    if (rc)
        return rc;
    struct gg_lane_call *call = calloc(1, sizeof(*call));
    GG_ASSERT(call != NULL);
    call->op.variant = variant;
    call->lane = lane;
    call->params = params;
    call->n_params = n;
    call->waited = true;
    gg_cond_init(&call->cond);
    gg_list_init(&call->twins);
    gg_list_init(&call->twin);
    if (kind == GG_LANES_WRITE || !gg_lane_find_twin(&db->lanes[kind], call))
        gg_lane_queue(lane, call);
    rc = call_await(call, err);
    if (rc == 0)
        rc = call_result(call, result_out, err);
    call_leave(call);
    return rc;
}
