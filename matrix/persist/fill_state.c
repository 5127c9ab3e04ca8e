/* matrix/persist/fill_state.c: the rows that a change of current state makes (facts database 4.2, step 15), and what
 * other processes must forget. */
#include <ganglion/matrix/id.h>

#include "fill.h"

static bool local_member(const struct mx_plan *plan, const struct mx_delta *d)
{
    return gg_str_is(d->type, "m.room.member") && mx_is_mine(plan->persister->server, d->state_key);
}

/* The event of a delta when this commit writes it: then its row need not be read. */
static const struct mx_planned *own_event(const struct mx_plan *plan, const struct mx_delta *d)
{
    for (size_t i = 0; i < plan->n && d->event_id.s; i++)
        if (plan->events[i].fate == MX_FATE_NEW && gg_str_eq(plan->events[i].event->event_id, d->event_id))
            return &plan->events[i];
    return NULL;
}

static void fill_left(struct mx_rowset *t, const struct mx_plan *plan)
{
    struct gg_str me = gg_str(gg_host_instance(plan->persister->server->host));
    mx_rowset_add(&t[MX_T_LEFT_DELTAS], plan->room_id, mx_plan_low(plan), me);
    mx_rowset_add(&t[MX_T_LEFT_STATE], plan->room_id);
    mx_rowset_add(&t[MX_T_LEFT_SUMMARY], plan->room_id);
}

static void fill_entries(struct mx_rowset *t, const struct mx_plan *plan)
{
    struct gg_str me = gg_str(gg_host_instance(plan->persister->server->host));
    for (size_t i = 0; i < plan->n_deltas; i++) {
        const struct mx_delta *d = &plan->deltas[i];
        mx_rowset_add(&t[MX_T_DELTAS], mx_plan_low(plan), me, plan->room_id, d->type, d->state_key, d->event_id,
                      d->prev_event_id);
        if (d->prev_event_id.s)
            mx_rowset_add(&t[MX_T_STATE_DELETE], plan->room_id, d->type, d->state_key);
        const struct mx_planned *own = own_event(plan, d);
        if (own)
            mx_rowset_add(&t[MX_T_STATE_OWN], plan->room_id, d->type, d->state_key, d->event_id, own->event->membership,
                          own->stream);
        else if (d->event_id.s)
            mx_rowset_add(&t[MX_T_STATE], plan->room_id, d->type, d->state_key, d->event_id);
    }
}

static bool fact_changed(const struct mx_plan *plan)
{
    static const char *const types[] = {"m.room.create", "m.room.name", "m.room.encryption", "m.room.tombstone"};
    for (size_t i = 0; i < plan->n_deltas; i++)
        for (size_t k = 0; k < GG_COUNT(types) && !plan->deltas[i].state_key.n; k++)
            if (gg_str_is(plan->deltas[i].type, types[k]))
                return true;
    return false;
}

static void fill_summary(struct mx_rowset *t, const struct mx_plan *plan)
{
    const struct mx_room_facts *f = &plan->facts;
    if (plan->summary_new)
        mx_rowset_add(&t[MX_T_SUMMARY_NEW], plan->room_id, mx_plan_high(plan),
                      plan->bump_stamp ? plan->bump_stamp : GG_NULL_I64, f->room_type, f->name, (int)f->encrypted,
                      f->tombstone);
    else if (fact_changed(plan))
        mx_rowset_add(&t[MX_T_SUMMARY], plan->room_id, f->room_type, f->name, (int)f->encrypted, f->tombstone);
}

static void fill_own_member(struct mx_rowset *t, const struct mx_plan *plan, const struct mx_delta *d,
                            const struct mx_planned *own)
{
    const struct mx_room_facts *f = &plan->facts;
    struct gg_str me = gg_str(gg_host_instance(plan->persister->server->host)), membership = own->event->membership;
    mx_rowset_add(&t[MX_T_LOCAL_OWN], plan->room_id, d->state_key, d->event_id, membership, own->stream);
    mx_rowset_add(&t[MX_T_SNAPSHOT_OWN], plan->room_id, d->state_key, own->event->sender, d->event_id, membership,
                  own->stream, me, f->room_type, f->name, (int)f->encrypted, f->tombstone);
}

static void fill_local_members(struct mx_rowset *t, const struct mx_plan *plan)
{
    const struct mx_room_facts *f = &plan->facts;
    for (size_t i = 0; i < plan->n_deltas; i++) {
        const struct mx_delta *d = &plan->deltas[i];
        const struct mx_planned *own = own_event(plan, d);
        if (!local_member(plan, d))
            continue;
        if (own) {
            fill_own_member(t, plan, d, own);
            continue;
        }
        mx_rowset_add(&t[MX_T_LOCAL_DELETE], plan->room_id, d->state_key);
        if (!d->event_id.s) {
            mx_rowset_add(&t[MX_T_SNAPSHOT_DELETE], plan->room_id, d->state_key);
            continue;
        }
        mx_rowset_add(&t[MX_T_LOCAL], plan->room_id, d->state_key, d->event_id);
        mx_rowset_add(&t[MX_T_SNAPSHOT], plan->room_id, d->state_key, d->event->sender, d->event_id,
                      d->event->membership, f->room_type, f->name, (int)f->encrypted, f->tombstone);
    }
}

void mx_fill_state(struct mx_rowset *t, const struct mx_plan *plan, struct gg_arena *arena)
{
    if (!plan->n_deltas)
        return;
    if (plan->left) {
        fill_left(t, plan);
    } else {
        fill_entries(t, plan);
        fill_summary(t, plan);
    }
    fill_local_members(t, plan);
    for (size_t i = 0; i < plan->n_gone_remotes; i++)
        mx_rowset_add(&t[MX_T_GONE_REMOTES], plan->gone_remotes[i]);
}

/* ---- what others must forget ---- */

enum { MEMBERS_OF_ROW = 50 };

static void forget_state(struct mx_forget *forget, const struct mx_plan *plan)
{
    size_t n = 0, max = plan->n_members + (plan->left ? plan->head->head.n_joined : 0);
    struct gg_str *members = GG_NEW_ARRAY(plan->arena, struct gg_str, max + 1);
    struct mx_state_entry e;
    for (size_t i = 0; i < plan->n_members; i++)
        members[n++] = plan->members[i].user_id;
    for (size_t i = 0; plan->left && n < max && mx_state_next_of(plan->head->members, GG_STR("join"), &i, &e);) {
        bool known = false;
        for (size_t k = 0; k < plan->n_members && !known; k++)
            known = gg_str_eq(plan->members[k].user_id, e.state_key);
        if (!known)
            members[n++] = e.state_key;
    }
    for (size_t done = 0; done == 0 || done < n;) {
        struct gg_str keys[MEMBERS_OF_ROW + 1] = {plan->room_id};
        size_t take = n - done < MEMBERS_OF_ROW ? n - done : MEMBERS_OF_ROW;
        if (take)
            memcpy(keys + 1, members + done, take * sizeof(*keys));
        mx_forget_add(forget, "cs_cache_fake", keys, take + 1);
        done += take ? take : 1;
    }
}

static void forget_relation(struct mx_forget *forget, const struct mx_plan *plan, const struct mx_unrelated *u)
{
    struct gg_str both[2] = {plan->room_id, u->parent};
    mx_forget_add(forget, "get_relations_for_event", both, 2);
    if (gg_str_is(u->rel_type, "m.reference"))
        mx_forget_add(forget, "get_references_for_event", &u->parent, 1);
    if (gg_str_is(u->rel_type, "m.replace"))
        mx_forget_add(forget, "get_applicable_edit", &u->parent, 1);
    if (gg_str_is(u->rel_type, "m.thread")) {
        mx_forget_add(forget, "get_thread_summary", &u->parent, 1);
        mx_forget_add(forget, "get_thread_participated", &u->parent, 1);
        mx_forget_add(forget, "get_threads", &plan->room_id, 1);
    }
}

void mx_fill_forget(struct mx_forget *forget, const struct mx_plan *plan)
{
    if (plan->n_deltas)
        forget_state(forget, plan);
    for (size_t i = 0; i < plan->n_unrelated; i++)
        forget_relation(forget, plan, &plan->unrelated[i]);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->events[i].fate == MX_FATE_NEW && !plan->events[i].rejected &&
            mx_event_is(plan->events[i].event, "m.room.retention", NULL))
            mx_forget_add(forget, "get_retention_policy_for_room", &plan->room_id, 1);
    for (size_t i = 0; i < plan->n_gone_remotes; i++)
        mx_forget_add(forget, "get_device_list_last_stream_id_for_remote", &plan->gone_remotes[i], 1);
}
