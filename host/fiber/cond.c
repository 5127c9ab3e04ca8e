/* cond.c: conditions and the mutex made of one. */
#include "fiber/sched.h"

void gg_cond_init(struct gg_cond *cond)
{
    gg_list_init(&cond->waiters);
}

int gg_cond_wait(struct gg_cond *cond, int64_t deadline)
{
    struct gg_wait wait;
    gg_wait_init(&wait);
    gg_list_push(&cond->waiters, &wait.link);
    return gg_wait_block(&wait, deadline);
}

void gg_cond_signal(struct gg_cond *cond)
{
    struct gg_wait *wait = gg_wait_first(&cond->waiters);
    if (wait)
        gg_wait_wake(wait, GG_OK);
}

void gg_cond_broadcast(struct gg_cond *cond)
{
    for (struct gg_wait *wait; (wait = gg_wait_first(&cond->waiters)) != NULL;)
        gg_wait_wake(wait, GG_OK);
}

void gg_mutex_init(struct gg_mutex *mutex)
{
    mutex->owner = NULL;
    gg_cond_init(&mutex->cond);
}

int gg_mutex_lock(struct gg_mutex *mutex, int64_t deadline)
{
    GG_ASSERT(gg_current && mutex->owner != gg_current);
    if (!mutex->owner) {
        mutex->owner = gg_current;
        return GG_OK;
    }
    return gg_cond_wait(&mutex->cond, deadline);
}

/* The mutex goes straight to who waited longest: nobody can take it in between, and a waiter that was cancelled
 * after it was chosen owns it all the same. */
void gg_mutex_unlock(struct gg_mutex *mutex)
{
    GG_ASSERT(mutex->owner == gg_current);
    struct gg_wait *wait = gg_wait_first(&mutex->cond.waiters);
    mutex->owner = wait ? wait->fiber : NULL;
    if (wait)
        gg_wait_wake(wait, GG_OK);
}
