/* matrix/persist/commit.c: group commit: a committer takes every plan that waits and writes them together. When that
 * fails each room is tried alone, so that a bad event fails alone. */
#include "writer.h"

enum { PATIENCE_MS = 10 }; /* that a plan waits for the transaction before its own */

static void end_plan(struct mx_plan *plan, int status, const struct gg_error *err, const char *sqlstate)
{
    plan->status = status;
    if (status)
        plan->err = *err;
    memcpy(plan->sqlstate, sqlstate, sizeof(plan->sqlstate));
    plan->done = true;
    gg_cond_broadcast(&plan->ended);
}

/* Failures that say something of the rows, not of the database's health. */
static bool is_about_rows(int status, const char *sqlstate)
{
    return status == GG_E_CONFLICT || status == GG_E_NOT_FOUND || status == GG_E_INVALID || status == GG_E_LIMIT ||
           strncmp(sqlstate, "23", 2) == 0 || strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "P0", 2) == 0 ||
           strncmp(sqlstate, "54", 2) == 0 || strncmp(sqlstate, "40", 2) == 0;
}

static size_t take_plans(struct mx_persister *p, struct mx_plan **plans, size_t max)
{
    size_t n = 0, events = 0;
    while (n < max && !gg_list_empty(&p->plans)) {
        struct mx_plan *plan = GG_CONTAINER(p->plans.next, struct mx_plan, in_commit);
        if (n && events + plan->n > MX_COMMIT_EVENTS)
            break;
        gg_list_remove(&plan->in_commit);
        p->n_waiting--;
        events += plan->n;
        plans[n++] = plan;
    }
    return n;
}

static void write_together(struct mx_persister *p, struct mx_plan **plans, size_t n)
{
    struct gg_error err = GG_ERROR_INIT;
    char sqlstate[6] = "";
    int status = mx_write_plans(p, plans, n, sqlstate, &err);
    if (status && n > 1 && is_about_rows(status, sqlstate)) {
        for (size_t i = 0; i < n; i++)
            write_together(p, plans + i, 1); /* one level: n is 1 there */
        return;
    }
    for (size_t i = 0; i < n; i++)
        end_plan(plans[i], status, &err, sqlstate);
}

static void committer(void *arg)
{
    struct mx_persister *p = arg;
    struct mx_plan *plans[MX_COMMIT_EVENTS];
    gg_shield_begin();
    for (size_t n; (n = take_plans(p, plans, MX_COMMIT_EVENTS));)
        write_together(p, plans, n);
    gg_shield_end();
    p->n_committers--;
}

static void start_committer(struct mx_persister *p)
{
    if (p->n_committers == MX_COMMITTERS)
        return;
    p->n_committers++;
    if (!gg_spawn(p->scope, "persist commit", committer, p))
        committer(p); /* stopping, or out of stacks: what was accepted is written all the same, by its own fiber */
}

/* Plans that come while a transaction runs are cheaper together in the next one; where many wait, or that one takes its time
 * (another's lock, a slow disk), there is a second one beside it. */
int mx_commit_plan(struct mx_plan *plan, struct gg_error *err)
{
    struct mx_persister *p = plan->persister;
    int64_t until = gg_deadline(PATIENCE_MS);
    plan->done = false;
    gg_cond_init(&plan->ended);
    gg_list_push(&p->plans, &plan->in_commit);
    p->n_waiting++;
    if (p->n_committers == 0 || p->n_waiting >= MX_COMMIT_PLANS)
        start_committer(p);
    gg_shield_begin();
    while (!plan->done) {
        if (gg_cond_wait(&plan->ended, until) != GG_E_TIMEOUT)
            continue;
        until = GG_FOREVER;
        if (!gg_list_empty(&plan->in_commit)) /* nobody has taken it */
            start_committer(p);
    }
    gg_shield_end();
    if (plan->status)
        *err = plan->err;
    return plan->status;
}
