/* overflow.c: says which fiber overflowed its stack, then lets the process die of it.
 *
 * The handler runs on a stack of its own, since the fiber's has no room left. */
#include "fiber/sched.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define HANDLER_STACK_BYTES ((size_t)128 * 1024)

static struct sigaction before;
static stack_t old_stack;
static void *handler_stack;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* nobody to tell */
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    const struct gg_fiber *fiber = gg_current;
    /* The fault happens again when the handler returns, and then takes its usual course. */
    if (!fiber || !fiber->stack || !gg_stack_guards(fiber->stack, info->si_addr)) {
        sigaction(SIGSEGV, &before, NULL);
        return;
    }
    signal(SIGSEGV, SIG_DFL);
    say("ganglion: fiber \"");
    say(fiber->name);
    say("\" overflowed its stack\n");
    void *frames[32];
    backtrace_symbols_fd(frames, backtrace(frames, GG_COUNT(frames)), STDERR_FILENO);
}

int gg_overflow_setup(void)
{
    handler_stack = mmap(NULL, HANDLER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (handler_stack == MAP_FAILED) {
        handler_stack = NULL;
        return GG_E_NOMEM;
    }
    stack_t ss = {.ss_sp = handler_stack, .ss_size = HANDLER_STACK_BYTES};
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&act.sa_mask);
    void *frame;
    backtrace(&frame, 1); /* loads the unwinder now: a signal handler must not */
    if (sigaltstack(&ss, &old_stack) != 0 || sigaction(SIGSEGV, &act, &before) != 0)
        return GG_E_IO;
    return GG_OK;
}

void gg_overflow_teardown(void)
{
    if (!handler_stack)
        return;
    sigaction(SIGSEGV, &before, NULL);
    sigaltstack(&old_stack, NULL);
    munmap(handler_stack, HANDLER_STACK_BYTES);
    handler_stack = NULL;
}
