/* matrix/federation/sending/jobs.c: news that came while no fiber may wait is handled here, in the order of its coming. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum { MAX_JOBS = 20000, PAUSE_MS = 200 };

typedef int job_fn(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);

static job_fn *const handlers[] = {
    [MX_JOB_TYPING] = mx_typing_tell,     [MX_JOB_RECEIPTS] = mx_receipts_tell,        [MX_JOB_PRESENCE] = mx_presence_tell,
    [MX_JOB_PRESENCE_TO] = mx_presence_tell_one, [MX_JOB_MESSAGES] = mx_messages_tell, [MX_JOB_LISTS] = mx_lists_tell,
    [MX_JOB_UP] = mx_up_tell,
};

static void drop(struct mx_sending *sending, struct mx_job *job)
{
    gg_list_remove(&job->link);
    sending->n_jobs--;
    free(job);
}

/* When there is too much of it news is let go; not what somebody waits for the end of, nor, for long, what is also in the
 * tables (wake.c). */
void mx_job_add(struct mx_sending *sending, int kind, struct gg_str what, struct gg_str who, bool on,
                const struct mx_presence_state *state)
{
    if (sending->n_jobs >= MAX_JOBS && kind != MX_JOB_RECEIPTS && kind != MX_JOB_LISTS)
        return;
    struct gg_str status = state != NULL ? state->status_msg : (struct gg_str){0};
    struct mx_job *job = gg_xcalloc(1, sizeof(*job) + what.n + who.n + status.n);
    char *at = (char *)(job + 1);
    job->kind = kind;
    job->on = on;
    job->what = mx_put_text(&at, what);
    job->who = mx_put_text(&at, who);
    if (state != NULL)
        job->state = *state;
    job->state.status_msg = mx_put_text(&at, status);
    gg_list_push(&sending->jobs, &job->link);
    sending->n_jobs++;
    gg_cond_signal(&sending->jobs_cond);
}

void mx_jobs_run(void *arg)
{
    struct mx_sending *sending = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        if (gg_list_empty(&sending->jobs)) {
            gg_cond_wait(&sending->jobs_cond, GG_FOREVER);
            continue;
        }
        struct mx_job *job = GG_CONTAINER(gg_list_pop(&sending->jobs), struct mx_job, link);
        int rc = handlers[job->kind](sending, job, &err);
        drop(sending, job);
        if (rc != 0 && rc != GG_E_NOT_FOUND && !gg_cancelled()) {
            gg_warn(&logger, "news is not told to other servers: %s", err.message);
            gg_sleep(PAUSE_MS);
        }
    }
}

void mx_jobs_free(struct mx_sending *sending)
{
    while (!gg_list_empty(&sending->jobs))
        drop(sending, GG_CONTAINER(sending->jobs.next, struct mx_job, link));
}

int mx_tell(struct mx_sending *sending, const struct gg_str *hosts, size_t n_hosts, struct mx_out_edu *const *edus, size_t n,
            size_t *told_out, struct gg_error *err)
{
    struct mx_dest **dests = gg_xcalloc(n_hosts, sizeof(struct mx_dest *));
    size_t told = 0;
    int rc = mx_dests_get(sending, hosts, n_hosts, dests, err);
    for (size_t i = 0; rc == 0 && i < n_hosts; i++) {
        if (dests[i] == NULL)
            continue;
        for (size_t k = 0; k < n; k++)
            mx_dest_add_edu(dests[i], edus[k]);
        mx_dest_wake(dests[i]);
        told++;
    }
    free(dests);
    if (told_out != NULL)
        *told_out = told;
    return rc;
}

int mx_tell_room(struct mx_sending *sending, struct gg_str room_id, struct mx_out_edu *const *edus, size_t n,
                 size_t *told_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_hosts hosts;
    int rc = mx_fed_hosts_in_room(sending->server, room_id, arena, &hosts, err);
    if (told_out != NULL)
        *told_out = 0;
    if (rc == 0 && mx_fed_hosts_others(sending->server, &hosts))
        rc = mx_tell(sending, hosts.names, hosts.n, edus, n, told_out, err);
    gg_arena_free(arena);
    return rc;
}
