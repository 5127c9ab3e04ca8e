/* db/lane.h: one lane and its callers' statements, for lane.c and lane_call.c. */
#ifndef GANGLION_HOST_DB_LANE_H
#define GANGLION_HOST_DB_LANE_H

#include "db/db.h"

struct gg_db_lane {
    struct gg_db *db;
    struct gg_lanes *group;
    size_t kind;
    struct gg_conn *conn; /* NULL: not connected */
    struct gg_list queue; /* calls that were not sent yet */
    size_t n_queued;
    bool wanted, stopping, flush_due, flushing;
    struct gg_cond work, flushed;
    struct gg_fiber *fiber;
    struct gg_timer *watch;
};

/* One caller's statement; freed by whoever is last: the caller or the wire. */
struct gg_lane_call {
    struct gg_op op;
    struct gg_db_lane *lane;
    const struct gg_param *params; /* the caller's: valid while `waited` */
    size_t n_params;
    struct gg_cond cond;
    PGresult *result; /* also a failed one */
    struct gg_error err;
    int code;         /* when there is no result */
    bool waited;      /* the caller is there */
    bool done;        /* the caller has its answer */
    bool held;        /* the lane has it, queued or sent */
    bool solo;        /* must be in a group of its own */
    struct gg_list twins;        /* reads that ask the same, and are not sent (lane_twins.c) */
    struct gg_list twin;         /* its place among them */
    struct gg_lane_call *leader; /* NULL: it is sent itself */
    uint8_t tries;
};

static inline bool gg_lane_writes(const struct gg_db_lane *lane)
{
    return lane->kind == GG_LANES_WRITE;
}

static inline size_t gg_lane_load(const struct gg_db_lane *lane)
{
    return lane->n_queued + (lane->conn ? lane->conn->n_sent : 0);
}

/* ---- lane.c ---- */

/* Has the lane's fiber running; false when there can be none. */
bool gg_lane_start(struct gg_db_lane *lane);
/* Sent at the end of this turn, or once the lane is connected. */
void gg_lane_queue(struct gg_db_lane *lane, struct gg_lane_call *call);
/* Goes on connecting, though nobody waits. */
void gg_lane_want(struct gg_db_lane *lane);
void gg_lane_call_free(struct gg_lane_call *call);

/* ---- lane_twins.c ---- */

/* Makes call the twin of one that waits to be sent and asks the same. False: there is none. */
bool gg_lane_find_twin(const struct gg_lanes *group, struct gg_lane_call *call);
/* The rows are those of all twins. */
void gg_lane_tell_twins(struct gg_lane_call *call, const PGresult *result);
/* The call ends without rows for them: they ask themselves. Or it is a twin and goes. */
void gg_lane_part_twins(struct gg_lane_call *call);

#endif
