/* switch.c: contexts, and everything that AddressSanitizer and valgrind must be told about stacks.
 *
 * No sigsetjmp here: with _FORTIFY_SOURCE, which distributions set, glibc takes a jump between stacks for an attack. */
#include "fiber/switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/memcheck.h>
#define WITH_VALGRIND 1
#endif
#endif
#ifndef WITH_VALGRIND
#define WITH_VALGRIND 0
#endif

/* Where the running switch comes from: its far end must finish what the near end started. Loop thread only. */
static struct gg_context *coming_from;

static void tell_leaving(struct gg_context *from, const struct gg_context *to, bool for_good)
{
    coming_from = from;
#if WITH_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
}

static void tell_arrived(struct gg_context *at)
{
#if WITH_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(at->fake_stack, &bottom, &size);
    coming_from->bottom = bottom;
    coming_from->size = size;
#endif
}

static void start(void *arg)
{
    struct gg_context *context = arg;
    tell_arrived(context);
    context->entry(context->arg);
    __builtin_trap();
}

#if GANGLION_UCONTEXT

static void start_split(unsigned high, unsigned low)
{
    start((void *)((uintptr_t)high << 16 << 16 | low));
}

static void prepare(struct gg_context *context, void *bottom, size_t size)
{
    uintptr_t p = (uintptr_t)context;
    getcontext(&context->uc);
    context->uc.uc_stack.ss_sp = bottom;
    context->uc.uc_stack.ss_size = size;
    context->uc.uc_link = NULL;
    makecontext(&context->uc, (void (*)(void))start_split, 2, (unsigned)(p >> 16 >> 16), (unsigned)p);
}

static void jump(struct gg_context *from, struct gg_context *to)
{
    swapcontext(&from->uc, &to->uc);
}

#else

void gg_switch_asm(void **save_sp, void *sp);
extern void gg_switch_start(void);

#if defined(__x86_64__)
/* As popped by gg_switch_asm; gg_switch_start is entered by its ret, after which the stack is aligned for a call:
 * seven words popped, two left. */
static void prepare(struct gg_context *context, void *bottom, size_t size)
{
    uintptr_t *sp = (uintptr_t *)(((uintptr_t)bottom + size) & ~(uintptr_t)15) - 9;
    memset(sp, 0, 9 * sizeof(*sp));
    sp[2] = (uintptr_t)start;   /* r13 */
    sp[3] = (uintptr_t)context; /* r12 */
    sp[6] = (uintptr_t)gg_switch_start;
    context->sp = sp;
}
#else
static void prepare(struct gg_context *context, void *bottom, size_t size)
{
    uintptr_t *sp = (uintptr_t *)(((uintptr_t)bottom + size) & ~(uintptr_t)15) - 20;
    memset(sp, 0, 20 * sizeof(*sp));
    sp[0] = (uintptr_t)context; /* x19 */
    sp[1] = (uintptr_t)start;   /* x20 */
    sp[11] = (uintptr_t)gg_switch_start;
    context->sp = sp;
}
#endif

static void jump(struct gg_context *from, struct gg_context *to)
{
    gg_switch_asm(&from->sp, to->sp);
}

#endif

void gg_context_make(struct gg_context *context, void *bottom, size_t size, void (*entry)(void *arg), void *arg)
{
    context->entry = entry;
    context->arg = arg;
    context->bottom = bottom;
    context->size = size;
    context->fake_stack = NULL;
    prepare(context, bottom, size);
}

void gg_context_switch(struct gg_context *from, struct gg_context *to)
{
    tell_leaving(from, to, false);
    jump(from, to);
    tell_arrived(from);
}

void gg_context_leave(struct gg_context *from, struct gg_context *to)
{
    tell_leaving(from, to, true);
    jump(from, to);
    __builtin_trap();
}

unsigned gg_context_stack_made(void *bottom, size_t size)
{
    unsigned id = 0;
#if WITH_ASAN
    __lsan_register_root_region(bottom, size);
#endif
#if WITH_VALGRIND
    id = (unsigned)VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size);
#endif
    return id;
}

void gg_context_stack_gone(unsigned id, void *bottom, size_t size)
{
#if WITH_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
#if WITH_ASAN
    __lsan_unregister_root_region(bottom, size);
#endif
    gg_context_stack_wipe(bottom, size);
}

void gg_context_stack_wipe(void *bottom, size_t size)
{
#if WITH_ASAN
    __asan_unpoison_memory_region(bottom, size); /* frames that never returned left their red zones */
#endif
#if WITH_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(bottom, size);
#endif
}
