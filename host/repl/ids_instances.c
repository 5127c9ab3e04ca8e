/* host/repl/ids_instances.c: small numbers that stand for instance names in clients' tokens (table instance_map). */
#include "repl/ids_internal.h"

#include <ganglion/log.h>

static const struct gg_stmt all = {"SELECT instance_id, instance_name FROM instance_map", 0};
static const struct gg_stmt find = {"SELECT instance_id FROM instance_map WHERE instance_name = $1", 0};
static const struct gg_stmt add = {
    "INSERT INTO instance_map (instance_name) VALUES ($1) ON CONFLICT (instance_name) DO NOTHING RETURNING instance_id",
    0};

/* Names come from the configuration and from peers: few, but not ours to trust. */
enum { MAX_KNOWN = 4096 };

static void remember(struct gg_streams *streams, struct gg_str name, int64_t number)
{
    if (gg_map_count(streams->numbers) < MAX_KNOWN)
        gg_map_put(streams->numbers, name, (void *)(intptr_t)number);
}

int gg_instances_load(struct gg_streams *streams, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &all, GG_NO_PARAMS, arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        remember(streams, gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 0));
    gg_arena_free(arena);
    return rc;
}

int32_t gg_instance_number_known(struct gg_host *host, const char *name)
{
    return (int32_t)(intptr_t)gg_map_get(gg_streams_of(host)->numbers, gg_str(name));
}

const char *gg_instance_of_number(struct gg_host *host, int32_t number)
{
    size_t i = 0;
    struct gg_str name;
    void *value;
    while (gg_map_next(gg_streams_of(host)->numbers, &i, &name, &value))
        if ((intptr_t)value == number)
            return name.s; /* keys of a map are copied with a NUL behind them */
    return NULL;
}

int gg_instances_reload(struct gg_host *host, struct gg_error *err)
{
    struct gg_streams *streams = gg_streams_of(host);
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(streams->options.db, &all, GG_NO_PARAMS, arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        remember(streams, gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 0));
    gg_arena_free(arena);
    return rc;
}

int gg_instance_number(struct gg_host *host, const char *name, int32_t *number_out, struct gg_error *err)
{
    return gg_streams_instance(gg_streams_of(host), name, number_out, err);
}

/* Looked up first: an insert that conflicts burns a number. */
int gg_streams_instance(struct gg_streams *streams, const char *name, int32_t *number_out, struct gg_error *err)
{
    const struct gg_stmt *const steps[] = {&find, &add, &find};
    int64_t number = (intptr_t)gg_map_get(streams->numbers, gg_str(name));
    int rc = 0;
    for (size_t i = 0; i < GG_COUNT(steps) && rc == 0 && number == 0; i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        rc = gg_db_write(streams->options.db, steps[i], GG_PARAMS(gg_p_text(name)), arena, &rows, err);
        if (rc == 0 && gg_rows_count(rows))
            number = gg_rows_i64(rows, 0, 0);
        gg_arena_free(arena);
    }
    if (rc)
        return rc;
    if (number == 0)
        return gg_fail(err, GG_E_INTERNAL, "no number for the instance %s", name);
    remember(streams, gg_str(name), number);
    *number_out = (int32_t)number;
    return 0;
}
