/* stack.h: guarded stacks from a pool. */
#ifndef HOST_FIBER_STACK_H
#define HOST_FIBER_STACK_H

#include <ganglion/list.h>

struct gg_stack {
    struct gg_list link; /* in use or pooled */
    char *map;           /* the guard, then the stack */
    char *bottom;
    size_t size;
    unsigned tool_id;
};

/* max 0: chosen from vm.max_map_count. */
void gg_stacks_setup(size_t stack_bytes, size_t max);
void gg_stacks_teardown(void);
/* NULL when the cap is reached or memory cannot be had. */
struct gg_stack *gg_stack_get(void);
void gg_stack_put(struct gg_stack *stack);
/* Is the address in the guard of this stack? */
bool gg_stack_guards(const struct gg_stack *stack, const void *address);

size_t gg_stacks_pooled(void);
/* Deepest use in bytes over all stacks since the setup. Looks at every stack: for statistics, not for hot paths. */
size_t gg_stacks_high_water(void);
/* Gives back half of the stacks that nobody needed since the last call. False: so few are left that calling again
 * is of no use until more were put back. */
bool gg_stacks_trim(void);
bool gg_stacks_want_trim(void);

#endif
