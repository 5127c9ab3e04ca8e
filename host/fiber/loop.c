/* loop.c: the turns of the loop: events, deadlines, runnable fibers, then what waits for the end of the turn. */
#include "fiber/loop.h"

#include "base/clock.h"
#include <ganglion/memory.h>
#include "fiber/sched.h"

#include <event2/event.h>

/* One turn runs fibers until none is runnable, but never so long that events starve. */
#define TURN_SLICES 1024u
#define TURN_MS 10
#define SLOW_SLICE_MS 100
#define TRIM_MS 10000

static struct gg_logger logger = {"ganglion.fiber"};
struct gg_sched gg_sched;

struct turn_end {
    void (*fn)(void *arg);
    void *arg;
};

static struct {
    struct event_base *base;
    struct event *alarm;
    int64_t alarm_at; /* GG_FOREVER: not set */
    struct turn_end *ends;
    size_t n_ends, cap_ends;
    struct gg_timer *trim;
} loop;

static _Thread_local uint64_t loop_number __attribute__((tls_model("initial-exec")));

uint64_t gg_loop_number(void)
{
    return loop_number;
}

struct event_base *gg_loop_base(void)
{
    return loop.base;
}

/* ---- the end of a turn ---- */

void gg_at_turn_end(void (*fn)(void *arg), void *arg)
{
    if (loop.n_ends == loop.cap_ends) {
        loop.cap_ends = loop.cap_ends ? loop.cap_ends * 2 : 16;
        loop.ends = gg_xrealloc(loop.ends, loop.cap_ends * sizeof(*loop.ends));
    }
    loop.ends[loop.n_ends++] = (struct turn_end){fn, arg};
}

/* What they add themselves waits for the next turn. */
static void run_turn_ends(void)
{
    size_t n = loop.n_ends;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        struct turn_end end = loop.ends[i]; /* a copy: the array may move */
        end.fn(end.arg);
    }
    loop.n_ends -= n;
    memmove(loop.ends, loop.ends + n, loop.n_ends * sizeof(*loop.ends));
}

/* ---- running fibers ---- */

static int64_t watch_slice(const char *name, int64_t from)
{
    int64_t now = gg_clock_tick();
    if (now - from >= gg_sched.slow_slice_ms)
        gg_warn(&logger, "fiber \"%s\" ran %lld ms without a wait", name, (long long)(now - from));
    return now;
}

static void run_slice(struct gg_fiber *fiber)
{
    gg_sched.switches++;
    gg_current = fiber;
    gg_context_switch(&gg_sched.main, &fiber->context);
    gg_current = NULL;
}

static void run_ready(void)
{
    int64_t began = gg_clock_refresh(), now = began;
    struct gg_list *l;
    for (unsigned n = 0; n < TURN_SLICES && now - began < TURN_MS && (l = gg_list_pop(&gg_sched.ready)); n++) {
        struct gg_fiber *fiber = GG_CONTAINER(l, struct gg_fiber, ready_link);
        run_slice(fiber);
        now = watch_slice(fiber->name, now);
        if (fiber->ended)
            gg_fiber_reap(fiber);
    }
}

/* ---- sleeping until something happens ---- */

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    loop.alarm_at = GG_FOREVER;
}

/* libevent's timer is only ever set earlier: a needless alarm is cheaper than moving it for each wait. */
static void set_alarm(void)
{
    int64_t next = gg_due_next();
    if (next >= loop.alarm_at)
        return;
    int64_t ms = next - gg_clock_refresh();
    if (ms < 0)
        ms = 0;
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    if (event_add(loop.alarm, &tv) == 0)
        loop.alarm_at = next;
}

static void trim_stacks(void *arg)
{
    loop.trim = gg_stacks_trim() ? gg_timer_start(TRIM_MS, trim_stacks, NULL) : NULL;
}

static void turn(void)
{
    gg_due_run(gg_clock_refresh());
    run_ready();
    run_turn_ends();
    if (!loop.trim && gg_stacks_want_trim())
        loop.trim = gg_timer_start(TRIM_MS, trim_stacks, NULL);
    bool more = !gg_list_empty(&gg_sched.ready) || loop.n_ends > 0;
    if (!more && gg_sched.live == 0)
        return;
    if (!more)
        set_alarm();
    event_base_loop(loop.base, more ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
}

/* ---- set-up ---- */

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static int setup(const struct gg_loop_options *options)
{
    memset(&gg_sched, 0, sizeof(gg_sched));
    gg_list_init(&gg_sched.ready);
    gg_sched.slow_slice_ms = options->slow_slice_ms > 0 ? options->slow_slice_ms : SLOW_SLICE_MS;
    gg_root_scope()->cancelled = false;
    gg_stacks_setup(options->stack_bytes, options->max_fibers);
    loop.alarm_at = GG_FOREVER;
    loop.base = new_base();
    loop.alarm = loop.base ? evtimer_new(loop.base, on_alarm, NULL) : NULL;
    if (!loop.alarm)
        return GG_E_NOMEM;
    int r = gg_fds_setup();
    if (r == GG_OK)
        r = gg_offload_setup(options->threads);
    if (r == GG_OK)
        r = gg_overflow_setup();
    return r;
}

static void teardown(void)
{
    gg_overflow_teardown();
    gg_offload_teardown();
    gg_fds_teardown();
    gg_due_teardown();
    gg_stacks_teardown();
    if (loop.alarm)
        event_free(loop.alarm);
    if (loop.base)
        event_base_free(loop.base);
    free(loop.ends);
    memset(&loop, 0, sizeof(loop));
    gg_clock_uncache();
}

int gg_loop_run(const struct gg_loop_options *options, gg_fiber_fn *main_fn, void *arg)
{
    static const struct gg_loop_options defaults;
    static uint64_t runs;
    if (loop.base)
        gg_panic(__FILE__, __LINE__, "gg_loop_run while a loop runs");
    int r = setup(options ? options : &defaults);
    gg_sched.running = r == GG_OK;
    loop_number = ++runs;
    if (r == GG_OK && !gg_spawn(NULL, "main", main_fn, arg))
        r = GG_E_UNAVAILABLE;
    while (r == GG_OK && (gg_sched.live > 0 || loop.n_ends > 0))
        turn();
    gg_sched.running = false;
    loop_number = 0;
    teardown();
    return r;
}

void gg_fiber_get_stats(struct gg_fiber_stats *out)
{
    *out = (struct gg_fiber_stats){
        .spawned = gg_sched.spawned,
        .switches = gg_sched.switches,
        .live = gg_sched.live,
        .pooled = gg_stacks_pooled(),
        .stack_high_water = gg_stacks_high_water(),
    };
}
