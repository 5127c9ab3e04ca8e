/* outbox.c: messages to devices that wait for what is no server's name (update cleanup_device_federation_outbox). */
#include "federation/server_name.h"
#include "updates/updates.h"

static const struct gg_stmt page = {
    "SELECT DISTINCT destination FROM device_federation_outbox WHERE destination > $1 ORDER BY destination LIMIT $2",
    GG_LANE_SCAN};
static const struct gg_stmt drop = {"DELETE FROM device_federation_outbox WHERE destination = ANY($1::text[])", 0};

struct turn {
    struct mx_update_step *step;
    struct gg_str *bad;
    size_t n_bad;
    struct gg_str last; /* s NULL: that was all */
};

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct turn *t = arg;
    int rc = t->n_bad > 0 ? gg_txn_queue(txn, &drop, GG_PARAMS(gg_p_texts(t->bad, t->n_bad)), err) : 0;
    if (rc < 0)
        return rc;
    return t->last.s != NULL ? mx_update_note(txn, t->step, "destination", t->last, false, err)
                             : mx_update_finish(txn, t->step, err);
}

int mx_update_outbox(struct mx_update_step *step, struct gg_error *err)
{
    struct gg_str after = mx_update_progress(step, "destination");
    struct turn turn = {.step = step, .last = {0}};
    struct gg_rows *rows;
    int rc = gg_db_read(step->server->db, &page,
                        GG_PARAMS(gg_p_str(after.s != NULL ? after : GG_STR("")), gg_p_i64(step->batch)), step->arena, &rows,
                        err);
    if (rc < 0)
        return rc;
    step->items = (int64_t)gg_rows_count(rows);
    turn.bad = GG_NEW_ARRAY(step->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        turn.last = gg_rows_str(rows, i, 0);
        struct mx_server_name parts;
        if (!mx_server_name_split(turn.last, &parts))
            turn.bad[turn.n_bad++] = turn.last;
    }
    return gg_db_txn(step->server->db, "outbox", 0, body, &turn, err);
}
