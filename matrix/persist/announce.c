/* matrix/persist/announce.c: what a commit changes in this process, and what it tells the others. */
#include "announce.h"

#include <ganglion/matrix/id.h>

#include "../storage/events/rows.h"
#include "../storage/store.h"
#include "fill.h"

/* ---- caches ---- */

static void keep_event(struct mx_server *server, const struct mx_plan *plan, struct mx_planned *p)
{
    struct mx_store *store = mx_store_of(server);
    struct mx_event_meta meta = p->event->meta;
    meta.stream_ordering = plan->backfilled ? -p->stream : p->stream;
    meta.instance = gg_str(gg_host_instance(server->host));
    mx_events_forget(store, p->event->event_id);
    if (!p->redacted_before) {
        struct mx_event *event = mx_event_with_meta(p->event, &meta);
        mx_store_keep(server, event);
        mx_event_unref(event);
    }
    if (!p->rejected && mx_content_redacts(p->event).s)
        mx_events_forget(store, p->event->redacts);
}

static void keep_events(struct mx_server *server, const struct mx_plan *plan)
{
    struct mx_store *store = mx_store_of(server);
    for (size_t i = 0; i < plan->n; i++) {
        struct mx_planned *p = &plan->events[i];
        if (p->fate == MX_FATE_NEW)
            keep_event(server, plan, p);
        else if (p->fate == MX_FATE_EX_OUTLIER)
            mx_events_forget(store, p->event->event_id);
        else
            continue;
        if (!p->outlier && p->item->group)
            mx_event_group_keep(store, p->event->event_id,
                                p->rejected && p->item->group_before ? p->item->group_before : p->item->group);
    }
}

/* A room that we left has no current state any more. */
static void move_head(struct mx_server *server, const struct mx_plan *plan)
{
    if (!plan->head)
        return;
    if (plan->left) {
        mx_heads_forget(server, plan->room_id);
    } else {
        mx_heads_apply(server, plan->room_id,
                       &(struct mx_head_change){.position = mx_plan_high(plan),
                                                .state = plan->new_state,
                                                .members = plan->members,
                                                .n_members = plan->n_members,
                                                .new_ends = plan->new_ends,
                                                .ends = plan->ends,
                                                .n_ends = plan->n_ends});
    }
    for (size_t i = 0; i < plan->n_members; i++)
        if (mx_is_mine(server, plan->members[i].user_id))
            mx_heads_forget_user(server, plan->members[i].user_id);
    for (size_t i = 0; i < plan->n; i++) /* invitations from outside change no current state */
        if (plan->events[i].outlier && mx_event_is(plan->events[i].event, "m.room.member", NULL) &&
            mx_is_mine(server, plan->events[i].event->state_key))
            mx_heads_forget_user(server, plan->events[i].event->state_key);
}

enum { PARTICIPANTS_MAX = 20000 };

/* Those who are forgotten here are marked once more, which changes nothing. */
static void keep_participants(const struct mx_plan *plan)
{
    struct gg_map *marked = plan->persister->participants;
    for (size_t i = 0; i < plan->n; i++) {
        struct gg_str id = mx_participant(plan, &plan->events[i]);
        if (id.s && gg_map_count(marked) >= PARTICIPANTS_MAX)
            gg_map_clear(marked);
        if (id.s)
            gg_map_put(marked, id, plan->persister);
    }
}

/* ---- rows ---- */

struct rows {
    struct gg_arena *arena;
    struct gg_fetched *rows;
    size_t n, cap;
    struct gg_buf text;
};

static void add_row(struct rows *r, int64_t token)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        struct gg_fetched *more = GG_NEW_ARRAY(r->arena, struct gg_fetched, r->cap);
        if (r->n)
            memcpy(more, r->rows, r->n * sizeof(*more));
        r->rows = more;
    }
    r->rows[r->n++] = (struct gg_fetched){token, gg_arena_str(r->arena, gg_buf_view(&r->text))};
    gg_buf_clear(&r->text);
}

static void add_state_rows(struct rows *r, const struct mx_plan *plan)
{
    struct mx_state_entry e;
    if (plan->left) {
        for (size_t i = 0; mx_state_next(plan->head->head.state, &i, &e);) {
            mx_event_row_state(&r->text, plan->room_id, e.type, e.state_key, gg_strn(NULL, 0));
            add_row(r, mx_plan_low(plan));
        }
        return;
    }
    for (size_t i = 0; i < plan->n_deltas; i++) {
        mx_event_row_state(&r->text, plan->room_id, plan->deltas[i].type, plan->deltas[i].state_key,
                           plan->deltas[i].event_id);
        add_row(r, mx_plan_low(plan));
    }
}

static void add_event_row(struct rows *r, const struct mx_plan *plan, const struct mx_planned *p)
{
    if (plan->backfilled)
        mx_event_row_backfill(&r->text, p->event, p->relates_to);
    else
        mx_event_row_ev(&r->text, p->event, p->relates_to);
    add_row(r, p->stream);
}

/* The rows of a plan, ascending by token: the changes of state stand behind the first event. */
static void add_plan(struct rows *r, const struct mx_plan *plan)
{
    bool states_due = plan->n_deltas > 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        if (p->fate != MX_FATE_NEW && p->fate != MX_FATE_EX_OUTLIER)
            continue;
        add_event_row(r, plan, p);
        if (states_due)
            add_state_rows(r, plan);
        states_due = false;
    }
    if (states_due)
        add_state_rows(r, plan);
}

static void finish_stream(struct gg_stream *stream, struct mx_plan *const *plans, size_t n, bool backfilled,
                          const int64_t *ids, size_t n_ids, struct gg_arena *arena)
{
    struct rows r = {arena, NULL, 0, 0, GG_BUF_INIT};
    if (!n_ids)
        return;
    for (size_t i = 0; i < n; i++)
        if (plans[i]->backfilled == backfilled)
            add_plan(&r, plans[i]);
    gg_stream_finish_rows(stream, ids, n_ids, r.rows, r.n);
    gg_buf_done(&r.text);
}

void mx_announce(struct mx_server *server, struct mx_plan *const *plans, size_t n, const int64_t *live, size_t n_live,
                 const int64_t *back, size_t n_back, struct gg_arena *arena)
{
    for (size_t i = 0; i < n; i++) {
        keep_events(server, plans[i]);
        keep_participants(plans[i]);
        move_head(server, plans[i]);
    }
    finish_stream(server->events, plans, n, false, live, n_live, arena);
    finish_stream(server->backfill, plans, n, true, back, n_back, arena);
}
