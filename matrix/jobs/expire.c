/* expire.c: messages whose time has come (MSC2228, enable_ephemeral_messages) are emptied in the database. */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/store.h>

#include "jobs/jobs.h"

enum { AT_ONCE = 100 };

struct work {
    struct gg_str event_id;
    struct gg_str json; /* what is left; s NULL: the event is not held, only its row goes */
    struct mx_forget forget;
};

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt prune = {"UPDATE event_json SET json = $2 WHERE event_id = $1", 0};
    static const struct gg_stmt done = {"DELETE FROM event_expiry WHERE event_id = $1", 0};
    struct work *w = arg;
    mx_forget_again(&w->forget);
    int status = w->json.s ? gg_txn_queue(txn, &prune, GG_PARAMS(gg_p_str(w->event_id), gg_p_str(w->json)), err) : 0;
    if (!status)
        status = gg_txn_queue(txn, &done, GG_PARAMS(gg_p_str(w->event_id)), err);
    if (status)
        return status;
    if (w->json.s)
        mx_forget_add(&w->forget, "_get_event_cache", &w->event_id, 1);
    return mx_forget_write(&w->forget, txn, err);
}

static int expire(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena, struct gg_error *err)
{
    struct work w = {.event_id = event_id};
    const struct mx_event *event;
    struct mx_event *pruned = NULL;
    int status = mx_store_events(server, &event_id, 1, true, arena, &event, err);
    if (status)
        return status;
    if (event) {
        pruned = mx_event_redacted(event, (struct gg_str){0});
        w.json = pruned->json;
    }
    mx_forget_begin(&w.forget, server, arena);
    status = gg_db_txn(server->db, "expire", 0, body, &w, err);
    mx_forget_end(&w.forget, status == 0);
    mx_event_unref(pruned);
    return status;
}

int mx_job_expire(struct mx_server *server, struct gg_error *err)
{
    static const struct gg_stmt due = {
        "SELECT event_id FROM event_expiry WHERE expiry_ts <= $1::bigint ORDER BY expiry_ts LIMIT $2::bigint", GG_LANE_POINT};
    size_t n = AT_ONCE;
    int status = 0;
    if (!gg_config_bool(server->config, "enable_ephemeral_messages"))
        return 0;
    while (!status && n == AT_ONCE && !gg_cancelled()) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        status = gg_db_read(server->db, &due, GG_PARAMS(gg_p_i64(gg_wall_ms()), gg_p_i64(AT_ONCE)), arena, &rows, err);
        n = status ? 0 : gg_rows_count(rows);
        for (size_t i = 0; !status && i < n; i++)
            status = expire(server, gg_rows_str(rows, i, 0), arena, err);
        gg_arena_free(arena);
    }
    return status;
}
