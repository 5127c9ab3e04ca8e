/* wait.c: the one way in which a fiber waits. */
#include "fiber/sched.h"

#include "base/clock.h"

void gg_must_wait_in_fiber(const char *what)
{
    if (!gg_current)
        gg_panic(__FILE__, __LINE__, "%s outside any fiber", what);
    if (gg_current->no_yields)
        gg_panic(__FILE__, __LINE__, "fiber \"%s\": %s inside a no-yield section", gg_current->name, what);
}

void gg_wait_init(struct gg_wait *wait)
{
    wait->fiber = gg_current;
    gg_list_init(&wait->link);
    wait->due.index = 0;
    wait->result = GG_OK;
    wait->decided = false;
}

struct gg_wait *gg_wait_first(const struct gg_list *head)
{
    return gg_list_empty(head) ? NULL : GG_CONTAINER(head->next, struct gg_wait, link);
}

bool gg_wait_wake(struct gg_wait *wait, int result)
{
    if (wait->decided)
        return false;
    wait->decided = true;
    wait->result = result;
    gg_list_remove(&wait->link);
    gg_due_remove(&wait->due);
    if (wait->fiber->wait == wait) {
        wait->fiber->wait = NULL;
        gg_make_ready(wait->fiber);
    }
    return true;
}

static void too_late(struct gg_due *due)
{
    gg_wait_wake(GG_CONTAINER(due, struct gg_wait, due), GG_E_TIMEOUT);
}

static int refuse(struct gg_wait *wait, int result)
{
    gg_list_remove(&wait->link);
    return result;
}

int gg_wait_block(struct gg_wait *wait, int64_t deadline)
{
    gg_must_wait_in_fiber("a wait");
    struct gg_fiber *self = gg_current;
    bool shielded = self->shields > 0;
    if (wait->decided)
        return wait->result;
    if (self->cancelled && !shielded)
        return refuse(wait, GG_E_CANCELLED);
    if (!shielded && self->deadline < deadline)
        deadline = self->deadline;
    if (deadline != GG_FOREVER && deadline <= gg_now_ms())
        return refuse(wait, GG_E_TIMEOUT);
    if (deadline != GG_FOREVER)
        gg_due_add(&wait->due, deadline, too_late);
    self->wait = wait;
    gg_switch_out();
    return wait->result;
}

int gg_yield(void)
{
    gg_must_wait_in_fiber("gg_yield");
    if (gg_cancelled())
        return GG_E_CANCELLED;
    gg_make_ready(gg_current);
    gg_switch_out();
    return gg_cancelled() ? GG_E_CANCELLED : GG_OK;
}

int gg_sleep_until(int64_t deadline)
{
    gg_must_wait_in_fiber("gg_sleep");
    if (deadline <= gg_now_ms())
        return gg_yield();
    bool own = gg_current->shields > 0 || deadline <= gg_current->deadline;
    struct gg_wait wait;
    gg_wait_init(&wait);
    int r = gg_wait_block(&wait, deadline);
    return r == GG_E_TIMEOUT && own ? GG_OK : r;
}

int gg_sleep(int64_t ms)
{
    /* Read anew: after a long slice the cached time would make the sleep too short. */
    int64_t now = gg_clock_refresh();
    return gg_sleep_until(ms > GG_FOREVER - now ? GG_FOREVER : now + ms);
}
