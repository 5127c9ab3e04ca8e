/* Who is there: each process is asked now and then, and every request that finds nobody says so at once. */
#include "balance/balance.h"
#include "client/internal.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.router"};

enum { LOOK_MS = 5000, ENOUGH_MISSES = 2, SOON_MS = 500 };

static struct gg_metric up = {
    .name = "ganglion_router_up",
    .help = "1: the process is sent requests; 0: it was not there of late",
    .type = GG_GAUGE,
    .label = {"instance"},
};

struct watch { /* what one fiber looks at */
    struct gg_balancer *balancer;
    struct gg_table *table;
    struct gg_backend *backend;
};

void gg_backend_note(struct gg_backend *backend, bool there, const char *why)
{
    if (there)
        backend->misses = 0;
    if (backend->up != there) {
        backend->up = there;
        if (there)
            gg_info(&logger, "%s (%s) is there again", backend->name, backend->address);
        else
            gg_warn(&logger, "%s (%s) gets no more requests: %s", backend->name, backend->address, why);
    }
    gg_metric_set(&up, there ? 1 : 0, GG_LABELS(backend->name));
}

static void look(struct watch *w)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_internal_request ask = {.peer = &w->backend->peer,
                                      .target = "/health",
                                      .connect_timeout_ms = LOOK_MS,
                                      .timeout_ms = LOOK_MS,
                                      .max_answer = 65536};
    struct gg_internal_answer answer;
    int rc = gg_internal_fetch(w->balancer->host, &ask, arena, &answer, &err);
    if (rc == 0 && answer.status != 200)
        rc = gg_fail(&err, GG_E_UNAVAILABLE, "it says of its health: %d", answer.status);
    if (rc == 0)
        gg_backend_note(w->backend, true, "");
    else if (rc != GG_E_CANCELLED && (++w->backend->misses >= ENOUGH_MISSES || rc == GG_E_UNAVAILABLE))
        gg_backend_note(w->backend, false, err.message); /* one that is busy for a moment is not gone */
    gg_arena_free(arena);
}

static void run(void *arg)
{
    struct watch *w = arg;
    while (!gg_cancelled()) {
        look(w);
        int64_t pause = w->balancer->options.check_ms;
        (void)gg_sleep(w->backend->up || pause < SOON_MS ? pause : SOON_MS); /* who starts is wanted at once */
    }
    gg_table_drop(w->table);
    free(w);
}

void gg_balance_watch(struct gg_balancer *balancer, struct gg_table *table)
{
    for (size_t i = 0; i < table->n_backends; i++) {
        struct watch *w = gg_xcalloc(1, sizeof(*w));
        *w = (struct watch){balancer, table, &table->backends[i]};
        gg_table_keep(table);
        if (gg_spawn(balancer->watch, "router.watch", run, w) != NULL)
            continue;
        gg_table_drop(table);
        free(w);
    }
}

bool gg_balancer_ready(const struct gg_balancer *balancer, struct gg_buf *out)
{
    const struct gg_table *table = balancer->table;
    size_t there = 0, gone = 0, n = table != NULL ? table->n_backends : 0;
    gg_buf_lit(out, ",\"router\":{\"down\":[");
    for (size_t i = 0; i < n; i++) {
        there += table->backends[i].up;
        if (table->backends[i].up)
            continue;
        gg_buf_text(out, gone++ > 0 ? "," : "");
        gg_buf_json_string(out, gg_str(table->backends[i].name));
    }
    gg_buf_printf(out, "],\"up\":%zu}", there);
    return there > 0;
}
