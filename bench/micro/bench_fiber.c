/* bench_fiber.c: what a switch and a short-lived fiber cost, in nanoseconds. */
#include <ganglion/fiber.h>

#include <stdio.h>
#include <time.h>

#define SWITCHES 5000000
#define SPAWNS 1000000
#define BATCH 100

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void yield_often(void *arg)
{
    for (int i = 0; i < SWITCHES / 2; i++)
        if (gg_yield() != GG_OK)
            return;
}

static void nothing(void *arg)
{
}

/* Two fibers that yield to each other: from one to the scheduler, from there to the other. */
static void bench_switch(void)
{
    double from = now_ns();
    struct gg_fiber *a = gg_spawn_joinable(NULL, "a", yield_often, NULL);
    struct gg_fiber *b = gg_spawn_joinable(NULL, "b", yield_often, NULL);
    if (gg_join(a, GG_FOREVER) == GG_OK && gg_join(b, GG_FOREVER) == GG_OK)
        printf("switch           %8.1f ns\n", (now_ns() - from) / SWITCHES);
}

static void bench_spawn(void)
{
    double from = now_ns();
    for (int i = 0; i < SPAWNS; i++)
        if (gg_join(gg_spawn_joinable(NULL, "short", nothing, NULL), GG_FOREVER) != GG_OK)
            return;
    printf("spawn+join       %8.1f ns\n", (now_ns() - from) / SPAWNS);
}

static void bench_spawn_batch(void)
{
    struct gg_fiber *fibers[BATCH];
    double from = now_ns();
    for (int i = 0; i < SPAWNS / BATCH; i++) {
        for (int k = 0; k < BATCH; k++)
            fibers[k] = gg_spawn_joinable(NULL, "short", nothing, NULL);
        for (int k = 0; k < BATCH; k++)
            if (gg_join(fibers[k], GG_FOREVER) != GG_OK)
                return;
    }
    printf("spawn+join x%d  %8.1f ns\n", BATCH, (now_ns() - from) / SPAWNS);
}

static void signal_often(void *arg)
{
    struct gg_cond *cond = arg;
    for (int i = 0; i < SPAWNS; i++) {
        gg_cond_signal(cond);
        gg_yield();
    }
}

static void bench_cond(void)
{
    struct gg_cond cond;
    gg_cond_init(&cond);
    double from = now_ns();
    struct gg_fiber *other = gg_spawn_joinable(NULL, "signal", signal_often, &cond);
    for (int i = 0; i < SPAWNS; i++)
        if (gg_cond_wait(&cond, gg_deadline(10000)) != GG_OK)
            return;
    if (gg_join(other, GG_FOREVER) == GG_OK)
        printf("cond wait+signal %8.1f ns (two switches, a deadline set and removed)\n", (now_ns() - from) / SPAWNS);
}

static void run(void *arg)
{
    bench_switch();
    bench_spawn();
    bench_spawn_batch();
    bench_cond();
}

int main(void)
{
    return gg_loop_run(NULL, run, NULL) == GG_OK ? 0 : 1;
}
