/* host/db/script.c: many statements as one text, on a connection of their own. */
#include "db/db.h"

static int libpq_failed(struct gg_conn *conn, struct gg_error *err)
{
    const char *message = PQerrorMessage(conn->pg);
    return gg_fail(err, GG_E_UNAVAILABLE, "database: %.*s", (int)strcspn(message, "\n"), message);
}

/* Until the next result can be taken without blocking. */
static GG_YIELDS int await_result(struct gg_conn *conn, struct gg_error *err)
{
    for (;;) {
        int left = PQflush(conn->pg);
        if (left < 0)
            return libpq_failed(conn, err);
        if (left == 0 && !PQisBusy(conn->pg))
            return 0;
        int rc = gg_wait_fd(conn->fd, GG_READABLE | (left ? GG_WRITABLE : 0), NULL, GG_FOREVER);
        if (rc)
            return gg_fail(err, rc, "the script was given up");
        if (!PQconsumeInput(conn->pg))
            return libpq_failed(conn, err);
    }
}

static GG_YIELDS int run_script(struct gg_conn *conn, const char *sql, struct gg_error *err)
{
    int failed = 0;
    if (!PQsendQuery(conn->pg, sql))
        return libpq_failed(conn, err);
    for (;;) {
        int rc = await_result(conn, err);
        if (rc)
            return rc;
        PGresult *result = PQgetResult(conn->pg);
        if (!result)
            return failed;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR && !failed)
            failed = gg_sql_error(err, NULL, result);
        PQclear(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            return gg_fail(err, GG_E_INVALID, "COPY is not possible in a script");
    }
}

int gg_db_script(struct gg_db *db, const char *sql, struct gg_error *err)
{
    struct gg_conn *conn = NULL;
    int rc = gg_db_enter(db, err);
    if (rc)
        return rc;
    rc = gg_conn_open(db, GG_CONN_SCRIPT, &conn, err);
    if (rc == 0)
        rc = run_script(conn, sql, err);
    gg_conn_close(conn);
    gg_db_leave(db);
    return rc;
}
