/* clock.c: the two clocks of the tree.
 *
 * Threads without a loop read the clock each time; the loop's thread caches it. */
#include "base/clock.h"

#include <time.h>

/* Thread-local, so that an offload thread never reads the loop's cache. */
static _Thread_local int64_t cached_ms __attribute__((tls_model("initial-exec"))) = -1;
static _Thread_local long coarse_ns __attribute__((tls_model("initial-exec")));

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t gg_clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t gg_clock_refresh(void)
{
    cached_ms = gg_clock_us() / 1000;
    return cached_ms;
}

int64_t gg_clock_tick(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    if (ts.tv_nsec == coarse_ns && cached_ms >= 0)
        return cached_ms;
    coarse_ns = ts.tv_nsec;
    return gg_clock_refresh();
}

void gg_clock_uncache(void)
{
    cached_ms = -1;
}

int64_t gg_now_ms(void)
{
    return cached_ms >= 0 ? cached_ms : gg_clock_us() / 1000;
}

int64_t gg_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}
