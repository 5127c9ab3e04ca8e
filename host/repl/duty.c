/* host/repl/duty.c: what one process at a time does, under a lease in the database.
 *
 * The lease is a row of worker_locks, so that no table is needed that Synapse does not know; time is the database's, so
 * that the clocks of machines do not matter. The holder renews it every few seconds, and stops working before it
 * can have run out for others. */
#include "main/host.h"

#include <ganglion/db.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/repl.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.repl.duty"};

/* Worst case from kill -9 to the next one's work: STALE_MS + TRY_MS. */
enum { RENEW_MS = 4000, GIVE_UP_MS = 14000, STALE_MS = 20000, TRY_MS = 5000, TOKEN = 6 };

#define LOCK_NAME "ganglion_duty"
#define NOW "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

/* Taken, or renewed when the token is ours. */
static const struct gg_stmt take = {
    "INSERT INTO worker_locks AS old (lock_name, lock_key, instance_name, token, last_renewed_ts)"
    " VALUES ('" LOCK_NAME "', $1, $2, $3, " NOW ") ON CONFLICT (lock_name, lock_key) DO UPDATE"
    " SET token = EXCLUDED.token, instance_name = EXCLUDED.instance_name, last_renewed_ts = EXCLUDED.last_renewed_ts"
    " WHERE old.last_renewed_ts < EXCLUDED.last_renewed_ts - $4::bigint OR old.token = EXCLUDED.token",
    0};
static const struct gg_stmt holder = {
    "SELECT instance_name FROM worker_locks WHERE lock_name = '" LOCK_NAME "' AND lock_key = $1", 0};
static const struct gg_stmt give_back = {
    "DELETE FROM worker_locks WHERE lock_name = '" LOCK_NAME "' AND lock_key = $1 AND token = $2", 0};

struct gg_duty {
    struct gg_host *host;
    gg_fiber_fn *work;
    void *arg;
    struct gg_scope *scope; /* of the keeper */
    struct gg_scope *working; /* of work; NULL: not ours now */
    char token[TOKEN + 1], last_holder[64];
    char name[];
};

static int try_take(struct gg_duty *duty, bool *ours, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows = NULL;
    int rc = gg_db_write(duty->host->db, &take,
                         GG_PARAMS(gg_p_text(duty->name), gg_p_text(duty->host->instance), gg_p_text(duty->token),
                                   gg_p_i64(STALE_MS)),
                         arena, &rows, err);
    *ours = rc == 0 && gg_rows_affected(rows) == 1;
    gg_arena_free(arena);
    return rc;
}

/* Said once for each holder. */
static void tell_holder(struct gg_duty *duty)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    if (gg_db_read(duty->host->db, &holder, GG_PARAMS(gg_p_text(duty->name)), arena, &rows, &err) == 0 &&
        gg_rows_count(rows) == 1) {
        const char *who = gg_rows_str(rows, 0, 0).s;
        if (strcmp(who, duty->last_holder) != 0) {
            snprintf(duty->last_holder, sizeof(duty->last_holder), "%s", who);
            gg_info(&logger, "%s: the process \"%s\" does it; this one stands by", duty->name, who);
        }
    }
    gg_arena_free(arena);
}

static void run_work(void *arg)
{
    struct gg_duty *duty = arg;
    while (!gg_cancelled()) {
        duty->work(duty->arg);
        (void)gg_sleep(1000); /* it failed at once, perhaps */
    }
}

static void begin_work(struct gg_duty *duty)
{
    gg_info(&logger, "%s: done by this process from now on", duty->name);
    duty->last_holder[0] = '\0';
    duty->working = gg_scope_new(gg_host_scope(duty->host), duty->name);
    if (gg_spawn(duty->working, duty->name, run_work, duty) == NULL)
        gg_warn(&logger, "%s: could not be started", duty->name);
}

static void end_work(struct gg_duty *duty)
{
    if (duty->working != NULL)
        gg_scope_end(duty->working);
    duty->working = NULL;
}

/* Renews until that fails for too long or somebody else has it. Time is counted from before each request. */
static void hold(struct gg_duty *duty, int64_t renewed)
{
    bool ours = true;
    while (ours && !gg_cancelled() && gg_now_ms() - renewed < GIVE_UP_MS) {
        struct gg_error err = GG_ERROR_INIT;
        (void)gg_sleep(RENEW_MS);
        int64_t asked = gg_now_ms();
        int64_t before = gg_set_deadline(renewed + GIVE_UP_MS);
        int rc = gg_cancelled() ? GG_E_CANCELLED : try_take(duty, &ours, &err);
        (void)gg_set_deadline(before);
        if (rc == 0)
            renewed = asked;
        else
            ours = true; /* not known to be lost */
    }
    if (!gg_cancelled())
        gg_warn(&logger, "%s: the lease was lost", duty->name);
}

static void keep(void *arg)
{
    struct gg_duty *duty = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t asked = gg_now_ms();
        bool ours;
        int rc = try_take(duty, &ours, &err);
        if (rc == 0 && ours) {
            begin_work(duty);
            hold(duty, asked);
            end_work(duty);
            continue;
        }
        if (rc == 0)
            tell_holder(duty);
        (void)gg_sleep(TRY_MS);
    }
}

struct gg_duty *gg_duty_begin(struct gg_host *host, const char *name, gg_fiber_fn *work, void *arg)
{
    struct gg_duty *duty = gg_xcalloc(1, sizeof(*duty) + strlen(name) + 1);
    memcpy(duty->name, name, strlen(name) + 1);
    duty->host = host;
    duty->work = work;
    duty->arg = arg;
    gg_random_text(duty->token, TOKEN, GG_LETTERS);
    duty->scope = gg_scope_new(gg_host_scope(host), name);
    if (gg_spawn(duty->scope, name, keep, duty) == NULL)
        gg_warn(&logger, "%s: could not be started", name);
    return duty;
}

void gg_duty_end(struct gg_duty *duty)
{
    struct gg_error err = GG_ERROR_INIT;
    if (duty == NULL)
        return;
    gg_scope_end(duty->scope);
    end_work(duty);
    gg_shield_begin(); /* the next one should not have to wait for it to run out */
    (void)!gg_db_write(duty->host->db, &give_back, GG_PARAMS(gg_p_text(duty->name), gg_p_text(duty->token)), NULL, NULL,
                       &err);
    gg_shield_end();
    free(duty);
}

bool gg_duty_held(const struct gg_duty *duty)
{
    return duty->working != NULL;
}
