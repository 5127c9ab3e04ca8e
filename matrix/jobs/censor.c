/* censor.c: what was redacted some time ago is taken out of the database, too (redaction_retention_period). */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/store.h>

#include "jobs/jobs.h"

enum { AT_ONCE = 100 };

static const struct gg_stmt due = {
    "SELECT r.event_id, r.redacts FROM redactions r JOIN events d ON d.event_id = r.event_id JOIN events o ON "
    "o.event_id = r.redacts WHERE NOT r.have_censored AND r.received_ts <= $1::bigint ORDER BY r.received_ts LIMIT $2::bigint",
    GG_LANE_SCAN};

struct work {
    struct gg_str redaction, event_id;
    struct gg_str json; /* what is left; s NULL: the redaction was not allowed, nothing changes */
    struct mx_forget forget;
};

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt prune = {"UPDATE event_json SET json = $2 WHERE event_id = $1", 0};
    static const struct gg_stmt mark = {"UPDATE redactions SET have_censored = true WHERE event_id = $1", 0};
    struct work *w = arg;
    mx_forget_again(&w->forget);
    int status = w->json.s ? gg_txn_queue(txn, &prune, GG_PARAMS(gg_p_str(w->event_id), gg_p_str(w->json)), err) : 0;
    if (!status)
        status = gg_txn_queue(txn, &mark, GG_PARAMS(gg_p_str(w->redaction)), err);
    if (status)
        return status;
    if (w->json.s)
        mx_forget_add(&w->forget, "_get_event_cache", &w->event_id, 1);
    return mx_forget_write(&w->forget, txn, err);
}

static int censor(struct mx_server *server, struct gg_str redaction, struct gg_str event_id, struct gg_arena *arena,
                  struct gg_error *err)
{
    struct work w = {.redaction = redaction, .event_id = event_id};
    const struct mx_event *shown, *raw;
    struct mx_event *pruned = NULL;
    int status = mx_store_events(server, &event_id, 1, false, arena, &shown, err);
    if (!status)
        status = mx_store_events(server, &event_id, 1, true, arena, &raw, err);
    if (status)
        return status;
    if (shown && raw && shown->meta.redacted) {
        pruned = mx_event_redacted(raw, (struct gg_str){0});
        w.json = pruned->json;
    }
    mx_forget_begin(&w.forget, server, arena);
    status = gg_db_txn(server->db, "censor", 0, body, &w, err);
    mx_forget_end(&w.forget, status == 0);
    mx_event_unref(pruned);
    return status;
}

int mx_job_censor(struct mx_server *server, struct gg_error *err)
{
    size_t n = AT_ONCE;
    int status = 0;
    int64_t kept = gg_config_int(server->config, "redaction_retention_period"), before = gg_wall_ms() - kept;
    if (kept <= 0) /* null: for ever */
        return 0;
    while (!status && n == AT_ONCE && !gg_cancelled()) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        status = gg_db_read(server->db, &due, GG_PARAMS(gg_p_i64(before), gg_p_i64(AT_ONCE)), arena, &rows, err);
        n = status ? 0 : gg_rows_count(rows);
        for (size_t i = 0; !status && i < n; i++)
            status = censor(server, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), arena, err);
        gg_arena_free(arena);
    }
    return status;
}
