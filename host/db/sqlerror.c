/* host/db/sqlerror.c: what PostgreSQL's error codes mean to callers. */
#include "db/conn.h"

#include <stdio.h>

static const struct {
    const char *prefix; /* of the SQLSTATE; the first match counts */
    int code;
} meanings[] = {
    {"23", GG_E_CONFLICT},     /* integrity: unique, foreign key, check */
    {"40", GG_E_CONFLICT},     /* serialization failure, deadlock */
    {"55P03", GG_E_CONFLICT},  /* lock not available */
    {"57014", GG_E_TIMEOUT},   /* statement_timeout */
    {"25P03", GG_E_TIMEOUT},   /* idle in transaction too long */
    {"22", GG_E_INVALID},      /* data: a NUL in text, out of range */
    {"54", GG_E_LIMIT},        /* too complex, too large */
    {"08", GG_E_UNAVAILABLE},  /* connection */
    {"53", GG_E_UNAVAILABLE},  /* out of connections, disk or memory */
    {"57P", GG_E_UNAVAILABLE}, /* shutting down, starting up */
    {"25006", GG_E_UNAVAILABLE}, /* read-only: a standby after a fail-over */
    {"42", GG_E_INTERNAL},     /* syntax, unknown names: our bug or a wrong schema */
    {"58", GG_E_IO},
    {"XX", GG_E_IO},
};

/* The last error of some fibers, found by the fiber's number. A caller asks at
 * once after the call that failed, so one slot a fiber suffices, and a later
 * fiber that falls on the same slot does no harm. */
enum { SLOTS = 256 };
static struct {
    uint64_t fiber;
    char sqlstate[6];
} last[SLOTS];

static uint64_t fiber_number(void)
{
    return gg_self() ? gg_fiber_id(gg_self()) : 0;
}

void gg_sqlstate_set(const char *sqlstate)
{
    uint64_t id = fiber_number();
    last[id % SLOTS].fiber = id;
    snprintf(last[id % SLOTS].sqlstate, sizeof(last[0].sqlstate), "%s", sqlstate);
}

const char *gg_db_sqlstate(void)
{
    uint64_t id = fiber_number();
    return last[id % SLOTS].fiber == id ? last[id % SLOTS].sqlstate : "";
}

static int meaning_of(const char *sqlstate)
{
    for (size_t i = 0; i < GG_COUNT(meanings); i++) {
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    }
    return GG_E_IO;
}

int gg_sql_error(struct gg_error *err, const struct gg_variant *variant, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    int code = sqlstate ? meaning_of(sqlstate) : GG_E_UNAVAILABLE;
    gg_fail(err, code, "database: %s (%s) in: %.120s", message ? message : "connection lost",
            sqlstate ? sqlstate : "no code", variant ? variant->stmt->sql : "");
    /* What the database refuses is never the client's fault by itself, but for text that no column can hold: of ours there
     * is none. */
    if (sqlstate && strcmp(sqlstate, "22021") == 0) {
        gg_refuse(err, 400, "M_INVALID_PARAM", "The request has text that cannot be stored");
    } else if (code != GG_E_UNAVAILABLE && code != GG_E_TIMEOUT) {
        err->http_status = 500;
        snprintf(err->errcode, sizeof(err->errcode), "M_UNKNOWN");
    }
    gg_sqlstate_set(sqlstate ? sqlstate : "");
    return code;
}
