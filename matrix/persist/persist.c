/* matrix/persist/persist.c: the queues of rooms: jobs become plans, plans are committed, callers are answered. */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "../parts.h"
#include "../storage/store.h"
#include "fill.h"
#include "writer.h"

static struct gg_logger logger = {"ganglion.persist"};

/* ---- jobs and plans ---- */

static void end_job(struct mx_job *job, int status, const struct gg_error *err)
{
    gg_list_remove(&job->in_room);
    job->status = status;
    if (status)
        job->err = *err;
    job->done = true;
    gg_cond_broadcast(&job->ended);
}

static void add_items(struct mx_plan *plan, struct mx_job *job)
{
    while (job->n_planned < job->n && plan->n < MX_PLAN_EVENTS &&
           job->items[job->n_planned].backfilled == plan->backfilled) {
        struct mx_planned *p = &plan->events[plan->n++];
        memset(p, 0, sizeof(*p));
        p->place = job->n_planned++;
        p->item = &job->items[p->place];
        p->event = p->item->event;
        p->job = job;
    }
}

/* The next events of the room, of as many jobs as fit. A plan is either history or news; a change of state without
 * events stands alone. */
static struct mx_plan *make_plan(struct mx_room_queue *room)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_plan *plan = GG_NEW(arena, struct mx_plan);
    struct mx_job *first = GG_CONTAINER(room->jobs.next, struct mx_job, in_room);
    plan->persister = room->persister;
    plan->room_id = room->room_id;
    plan->arena = arena;
    plan->events = GG_NEW_ARRAY(arena, struct mx_planned, MX_PLAN_EVENTS);
    plan->wants_state_id = first->current_state;
    gg_list_init(&plan->in_commit);
    if (first->current_state)
        return plan;
    plan->backfilled = first->items[first->n_planned].backfilled;
    GG_LIST_EACH (l, &room->jobs) {
        struct mx_job *job = GG_CONTAINER(l, struct mx_job, in_room);
        bool fits = plan->n + job->n - job->n_planned <= MX_PLAN_EVENTS; /* a run is torn apart only if it must be */
        if (job->current_state || (plan->n && !fits) || job->items[job->n_planned].backfilled != plan->backfilled)
            break;
        add_items(plan, job);
        if (job->n_planned < job->n)
            break;
    }
    return plan;
}

static bool worth_writing(const struct mx_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].fate == MX_FATE_NEW || plan->events[i].fate == MX_FATE_EX_OUTLIER)
            return true;
    return plan->wants_state_id && plan->n_deltas;
}

/* A unique violation: an event, or its transaction id, is there already after all. */
static bool may_be_held(const struct mx_plan *plan)
{
    return !plan->checked && strcmp(plan->sqlstate, "23505") == 0;
}

static int run_plan(struct mx_plan *plan, struct gg_error *err)
{
    for (;;) {
        int status = mx_plan_prepare(plan, err);
        if (!status && worth_writing(plan))
            status = mx_commit_plan(plan, err);
        if (!status || !may_be_held(plan))
            return status;
        plan->checked = true;
        memset(err, 0, sizeof(*err));
    }
}

static void answer(const struct mx_planned *p, const struct mx_plan *plan)
{
    struct mx_job *job = p->job;
    bool written = p->fate == MX_FATE_NEW || p->fate == MX_FATE_EX_OUTLIER;
    if (job->stream_orderings)
        job->stream_orderings[p->place] = written && plan->backfilled ? -p->stream : p->stream;
    if (p->fate != MX_FATE_DUPLICATE)
        job->event_ids[p->place] = p->event->event_id;
}

/* Jobs that are planned to their end are done; a failure ends every job of the plan. */
static void end_plan(struct mx_room_queue *room, struct mx_plan *plan, int status, const struct gg_error *err)
{
    for (size_t i = 0; i < plan->n && !status; i++)
        answer(&plan->events[i], plan);
    if (!plan->n) {
        end_job(GG_CONTAINER(room->jobs.next, struct mx_job, in_room), status, err);
        return;
    }
    struct mx_job *last = plan->events[plan->n - 1].job;
    bool last_open = !status && last->n_planned < last->n;
    while (!gg_list_empty(&room->jobs)) {
        struct mx_job *job = GG_CONTAINER(room->jobs.next, struct mx_job, in_room);
        if (job == last && last_open)
            return;
        end_job(job, status, err);
        if (job == last)
            return;
    }
}

/* Jobs that failed together are tried alone once: one of them may be the bad one. */
static bool shares(const struct mx_plan *plan)
{
    return plan->n && plan->events[0].job != plan->events[plan->n - 1].job;
}

static void split(struct mx_room_queue *room, struct mx_plan *plan)
{
    struct mx_job *only = plan->events[0].job;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].job != only)
            plan->events[i].job->n_planned = 0;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].job != only) {
            plan->n = i;
            break;
        }
    (void)room;
}

void mx_persist_forget(struct mx_server *server, const struct mx_persist_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mx_events_forget(mx_store_of(server), items[i].event->event_id);
}

static void run_next(struct mx_room_queue *room)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_plan *plan = make_plan(room);
    int status = run_plan(plan, &err);
    if (status && shares(plan)) {
        split(room, plan);
        plan->checked = false;
        memset(&err, 0, sizeof(err));
        status = run_plan(plan, &err);
    }
    if (status) {
        gg_warn(&logger, "persisting %zu events in %.*s failed: %s", plan->n, GG_FMT(plan->room_id), err.message);
        mx_heads_forget(room->persister->server, plan->room_id);
        for (size_t i = 0; i < plan->n; i++)
            mx_persist_forget(room->persister->server, plan->events[i].item, 1);
    }
    end_plan(room, plan, status, &err);
    gg_arena_free(plan->arena);
}

static void room_fiber(void *arg)
{
    struct mx_room_queue *room = arg;
    gg_shield_begin();
    while (!gg_list_empty(&room->jobs))
        run_next(room);
    gg_shield_end();
    gg_map_take(room->persister->rooms, room->room_id);
    free((char *)(uintptr_t)room->room_id.s);
    free(room);
}

/* ---- the entrance ---- */

static struct mx_room_queue *room_of(struct mx_persister *p, struct gg_str room_id, struct gg_error *err)
{
    struct mx_room_queue *room = gg_map_get(p->rooms, room_id);
    if (room)
        return room;
    room = gg_xcalloc(1, sizeof(*room));
    char *copy = gg_xmalloc(room_id.n + 1);
    memcpy(copy, room_id.s, room_id.n);
    copy[room_id.n] = 0;
    room->persister = p;
    room->room_id = gg_strn(copy, room_id.n);
    gg_list_init(&room->jobs);
    if (!p->scope || !gg_spawn(p->scope, "persist room", room_fiber, room)) {
        free(copy);
        free(room);
        gg_fail(err, GG_E_UNAVAILABLE, "shutting down");
        return NULL;
    }
    gg_map_put(p->rooms, room->room_id, room);
    return room;
}

/* The caller's items are borrowed, so it waits to the end. */
static int run_job(struct mx_persister *p, struct gg_str room_id, struct mx_job *job, struct gg_error *err)
{
    struct mx_room_queue *room = room_of(p, room_id, err);
    if (!room)
        return err->code;
    gg_cond_init(&job->ended);
    gg_list_push(&room->jobs, &job->in_room);
    gg_shield_begin();
    while (!job->done)
        (void)gg_cond_wait(&job->ended, GG_FOREVER);
    gg_shield_end();
    if (job->status)
        *err = job->err;
    return job->status;
}

int mx_persist(struct mx_server *server, struct gg_str room_id, const struct mx_persist_item *items, size_t n,
               struct gg_arena *arena, int64_t *stream_orderings, struct gg_str *event_ids_out, struct gg_error *err)
{
    if (!n)
        return 0;
    struct mx_job job = {.items = items, .n = n, .arena = arena, .stream_orderings = stream_orderings};
    job.event_ids = event_ids_out ? event_ids_out : GG_NEW_ARRAY(arena, struct gg_str, n);
    return run_job(server->persister, room_id, &job, err);
}

int mx_persist_recalculate(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    struct mx_job job = {.current_state = true};
    return run_job(server->persister, room_id, &job, err);
}

const char *mx_persist_writer(const struct mx_server *server, struct gg_str room_id)
{
    return gg_stream_writer_of(server->events, room_id);
}

/* ---- the part ---- */

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_persister *p = server->persister = gg_xcalloc(1, sizeof(*p));
    p->server = server;
    p->rooms = gg_map_new(NULL);
    p->kinds = gg_map_new(NULL);
    p->participants = gg_map_new(NULL);
    p->search = gg_config_bool(server->config, "enable_search");
    gg_list_init(&p->plans);
    mx_persist_serve(server);
    return 0;
}

static const struct gg_stmt clear_persisting = {
    "DELETE FROM state_groups_persisting WHERE instance_name = $1 OR inserted_ts < $2", GG_LANE_POINT};

/* What a process of this name left behind when it died, and what is a week old (facts database 5.1). */
static int start(struct mx_server *server, struct gg_error *err)
{
    struct mx_persister *p = server->persister;
    p->scope = gg_scope_new(gg_host_scope(server->host), "persist");
    if (!gg_stream_is_writer(server->events))
        return 0;
    int64_t week_ago = gg_wall_ms() - INT64_C(7) * 24 * 3600 * 1000;
    return gg_db_write(server->db, &clear_persisting,
                       GG_PARAMS(gg_p_text(gg_host_instance(server->host)), gg_p_i64(week_ago)), NULL, NULL, err);
}

/* What has been accepted is written; nothing new comes in. */
static void stop(struct mx_server *server)
{
    struct mx_persister *p = server->persister;
    gg_scope_end(p->scope);
    p->scope = NULL;
}

static void free_part(struct mx_server *server)
{
    gg_map_free(server->persister->rooms);
    gg_map_free(server->persister->kinds);
    gg_map_free(server->persister->participants);
    free(server->persister);
    server->persister = NULL;
}

const struct mx_part mx_part_persister = {"persister", make, start, stop, free_part};
