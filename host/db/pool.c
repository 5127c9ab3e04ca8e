/* host/db/pool.c: connections that one transaction has at a time.
 *
 * A caller first gets a slot, in order of arrival, then an idle connection or a
 * new one. Connecting is done by a fiber of the pool, so that a caller whose
 * deadline passes meanwhile neither waits longer nor spoils the attempt. */
#include "db/db.h"

#include <stdlib.h>

#include <ganglion/log.h>

struct waiter {
    struct gg_list link;
    struct gg_cond cond;
    bool granted;
};

static void slot_give(struct gg_db *db)
{
    struct gg_list *link = gg_list_pop(&db->waiters);
    if (!link) {
        db->n_busy--;
        return;
    }
    struct waiter *w = GG_CONTAINER(link, struct waiter, link);
    w->granted = true; /* the slot changes hands: nobody can slip in between */
    gg_cond_signal(&w->cond);
}

static GG_YIELDS int slot_take(struct gg_db *db, struct gg_error *err)
{
    if (db->n_busy < db->max_busy && gg_list_empty(&db->waiters)) {
        db->n_busy++;
        return 0;
    }
    struct waiter w = {.granted = false};
    gg_cond_init(&w.cond);
    gg_list_push(&db->waiters, &w.link);
    int rc = 0;
    while (!w.granted && rc == 0)
        rc = gg_cond_wait(&w.cond, GG_FOREVER);
    if (rc == 0)
        return 0;
    if (w.granted)
        slot_give(db);
    else
        gg_list_remove(&w.link);
    return gg_fail(err, rc, rc == GG_E_CANCELLED ? "cancelled" : "no database connection became free in time");
}

/* ---- opening ---- */

struct opening {
    struct gg_db *db;
    struct gg_cond cond;
    struct gg_conn *conn;
    struct gg_error err;
    bool done, waited;
};

static void opener_main(void *arg)
{
    struct opening *o = arg;
    struct gg_db *db = o->db;
    o->done = gg_conn_open(db, GG_CONN_TXN, &o->conn, &o->err) <= 0;
    db->n_opening--;
    if (o->waited) {
        gg_cond_signal(&o->cond);
    } else {
        if (o->conn)
            gg_list_push_front(&db->idle, &o->conn->link);
        free(o);
    }
    gg_cond_broadcast(&db->calls);
}

static GG_YIELDS int open_once(struct gg_db *db, struct gg_conn **conn_out, struct gg_error *err)
{
    struct opening *o = calloc(1, sizeof(*o));
    GG_ASSERT(o != NULL);
    o->db = db;
    o->waited = true;
    gg_cond_init(&o->cond);
    if (!gg_spawn(db->scope, "db.open", opener_main, o)) {
        free(o);
        return gg_fail(err, GG_E_CLOSED, "the process is about to end");
    }
    db->n_opening++;
    int rc = 0;
    while (!o->done && rc == 0)
        rc = gg_cond_wait(&o->cond, GG_FOREVER);
    if (!o->done) {
        o->waited = false;
        return gg_fail(err, rc, rc == GG_E_CANCELLED ? "cancelled" : "no connection to the database in time");
    }
    *conn_out = o->conn;
    rc = o->conn ? 0 : o->err.code;
    if (rc)
        *err = o->err;
    free(o);
    return rc;
}

/* Tries until the outage has lasted too long for this caller. */
static GG_YIELDS int open_patiently(struct gg_db *db, struct gg_conn **conn_out, struct gg_error *err)
{
    int64_t limit = gg_deadline(GG_DB_OUTAGE_GRACE_MS);
    for (;;) {
        int64_t wait = gg_db_claim_attempt(db);
        if (wait && (gg_db_long_outage(db) || gg_now_ms() + wait > limit))
            return gg_db_unavailable(db, err);
        int rc = wait ? gg_sleep(wait) : open_once(db, conn_out, err);
        if (*conn_out)
            return 0;
        if (rc == GG_E_CANCELLED)
            return gg_fail(err, rc, "cancelled");
        if (rc == GG_E_TIMEOUT)
            return db->down_since ? gg_db_unavailable(db, err)
                                  : gg_fail(err, rc, "no connection to the database in time");
        if (rc == GG_E_CLOSED || rc == GG_E_INVALID || (rc && gg_now_ms() >= limit))
            return rc;
    }
}

static struct gg_conn *idle_take(struct gg_db *db)
{
    struct gg_list *link;
    while ((link = gg_list_pop(&db->idle))) {
        struct gg_conn *conn = GG_CONTAINER(link, struct gg_conn, link);
        if (!gg_conn_dead(conn))
            return conn;
        gg_conn_close(conn);
    }
    return NULL;
}

int gg_pool_take(struct gg_db *db, struct gg_conn **conn_out, struct gg_error *err)
{
    int rc = slot_take(db, err);
    if (rc)
        return rc;
    *conn_out = idle_take(db);
    if (!*conn_out)
        rc = open_patiently(db, conn_out, err);
    if (rc)
        slot_give(db);
    return rc;
}

void gg_pool_give(struct gg_db *db, struct gg_conn *conn)
{
    if (conn->lost || conn->retire)
        gg_conn_close(conn);
    else
        gg_list_push_front(&db->idle, &conn->link);
    slot_give(db);
}

void gg_pool_purge(struct gg_db *db)
{
    struct gg_list *link;
    while ((link = gg_list_pop(&db->idle)))
        gg_conn_close(GG_CONTAINER(link, struct gg_conn, link));
}
