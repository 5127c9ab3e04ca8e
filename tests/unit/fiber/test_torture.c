/* Many fibers that wait in every way while others cancel them at random: nothing may be lost, doubled or left held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "../in_fiber.h"

#define WORKERS 60
#define ROUNDS 20000

struct world {
    struct gg_mutex mutex;
    struct gg_cond cond;
    struct gg_queue *queue;
    struct gg_scope *scope;
    struct gg_fiber *worker[WORKERS];
    int inside; /* the mutex */
    long pushed, popped, pushed_sum, popped_sum;
    long completions, cancels, timeouts;
    unsigned seed;
};

static unsigned draw(struct world *w, unsigned below)
{
    w->seed = w->seed * 1103515245u + 12345u;
    return (w->seed >> 16) % below;
}

static int count(struct world *w, int result)
{
    w->completions += result == GG_OK;
    w->cancels += result == GG_E_CANCELLED;
    w->timeouts += result == GG_E_TIMEOUT;
    assert_true(result == GG_OK || result == GG_E_CANCELLED || result == GG_E_TIMEOUT);
    return result;
}

static void use_mutex(struct world *w, int64_t deadline)
{
    if (count(w, gg_mutex_lock(&w->mutex, deadline)) != GG_OK)
        return;
    assert_int_equal(w->inside++, 0);
    count(w, gg_yield());
    assert_int_equal(--w->inside, 0);
    gg_mutex_unlock(&w->mutex);
}

static void use_push(struct world *w, int64_t deadline)
{
    uintptr_t item = 1 + draw(w, 1000);
    if (count(w, gg_queue_push(w->queue, (void *)item, deadline)) == GG_OK) {
        w->pushed++;
        w->pushed_sum += (long)item;
    }
}

static void use_pop(struct world *w, int64_t deadline)
{
    void *item;
    if (count(w, gg_queue_pop(w->queue, &item, deadline)) == GG_OK) {
        w->popped++;
        w->popped_sum += (long)(uintptr_t)item;
    }
}

static void nothing(void *arg)
{
}

static void work(void *arg)
{
    struct world *w = arg;
    while (!gg_cancelled()) {
        int64_t deadline = gg_deadline(draw(w, 3));
        switch (draw(w, 7)) {
        case 0:
            use_mutex(w, deadline);
            break;
        case 1:
            use_push(w, deadline);
            break;
        case 2:
            use_pop(w, deadline);
            break;
        case 3:
            count(w, gg_cond_wait(&w->cond, deadline));
            break;
        case 4:
            gg_cond_signal(&w->cond);
            count(w, gg_sleep(draw(w, 2)));
            break;
        case 5:
            if (draw(w, 20) == 0)
                count(w, gg_offload(nothing, NULL));
            break;
        default:
            count(w, gg_yield());
        }
    }
}

static void start_worker(struct world *w, int i)
{
    w->worker[i] = gg_spawn_joinable(w->scope, "worker", work, w);
    assert_non_null(w->worker[i]);
}

FIBER_TEST(random_waits_and_cancels_keep_everything_whole)
{
    static struct world w;
    w = (struct world){.queue = gg_queue_new(3), .scope = gg_scope_new(NULL, "torture"), .seed = 42};
    gg_mutex_init(&w.mutex);
    gg_cond_init(&w.cond);
    for (int i = 0; i < WORKERS; i++)
        start_worker(&w, i);
    for (int round = 0; round < ROUNDS; round++) {
        int i = (int)draw(&w, WORKERS);
        gg_cancel(w.worker[i]);
        assert_int_equal(gg_join(w.worker[i], GG_FOREVER), GG_OK);
        start_worker(&w, i);
        if (draw(&w, 10) == 0)
            assert_int_equal(gg_yield(), GG_OK);
    }
    gg_scope_cancel(w.scope);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(gg_join(w.worker[i], GG_FOREVER), GG_OK);
    gg_scope_end(w.scope);
    assert_null(w.mutex.owner);
    assert_true(gg_list_empty(&w.mutex.cond.waiters) && gg_list_empty(&w.cond.waiters));
    for (void *item; gg_queue_count(w.queue) > 0; w.popped++, w.popped_sum += (long)(uintptr_t)item)
        assert_int_equal(gg_queue_pop(w.queue, &item, GG_FOREVER), GG_OK);
    assert_int_equal(w.pushed, w.popped);
    assert_int_equal(w.pushed_sum, w.popped_sum);
    assert_true(w.completions > 1000 && w.cancels > 1000 && w.timeouts > 100);
    gg_queue_free(w.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_waits_and_cancels_keep_everything_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
