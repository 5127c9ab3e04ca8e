/* What fibers wait for: descriptors, conditions, mutexes, queues, threads, timers and the end of a turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../in_fiber.h"
#include "fiber/loop.h"

static char trail[64];

static void mark(char c)
{
    size_t n = strlen(trail);
    if (n + 1 < sizeof(trail)) {
        trail[n] = c;
        trail[n + 1] = '\0';
    }
}

/* ---- descriptors ---- */

struct fd_case {
    int fd, want, got, result;
    int64_t deadline;
};

static void wait_fd(void *arg)
{
    struct fd_case *c = arg;
    c->result = gg_wait_fd(c->fd, c->want, &c->got, c->deadline);
    mark('f');
}

FIBER_TEST(descriptor_becomes_readable)
{
    int fds[2], got = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, &got, gg_deadline(5)), GG_E_TIMEOUT);
    assert_int_equal(got, 0);
    for (int i = 0; i < 3; i++) {
        struct fd_case c = {fds[0], GG_READABLE, 0, 1, GG_FOREVER};
        struct gg_fiber *f = gg_spawn_joinable(NULL, "reader", wait_fd, &c);
        gg_sleep(1);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
        assert_int_equal(c.result, GG_OK);
        assert_int_equal(c.got, GG_READABLE);
        char byte;
        assert_int_equal(read(fds[0], &byte, 1), 1);
    }
    assert_int_equal(gg_wait_fd(fds[0], GG_READABLE | GG_WRITABLE, &got, GG_FOREVER), GG_OK);
    assert_int_equal(got, GG_WRITABLE);
    close(fds[1]);
    assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, &got, GG_FOREVER), GG_OK);
    close(fds[0]);
}

FIBER_TEST(both_directions_have_a_waiter_of_their_own)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    char block[65536] = {0};
    while (write(fds[0], block, sizeof(block)) > 0)
        ;
    struct fd_case r = {fds[0], GG_READABLE, 0, 1, GG_FOREVER}, w = {fds[0], GG_WRITABLE, 0, 1, GG_FOREVER};
    struct gg_fiber *reader = gg_spawn_joinable(NULL, "reader", wait_fd, &r);
    struct gg_fiber *writer = gg_spawn_joinable(NULL, "writer", wait_fd, &w);
    gg_sleep(2);
    assert_int_equal(r.result, 1);
    assert_int_equal(w.result, 1);
    while (read(fds[1], block, sizeof(block)) > 0)
        ;
    assert_int_equal(gg_join(writer, GG_FOREVER), GG_OK);
    assert_int_equal(w.result, GG_OK);
    assert_int_equal(gg_join(reader, gg_deadline(3)), GG_E_TIMEOUT); /* still armed although the event was one-shot */
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(gg_join(reader, GG_FOREVER), GG_OK);
    assert_int_equal(r.got, GG_READABLE);
    close(fds[0]);
    close(fds[1]);
}

FIBER_TEST(cancelled_descriptor_wait_leaves_nothing_behind)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct fd_case c = {fds[0], GG_READABLE, 0, 1, GG_FOREVER};
    struct gg_fiber *f = gg_spawn_joinable(NULL, "reader", wait_fd, &c);
    gg_sleep(1);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(c.result, GG_E_CANCELLED);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(gg_sleep(3), GG_OK);
    assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, NULL, GG_FOREVER), GG_OK);
    close(fds[0]);
    close(fds[1]);
}

FIBER_TEST(reused_number_is_another_descriptor)
{
    for (int i = 0; i < 4; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, NULL, gg_deadline(2)), GG_E_TIMEOUT);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, NULL, gg_deadline(5000)), GG_OK);
        close(fds[0]);
        close(fds[1]);
    }
}

FIBER_TEST(odd_descriptors)
{
    int got = 0, fd = open(SOURCE_DIR "/CMakeLists.txt", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(gg_wait_fd(fd, GG_READABLE, &got, GG_FOREVER), GG_OK);
    assert_int_equal(got, GG_READABLE);
    close(fd);
    assert_int_equal(gg_wait_fd(fd, GG_READABLE, &got, GG_FOREVER), GG_E_INVALID);
    assert_int_equal(gg_wait_fd(-1, GG_READABLE, &got, GG_FOREVER), GG_E_INVALID);
    assert_int_equal(gg_wait_fd(0, 0, &got, GG_FOREVER), GG_E_INVALID);
}

/* ---- conditions and mutexes ---- */

struct cond_case {
    struct gg_cond *cond;
    int result;
    char letter;
};

static void wait_cond(void *arg)
{
    struct cond_case *c = arg;
    c->result = gg_cond_wait(c->cond, GG_FOREVER);
    mark(c->letter);
}

FIBER_TEST(signals_wake_in_order_of_arrival)
{
    trail[0] = '\0';
    struct gg_cond cond;
    gg_cond_init(&cond);
    struct cond_case c[4];
    struct gg_fiber *f[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (struct cond_case){&cond, 1, (char)('a' + i)};
        f[i] = gg_spawn_joinable(NULL, "waiter", wait_cond, &c[i]);
    }
    gg_yield();
    gg_cancel(f[1]);
    gg_cond_signal(&cond);
    gg_sleep(1);
    assert_string_equal(trail, "ba");
    gg_cond_broadcast(&cond);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gg_join(f[i], GG_FOREVER), GG_OK);
    assert_string_equal(trail, "bacd");
    assert_int_equal(c[0].result, GG_OK);
    assert_int_equal(c[1].result, GG_E_CANCELLED);
    assert_int_equal(gg_cond_wait(&cond, gg_deadline(2)), GG_E_TIMEOUT);
    assert_true(gg_list_empty(&cond.waiters));
}

struct mutex_case {
    struct gg_mutex *mutex;
    int result;
    char letter;
};

static void lock_and_mark(void *arg)
{
    struct mutex_case *c = arg;
    c->result = gg_mutex_lock(c->mutex, GG_FOREVER);
    if (c->result != GG_OK)
        return;
    mark(c->letter);
    gg_sleep(1);
    gg_mutex_unlock(c->mutex);
}

FIBER_TEST(mutex_is_fair_and_survives_cancel)
{
    trail[0] = '\0';
    struct gg_mutex mutex;
    gg_mutex_init(&mutex);
    assert_int_equal(gg_mutex_lock(&mutex, GG_FOREVER), GG_OK);
    struct mutex_case c[4];
    struct gg_fiber *f[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (struct mutex_case){&mutex, 1, (char)('a' + i)};
        f[i] = gg_spawn_joinable(NULL, "locker", lock_and_mark, &c[i]);
    }
    gg_yield();
    gg_cancel(f[0]); /* before it owns */
    gg_mutex_unlock(&mutex);
    gg_cancel(f[1]); /* after it was chosen: it owns, and must let go */
    assert_int_equal(gg_mutex_lock(&mutex, gg_deadline(0)), GG_E_TIMEOUT);
    assert_int_equal(gg_mutex_lock(&mutex, GG_FOREVER), GG_OK); /* after c and d, who came before us */
    assert_string_equal(trail, "bcd");
    gg_mutex_unlock(&mutex);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gg_join(f[i], GG_FOREVER), GG_OK);
    assert_int_equal(c[0].result, GG_E_CANCELLED);
    assert_int_equal(c[1].result, GG_OK);
    assert_null(mutex.owner);
}

/* ---- queues ---- */

struct queue_case {
    struct gg_queue *queue;
    int items[6], results[6];
    void *popped[6];
};

static void push_six(void *arg)
{
    struct queue_case *c = arg;
    for (int i = 0; i < 6; i++)
        c->results[i] = gg_queue_push(c->queue, &c->items[i], GG_FOREVER);
}

FIBER_TEST(queue_bounds_and_keeps_order)
{
    struct queue_case c = {.queue = gg_queue_new(2)};
    struct gg_fiber *f = gg_spawn_joinable(NULL, "pusher", push_six, &c);
    gg_yield();
    assert_int_equal(gg_queue_count(c.queue), 2);
    assert_false(gg_queue_try_push(c.queue, &c));
    assert_int_equal(gg_queue_push(c.queue, &c, gg_deadline(2)), GG_E_TIMEOUT);
    for (int i = 0; i < 6; i++) {
        void *item = NULL;
        assert_int_equal(gg_queue_pop(c.queue, &item, GG_FOREVER), GG_OK);
        assert_ptr_equal(item, &c.items[i]);
    }
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    void *item = NULL;
    assert_int_equal(gg_queue_pop(c.queue, &item, gg_deadline(2)), GG_E_TIMEOUT);
    gg_queue_free(c.queue);
}

static void pop_one(void *arg)
{
    struct queue_case *c = arg;
    c->results[0] = gg_queue_pop(c->queue, &c->popped[0], GG_FOREVER);
}

FIBER_TEST(handed_item_is_not_lost_by_a_cancel)
{
    struct queue_case c = {.queue = gg_queue_new(2)};
    struct gg_fiber *f = gg_spawn_joinable(NULL, "popper", pop_one, &c);
    gg_yield();
    assert_true(gg_queue_try_push(c.queue, &c));
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(c.results[0], GG_OK);
    assert_ptr_equal(c.popped[0], &c);
    f = gg_spawn_joinable(NULL, "popper", pop_one, &c);
    gg_yield();
    gg_cancel(f);
    assert_true(gg_queue_try_push(c.queue, &c)); /* goes into the queue, not to the cancelled one */
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(c.results[0], GG_E_CANCELLED);
    assert_int_equal(gg_queue_count(c.queue), 1);
    gg_queue_free(c.queue);
}

FIBER_TEST(closed_queue_drains_then_says_closed)
{
    struct queue_case c = {.queue = gg_queue_new(2)}, d = {.queue = gg_queue_new(1)};
    struct gg_fiber *f = gg_spawn_joinable(NULL, "pusher", push_six, &c);
    struct gg_fiber *g = gg_spawn_joinable(NULL, "popper", pop_one, &d);
    gg_yield();
    gg_queue_close(c.queue);
    gg_queue_free(d.queue);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    assert_int_equal(gg_join(g, GG_FOREVER), GG_OK);
    assert_int_equal(d.results[0], GG_E_CLOSED);
    assert_int_equal(c.results[1], GG_OK);
    assert_int_equal(c.results[2], GG_E_CLOSED);
    void *item;
    assert_int_equal(gg_queue_pop(c.queue, &item, GG_FOREVER), GG_OK);
    assert_int_equal(gg_queue_pop(c.queue, &item, GG_FOREVER), GG_OK);
    assert_int_equal(gg_queue_pop(c.queue, &item, GG_FOREVER), GG_E_CLOSED);
    gg_queue_free(c.queue);
}

/* ---- threads ---- */

struct thread_case {
    pthread_t thread;
    bool saw_fiber;
    int result;
};

static void on_thread(void *arg)
{
    struct thread_case *c = arg;
    usleep(3000);
    c->thread = pthread_self();
    c->saw_fiber = gg_self() != NULL;
}

static void offload_one(void *arg)
{
    struct thread_case *c = arg;
    c->result = gg_offload(on_thread, c);
}

FIBER_TEST(offloaded_work_runs_elsewhere)
{
    enum { JOBS = 100 };
    static struct thread_case c[JOBS];
    struct gg_scope *scope = gg_scope_new(NULL, "jobs");
    for (int i = 0; i < JOBS; i++) {
        c[i] = (struct thread_case){.result = 1};
        gg_spawn(scope, "job", offload_one, &c[i]);
    }
    gg_sleep(1);
    gg_scope_cancel(scope); /* all wait by now: none is cut short */
    assert_int_equal(gg_scope_join(scope, GG_FOREVER), GG_OK);
    gg_scope_end(scope);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(c[i].result, GG_OK);
        assert_false(c[i].saw_fiber);
        assert_false(pthread_equal(c[i].thread, pthread_self()));
    }
}

FIBER_TEST(offload_queue_is_bounded)
{
    enum { JOBS = 1200 };
    static struct thread_case c[JOBS];
    struct gg_scope *scope = gg_scope_new(NULL, "jobs");
    for (int i = 0; i < JOBS; i++) {
        c[i] = (struct thread_case){.result = 1};
        gg_spawn(scope, "job", offload_one, &c[i]);
    }
    assert_int_equal(gg_scope_join(scope, GG_FOREVER), GG_OK);
    gg_scope_end(scope);
    int refused = 0;
    for (int i = 0; i < JOBS; i++) {
        assert_true(c[i].result == GG_OK || c[i].result == GG_E_LIMIT);
        refused += c[i].result == GG_E_LIMIT;
    }
    assert_in_range(refused, 1, JOBS - 1024);
    gg_set_deadline(gg_deadline(-1));
    assert_int_equal(gg_offload(on_thread, &c[0]), GG_E_TIMEOUT);
}

/* ---- loop code ---- */

static void on_timer(void *arg)
{
    assert_null(gg_self());
    mark('t');
    if (arg)
        gg_timer_stop(*(struct gg_timer **)arg); /* inside fn: fine */
}

FIBER_TEST(timers_fire_once_or_are_stopped)
{
    trail[0] = '\0';
    static struct gg_timer *self;
    self = gg_timer_start(2, on_timer, &self);
    struct gg_timer *other = gg_timer_start(3, on_timer, NULL);
    gg_timer_start(4, on_timer, NULL);
    gg_timer_start(60000, on_timer, NULL); /* left behind: freed with the loop */
    gg_timer_stop(other);
    gg_timer_stop(NULL);
    gg_sleep(15);
    assert_string_equal(trail, "tt");
}

struct due_case {
    struct gg_timer *timer;
    int64_t ms, fired_at;
    int rank;
};

static int fired;

static void on_due(void *arg)
{
    struct due_case *c = arg;
    c->rank = ++fired;
    c->fired_at = gg_now_ms();
}

/* Random times, some stopped again in random order: the rest fires in order and never early. */
FIBER_TEST(many_timers_fire_in_order)
{
    enum { MANY = 2000 };
    static struct due_case c[MANY];
    unsigned seed = 7;
    int stopped = 0;
    int64_t from = gg_now_ms();
    fired = 0;
    for (int i = 0; i < MANY; i++) {
        seed = seed * 1103515245u + 12345u;
        c[i] = (struct due_case){.ms = 1 + (seed >> 16) % 60};
        c[i].timer = gg_timer_start(c[i].ms, on_due, &c[i]);
    }
    for (int i = 0; i < MANY; i += 1 + i % 3, stopped++) {
        gg_timer_stop(c[i].timer);
        c[i].timer = NULL;
    }
    gg_sleep(100);
    assert_int_equal(fired, MANY - stopped);
    int64_t last[MANY + 1] = {0};
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(c[i].rank > 0, c[i].timer != NULL);
        if (c[i].timer)
            assert_true(c[i].fired_at - from >= c[i].ms);
        last[c[i].rank] = c[i].ms;
    }
    for (int i = 2; i <= fired; i++)
        assert_true(last[i] >= last[i - 1]);
}

static void on_turn_end(void *arg)
{
    assert_null(gg_self());
    mark(*(const char *)arg);
    static char again = 'n';
    if (*(const char *)arg == 'e')
        gg_at_turn_end(on_turn_end, &again);
}

static void mark_fiber(void *arg)
{
    mark('f');
}

static void take_turns(void)
{
    static char first = 'e';
    trail[0] = '\0';
    gg_at_turn_end(on_turn_end, &first);
    gg_spawn(NULL, "f", mark_fiber, NULL);
    gg_yield();
    mark('m');
    for (int i = 0; i < 1000 && strlen(trail) < 4; i++)
        gg_sleep(1);
    assert_true(strlen(trail) == 4 && strchr(trail, 'f') < strchr(trail, 'm') && strchr(trail, 'e') < strchr(trail, 'n'));
}

/* A turn that takes long ends before all had theirs, which valgrind on a busy machine brings about. */
FIBER_TEST(turn_ends_after_all_fibers_waited)
{
    take_turns();
    for (int i = 0; i < 100 && strcmp(trail, "fmen") != 0; i++)
        take_turns();
    assert_string_equal(trail, "fmen");
}

static void spin(void *arg)
{
    while (gg_yield() == GG_OK)
        ;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    gg_cond_signal(arg);
}

FIBER_TEST(busy_fibers_do_not_starve_events)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct gg_cond cond;
    gg_cond_init(&cond);
    struct event *event = event_new(gg_loop_base(), fds[0], EV_READ, on_event, &cond);
    event_add(event, NULL);
    struct gg_fiber *f = gg_spawn_joinable(NULL, "spin", spin, NULL);
    gg_yield();
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(gg_cond_wait(&cond, gg_deadline(5000)), GG_OK);
    assert_int_equal(gg_wait_fd(fds[0], GG_READABLE, NULL, gg_deadline(5000)), GG_OK);
    assert_int_equal(gg_sleep(3), GG_OK);
    gg_cancel(f);
    assert_int_equal(gg_join(f, GG_FOREVER), GG_OK);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptor_becomes_readable),
        cmocka_unit_test(both_directions_have_a_waiter_of_their_own),
        cmocka_unit_test(cancelled_descriptor_wait_leaves_nothing_behind),
        cmocka_unit_test(reused_number_is_another_descriptor),
        cmocka_unit_test(odd_descriptors),
        cmocka_unit_test(signals_wake_in_order_of_arrival),
        cmocka_unit_test(mutex_is_fair_and_survives_cancel),
        cmocka_unit_test(queue_bounds_and_keeps_order),
        cmocka_unit_test(handed_item_is_not_lost_by_a_cancel),
        cmocka_unit_test(closed_queue_drains_then_says_closed),
        cmocka_unit_test(offloaded_work_runs_elsewhere),
        cmocka_unit_test(offload_queue_is_bounded),
        cmocka_unit_test(timers_fire_once_or_are_stopped),
        cmocka_unit_test(many_timers_fire_in_order),
        cmocka_unit_test(turn_ends_after_all_fibers_waited),
        cmocka_unit_test(busy_fibers_do_not_starve_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
