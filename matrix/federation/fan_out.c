/* matrix/federation/fan_out.c: many waits at once, within a bound. */
#include "federation/fan_out.h"

struct fan {
    mx_fan_fn *fn;
    void *arg;
    size_t next, n;
    int64_t deadline;
};

static void take_turns(struct fan *fan)
{
    while (fan->next < fan->n)
        fan->fn(fan->arg, fan->next++);
}

static void helper(void *arg)
{
    struct fan *fan = arg;
    gg_set_deadline(fan->deadline);
    take_turns(fan);
}

void mx_fan_out(const char *name, size_t n, size_t width, int64_t deadline, mx_fan_fn *fn, void *arg)
{
    struct fan fan = {.fn = fn, .arg = arg, .n = n, .deadline = deadline};
    int64_t before = gg_get_deadline();
    struct gg_scope *scope = n > 1 ? gg_scope_new(NULL, name) : NULL;
    for (size_t i = 1; scope && i < n && i < width; i++)
        if (!gg_spawn(scope, name, helper, &fan))
            break; /* no stack left: those that run take all turns */
    gg_set_deadline(deadline < before ? deadline : before);
    take_turns(&fan); /* the caller works as well */
    gg_set_deadline(before);
    if (!scope)
        return;
    if (!gg_cancelled())
        (void)gg_scope_join(scope, GG_FOREVER); /* each ends by its deadline; a cancel ends the wait */
    gg_scope_end(scope);
}
