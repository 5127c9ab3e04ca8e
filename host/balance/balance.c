/* Each request to its process, and to another one where the first is not there. */
#include "balance/balance.h"

#include "balance/plan_child.h"
#include "config/config.h"
#include "http/forward.h"
#include "http/pass.h"
#include "http/text.h"
#include "main/host.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.router"};

enum { MAX_TRIES = 4, MAX_KEY = 1024, START_MS = 10000 };

static struct gg_metric passed = {
    .name = "ganglion_router_requests_total",
    .help = "Requests passed on, by pool, process and the class of the answer (2xx ...; none: it did not answer)",
    .type = GG_COUNTER,
    .label = {"pool", "instance", "answer"},
};
static struct gg_metric again = {
    .name = "ganglion_router_retries_total",
    .help = "Requests that were sent to another process after this one did not answer",
    .type = GG_COUNTER,
    .label = {"instance"},
};

/* ---- life ---- */

void gg_table_keep(struct gg_table *table)
{
    table->users++;
}

void gg_table_drop(struct gg_table *table)
{
    if (table != NULL && --table->users == 0)
        gg_table_free(table);
}

struct gg_balancer *gg_balancer_new(struct gg_host *host, const struct gg_balancer_options *options)
{
    struct gg_balancer *balancer = gg_xcalloc(1, sizeof(*balancer));
    balancer->host = host;
    balancer->options = *options;
    gg_mutex_init(&balancer->reading);
    gg_cond_init(&balancer->known);
    return balancer;
}

void gg_balancer_free(struct gg_balancer *balancer)
{
    if (balancer == NULL)
        return;
    gg_table_drop(balancer->table);
    free(balancer);
}

static void stop_watching(struct gg_balancer *balancer)
{
    struct gg_scope *watch = balancer->watch;
    balancer->watch = NULL;
    if (watch != NULL)
        gg_scope_end(watch);
}

void gg_balancer_stop(struct gg_balancer *balancer)
{
    stop_watching(balancer);
}

/* What is known of a process stays known when the files are read again. */
static void inherit(struct gg_table *table, const struct gg_table *old)
{
    for (size_t i = 0; old != NULL && i < table->n_backends; i++) {
        const struct gg_backend *before = gg_table_backend(old, table->backends[i].address);
        table->backends[i].up = before == NULL || before->up;
    }
}

static int read_table(struct gg_balancer *balancer, struct gg_table **out, struct gg_error *err)
{
    struct gg_buf plan = GG_BUF_INIT;
    const char *const *paths = balancer->options.deployment;
    if (paths == NULL || paths[0] == NULL)
        paths = gg_config_folders(balancer->host->config);
    int rc = gg_plan_by_child(balancer->host, paths, &plan, err);
    if (rc == 0)
        rc = gg_table_read(gg_buf_view(&plan), out, err);
    gg_buf_done(&plan);
    return rc;
}

int gg_balancer_read(struct gg_balancer *balancer, struct gg_error *err)
{
    struct gg_table *table, *old = balancer->table;
    int rc = gg_mutex_lock(&balancer->reading, GG_FOREVER);
    if (rc < 0)
        return gg_fail(err, rc, "the deployment is being read");
    rc = read_table(balancer, &table, err);
    if (rc == 0) {
        stop_watching(balancer);
        inherit(table, old);
        balancer->table = table;
        balancer->watch = gg_scope_new(gg_host_scope(balancer->host), "router");
        gg_balance_watch(balancer, table);
        gg_table_drop(old);
        gg_cond_broadcast(&balancer->known);
        gg_info(&logger, "%zu pools, %zu addresses of processes", table->n_groups, table->n_backends);
    }
    gg_mutex_unlock(&balancer->reading);
    return rc;
}

/* ---- what a request is balanced by ---- */

static struct gg_str decoded(struct gg_request *rq, struct gg_str segment)
{
    if (memchr(segment.s, '%', segment.n) == NULL)
        return segment;
    return gg_str(gg_percent_decode(gg_request_arena(rq), segment, false, NULL));
}

static struct gg_str key_of(struct gg_balancer *balancer, struct gg_request *rq, const struct gg_group *group,
                            struct gg_str segment)
{
    struct gg_str key = GG_STR("");
    if (group->balance == NULL || group->n < 2)
        return key;
    if (segment.n > 0)
        key = decoded(rq, segment);
    else if (balancer->options.who != NULL)
        key = balancer->options.who(balancer->options.self, rq, group->balance);
    if (key.n == 0 && (strcmp(group->balance, "user") == 0 || strcmp(group->balance, "source") == 0))
        key = gg_str(gg_request_address(rq));
    return key.n > MAX_KEY ? gg_strn(key.s, MAX_KEY) : key;
}

static bool has_text(const struct gg_request *rq, const char *name)
{
    const char *value = gg_request_query(rq, name);
    return value != NULL && value[0] != '\0';
}

static struct gg_group *group_of(const struct gg_table *table, struct gg_request *rq, struct gg_str *segment_out)
{
    const char *path = gg_request_path(rq);
    bool query = gg_request_target(rq)[strlen(path)] == '?';
    struct gg_query_marks marks = {.since = query && (has_text(rq, "since") || has_text(rq, "pos")),
                                   .bridged = query && has_text(rq, "user_id")};
    return gg_table_find(table, gg_request_method(rq), gg_str(path), marks, segment_out);
}

/* ---- passing ---- */

struct attempt {
    struct gg_group *group;
    struct gg_backend *tried[MAX_TRIES];
    size_t n;
    bool repeated; /* a request that may have arrived was sent once more: that is enough */
};

static void count(const struct gg_group *group, const struct gg_backend *backend, int status)
{
    char text[8] = "none";
    if (status >= 100 && status < 1000)
        snprintf(text, sizeof(text), "%dxx", status / 100);
    gg_metric_add(&passed, 1, GG_LABELS(group->name, backend->name, text));
}

/* 0: answered; else may it be tried elsewhere? */
static int try_one(struct gg_passage *p, struct attempt *a, struct gg_backend *backend, bool *elsewhere,
                   struct gg_error *err)
{
    p->peer = &backend->peer;
    a->tried[a->n++] = backend;
    backend->in_flight++;
    int rc = gg_pass(p, err);
    backend->in_flight--;
    count(a->group, backend, p->status);
    if (rc == GG_E_UNAVAILABLE)
        gg_backend_note(backend, false, err->message);
    *elsewhere = (rc == GG_E_UNAVAILABLE || rc == GG_E_CLOSED) && gg_passage_repeatable(p) &&
                 !(p->arrived && a->repeated) && a->n < MAX_TRIES;
    a->repeated = a->repeated || p->arrived;
    return rc;
}

/* Who is next: of its pool, and when nobody is left there any process takes any path: the main one, at last. */
static struct gg_backend *next(const struct gg_table *table, struct attempt *a, struct gg_str key)
{
    struct gg_backend *found = gg_group_choose(a->group, key, a->tried, a->n, false);
    if (found == NULL)
        found = gg_group_choose(&table->groups[0], GG_STR(""), a->tried, a->n, false);
    return found != NULL ? found : gg_group_choose(a->group, key, a->tried, a->n, true);
}

static int pass_by(struct gg_balancer *balancer, struct gg_table *table, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str segment;
    struct attempt a = {.group = group_of(table, rq, &segment)};
    struct gg_str key = key_of(balancer, rq, a.group, segment);
    struct gg_passage p = {.rq = rq, .plain = true, .stall_ms = balancer->options.stall_ms};
    struct gg_backend *backend = next(table, &a, key);
    int rc = GG_E_UNAVAILABLE;
    for (bool elsewhere = true; elsewhere && backend != NULL;) {
        *err = (struct gg_error)GG_ERROR_INIT;
        rc = try_one(&p, &a, backend, &elsewhere, err);
        if (rc == 0 || !elsewhere)
            break;
        struct gg_backend *other = next(table, &a, key);
        if (other != NULL)
            gg_metric_add(&again, 1, GG_LABELS(backend->name));
        backend = other;
    }
    return rc;
}

int gg_balancer_pass(struct gg_balancer *balancer, struct gg_request *rq, struct gg_error *err)
{
    int64_t deadline = gg_deadline(START_MS);
    int rc = 0;
    while (balancer->table == NULL && rc == 0)
        rc = gg_cond_wait(&balancer->known, deadline);
    struct gg_table *table = balancer->table;
    if (table == NULL)
        return gg_refuse(err, 503, "M_UNKNOWN", "The server is starting");
    gg_table_keep(table);
    rc = pass_by(balancer, table, rq, err);
    gg_table_drop(table);
    gg_forward_blame(rq, rc, err);
    return rc;
}
