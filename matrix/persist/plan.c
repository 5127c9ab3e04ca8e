/* matrix/persist/plan.c: what must be known of a room's events before they are written: which of them are new, the
 * forward and backward extremities, relations, auth chains. */
#include <ganglion/matrix/id.h>

#include "writer.h"

bool mx_plan_counts(const struct mx_planned *p)
{
    return !p->outlier && !p->rejected && !p->soft_failed && (p->fate == MX_FATE_NEW || p->fate == MX_FATE_EX_OUTLIER);
}

static struct mx_planned *planned(const struct mx_plan *plan, struct gg_str event_id)
{
    for (size_t i = 0; i < plan->n; i++)
        if (gg_str_eq(plan->events[i].event->event_id, event_id))
            return &plan->events[i];
    return NULL;
}

/* ---- what the database holds already ---- */

static const struct gg_stmt select_held = {
    "SELECT w.place, e.outlier, e.stream_ordering FROM unnest($1::text[]) WITH ORDINALITY w(id, place)"
    " JOIN events e ON e.event_id = w.id",
    GG_LANE_POINT};

static const struct gg_stmt select_used = {
    "SELECT w.place, t.event_id FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w(u, d, t, place)"
    " JOIN event_txn_id_device_id t ON t.user_id = w.u AND t.device_id = w.d AND t.room_id = $4 AND t.txn_id = w.t",
    GG_LANE_POINT};

static int find_held(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n);
    for (size_t i = 0; i < plan->n; i++)
        ids[i] = plan->events[i].event->event_id;
    struct gg_rows *rows;
    int status = gg_db_read(plan->persister->server->db, &select_held, GG_PARAMS(gg_p_texts(ids, plan->n)), plan->arena,
                            &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows); i++) {
        struct mx_planned *p = &plan->events[gg_rows_i64(rows, i, 0) - 1];
        bool was_outlier = gg_rows_bool(rows, i, 1);
        p->stream = gg_rows_i64(rows, i, 2);
        p->fate = was_outlier && !p->outlier && !p->rejected ? MX_FATE_EX_OUTLIER : MX_FATE_HELD;
    }
    return status;
}

static bool has_txn_id(const struct mx_event *e)
{
    return e->meta.txn_id.s && e->meta.device_id.s;
}

static int find_used(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *u = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n),
                  *d = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n);
    struct gg_str *t = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n);
    size_t *at = GG_NEW_ARRAY(plan->arena, size_t, plan->n), n = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_event *e = plan->events[i].event;
        if (!has_txn_id(e) || plan->events[i].fate != MX_FATE_NEW)
            continue;
        at[n] = i;
        u[n] = e->sender;
        d[n] = e->meta.device_id;
        t[n++] = e->meta.txn_id;
    }
    struct gg_rows *rows;
    if (!n)
        return 0;
    int status = gg_db_read(plan->persister->server->db, &select_used,
                            GG_PARAMS(gg_p_texts(u, n), gg_p_texts(d, n), gg_p_texts(t, n), gg_p_str(plan->room_id)),
                            plan->arena, &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows); i++) {
        struct mx_planned *p = &plan->events[at[gg_rows_i64(rows, i, 0) - 1]];
        p->fate = MX_FATE_DUPLICATE;
        p->job->event_ids[p->place] = gg_arena_str(p->job->arena, gg_rows_str(rows, i, 1));
    }
    return status;
}

/* Two jobs of one plan may carry the same event, or the same transaction id. */
static void find_twins(struct mx_plan *plan)
{
    for (size_t i = 1; i < plan->n; i++) {
        struct mx_planned *p = &plan->events[i];
        for (size_t k = 0; k < i && p->fate == MX_FATE_NEW; k++) {
            const struct mx_planned *q = &plan->events[k];
            if (q->fate != MX_FATE_NEW)
                continue;
            bool same = gg_str_eq(q->event->event_id, p->event->event_id);
            if (same ||
                (has_txn_id(p->event) && has_txn_id(q->event) && gg_str_eq(p->event->sender, q->event->sender) &&
                 gg_str_eq(p->event->meta.device_id, q->event->meta.device_id) &&
                 gg_str_eq(p->event->meta.txn_id, q->event->meta.txn_id))) {
                p->fate = MX_FATE_DUPLICATE;
                p->job->event_ids[p->place] = gg_arena_str(p->job->arena, q->event->event_id);
            }
        }
    }
}

/* A run whose middle is not written, since its transaction id was used before, would leave the room with a hole: its
 * maker is told, and makes its events anew, each alone. */
static int find_holes(const struct mx_plan *plan, struct gg_error *err)
{
    for (size_t i = 1; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        for (size_t k = 0; k < p->event->n_prev && p->fate == MX_FATE_NEW; k++) {
            const struct mx_planned *prev = planned(plan, p->event->prev_events[k]);
            if (prev != NULL && prev->job == p->job && prev->fate == MX_FATE_DUPLICATE)
                return gg_fail(err, GG_E_CONFLICT, "a transaction id of %.*s was used before", GG_FMT(prev->event->event_id));
        }
    }
    return 0;
}

/* Events that were made here a moment ago cannot be held: writing them tells (a unique violation leads back here with
 * checked set). */
static int classify(struct mx_plan *plan, struct gg_error *err)
{
    bool foreign = plan->checked;
    for (size_t i = 0; i < plan->n; i++) {
        struct mx_planned *p = &plan->events[i];
        p->fate = MX_FATE_NEW;
        p->stream = 0;
        p->local = mx_is_mine(plan->persister->server, p->event->sender);
        p->rejected = p->event->meta.rejected.s != NULL;
        p->outlier = p->event->meta.outlier;
        p->soft_failed = p->event->meta.soft_failed;
        mx_content_relation(p->event, plan->arena, p);
        foreign |= !p->local;
    }
    int status = foreign ? find_held(plan, err) : 0;
    if (!status && foreign)
        status = find_used(plan, err);
    if (status)
        return status;
    find_twins(plan);
    return find_holes(plan, err);
}

/* ---- extremities ---- */

static const struct gg_stmt select_prevs_held = {
    "SELECT e.event_id FROM events e WHERE e.event_id = ANY($1) AND NOT e.outlier", GG_LANE_POINT};

/* Those of $1 that an accepted event cites. Written so that the edges are looked up first: while the tables have never been
 * analysed, the planner takes "not rejected" for rare and would begin with all events there are. */
static const struct gg_stmt select_cited = {
    "WITH x AS MATERIALIZED (SELECT event_id, prev_event_id FROM event_edges WHERE prev_event_id = ANY($1))"
    " SELECT DISTINCT x.prev_event_id FROM x CROSS JOIN LATERAL (SELECT 1 FROM events e JOIN event_json j USING (event_id)"
    " WHERE e.event_id = x.event_id AND NOT e.outlier AND e.rejection_reason IS NULL"
    " AND COALESCE((j.internal_metadata::json->>'soft_failed')::boolean, false) = false OFFSET 0) AS accepted",
    GG_LANE_POINT};

/* What lies behind those of $1 that were rejected or soft-failed, through others like them. */
static const struct gg_stmt select_behind = {
    "WITH RECURSIVE b(id) AS (SELECT e.event_id FROM events e JOIN event_json j USING (event_id) WHERE e.event_id = "
    "ANY($1)"
    " AND (e.rejection_reason IS NOT NULL OR COALESCE((j.internal_metadata::json->>'soft_failed')::boolean, false))"
    " UNION SELECT x.prev_event_id FROM b JOIN events e ON e.event_id = b.id JOIN event_json j ON j.event_id = b.id"
    " JOIN event_edges x ON x.event_id = b.id"
    " WHERE e.rejection_reason IS NOT NULL OR COALESCE((j.internal_metadata::json->>'soft_failed')::boolean, false))"
    " SELECT id FROM b",
    GG_LANE_POINT};

static bool in_list(const struct gg_str *list, size_t n, struct gg_str id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(list[i], id))
            return true;
    return false;
}

/* prev_events of counting events that are neither extremities nor part of the plan. */
static size_t foreign_prevs(struct mx_plan *plan, bool counting_only, struct gg_str **out)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < plan->n; i++)
        total += plan->events[i].event->n_prev;
    struct gg_str *ids = *out = GG_NEW_ARRAY(plan->arena, struct gg_str, total + 1);
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        bool wanted = counting_only ? mx_plan_counts(p) : !p->outlier && !p->rejected && p->fate != MX_FATE_DUPLICATE;
        for (size_t k = 0; wanted && k < p->event->n_prev; k++) {
            struct gg_str prev = p->event->prev_events[k];
            const struct mx_planned *other = planned(plan, prev);
            bool known = other && !other->outlier && (!counting_only || mx_plan_counts(other));
            if (!known && plan->head)
                known = in_list(plan->head->head.extremities, plan->head->head.n_extremities, prev);
            if (!known && !in_list(ids, n, prev))
                ids[n++] = prev;
        }
    }
    return n;
}

static int read_ids(struct mx_plan *plan, const struct gg_stmt *stmt, const struct gg_str *ids, size_t n,
                    struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    if (!n)
        return 0;
    int status = gg_db_read(plan->persister->server->db, stmt, GG_PARAMS(gg_p_texts(ids, n)), plan->arena, &rows, err);
    if (status)
        return status;
    *out = GG_NEW_ARRAY(plan->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        (*out)[(*n_out)++] = gg_rows_str(rows, i, 0);
    return 0;
}

static void remove_ends(struct mx_plan *plan, const struct gg_str *ids, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->n_ends; i++)
        if (!in_list(ids, n, plan->ends[i].event_id))
            plan->ends[kept++] = plan->ends[i];
    plan->n_ends = kept;
}

static bool ends_unchanged(const struct mx_plan *plan)
{
    if (plan->n_ends != plan->head->head.n_extremities)
        return false;
    for (size_t i = 0; i < plan->n_ends; i++)
        if (!in_list(plan->head->head.extremities, plan->head->head.n_extremities, plan->ends[i].event_id))
            return false;
    return true;
}

/* Children that came before their parent, and parents behind failed events, are no extremities. Only events of other
 * servers come in such an order. */
static int correct_ends(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n_ends + 1), *found = NULL, *prevs;
    size_t n = 0, n_found, n_prevs;
    for (size_t i = 0; i < plan->n_ends; i++)
        ids[n++] = plan->ends[i].event_id;
    int status = read_ids(plan, &select_cited, ids, n, &found, &n_found, err);
    if (status)
        return status;
    remove_ends(plan, found, n_found);
    n_prevs = foreign_prevs(plan, true, &prevs);
    status = read_ids(plan, &select_behind, prevs, n_prevs, &found, &n_found, err);
    if (!status)
        remove_ends(plan, found, n_found);
    return status;
}

static int find_ends(struct mx_plan *plan, struct gg_error *err)
{
    const struct mx_head *head = &plan->head->head;
    bool foreign = plan->checked;
    size_t n = 0;
    plan->ends = GG_NEW_ARRAY(plan->arena, struct mx_extremity, head->n_extremities + plan->n + 1);
    for (size_t i = 0; i < head->n_extremities; i++)
        plan->ends[n++] = plan->head->ends[i];
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        foreign |= !p->local;
        if (mx_plan_counts(p))
            plan->ends[n++] = (struct mx_extremity){p->event->event_id, p->event->depth, p->item->group};
    }
    plan->n_ends = n;
    for (size_t i = 0; i < plan->n; i++)
        if (mx_plan_counts(&plan->events[i]))
            remove_ends(plan, plan->events[i].event->prev_events, plan->events[i].event->n_prev);
    int status = foreign && !ends_unchanged(plan) ? correct_ends(plan, err) : 0;
    plan->new_ends = !ends_unchanged(plan);
    if (!status && plan->new_ends && !plan->n_ends)
        status =
            gg_fail(err, GG_E_INTERNAL, "room %.*s would be left without forward extremities", GG_FMT(plan->room_id));
    return status;
}

/* prev_events that we do not hold become backward extremities. */
static int find_gaps(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *prevs, *held = NULL;
    size_t n = foreign_prevs(plan, false, &prevs), n_held;
    int status = read_ids(plan, &select_prevs_held, prevs, n, &held, &n_held, err);
    if (status)
        return status;
    plan->missing_prevs = GG_NEW_ARRAY(plan->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!in_list(held, n_held, prevs[i]))
            plan->missing_prevs[plan->n_missing_prevs++] = prevs[i];
    for (size_t i = 0; i < plan->n; i++) {
        struct mx_planned *p = &plan->events[i];
        for (size_t k = 0; k < p->event->n_prev && !p->gap && !p->outlier; k++)
            p->gap = in_list(plan->missing_prevs, plan->n_missing_prevs, p->event->prev_events[k]);
    }
    return 0;
}

/* An extremity that is not deeper proves that the room's lowest depth is no higher. */
static void find_depth(struct mx_plan *plan)
{
    int64_t proven = INT64_MAX;
    for (size_t i = 0; plan->head && i < plan->head->head.n_extremities; i++)
        proven = plan->head->ends[i].depth < proven ? plan->head->ends[i].depth : proven;
    plan->min_depth = INT64_MAX;
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        int64_t depth = p->outlier ? 0 : p->event->depth;
        if (p->fate != MX_FATE_DUPLICATE && !p->rejected && (!p->outlier || p->event->meta.out_of_band) &&
            depth < plan->min_depth)
            plan->min_depth = depth;
    }
    plan->lower_depth = plan->min_depth != INT64_MAX && plan->min_depth < proven;
}

/* ---- redactions ---- */

static const struct gg_stmt select_relations = {
    "SELECT event_id, relates_to_id, relation_type FROM event_relations WHERE event_id = ANY($1)", GG_LANE_POINT};

static int find_unrelated(struct mx_plan *plan, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(plan->arena, struct gg_str, plan->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        if (p->fate == MX_FATE_NEW && !p->rejected && mx_content_redacts(p->event).s)
            ids[n++] = p->event->redacts;
    }
    struct gg_rows *rows;
    if (!n)
        return 0;
    int status = gg_db_read(plan->persister->server->db, &select_relations, GG_PARAMS(gg_p_texts(ids, n)), plan->arena,
                            &rows, err);
    if (status)
        return status;
    plan->unrelated = GG_NEW_ARRAY(plan->arena, struct mx_unrelated, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        plan->unrelated[plan->n_unrelated++] =
            (struct mx_unrelated){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
    return 0;
}

static int place_chains(struct mx_plan *plan, struct gg_error *err)
{
    const struct mx_event **events = GG_NEW_ARRAY(plan->arena, const struct mx_event *, plan->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].fate == MX_FATE_NEW && mx_event_is_state(plan->events[i].event))
            events[n++] = plan->events[i].event;
    return mx_chains_prepare(plan->persister->server, plan->room_id, events, n, plan->arena, &plan->chains, err);
}

static void start_over(struct mx_plan *plan)
{
    plan->n_missing_prevs = plan->n_deltas = plan->n_members = plan->n_gone_remotes = plan->n_unrelated = 0;
    plan->new_state = NULL;
    plan->head = NULL;
    plan->left = plan->summary_new = plan->new_ends = plan->lower_depth = false;
    memset(&plan->facts, 0, sizeof(plan->facts));
    for (size_t i = 0; i < plan->n; i++)
        plan->events[i].gap = false;
}

int mx_plan_prepare(struct mx_plan *plan, struct gg_error *err)
{
    struct mx_server *server = plan->persister->server;
    const struct mx_head *head;
    int status;
    start_over(plan);
    if (!plan->backfilled) {
        if ((status = mx_heads_extremities(server, plan->room_id, plan->arena, &head, err)))
            return status;
        plan->head = mx_held_head(head);
    }
    if ((status = classify(plan, err)))
        return status;
    if (plan->head && ((status = find_ends(plan, err)) || (status = mx_plan_state(plan, err))))
        return status;
    if ((status = find_gaps(plan, err)) || (status = find_unrelated(plan, err)))
        return status;
    find_depth(plan);
    return place_chains(plan, err);
}
