/* Bugs that end the process, each in a child of its own: the message must name the fiber. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/log.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../in_fiber.h"

static char said[65536];

/* Runs fn as the only fiber of a child process, collects its standard error, returns its wait status. */
static int in_child(gg_fiber_fn *fn)
{
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL); /* cmocka catches these */
        signal(SIGSEGV, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        gg_loop_run(NULL, fn, NULL);
        _exit(0);
    }
    close(fds[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(fds[0], said + n, sizeof(said) - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_died_saying(int status, const char *text)
{
    if (!strstr(said, text))
        fail_msg("said: %s", said);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static int dig(volatile int *depth)
{
    volatile char room[2000];
    room[0] = (char)++*depth;
    return *depth < 0 ? 0 : dig(depth) + room[0];
}

static void overflow(void *arg)
{
    volatile int depth = 0;
    dig(&depth);
}

static void overflow_in_child_fiber(void *arg)
{
    gg_spawn(NULL, "deep digger", overflow, NULL);
}

static void overflow_names_the_fiber(void **state)
{
    int status = in_child(overflow_in_child_fiber);
    assert_died_saying(status, "fiber \"deep digger\" overflowed its stack");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void null_write(void *arg)
{
    volatile char *volatile nowhere = (char *)16;
    *nowhere = 1;
}

static void other_faults_are_not_called_overflow(void **state)
{
    int status = in_child(null_write);
    assert_null(strstr(said, "overflowed"));
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void wait_where_forbidden(void *arg)
{
    gg_no_yield_begin();
    gg_yield();
}

static void no_yield_is_asserted(void **state)
{
    assert_died_saying(in_child(wait_where_forbidden), "fiber \"main\": gg_yield inside a no-yield section");
}

static void wait_in_loop_code(void *arg)
{
    gg_sleep(1);
}

static void wait_in_timer(void *arg)
{
    gg_timer_start(1, wait_in_loop_code, NULL);
    gg_sleep(50);
}

static void waiting_outside_fibers_is_asserted(void **state)
{
    assert_died_saying(in_child(wait_in_timer), "gg_sleep outside any fiber");
}

static void lock_twice(void *arg)
{
    struct gg_mutex mutex;
    gg_mutex_init(&mutex);
    if (gg_mutex_lock(&mutex, GG_FOREVER) == GG_OK && gg_mutex_lock(&mutex, GG_FOREVER) == GG_OK)
        gg_mutex_unlock(&mutex);
}

static void mutex_is_not_recursive(void **state)
{
    assert_died_saying(in_child(lock_twice), "assertion failed");
}

static void hog(void *arg)
{
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < 150);
    gg_yield();
}

static void long_slice_is_logged(void **state)
{
    int status = in_child(hog);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, "fiber \"main\" ran 1"));
    assert_non_null(strstr(said, "ms without a wait"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overflow_names_the_fiber),           cmocka_unit_test(other_faults_are_not_called_overflow),
        cmocka_unit_test(no_yield_is_asserted),               cmocka_unit_test(waiting_outside_fibers_is_asserted),
        cmocka_unit_test(mutex_is_not_recursive),             cmocka_unit_test(long_slice_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
