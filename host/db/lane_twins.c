/* host/db/lane_twins.c: reads of one turn that ask the same are sent once.
 *
 * A message wakes all who wait for news of its room, and each reads the same rows. Only a read that was not sent yet has
 * twins: what was sent may have been answered before the later ones asked. */
#include "db/lane.h"

enum { LOOK_BACK = 64 }; /* among the last that were queued */

static bool same_texts(const struct gg_param *a, const struct gg_param *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (!a->texts[i].s != !b->texts[i].s || !gg_str_eq(a->texts[i], b->texts[i]))
            return false;
    return true;
}

static bool same_param(const struct gg_param *a, const struct gg_param *b)
{
    if (a->type != b->type || a->n != b->n)
        return false;
    switch (a->type) {
    case GG_P_NULL:
        return true;
    case GG_P_TEXT:
    case GG_P_BYTES:
        return gg_str_eq(a->text, b->text);
    case GG_P_TEXTS:
        return same_texts(a, b);
    case GG_P_I64S:
        return a->n == 0 || memcmp(a->i64s, b->i64s, a->n * sizeof(*a->i64s)) == 0;
    case GG_P_BOOLS:
        return a->n == 0 || memcmp(a->bools, b->bools, a->n * sizeof(*a->bools)) == 0;
    default:
        return a->i64 == b->i64;
    }
}

static bool asks_the_same(const struct gg_lane_call *a, const struct gg_lane_call *b)
{
    if (a->op.variant != b->op.variant || a->n_params != b->n_params || !a->waited || a->solo)
        return false;
    for (size_t i = 0; i < a->n_params; i++)
        if (!same_param(&a->params[i], &b->params[i]))
            return false;
    return true;
}

static struct gg_lane_call *find_in(const struct gg_db_lane *lane, const struct gg_lane_call *call)
{
    size_t looked = 0;
    for (struct gg_list *it = lane->queue.prev; it != &lane->queue && looked < LOOK_BACK; it = it->prev, looked++) {
        struct gg_lane_call *other = GG_CONTAINER(it, struct gg_lane_call, op.link);
        if (asks_the_same(other, call))
            return other;
    }
    return NULL;
}

bool gg_lane_find_twin(const struct gg_lanes *group, struct gg_lane_call *call)
{
    for (size_t i = 0; i < group->n; i++) {
        struct gg_lane_call *other = group->lane[i]->n_queued ? find_in(group->lane[i], call) : NULL;
        if (!other || group->lane[i]->stopping)
            continue;
        call->leader = other;
        call->lane = other->lane;
        gg_list_push(&other->twins, &call->twin);
        return true;
    }
    return false;
}

void gg_lane_tell_twins(struct gg_lane_call *call, const PGresult *result)
{
    GG_LIST_EACH (it, &call->twins) {
        struct gg_lane_call *twin = GG_CONTAINER(it, struct gg_lane_call, twin);
        twin->result = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
        if (!twin->result)
            return; /* no memory: they ask themselves */
        gg_list_remove(it);
        twin->leader = NULL;
        twin->done = true;
        gg_cond_signal(&twin->cond);
    }
}

void gg_lane_part_twins(struct gg_lane_call *call)
{
    struct gg_list *link;
    gg_list_remove(&call->twin);
    while ((link = gg_list_pop(&call->twins))) {
        struct gg_lane_call *twin = GG_CONTAINER(link, struct gg_lane_call, twin);
        twin->leader = NULL;
        gg_lane_queue(twin->lane, twin);
    }
}
