/* censor.c: what was redacted some time ago is taken out of the database, too (redaction_retention_period). */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/store.h>

#include "jobs/jobs.h"
#include "jobs/prune.h"

enum { AT_ONCE = 100 };

static const struct gg_stmt due = {
    "SELECT r.event_id, r.redacts FROM redactions r JOIN events d ON d.event_id = r.event_id JOIN events o ON "
    "o.event_id = r.redacts WHERE NOT r.have_censored AND r.received_ts <= $1::bigint ORDER BY r.received_ts LIMIT $2::bigint",
    GG_LANE_SCAN};

/* A redaction that was not allowed changes nothing, and is looked at once. */
static int censor(struct mx_server *server, struct gg_str redaction, struct gg_str event_id, struct gg_arena *arena,
                  struct gg_error *err)
{
    static const struct gg_stmt mark = {"UPDATE redactions SET have_censored = true WHERE event_id = $1", 0};
    const struct mx_event *shown, *raw;
    int status = mx_store_events(server, &event_id, 1, false, arena, &shown, err);
    if (!status)
        status = mx_store_events(server, &event_id, 1, true, arena, &raw, err);
    if (status)
        return status;
    bool redacted = shown && raw && shown->meta.redacted;
    return mx_prune_event(server, "censor", redacted ? raw : NULL, &mark, redaction, arena, err);
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
