/* matrix/persist/fill.c: the rows of a plan's events, table by table (facts database 4.2, steps 2 to 14 and 17). */
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <stdio.h>

#include "fill.h"

#include "json/text.h"

#define NOTHING gg_strn(NULL, 0)

static int64_t signed_id(const struct mx_plan *plan, int64_t id)
{
    return plan->backfilled ? -id : id;
}

int64_t mx_plan_low(const struct mx_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].fate == MX_FATE_NEW || plan->events[i].fate == MX_FATE_EX_OUTLIER)
            return plan->events[i].stream;
    return plan->state_id;
}

int64_t mx_plan_high(const struct mx_plan *plan)
{
    for (size_t i = plan->n; i-- > 0;)
        if (plan->events[i].fate == MX_FATE_NEW || plan->events[i].fate == MX_FATE_EX_OUTLIER)
            return plan->events[i].stream;
    return plan->state_id;
}

static const char *instance_of(const struct mx_plan *plan)
{
    return gg_host_instance(plan->persister->server->host);
}

/* ---- steps 2, 3, 5: the room ---- */

static bool has_end(const struct mx_extremity *ends, size_t n, struct gg_str event_id)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(ends[i].event_id, event_id))
            return true;
    return false;
}

/* Row by row, not the whole room: its dead rows would be read again and again. */
static void fill_ends(struct mx_rowset *t, const struct mx_plan *plan)
{
    const struct mx_held_head *old = plan->head;
    size_t n_old = old->head.n_extremities;
    for (size_t i = 0; i < n_old; i++)
        if (!has_end(plan->ends, plan->n_ends, old->ends[i].event_id))
            mx_rowset_add(&t[MX_T_ENDS_DELETE], old->ends[i].event_id, plan->room_id);
    for (size_t i = 0; i < plan->n_ends; i++)
        mx_rowset_add(&t[MX_T_ENDS], plan->ends[i].event_id, plan->room_id, mx_plan_high(plan),
                      (int)!has_end(old->ends, n_old, plan->ends[i].event_id));
}

static void fill_room(struct mx_rowset *t, const struct mx_plan *plan)
{
    if (plan->lower_depth)
        mx_rowset_add(&t[MX_T_DEPTH], plan->room_id, plan->min_depth);
    if (plan->new_ends)
        fill_ends(t, plan);
    for (size_t i = 0; i < plan->n_missing_prevs; i++)
        mx_rowset_add(&t[MX_T_BACKWARD], plan->room_id, plan->missing_prevs[i]);
    const struct mx_chain_plan *chains = &plan->chains;
    for (size_t i = 0; i < chains->n_placed; i++)
        mx_rowset_add(&t[MX_T_CHAINS], chains->placed[i], chains->places[i].chain, chains->places[i].sequence);
    for (size_t i = 0; i < chains->n_links; i++)
        mx_rowset_add(&t[MX_T_LINKS], chains->links[i].from.chain, chains->links[i].from.sequence,
                      chains->links[i].to.chain, chains->links[i].to.sequence);
    for (size_t i = 0; i < chains->n_postponed; i++)
        mx_rowset_add(&t[MX_T_POSTPONED], chains->postponed[i]->event_id, plan->room_id, chains->postponed[i]->type,
                      chains->postponed[i]->state_key);
    for (size_t i = 0; i < chains->n_caught_up; i++)
        mx_rowset_add(&t[MX_T_CAUGHT_UP], chains->caught_up[i]);
}

/* Steps 3 and 12: what both a new full event and one that was an outlier do to the graph's backward end. */
static void fill_backward(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p)
{
    if (p->gap)
        mx_rowset_add(&t[MX_T_GAPS], plan->room_id, gg_str(instance_of(plan)), signed_id(plan, p->stream));
    if (p->local && !plan->checked)
        return; /* nobody can have cited it before */
    if (!p->outlier || p->event->n_prev == 0) {
        mx_rowset_add(&t[MX_T_BACKWARD_DONE], p->event->event_id, plan->room_id);
        mx_rowset_add(&t[MX_T_PULLED], p->event->event_id, plan->room_id);
    }
}

static void fill_ex_outlier(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p)
{
    mx_rowset_add(&t[MX_T_EX_GROUPS], p->event->event_id, p->item->group);
    mx_rowset_add(&t[MX_T_EX_STREAM], signed_id(plan, p->stream), p->event->event_id, p->item->group,
                  gg_str(instance_of(plan)));
    mx_rowset_add(&t[MX_T_EX_EVENTS], p->event->event_id);
    fill_backward(t, plan, p);
}

/* ---- step 4: the event itself ---- */

static void fill_groups(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p)
{
    const struct mx_event *e = p->event;
    for (size_t i = 0; i < p->item->n_new_groups; i++) {
        const struct mx_new_group *g = &p->item->new_groups[i];
        mx_rowset_add(&t[MX_T_NEW_GROUPS], g->id, plan->room_id, e->event_id, g->parent ? g->parent : GG_NULL_I64,
                      g->has_entry ? e->type : NOTHING, g->has_entry ? e->state_key : NOTHING);
    }
}

static void fill_event(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p,
                       struct gg_arena *arena)
{
    fill_groups(t, plan, p);
    const struct mx_event *e = p->event;
    int64_t group = p->rejected && p->item->group_before ? p->item->group_before : p->item->group;
    mx_rowset_add(&t[MX_T_EVENTS], gg_str(instance_of(plan)), signed_id(plan, p->stream), e->depth, e->event_id,
                  plan->room_id, e->type, (int)p->outlier, e->origin_server_ts, gg_wall_ms(), e->sender,
                  (int)mx_json_is_string(mx_json_get(e->content, "url")), e->state_key, e->meta.rejected,
                  mx_event_meta_text(e, arena), e->json, (int64_t)e->version->format, p->outlier ? GG_NULL_I64 : group);
    for (size_t i = 0; mx_event_is_state(e) && i < e->n_auth; i++)
        mx_rowset_add(&t[MX_T_EVENT_AUTH], e->event_id, plan->room_id, e->auth_events[i]);
    if (e->meta.txn_id.s && e->meta.device_id.s)
        mx_rowset_add(&t[MX_T_TXN_IDS], e->event_id, plan->room_id, e->sender, e->meta.device_id, e->meta.txn_id,
                      gg_wall_ms());
}

/* ---- steps 10 to 14: what its kind adds ---- */

static void fill_redaction(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_event *e)
{
    mx_rowset_add(&t[MX_T_PUSH_REDACTED], plan->room_id, e->redacts);
    mx_rowset_add(&t[MX_T_REDACTIONS], e->event_id, e->redacts, gg_wall_ms(), (int)e->meta.recheck_redaction);
}

static bool lifetime(const struct mx_event *e, const char *key, int64_t *out, bool *any)
{
    struct gg_str value = mx_json_get(e->content, key);
    *out = GG_NULL_I64;
    *any |= value.s != NULL;
    return !value.s || mx_json_i64(value, out);
}

static void fill_retention(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_event *e)
{
    int64_t min, max;
    bool any = false;
    if (mx_event_is_state(e) && lifetime(e, "min_lifetime", &min, &any) && lifetime(e, "max_lifetime", &max, &any) &&
        any)
        mx_rowset_add(&t[MX_T_RETENTION], plan->room_id, e->event_id, min, max);
}

/* Messages that say when they are to go (MSC2228). */
static void fill_expiry(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_event *e)
{
    int64_t when;
    struct gg_str given = mx_json_get(e->content, "org.matrix.self_destruct_after");
    if (given.s && !mx_event_is_state(e) && mx_json_i64(given, &when) &&
        gg_config_bool(plan->persister->server->config, "enable_ephemeral_messages"))
        mx_rowset_add(&t[MX_T_EXPIRY], e->event_id, when);
}

static void fill_labels(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_event *e,
                        struct gg_arena *arena)
{
    struct gg_str labels = mx_json_get(e->content, "org.matrix.labels");
    struct mx_json_iter it = mx_json_iter(labels);
    while (mx_json_is_array(labels) && mx_json_next(&it)) {
        struct gg_str label = mx_json_string(it.value, arena);
        if (label.s)
            mx_rowset_add(&t[MX_T_LABELS], e->event_id, label, plan->room_id, e->depth);
    }
}

static void fill_relation(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p)
{
    if (!p->relates_to.s)
        return;
    mx_rowset_add(&t[MX_T_RELATIONS], p->event->event_id, p->relates_to, p->rel_type, p->rel_key);
    if (gg_str_is(p->rel_type, "m.thread"))
        mx_rowset_add(&t[MX_T_THREADS], plan->room_id, p->relates_to, p->event->event_id, p->event->depth,
                      signed_id(plan, p->stream));
}

/* What an invitation or knock from outside says of the room. */
static bool stripped_facts(const struct mx_event *e, struct gg_arena *arena, struct mx_room_facts *facts)
{
    bool invite = gg_str_is(e->membership, "invite");
    struct gg_str list = mx_json_get(e->unsigned_, invite ? "invite_room_state" : "knock_room_state");
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_is_array(list) && mx_json_next(&it)) {
        struct mx_event stripped = {.type = mx_json_string(mx_json_get(it.value, "type"), arena),
                                    .state_key = mx_json_string(mx_json_get(it.value, "state_key"), arena),
                                    .content = mx_json_get(it.value, "content")};
        if (stripped.type.s && stripped.state_key.s && mx_json_is_object(stripped.content))
            mx_content_fact(&stripped, arena, facts);
    }
    return facts->has_type;
}

static void fill_out_of_band(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p,
                             struct gg_arena *arena)
{
    const struct mx_event *e = p->event;
    struct gg_str me = gg_str(instance_of(plan));
    int64_t id = signed_id(plan, p->stream);
    mx_rowset_add(&t[MX_T_OOB_MEMBERSHIP], plan->room_id, e->state_key, e->event_id, e->membership, id);
    if (gg_str_is(e->membership, "leave")) {
        mx_rowset_add(&t[MX_T_OOB_LEAVE], plan->room_id, e->state_key, e->sender, e->event_id, e->membership, id, me);
        return;
    }
    struct mx_room_facts f = {0};
    bool known = stripped_facts(e, arena, &f);
    if (!known)
        memset(&f, 0, sizeof(f));
    mx_rowset_add(&t[MX_T_OOB_SNAPSHOT], plan->room_id, e->state_key, e->sender, e->event_id, e->membership, id, me,
                  (int)known, f.room_type, f.name, (int)f.encrypted, f.tombstone);
}

static void fill_member(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p,
                        struct gg_arena *arena)
{
    const struct mx_event *e = p->event;
    if (!e->membership.s || !e->state_key.s)
        return;
    mx_rowset_add(&t[MX_T_MEMBERSHIPS], e->event_id, signed_id(plan, p->stream), e->state_key, e->sender, plan->room_id,
                  e->membership, mx_storable(mx_content_text(e, "displayname", arena)),
                  mx_storable(mx_content_text(e, "avatar_url", arena)));
    if (p->outlier && e->meta.out_of_band && !plan->backfilled && mx_is_mine(plan->persister->server, e->state_key))
        fill_out_of_band(t, plan, p, arena);
}

static void fill_kind(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p,
                      struct gg_arena *arena)
{
    const struct mx_event *e = p->event;
    const char *key;
    struct gg_str text;
    for (size_t i = 0; i < e->n_prev; i++)
        mx_rowset_add(&t[MX_T_EDGES], e->event_id, e->prev_events[i]);
    fill_backward(t, plan, p);
    if (plan->persister->search && mx_content_search(e, arena, &key, &text))
        mx_rowset_add(&t[MX_T_SEARCH], e->event_id, plan->room_id, gg_str(key), text, signed_id(plan, p->stream),
                      e->origin_server_ts);
    if (mx_content_redacts(e).s)
        fill_redaction(t, plan, e);
    else if (gg_str_is(e->type, "m.room.retention"))
        fill_retention(t, plan, e);
    else if (gg_str_is(e->type, "m.room.member"))
        fill_member(t, plan, p, arena);
    fill_relation(t, plan, p);
    fill_labels(t, plan, e, arena);
    fill_expiry(t, plan, e);
}

static bool notifies(const struct mx_planned *p)
{
    return !p->outlier || p->event->meta.out_of_band;
}

static void fill_push(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p)
{
    for (size_t i = 0; i < p->item->n_push; i++) {
        const struct mx_push_action *a = &p->item->push[i];
        mx_rowset_add(&t[MX_T_PUSH_KNOWN], plan->room_id, p->event->event_id, a->user_id, a->actions,
                      signed_id(plan, p->stream), p->event->depth, (int)a->notify, (int)a->highlight, (int)a->unread,
                      a->thread_id);
    }
}

static void fill_new(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_planned *p,
                     struct gg_arena *arena)
{
    fill_event(t, plan, p, arena);
    if (p->rejected) {
        char now[24];
        snprintf(now, sizeof(now), "%lld", (long long)gg_wall_ms());
        mx_rowset_add(&t[MX_T_REJECTIONS], p->event->event_id, p->event->meta.rejected,
                      gg_str(gg_arena_strdup(arena, now)));
        mx_rowset_add(&t[MX_T_PUSH_CLEAN], p->event->event_id);
        return;
    }
    if (p->item->push_known)
        fill_push(t, plan, p);
    else if (notifies(p))
        mx_rowset_add(&t[MX_T_PUSH], p->event->event_id, plan->room_id, signed_id(plan, p->stream), p->event->depth);
    fill_kind(t, plan, p, arena);
}

/* A local member who sends a message takes part in the room, which is marked at their membership once. */
struct gg_str mx_participant(const struct mx_plan *plan, const struct mx_planned *p)
{
    const struct mx_event *e = p->event;
    bool message = !mx_event_is_state(e) && (gg_str_is(e->type, "m.room.message") || gg_str_is(e->type, "m.room.encrypted"));
    if (!message || p->fate != MX_FATE_NEW || p->rejected || p->outlier || !plan->head ||
        !mx_is_mine(plan->persister->server, e->sender))
        return gg_strn(NULL, 0);
    struct gg_str id = mx_state_get(plan->new_state ? plan->new_state : plan->head->head.state, GG_STR("m.room.member"), e->sender);
    return id.s && !gg_map_get(plan->persister->participants, id) ? id : gg_strn(NULL, 0);
}

static void fill_participants(struct mx_rowset *t, const struct mx_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct gg_str id = mx_participant(plan, &plan->events[i]);
        if (id.s)
            mx_rowset_add(&t[MX_T_PARTICIPANTS], id);
    }
}

/* Step 17: the room's place in room lists. */
static void fill_move(struct mx_rowset *t, const struct mx_plan *plan)
{
    int64_t high = GG_NULL_I64, bump = GG_NULL_I64;
    for (size_t i = 0; i < plan->n && !plan->backfilled; i++) {
        const struct mx_planned *p = &plan->events[i];
        if (p->fate != MX_FATE_NEW || p->rejected)
            continue;
        high = p->stream;
        if (mx_is_bump(p->event))
            bump = p->stream;
    }
    if (high != GG_NULL_I64)
        mx_rowset_add(&t[MX_T_SUMMARY_MOVE], plan->room_id, high, bump);
}

void mx_fill_plan(struct mx_rowset *t, const struct mx_plan *plan, struct gg_arena *arena)
{
    fill_room(t, plan);
    for (size_t i = 0; i < plan->n; i++) {
        const struct mx_planned *p = &plan->events[i];
        if (p->fate == MX_FATE_NEW)
            fill_new(t, plan, p, arena);
        else if (p->fate == MX_FATE_EX_OUTLIER)
            fill_ex_outlier(t, plan, p);
        else if (plan->checked || p->fate == MX_FATE_DUPLICATE)
            mx_rowset_add(&t[MX_T_PUSH_CLEAN], p->event->event_id);
    }
    for (size_t i = 0; i < plan->n_unrelated; i++) {
        mx_rowset_add(&t[MX_T_UNRELATED], plan->unrelated[i].event_id);
        if (gg_str_is(plan->unrelated[i].rel_type, "m.thread"))
            mx_rowset_add(&t[MX_T_THREADS_BACK], plan->room_id, plan->unrelated[i].parent);
    }
    mx_fill_state(t, plan, arena);
    fill_participants(t, plan);
    fill_move(t, plan);
}
