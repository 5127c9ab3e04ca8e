/* host/db/gather.c: calls that wait at the same time are carried out together. */
#include <ganglion/gather.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>

#include <stdlib.h>

enum { LINGER_MS = 2 };

static struct gg_metric metric_calls = {
    .name = "ganglion_gathered_calls", .help = "Calls that were carried out together with others", .type = GG_COUNTER, .label = {"name"}};
static struct gg_metric metric_runs = {
    .name = "ganglion_gathered_runs", .help = "Runs that carried them out", .type = GG_COUNTER, .label = {"name"}};

struct gg_gather {
    struct gg_scope *scope;
    const struct gg_gather_def *def;
    void *self;
    struct gg_list waiting;
    size_t n_waiting, weight;
    struct gg_map *busy;   /* keys of calls that run */
    unsigned n_runners;
    struct gg_cond more;
    size_t expected;       /* as many were there at the same time a moment ago */
    int64_t ended_at;      /* the last run */
};

struct gg_gather *gg_gather_new(struct gg_scope *scope, const struct gg_gather_def *def, void *self)
{
    struct gg_gather *g = gg_xcalloc(1, sizeof(*g));
    g->scope = scope;
    g->def = def;
    g->self = self;
    g->busy = gg_map_new(NULL);
    gg_list_init(&g->waiting);
    gg_cond_init(&g->more);
    return g;
}

void gg_gather_free(struct gg_gather *g)
{
    if (!g)
        return;
    GG_ASSERT(!g->n_waiting && !g->n_runners);
    gg_map_free(g->busy);
    free(g);
}

/* ---- taking what waits ---- */

static bool full(const struct gg_gather *g)
{
    return g->n_waiting >= GG_GATHER_MAX || g->weight >= g->def->max_weight;
}

/* Clients that get their answers together ask again together: a run that began with the first of them would have few. */
static void linger(struct gg_gather *g)
{
    int64_t limit = g->ended_at + LINGER_MS;
    while (g->def->linger && g->n_waiting && g->n_waiting < g->expected && !full(g) && gg_now_ms() < limit)
        if (gg_cond_wait(&g->more, limit) != 0)
            break;
}

static size_t take(struct gg_gather *g, struct gg_gather_call **calls)
{
    size_t n = 0, weight = 0;
    GG_LIST_EACH (it, &g->waiting) {
        struct gg_gather_call *call = GG_CONTAINER(it, struct gg_gather_call, link);
        if (n == GG_GATHER_MAX || (n > 0 && weight + call->weight > g->def->max_weight))
            break;
        if (call->key.s && gg_map_has(g->busy, call->key))
            continue;
        if (call->key.s)
            gg_map_put(g->busy, call->key, call);
        gg_list_remove(it);
        g->n_waiting--;
        g->weight -= call->weight;
        weight += call->weight;
        calls[n++] = call;
    }
    return n;
}

/* ---- a run ---- */

static void finish(struct gg_gather *g, struct gg_gather_call *call, int rc, const struct gg_error *err)
{
    if (rc) {
        call->status = rc;
        call->err = *err;
    }
    if (call->key.s)
        (void)gg_map_take(g->busy, call->key);
    call->done = true;
    gg_cond_signal(&call->ended);
}

/* Trying one after the other would only wait longer, or do again what may be done. */
static bool holds_for_all(int rc)
{
    return rc == GG_E_UNAVAILABLE || rc == GG_E_CLOSED || rc == GG_E_TIMEOUT || rc == GG_E_IN_DOUBT || rc == GG_E_IO ||
           rc == GG_E_CANCELLED;
}

static void run(struct gg_gather *g, struct gg_gather_call *const *calls, size_t n)
{
    struct gg_error err = GG_ERROR_INIT;
    for (size_t i = 0; i < n; i++) {
        calls[i]->status = 0;
        calls[i]->err = (struct gg_error)GG_ERROR_INIT;
    }
    int rc = g->def->run(g->self, calls, n, &err);
    gg_metric_add(&metric_runs, 1, GG_LABELS(g->def->name));
    if (rc && n > 1 && !holds_for_all(rc)) {
        for (size_t i = 0; i < n; i++)
            run(g, calls + i, 1); /* one level: n is 1 there */
        return;
    }
    gg_metric_add(&metric_calls, (double)n, GG_LABELS(g->def->name));
    for (size_t i = 0; i < n; i++)
        finish(g, calls[i], rc, &err);
}

static void runner(void *arg)
{
    struct gg_gather *g = arg;
    struct gg_gather_call *calls[GG_GATHER_MAX];
    gg_shield_begin();
    for (;;) {
        linger(g);
        size_t n = take(g, calls);
        if (n == 0)
            break; /* nothing, or only what waits for a key that another runner has */
        run(g, calls, n);
        g->expected = n + g->n_waiting;
        g->ended_at = gg_now_ms();
    }
    gg_shield_end();
    g->n_runners--;
}

int gg_gather(struct gg_gather *g, struct gg_gather_call *call, struct gg_error *err)
{
    gg_cond_init(&call->ended);
    gg_list_push(&g->waiting, &call->link);
    g->n_waiting++;
    g->weight += call->weight;
    if (g->n_runners == 0 || (g->n_runners < g->def->at_once && full(g))) {
        g->n_runners++;
        if (!gg_spawn(g->scope, g->def->name, runner, g))
            runner(g); /* stopping, or out of stacks: what was accepted is done all the same, by its own fiber */
    } else {
        gg_cond_signal(&g->more);
    }
    gg_shield_begin();
    while (!call->done)
        (void)gg_cond_wait(&call->ended, GG_FOREVER);
    gg_shield_end();
    if (call->status)
        *err = call->err;
    return call->status;
}
