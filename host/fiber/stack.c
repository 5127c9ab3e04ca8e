/* stack.c: the pool of guarded stacks.
 *
 * Address space costs nothing, so stacks are large, and what a fiber touched stays with its stack while that is
 * pooled. The pool is last in, first out; stacks that a whole trim period did not need are given back. */
#include "fiber/stack.h"

#include <ganglion/memory.h>
#include "fiber/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard without a mapping of its own */
#endif

#define STACK_BYTES (GANGLION_SANITIZED ? (size_t)512 * 1024 : (size_t)256 * 1024)
#define GUARD_BYTES ((size_t)32 * 1024) /* wide, since foreign code may step over one page with a large frame */
#define KEEP_POOLED 16u
#define MAPS_FOR_OTHERS 5000u

static struct gg_logger logger = {"ganglion.fiber"};

static struct {
    struct gg_list used, pool;
    size_t stack_bytes, guard_bytes, page, max, count, pooled;
    size_t least_pooled; /* since the last trim: so many were never needed */
    size_t high_water;   /* over stacks that are gone */
    bool cheap_guard, full_said;
} stacks;

static size_t max_map_count(void)
{
    unsigned long n = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f) {
        if (fscanf(f, "%lu", &n) != 1)
            n = 65530;
        fclose(f);
    }
    return n;
}

/* Would a touch fault? The kernel looks for us: a write out of the page is refused, not answered with a signal. */
static bool faults(const char *page)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool refused = write(ends[1], page, 1) < 0 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return refused;
}

/* Emulators (qemu-user) say yes to advice that they do not know, so the answer alone proves nothing. */
static bool kernel_has_cheap_guard(void)
{
    void *p = mmap(NULL, stacks.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    bool has = madvise(p, stacks.page, MADV_GUARD_INSTALL) == 0 && faults(p);
    munmap(p, stacks.page);
    return has;
}

/* Pages of arm64 have up to 64 KiB. */
static size_t whole_pages(size_t bytes)
{
    return (bytes + stacks.page - 1) & ~(stacks.page - 1);
}

void gg_stacks_setup(size_t stack_bytes, size_t max)
{
    gg_list_init(&stacks.used);
    gg_list_init(&stacks.pool);
    stacks.page = (size_t)sysconf(_SC_PAGESIZE);
    stacks.stack_bytes = whole_pages(stack_bytes ? stack_bytes : STACK_BYTES);
    stacks.guard_bytes = whole_pages(GUARD_BYTES);
    stacks.cheap_guard = kernel_has_cheap_guard();
    stacks.count = stacks.pooled = stacks.least_pooled = stacks.high_water = 0;
    stacks.full_said = false;
    size_t maps = max_map_count();
    /* Without the cheap guard each stack costs two mappings, and the process needs some for itself. */
    size_t affordable = stacks.cheap_guard ? maps : maps > 2 * MAPS_FOR_OTHERS ? (maps - MAPS_FOR_OTHERS) / 2 : maps / 4;
    stacks.max = max ? max : affordable;
}

static bool install_guard(char *map)
{
    if (stacks.cheap_guard)
        return madvise(map, stacks.guard_bytes, MADV_GUARD_INSTALL) == 0;
    return mprotect(map, stacks.guard_bytes, PROT_NONE) == 0;
}

/* A stack without its guard is never handed out: an overflow would write into its neighbour. */
static char *map_stack(void)
{
    size_t bytes = stacks.guard_bytes + stacks.stack_bytes;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    /* One touched page must not become a huge one. Fails harmlessly where there are none. */
    (void)madvise(map, bytes, MADV_NOHUGEPAGE);
    if (install_guard(map))
        return map;
    munmap(map, bytes);
    return NULL;
}

static struct gg_stack *refuse(const char *why)
{
    if (!stacks.full_said)
        gg_err(&logger, "no stack for another fiber (%zu exist): %s", stacks.count, why);
    stacks.full_said = true;
    return NULL;
}

static struct gg_stack *make_stack(void)
{
    if (stacks.count >= stacks.max)
        return refuse("the limit is reached");
    char *map = map_stack();
    if (!map)
        return refuse(strerror(errno));
    struct gg_stack *stack = gg_xmalloc(sizeof(*stack));
    stack->map = map;
    stack->bottom = map + stacks.guard_bytes;
    stack->size = stacks.stack_bytes;
    stack->tool_id = gg_context_stack_made(stack->bottom, stack->size);
    stacks.count++;
    stacks.full_said = false;
    return stack;
}

struct gg_stack *gg_stack_get(void)
{
    struct gg_list *l = gg_list_pop(&stacks.pool);
    struct gg_stack *stack;
    if (l) {
        stack = GG_CONTAINER(l, struct gg_stack, link);
        if (--stacks.pooled < stacks.least_pooled)
            stacks.least_pooled = stacks.pooled;
    } else {
        stack = make_stack();
    }
    if (stack)
        gg_list_push(&stacks.used, &stack->link);
    return stack;
}

void gg_stack_put(struct gg_stack *stack)
{
    gg_list_remove(&stack->link);
    gg_context_stack_wipe(stack->bottom, stack->size);
    gg_list_push_front(&stacks.pool, &stack->link);
    stacks.pooled++;
}

bool gg_stack_guards(const struct gg_stack *stack, const void *address)
{
    return (const char *)address >= stack->map && (const char *)address < stack->bottom;
}

/* From the lowest page that is in memory up; nothing lower was ever touched. */
static size_t depth_of(const struct gg_stack *stack)
{
    unsigned char resident[1024];
    size_t pages = stack->size / stacks.page;
    for (size_t from = 0; from < pages; from += sizeof(resident)) {
        size_t n = pages - from < sizeof(resident) ? pages - from : sizeof(resident);
        if (mincore(stack->bottom + from * stacks.page, n * stacks.page, resident) != 0)
            return 0;
        for (size_t i = 0; i < n; i++)
            if (resident[i] & 1)
                return stack->size - (from + i) * stacks.page;
    }
    return 0;
}

static void destroy_stack(struct gg_stack *stack)
{
    size_t depth = depth_of(stack);
    if (depth > stacks.high_water)
        stacks.high_water = depth;
    gg_list_remove(&stack->link);
    gg_context_stack_gone(stack->tool_id, stack->bottom, stack->size);
    munmap(stack->map, stacks.guard_bytes + stack->size);
    free(stack);
    stacks.count--;
}

static void destroy_pooled(size_t n)
{
    /* From the cold end. */
    for (; n > 0 && stacks.pooled > 0; n--) {
        destroy_stack(GG_CONTAINER(stacks.pool.prev, struct gg_stack, link));
        stacks.pooled--;
    }
}

void gg_stacks_teardown(void)
{
    destroy_pooled(stacks.pooled);
}

size_t gg_stacks_pooled(void)
{
    return stacks.pooled;
}

static size_t deepest(const struct gg_list *head, size_t most)
{
    GG_LIST_EACH (it, head) {
        size_t depth = depth_of(GG_CONTAINER(it, struct gg_stack, link));
        if (depth > most)
            most = depth;
    }
    return most;
}

size_t gg_stacks_high_water(void)
{
    if (!stacks.stack_bytes)
        return 0;
    return deepest(&stacks.pool, deepest(&stacks.used, stacks.high_water));
}

bool gg_stacks_want_trim(void)
{
    return stacks.pooled > KEEP_POOLED;
}

bool gg_stacks_trim(void)
{
    size_t idle = stacks.least_pooled < stacks.pooled ? stacks.least_pooled : stacks.pooled;
    if (idle > KEEP_POOLED)
        destroy_pooled((idle - KEEP_POOLED + 1) / 2);
    stacks.least_pooled = stacks.pooled;
    return gg_stacks_want_trim();
}
