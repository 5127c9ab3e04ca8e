/* Dependent point reads by many fibers over few lanes, single writes, short
 * transactions: statements a second and processor time of the client for each.
 *
 *   bench_db '<conninfo>' [fibers] [lanes] [seconds]
 *
 * Makes and drops a table ganglion_bench_db of 100,000 rows, each of which names
 * the next one to read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <ganglion/db.h>
#include <ganglion/fiber.h>

static struct {
    const char *conninfo;
    unsigned fibers, lanes;
    int seconds;
    struct gg_db *db;
    uint64_t statements, failed;
    int64_t until;
    unsigned left;
} bench;

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void reader_main(void *arg)
{
    static const struct gg_stmt next = {"SELECT next, name FROM ganglion_bench_db WHERE id = $1", GG_LANE_POINT};
    int64_t id = (int64_t)(uintptr_t)arg * 97 % 100000;
    struct gg_arena *arena = gg_arena_new();
    while (gg_now_ms() < bench.until) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_rows *rows;
        if (gg_db_read(bench.db, &next, GG_PARAMS(gg_p_i64(id)), arena, &rows, &err) || gg_rows_count(rows) != 1)
            bench.failed++;
        else
            id = gg_rows_i64(rows, 0, 0);
        bench.statements++;
        gg_arena_reset(arena);
    }
    gg_arena_free(arena);
    bench.left--;
}

static void report(const char *what, double wall, double cpu)
{
    printf("%-28s %9.0f statements/s  %6.2f us client CPU each  (%" PRIu64 " failed)\n", what,
           (double)bench.statements / wall, cpu / (double)bench.statements * 1e6, bench.failed);
}

static void run_fibers(const char *what, unsigned n, gg_fiber_fn *fn)
{
    bench.statements = bench.failed = 0;
    bench.until = gg_deadline(bench.seconds * 1000);
    bench.left = n;
    double wall = wall_seconds(), cpu = processor_seconds();
    for (unsigned i = 0; i < n; i++)
        gg_spawn(NULL, "bench", fn, (void *)(uintptr_t)i);
    while (bench.left)
        gg_sleep(5);
    report(what, wall_seconds() - wall, processor_seconds() - cpu);
}

static void writer_main(void *arg)
{
    static const struct gg_stmt touch = {"UPDATE ganglion_bench_db SET name = $2 WHERE id = $1", 0};
    int64_t id = (int64_t)(uintptr_t)arg * 97 % 100000;
    while (gg_now_ms() < bench.until) {
        struct gg_error err = GG_ERROR_INIT;
        bench.failed +=
            gg_db_write(bench.db, &touch, GG_PARAMS(gg_p_i64(id), gg_p_text("y")), NULL, NULL, &err) ? 1 : 0;
        bench.statements++;
    }
    bench.left--;
}

static int queue_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt touch = {"UPDATE ganglion_bench_db SET name = $2 WHERE id = $1", 0};
    return gg_txn_queue(txn, &touch, GG_PARAMS(gg_p_i64((int64_t)(uintptr_t)arg), gg_p_text("x")), err);
}

static void txn_main(void *arg)
{
    while (gg_now_ms() < bench.until) {
        struct gg_error err = GG_ERROR_INIT;
        bench.failed += gg_db_txn(bench.db, "bench", 0, queue_body, arg, &err) ? 1 : 0;
        bench.statements++;
    }
    bench.left--;
}

static void bench_main(void *arg)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_db_options options = {.conninfo = bench.conninfo, .lanes = bench.lanes};
    bench.db = gg_db_new(&options);
    int rc = gg_db_script(bench.db,
                          "DROP TABLE IF EXISTS ganglion_bench_db;"
                          "CREATE TABLE ganglion_bench_db (id bigint PRIMARY KEY, next bigint, name text);"
                          "INSERT INTO ganglion_bench_db SELECT i, (i * 7919 + 13) % 100000, 'name of ' || i"
                          " FROM generate_series(0, 99999) i;"
                          "ANALYZE ganglion_bench_db",
                          &err);
    if (rc) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    run_fibers("dependent point reads", bench.fibers, reader_main);
    run_fibers("single writes", bench.fibers, writer_main);
    run_fibers("one-statement transactions", 8, txn_main);
    (void)!gg_db_script(bench.db, "DROP TABLE ganglion_bench_db", &err);
    gg_db_free(bench.db);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_db CONNINFO [FIBERS] [LANES] [SECONDS]\n");
        return 2;
    }
    bench.conninfo = argv[1];
    bench.fibers = argc > 2 ? (unsigned)atoi(argv[2]) : 500;
    bench.lanes = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
    bench.seconds = argc > 4 ? atoi(argv[4]) : 5;
    return gg_loop_run(NULL, bench_main, NULL) ? 1 : 0;
}
