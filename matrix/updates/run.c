/* run.c: one background update, a step at a time, at the pace that the configuration gives. */
#include "updates/updates.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/json.h>

static struct gg_logger logger = {"ganglion.updates"};

enum { MOST_ITEMS = 10000, TELL_MS = 60000 };

static const struct gg_stmt note = {"UPDATE background_updates SET progress_json = $2 WHERE update_name = $1", 0};
static const struct gg_stmt finish = {"DELETE FROM background_updates WHERE update_name = $1", 0};
static const struct gg_stmt read_progress = {"SELECT progress_json FROM background_updates WHERE update_name = $1",
                                             GG_LANE_POINT};

int mx_update_note_json(struct gg_txn *txn, struct mx_update_step *step, const char *json, struct gg_error *err)
{
    step->done = false;
    return gg_txn_queue(txn, &note, GG_PARAMS(gg_p_text(step->name), gg_p_text(json)), err);
}

int mx_update_note(struct gg_txn *txn, struct mx_update_step *step, const char *key, struct gg_str value, bool numeric,
                   struct gg_error *err)
{
    struct gg_buf json = GG_BUF_INIT;
    gg_buf_printf(&json, "{\"%s\":", key);
    if (numeric)
        gg_buf_str(&json, value);
    else
        gg_buf_json_string(&json, value);
    gg_buf_char(&json, '}');
    int rc = mx_update_note_json(txn, step, json.data, err);
    gg_buf_done(&json);
    return rc;
}

int mx_update_finish(struct gg_txn *txn, struct mx_update_step *step, struct gg_error *err)
{
    step->done = true;
    return gg_txn_queue(txn, &finish, GG_PARAMS(gg_p_text(step->name)), err);
}

int mx_update_end(struct mx_update_step *step, struct gg_error *err)
{
    int rc = gg_db_write(step->server->db, &finish, GG_PARAMS(gg_p_text(step->name)), NULL, NULL, err);
    step->done = rc == 0;
    return rc;
}

struct gg_str mx_update_progress(const struct mx_update_step *step, const char *key)
{
    struct gg_str value = mx_json_get(step->progress, key);
    return mx_json_is_string(value) ? mx_json_string(value, step->arena) : value;
}

/* Sets *gone when nobody asks for the update any more. */
static int one_step(struct mx_server *server, const struct mx_data_update *update, int64_t batch, int64_t *items, bool *gone,
                    struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_update_step step = {.server = server, .arena = arena, .name = update->name, .batch = batch};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_progress, GG_PARAMS(gg_p_text(update->name)), arena, &rows, err);
    *gone = rc == 0 && gg_rows_count(rows) == 0;
    if (rc == 0 && !*gone) {
        step.progress = gg_rows_str(rows, 0, 0);
        rc = update->fn(&step, err);
        *gone = rc == 0 && step.done;
    }
    *items = step.items;
    gg_arena_free(arena);
    return rc;
}

/* As many items as the configured time takes, by how long the last step took. */
static int64_t next_batch(const struct gg_config *config, int64_t batch, int64_t items, int64_t ms)
{
    int64_t least = gg_config_int(config, "background_updates.min_batch_size");
    int64_t wanted = gg_config_int(config, "background_updates.background_update_duration_ms");
    int64_t next = items > 0 ? items * wanted / (ms > 0 ? ms : 1) : batch;
    return next < least ? least : next > MOST_ITEMS ? MOST_ITEMS : next;
}

int mx_data_update_run(struct mx_server *server, const struct mx_data_update *update, const bool *paused,
                       struct mx_update_report *report, struct gg_error *err)
{
    int64_t batch = gg_config_int(server->config, "background_updates.default_batch_size"), told = gg_now_ms();
    bool gone = false;
    gg_info(&logger, "%s: begun", update->name);
    while (!gone && !*paused && !gg_cancelled()) {
        int64_t began = gg_now_ms(), items = 0;
        int rc = one_step(server, update, batch, &items, &gone, err);
        if (rc < 0)
            return rc;
        report->items += items;
        report->spent_ms += gg_now_ms() - began;
        batch = next_batch(server->config, batch, items, gg_now_ms() - began);
        if (gg_now_ms() - told > TELL_MS) {
            gg_info(&logger, "%s: %lld items so far", update->name, (long long)report->items);
            told = gg_now_ms();
        }
        if (!gone && gg_config_bool(server->config, "background_updates.sleep_enabled"))
            (void)gg_sleep(gg_config_int(server->config, "background_updates.sleep_duration_ms"));
    }
    if (gone)
        gg_info(&logger, "%s: done, %lld items", update->name, (long long)report->items);
    return 0;
}
