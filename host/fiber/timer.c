/* timer.c: all deadlines of the loop in one binary heap, so that a wait with a deadline costs no system call and
 * no libevent timer. */
#include "fiber/sched.h"

#include <ganglion/memory.h>

/* heap.at[0] is not used: index 0 means "not in the heap". */
static struct {
    struct gg_due **at;
    size_t count, cap;
} heap;

static void place(size_t i, struct gg_due *due)
{
    heap.at[i] = due;
    due->index = i;
}

static void sift_up(size_t i, struct gg_due *due)
{
    for (; i > 1 && heap.at[i / 2]->at > due->at; i /= 2)
        place(i, heap.at[i / 2]);
    place(i, due);
}

static void sift_down(size_t i, struct gg_due *due)
{
    for (size_t child; (child = i * 2) <= heap.count; i = child) {
        if (child < heap.count && heap.at[child + 1]->at < heap.at[child]->at)
            child++;
        if (heap.at[child]->at >= due->at)
            break;
        place(i, heap.at[child]);
    }
    place(i, due);
}

void gg_due_add(struct gg_due *due, int64_t at, void (*fire)(struct gg_due *due))
{
    if (heap.count + 1 >= heap.cap) {
        heap.cap = heap.cap ? heap.cap * 2 : 64;
        heap.at = gg_xrealloc(heap.at, heap.cap * sizeof(*heap.at));
    }
    due->at = at;
    due->fire = fire;
    sift_up(++heap.count, due);
}

void gg_due_remove(struct gg_due *due)
{
    size_t i = due->index;
    if (i == 0)
        return;
    due->index = 0;
    struct gg_due *last = heap.at[heap.count--];
    if (last == due)
        return;
    if (i > 1 && heap.at[i / 2]->at > last->at)
        sift_up(i, last);
    else
        sift_down(i, last);
}

int64_t gg_due_next(void)
{
    return heap.count ? heap.at[1]->at : GG_FOREVER;
}

void gg_due_run(int64_t now)
{
    while (heap.count && heap.at[1]->at <= now) {
        struct gg_due *due = heap.at[1];
        gg_due_remove(due);
        due->fire(due);
    }
}

/* ---- timers for loop code ---- */

struct gg_timer {
    struct gg_due due;
    void (*fn)(void *arg);
    void *arg;
    bool firing;
};

static void fire_timer(struct gg_due *due)
{
    struct gg_timer *timer = GG_CONTAINER(due, struct gg_timer, due);
    timer->firing = true;
    timer->fn(timer->arg);
    free(timer);
}

struct gg_timer *gg_timer_start(int64_t ms, void (*fn)(void *arg), void *arg)
{
    struct gg_timer *timer = gg_xcalloc(1, sizeof(*timer));
    timer->fn = fn;
    timer->arg = arg;
    /* At least one millisecond on, so that a timer that starts itself anew cannot hold up the loop. */
    gg_due_add(&timer->due, gg_deadline(ms > 0 ? ms : 1), fire_timer);
    return timer;
}

void gg_timer_stop(struct gg_timer *timer)
{
    if (!timer || timer->firing) /* in the latter case it is freed when fn returns */
        return;
    gg_due_remove(&timer->due);
    free(timer);
}

/* No fiber is left, so all that is in the heap is timers that nobody stopped. */
void gg_due_teardown(void)
{
    for (size_t i = 1; i <= heap.count; i++)
        free(GG_CONTAINER(heap.at[i], struct gg_timer, due));
    free(heap.at);
    heap.at = NULL;
    heap.count = heap.cap = 0;
}
