/* matrix/persist/plan_rooms.c: what follows from a change of a room's current state: its members, what room lists show
 * of it, whether we are still in it, and which remote users we lost sight of. */
#include <ganglion/matrix/id.h>

#include "writer.h"

static const char *const fact_types[] = {"m.room.create", "m.room.name", "m.room.encryption", "m.room.tombstone"};

static bool is_fact(struct gg_str type, struct gg_str state_key)
{
    for (size_t i = 0; i < GG_COUNT(fact_types) && !state_key.n; i++)
        if (gg_str_is(type, fact_types[i]))
            return true;
    return false;
}

static bool is_member(const struct mx_delta *d)
{
    return gg_str_is(d->type, "m.room.member");
}

static const struct mx_event *in_plan(const struct mx_plan *plan, struct gg_str event_id)
{
    for (size_t i = 0; i < plan->n; i++)
        if (gg_str_eq(plan->events[i].event->event_id, event_id))
            return plan->events[i].event;
    return NULL;
}

/* Events by id, from the plan or the store; each place of out is filled or the read fails. */
static int events_of(struct mx_plan *plan, const struct gg_str *ids, size_t n, const struct mx_event **out,
                     struct gg_error *err)
{
    struct gg_str *ask = GG_NEW_ARRAY(plan->arena, struct gg_str, n + 1);
    size_t *places = GG_NEW_ARRAY(plan->arena, size_t, n + 1), n_ask = 0;
    for (size_t i = 0; i < n; i++)
        if (!(out[i] = in_plan(plan, ids[i]))) {
            places[n_ask] = i;
            ask[n_ask++] = ids[i];
        }
    const struct mx_event **got = GG_NEW_ARRAY(plan->arena, const struct mx_event *, n_ask + 1);
    int status = mx_store_events(plan->persister->server, ask, n_ask, false, plan->arena, got, err);
    for (size_t i = 0; i < n_ask && !status; i++) {
        if (!got[i])
            return gg_fail(err, GG_E_INTERNAL, "state event %.*s is not held", GG_FMT(ask[i]));
        out[places[i]] = got[i];
    }
    return status;
}

/* The events of changed members and facts. */
static int load_delta_events(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n_deltas + 1);
    size_t *places = GG_NEW_ARRAY(plan->arena, size_t, plan->n_deltas + 1), n = 0;
    for (size_t i = 0; i < plan->n_deltas; i++)
        if (plan->deltas[i].event_id.s &&
            (is_member(&plan->deltas[i]) || is_fact(plan->deltas[i].type, plan->deltas[i].state_key))) {
            places[n] = i;
            ids[n++] = plan->deltas[i].event_id;
        }
    const struct mx_event **events = GG_NEW_ARRAY(plan->arena, const struct mx_event *, n + 1);
    int status = events_of(plan, ids, n, events, err);
    for (size_t i = 0; i < n && !status; i++)
        plan->deltas[places[i]].event = events[i];
    return status;
}

static void find_members(struct mx_plan *plan)
{
    plan->members = GG_NEW_ARRAY(plan->arena, struct mx_head_member, plan->n_deltas + 1);
    for (size_t i = 0; i < plan->n_deltas; i++) {
        const struct mx_delta *d = &plan->deltas[i];
        if (is_member(d))
            plan->members[plan->n_members++] =
                (struct mx_head_member){d->state_key, d->event_id, d->event ? d->event->membership : gg_strn(NULL, 0)};
    }
}

static bool joins(const struct mx_head_member *m)
{
    return m->event_id.s && gg_str_is(m->membership, "join");
}

static bool changes(const struct mx_plan *plan, struct gg_str user_id)
{
    for (size_t i = 0; i < plan->n_members; i++)
        if (gg_str_eq(plan->members[i].user_id, user_id))
            return true;
    return false;
}

/* Only a change of a local membership can make us leave. */
static bool still_joined(const struct mx_plan *plan)
{
    const struct mx_server *server = plan->persister->server;
    bool local = false;
    struct mx_state_entry e;
    for (size_t i = 0; i < plan->n_members; i++) {
        bool mine = mx_is_mine(server, plan->members[i].user_id);
        local |= mine;
        if (mine && joins(&plan->members[i]))
            return true;
    }
    for (size_t i = 0; local && mx_state_next_of(plan->head->members, GG_STR("join"), &i, &e);)
        if (mx_is_mine(server, e.state_key) && !changes(plan, e.state_key))
            return true;
    return !local;
}

/* All that the room's new state says for room lists. */
static int find_facts(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str ids[GG_COUNT(fact_types)];
    const struct mx_event *events[GG_COUNT(fact_types)];
    size_t n = 0;
    for (size_t i = 0; i < GG_COUNT(fact_types); i++) {
        struct gg_str id = mx_state_get(plan->new_state, gg_str(fact_types[i]), gg_strn("", 0));
        if (id.s)
            ids[n++] = id;
    }
    int status = events_of(plan, ids, n, events, err);
    for (size_t i = 0; i < n && !status; i++)
        mx_content_fact(events[i], plan->arena, &plan->facts);
    return status;
}

static const struct gg_stmt select_last_bump = {
    "SELECT stream_ordering FROM events WHERE room_id = $1 AND type = ANY($2) AND NOT outlier AND stream_ordering > 0"
    " ORDER BY stream_ordering DESC LIMIT 1",
    GG_LANE_POINT};

/* A room that we come back to has older messages. */
static int find_bump_stamp(struct mx_plan *plan, struct gg_error *err)
{
    static const struct gg_str types[] = {{"m.room.create", 13}, {"m.room.message", 14}, {"m.room.encrypted", 16},
                                          {"m.sticker", 9},      {"m.call.invite", 13},  {"m.poll.start", 12},
                                          {"m.beacon_info", 13}};
    struct gg_rows *rows;
    if (!plan->head->head.n_extremities)
        return 0;
    int status =
        gg_db_read(plan->persister->server->db, &select_last_bump,
                   GG_PARAMS(gg_p_str(plan->room_id), gg_p_texts(types, GG_COUNT(types))), plan->arena, &rows, err);
    if (!status && gg_rows_count(rows))
        plan->bump_stamp = gg_rows_i64(rows, 0, 0);
    return status;
}

static const struct gg_stmt select_lost = {
    "SELECT u FROM unnest($1::text[]) u WHERE NOT EXISTS (SELECT 1 FROM current_state_events c"
    " WHERE c.type = 'm.room.member' AND c.state_key = u AND c.membership = 'join' AND c.room_id <> $2)",
    GG_LANE_POINT};

/* Remote users who are not joined any more, here or anywhere else where we are. */
static int find_gone(struct mx_plan *plan, struct gg_error *err)
{
    const struct mx_server *server = plan->persister->server;
    size_t n = 0, max = plan->n_members + (plan->left ? plan->head->head.n_joined : 0);
    struct gg_str *ids = GG_NEW_ARRAY(plan->arena, struct gg_str, max + 1);
    struct mx_state_entry e;
    for (size_t i = 0; i < plan->n_members; i++)
        if (!mx_is_mine(server, plan->members[i].user_id) && (plan->left || !joins(&plan->members[i])))
            ids[n++] = plan->members[i].user_id;
    for (size_t i = 0; plan->left && n < max && mx_state_next_of(plan->head->members, GG_STR("join"), &i, &e);)
        if (!mx_is_mine(server, e.state_key) && !changes(plan, e.state_key))
            ids[n++] = e.state_key;
    struct gg_rows *rows;
    if (!n)
        return 0;
    int status = gg_db_read(server->db, &select_lost, GG_PARAMS(gg_p_texts(ids, n), gg_p_str(plan->room_id)),
                            plan->arena, &rows, err);
    if (status)
        return status;
    plan->gone_remotes = GG_NEW_ARRAY(plan->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        plan->gone_remotes[plan->n_gone_remotes++] = gg_rows_str(rows, i, 0);
    return 0;
}

static bool wants_facts(const struct mx_plan *plan)
{
    if (plan->summary_new)
        return true;
    for (size_t i = 0; i < plan->n_deltas; i++)
        if (is_fact(plan->deltas[i].type, plan->deltas[i].state_key))
            return true;
    for (size_t i = 0; i < plan->n_members; i++)
        if (mx_is_mine(plan->persister->server, plan->members[i].user_id))
            return true;
    return false;
}

int mx_plan_summaries(struct mx_plan *plan, struct gg_error *err)
{
    int status = load_delta_events(plan, err);
    if (status)
        return status;
    find_members(plan);
    plan->left = !still_joined(plan);
    plan->summary_new = !plan->left && mx_state_count(plan->head->head.state) == 0;
    if (wants_facts(plan) && (status = find_facts(plan, err)))
        return status;
    if (plan->summary_new && (status = find_bump_stamp(plan, err)))
        return status;
    return find_gone(plan, err);
}
