/* switch.h: a point of execution on a stack of its own, and going from one to another. */
#ifndef HOST_FIBER_SWITCH_H
#define HOST_FIBER_SWITCH_H

#include <ganglion/base.h>

/* Build with -DGANGLION_UCONTEXT=1 where the few lines of assembly must not be used (shadow stacks enforced). */
#ifndef GANGLION_UCONTEXT
#if defined(__x86_64__) || defined(__aarch64__)
#define GANGLION_UCONTEXT 0
#else
#define GANGLION_UCONTEXT 1
#endif
#endif

#if GANGLION_UCONTEXT
#include <ucontext.h>
#endif

struct gg_context {
#if GANGLION_UCONTEXT
    ucontext_t uc;
#else
    void *sp;
#endif
    void (*entry)(void *arg);
    void *arg;
    const void *bottom; /* of the stack, for AddressSanitizer; of the loop's own it is learned on the first switch */
    size_t size;
    void *fake_stack;
};

/* entry(arg) starts at the first switch to it and must never return. */
void gg_context_make(struct gg_context *context, void *bottom, size_t size, void (*entry)(void *arg), void *arg);
void gg_context_switch(struct gg_context *from, struct gg_context *to);
/* The last switch away from a stack that will be used anew. */
GG_NORETURN void gg_context_leave(struct gg_context *from, struct gg_context *to);

/* Tell the tools that memory became a stack (returns what to give back to the second), or is none any more, or
 * is to be used from fresh. */
unsigned gg_context_stack_made(void *bottom, size_t size);
void gg_context_stack_gone(unsigned id, void *bottom, size_t size);
void gg_context_stack_wipe(void *bottom, size_t size);

#endif
