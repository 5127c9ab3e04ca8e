/* host/db/connect.c: from a conninfo to a session that is ready for statements.
 *
 * libpq resolves names in a blocking way, so names are resolved on a thread first
 * and handed over as addresses; each address is tried in turn with a time limit
 * of its own. */
#include "db/db.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ganglion/arena.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.db"};

enum { MAX_KEYWORDS = 80, MAX_ADDRESSES = 16, DEFAULT_CONNECT_MS = 10000, IDLE_IN_TXN_MS = 1800000 };

struct address {
    const char *host, *hostaddr, *port;
};

struct plan {
    struct gg_arena *arena;
    PQconninfoOption *options;
    struct address address[MAX_ADDRESSES];
    size_t n;
};

/* ---- the conninfo ---- */

static const char *lookup(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && *o->val ? o->val : NULL;
    }
    return NULL;
}

/* The i-th of a comma-separated list; a single one stands for all (ports). */
static const char *list_item(struct gg_arena *arena, const char *list, size_t i, bool single_for_all)
{
    if (!list)
        return NULL;
    if (single_for_all && !strchr(list, ','))
        return list;
    for (; i && list; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return list ? gg_arena_strndup(arena, list, strcspn(list, ",")) : NULL;
}

/* ---- names ---- */

struct resolving {
    const char *host;
    struct addrinfo *list;
    int rc;
};

static void resolve_on_thread(void *arg)
{
    struct resolving *r = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    r->rc = getaddrinfo(r->host, NULL, &hints, &r->list);
}

static void add_address(struct plan *plan, const char *host, const char *hostaddr, const char *port)
{
    if (plan->n < MAX_ADDRESSES)
        plan->address[plan->n++] = (struct address){host, hostaddr, port};
}

static bool is_address(const char *host)
{
    unsigned char out[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

static GG_YIELDS int add_name(struct plan *plan, const char *host, const char *port, struct gg_error *err)
{
    struct resolving r = {.host = host};
    if (gg_offload(resolve_on_thread, &r))
        return gg_fail(err, GG_E_UNAVAILABLE, "no thread is free to resolve %s", host);
    if (r.rc)
        return gg_fail(err, GG_E_UNAVAILABLE, "cannot resolve %s: %s", host, gai_strerror(r.rc));
    for (struct addrinfo *a = r.list; a; a = a->ai_next) {
        char text[INET6_ADDRSTRLEN];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
            add_address(plan, host, gg_arena_strdup(plan->arena, text), port);
    }
    freeaddrinfo(r.list);
    return 0;
}

/* One host of the list: a folder of a unix socket, an address, or a name. */
static GG_YIELDS int add_host(struct plan *plan, const char *host, const char *hostaddr, const char *port,
                              struct gg_error *err)
{
    if (hostaddr && *hostaddr)
        add_address(plan, host, hostaddr, port);
    else if (!host || !*host || host[0] == '/' || host[0] == '@')
        add_address(plan, host, NULL, port);
    else if (is_address(host))
        add_address(plan, host, host, port);
    else
        return add_name(plan, host, port, err);
    return 0;
}

static GG_YIELDS int plan_addresses(struct plan *plan, struct gg_error *err)
{
    const char *hosts = lookup(plan->options, "host"), *addresses = lookup(plan->options, "hostaddr");
    const char *ports = lookup(plan->options, "port");
    if (!hosts && !addresses)
        hosts = getenv("PGHOST");
    for (size_t i = 0;; i++) {
        const char *host = list_item(plan->arena, hosts, i, false);
        const char *address = list_item(plan->arena, addresses, i, false);
        if (i && !host && !address)
            break;
        /* Names that do not resolve are no reason not to try the others. */
        int rc = add_host(plan, host, address, list_item(plan->arena, ports, i, true), err);
        if (rc)
            gg_debug(&logger, "%s", err->message);
    }
    return plan->n ? 0 : err->code;
}

static GG_YIELDS int plan_make(struct plan *plan, const char *conninfo, struct gg_error *err)
{
    char *why = NULL;
    plan->arena = gg_arena_new();
    plan->options = PQconninfoParse(conninfo, &why);
    if (plan->options)
        return plan_addresses(plan, err);
    gg_fail(err, GG_E_INVALID, "the database settings are wrong: %s", why ? why : "out of memory");
    PQfreemem(why);
    return err->code;
}

static void plan_free(struct plan *plan)
{
    PQconninfoFree(plan->options);
    gg_arena_free(plan->arena);
}

/* ---- connecting ---- */

static void set_keyword(const char **keywords, const char **values, size_t *n, const char *keyword, const char *value)
{
    size_t i = 0;
    while (i < *n && strcmp(keywords[i], keyword) != 0)
        i++;
    if (i >= MAX_KEYWORDS - 1)
        return;
    keywords[i] = keyword;
    values[i] = value;
    if (i == *n)
        ++*n;
}

static PGconn *start_connecting(const struct gg_db *db, const struct plan *plan, const struct address *to)
{
    const char *keywords[MAX_KEYWORDS] = {NULL}, *values[MAX_KEYWORDS] = {NULL};
    size_t n = 0;
    /* Defaults first: what the conninfo says comes over them. Looking for Kerberos
     * tickets would block; a peer that is gone must be noticed. */
    set_keyword(keywords, values, &n, "gssencmode", "disable");
    set_keyword(keywords, values, &n, "keepalives_idle", "30");
    set_keyword(keywords, values, &n, "keepalives_interval", "10");
    set_keyword(keywords, values, &n, "keepalives_count", "3");
    set_keyword(keywords, values, &n, "tcp_user_timeout", "30000");
    set_keyword(keywords, values, &n, "fallback_application_name", db->application_name);
    for (const PQconninfoOption *o = plan->options; o->keyword; o++) {
        if (o->val && *o->val)
            set_keyword(keywords, values, &n, o->keyword, o->val);
    }
    set_keyword(keywords, values, &n, "client_encoding", "UTF8");
    set_keyword(keywords, values, &n, "host", to->host ? to->host : "");
    set_keyword(keywords, values, &n, "hostaddr", to->hostaddr ? to->hostaddr : "");
    set_keyword(keywords, values, &n, "port", to->port ? to->port : "");
    keywords[n] = NULL;
    return PQconnectStartParams(keywords, values, 0);
}

static int64_t connect_limit(const struct plan *plan)
{
    const char *text = lookup(plan->options, "connect_timeout");
    long seconds = text ? strtol(text, NULL, 10) : 0;
    return gg_deadline(seconds > 0 ? seconds * 1000 : DEFAULT_CONNECT_MS);
}

static int libpq_failed(PGconn *pg, struct gg_error *err)
{
    const char *message = PQerrorMessage(pg);
    return gg_fail(err, GG_E_UNAVAILABLE, "database: %.*s", (int)strcspn(message, "\n"), message);
}

static GG_YIELDS int await_connection(PGconn *pg, int64_t limit, struct gg_error *err)
{
    if (PQstatus(pg) == CONNECTION_BAD)
        return libpq_failed(pg, err);
    for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;
         state = PQconnectPoll(pg)) {
        if (state == PGRES_POLLING_FAILED)
            return libpq_failed(pg, err);
        int want = state == PGRES_POLLING_READING ? GG_READABLE : GG_WRITABLE;
        int rc = gg_wait_fd(PQsocket(pg), want, NULL, limit);
        if (rc)
            return gg_fail(err, rc == GG_E_TIMEOUT ? GG_E_UNAVAILABLE : rc, "database: connecting took too long");
    }
    return 0;
}

/* ---- the session ---- */

/* Runs the text by the simple protocol, before the pipeline begins. */
static GG_YIELDS int run_settings(PGconn *pg, const char *sql, int64_t limit, struct gg_error *err)
{
    int failed = 0;
    if (!PQsendQuery(pg, sql))
        return libpq_failed(pg, err);
    for (;;) {
        while (PQisBusy(pg) || PQflush(pg) > 0) {
            int rc = gg_wait_fd(PQsocket(pg), GG_READABLE, NULL, limit);
            if (rc)
                return gg_fail(err, rc == GG_E_TIMEOUT ? GG_E_UNAVAILABLE : rc, "database: no answer to settings");
            if (!PQconsumeInput(pg))
                return libpq_failed(pg, err);
        }
        PGresult *result = PQgetResult(pg);
        if (!result)
            return failed;
        if (PQresultStatus(result) == PGRES_FATAL_ERROR && !failed)
            failed = gg_sql_error(err, NULL, result);
        PQclear(result);
    }
}

static GG_YIELDS int set_session(struct gg_db *db, PGconn *pg, int role, int64_t limit, struct gg_error *err)
{
    char sql[768];
    int64_t timeout = role == GG_CONN_SCRIPT ? 0 : db->statement_timeout_ms;
    /* A server that finds its client gone should stop working for it. */
    const char *gone = PQserverVersion(pg) >= 140000 ? "SET client_connection_check_interval TO 10000;" : "";
    const char *lane = role == GG_CONN_READ ? "SET default_transaction_read_only TO on;" : "";
    /* Statements are prepared and find their rows by index: planning them again for each set of values costs more than
     * running them (measured: a third of the server's work), and a plan that was made while a table was still empty
     * must not read all of it later. */
    const char *plans = role == GG_CONN_SCRIPT ? ""
                                               : "SET plan_cache_mode TO force_generic_plan; SET jit TO off;"
                                                 "SET enable_seqscan TO off; SET enable_hashjoin TO off;"
                                                 "SET enable_mergejoin TO off;";
    const char *isolation =
        role == GG_CONN_SCRIPT ? "" : "SET default_transaction_isolation TO 'read committed';";
    snprintf(sql, sizeof(sql),
             "SET statement_timeout TO %lld; SET idle_in_transaction_session_timeout TO %d; %s %s %s %s",
             (long long)timeout, IDLE_IN_TXN_MS, gone, isolation, lane, plans);
    int rc = run_settings(pg, sql, limit, err);
    if (rc)
        return rc;
    if (PQsetnonblocking(pg, 1) || (role != GG_CONN_SCRIPT && !PQenterPipelineMode(pg)))
        return libpq_failed(pg, err);
    return 0;
}

static void on_notice(void *arg, const char *message)
{
    gg_debug(&logger, "%.*s", (int)strcspn(message, "\n"), message);
}

static struct gg_conn *wrap(struct gg_db *db, PGconn *pg, int fd, int role)
{
    struct gg_conn *conn = calloc(1, sizeof(*conn));
    GG_ASSERT(conn != NULL);
    conn->pg = pg;
    conn->fd = fd;
    conn->db = db;
    conn->role = role;
    gg_list_init(&conn->link);
    gg_list_init(&conn->sent);
    return conn;
}

static GG_YIELDS struct gg_conn *try_address(struct gg_db *db, const struct plan *plan, size_t i, int role,
                                             struct gg_error *err)
{
    int64_t limit = connect_limit(plan);
    PGconn *pg = start_connecting(db, plan, &plan->address[i]);
    if (!pg) {
        gg_fail(err, GG_E_NOMEM, "no memory for a database connection");
        return NULL;
    }
    PQsetNoticeProcessor(pg, on_notice, NULL);
    int fd = -1;
    if (await_connection(pg, limit, err) == 0 && set_session(db, pg, role, limit, err) == 0)
        fd = fcntl(PQsocket(pg), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        return wrap(db, pg, fd, role);
    if (err->code == 0)
        gg_fail(err, GG_E_LIMIT, "a database connection: %s", strerror(errno));
    PQfinish(pg);
    return NULL;
}

int gg_conn_open(struct gg_db *db, int role, struct gg_conn **conn_out, struct gg_error *err)
{
    struct plan plan = {0};
    struct gg_conn *conn = NULL;
    *conn_out = NULL;
    int rc = plan_make(&plan, db->conninfo, err);
    for (size_t i = 0; rc == 0 && !conn && i < plan.n; i++)
        conn = try_address(db, &plan, i, role, err);
    plan_free(&plan);
    if (conn) {
        *conn_out = conn;
        gg_db_attempt_worked(db);
        return 0;
    }
    if (err->code != GG_E_CANCELLED)
        gg_db_attempt_failed(db, err);
    return err->code;
}

void gg_conn_close(struct gg_conn *conn)
{
    if (!conn)
        return;
    GG_ASSERT(gg_list_empty(&conn->sent));
    gg_list_remove(&conn->link);
    PQfinish(conn->pg);
    close(conn->fd);
    free(conn->prepared);
    free(conn);
}
