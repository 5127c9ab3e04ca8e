/* matrix/push/evaluate.c: one event against the rules of everybody in its room, in one pass. */
#include "push/evaluate.h"

#include "json/text.h"
#include "push/ask.h"
#include "push/ignorers.h"
#include "push/relation.h"

#include <ganglion/map.h>
#include <ganglion/matrix/store.h>

/* What is asked about one event after the other. */
struct run {
    struct mx_server *server;
    struct gg_str room_id;
    const struct mx_state *before;
    const struct mx_persist_item *items;
    struct gg_arena *arena;
    const struct mx_head *head;      /* NULL: a new room */
    struct mx_push_members *members; /* NULL until they are needed */
};

/* One event of the run. */
struct judged {
    const struct mx_event *event;
    size_t place;
    struct mx_push_relation relation;
    struct mx_push_question q;
};

/* ---- who may be notified of what ---- */

/* Synapse's clients are never shown these two kinds; outliers are history, or invitations over federation. */
static bool notifies(const struct mx_event *e)
{
    bool shown = !gg_str_is(e->type, "org.matrix.dummy_event") && !gg_str_is(e->type, "m.room.aliases");
    return shown && !e->meta.rejected.s && !e->meta.soft_failed && (!e->meta.outlier || e->meta.out_of_band);
}

static bool is_member_event(const struct mx_event *e)
{
    return mx_event_is_state(e) && gg_str_is(e->type, "m.room.member");
}

/* ---- state before an event of the run ---- */

static int state_event(const struct run *run, size_t place, const char *type, const struct mx_event **out,
                       struct gg_error *err)
{
    *out = NULL;
    for (size_t i = place; i-- > 0;)
        if (mx_event_is(run->items[i].event, type, "")) {
            *out = run->items[i].event;
            return 0;
        }
    struct gg_str id = run->before ? mx_state_get(run->before, gg_str(type), GG_STR("")) : gg_strn(NULL, 0);
    return id.s ? mx_store_events(run->server, &id, 1, false, run->arena, out, err) : 0;
}

static int read_levels(const struct run *run, struct judged *j, struct gg_error *err)
{
    const struct mx_event *levels, *create;
    int rc = state_event(run, j->place, "m.room.power_levels", &levels, err);
    if (rc == 0)
        rc = state_event(run, j->place, "m.room.create", &create, err);
    if (rc || j->event->meta.outlier)
        return rc;
    if (!create && mx_event_is(j->event, "m.room.create", ""))
        create = j->event;
    struct mx_power *power = GG_NEW(run->arena, struct mx_power);
    *power = mx_power_read(levels, create, run->arena);
    j->q.facts.power = power;
    j->q.facts.sender_level = mx_power_of_user(power, j->event->sender);
    j->q.facts.has_sender_level = true;
    return 0;
}

/* ---- related events (MSC3664) ---- */

static int add_related(const struct run *run, struct judged *j, struct mx_push_related *list, struct gg_str rel_type,
                       struct gg_str event_id, bool fallback, struct gg_error *err)
{
    const struct mx_event *event;
    if (mx_storable(event_id).s == NULL)
        return 0;
    int rc = mx_store_events(run->server, &event_id, 1, false, run->arena, &event, err);
    if (rc || !event)
        return rc;
    struct mx_push_related *r = &list[j->q.facts.n_related++];
    *r = (struct mx_push_related){rel_type, GG_NEW(run->arena, struct mx_push_view), fallback};
    mx_push_view_begin(r->view, event->json, run->arena);
    return 0;
}

static int read_related(const struct run *run, struct judged *j, struct gg_error *err)
{
    if (!(j->q.facts.features & MX_PUSH_F_RELATED))
        return 0;
    struct mx_push_related *list = GG_NEW_ARRAY(run->arena, struct mx_push_related, 2);
    j->q.facts.related = list;
    int rc = add_related(run, j, list, j->relation.rel_type, j->relation.event_id, false, err);
    return rc ? rc : add_related(run, j, list, GG_STR("m.in_reply_to"), j->relation.reply_to, j->relation.falling_back, err);
}

/* ---- subscribers of its thread (MSC4306) ---- */

static const struct gg_stmt select_subscribers = {
    "SELECT user_id FROM thread_subscriptions WHERE room_id = $1 AND event_id = $2 AND subscribed", GG_LANE_POINT};

static void free_map(void *map)
{
    gg_map_free(map);
}

static int read_subscribers(const struct run *run, struct judged *j, struct gg_error *err)
{
    struct gg_rows *rows;
    if (!(j->q.facts.features & MX_PUSH_F_SUBSCRIPTIONS) || gg_str_is(j->q.thread_id, MX_PUSH_MAIN) ||
        mx_storable(j->q.thread_id).s == NULL)
        return 0;
    int rc = gg_db_read(run->server->db, &select_subscribers, GG_PARAMS(gg_p_str(run->room_id), gg_p_str(j->q.thread_id)),
                        run->arena, &rows, err);
    if (rc)
        return rc;
    j->q.subscribers = gg_map_new(NULL);
    gg_arena_defer(run->arena, free_map, j->q.subscribers);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        gg_map_put(j->q.subscribers, gg_rows_str(rows, i, 0), NULL);
    return 0;
}

/* ---- the facts ---- */

static int read_facts(const struct run *run, struct judged *j, struct gg_error *err)
{
    const struct mx_push *push = run->server->push;
    mx_push_view_begin(&j->q.facts.view, j->event->json, run->arena);
    j->q.facts.features = push->features;
    j->q.facts.has_mentions = mx_json_get(j->event->content, "m.mentions").s != NULL;
    j->q.facts.n_members = run->head ? run->head->n_joined : 0;
    j->q.base = push->base;
    j->q.sender = j->event->sender;
    j->q.memo = mx_push_memo_new(push->base, run->arena);
    j->relation = mx_push_relation_of(j->event, run->arena);
    j->q.unread = push->count_unread && mx_push_makes_unread(j->event, &j->relation, run->arena);
    int rc = mx_push_thread_of(run->server, &j->relation, run->arena, &j->q.thread_id, err);
    if (rc == 0)
        rc = read_levels(run, j, err);
    if (rc == 0)
        rc = read_related(run, j, err);
    return rc ? rc : read_subscribers(run, j, err);
}

static bool is_alone(const struct run *run, const struct judged *j)
{
    struct gg_str was;
    struct gg_error err = GG_ERROR_INIT;
    return run->head->n_joined == 1 &&
           mx_heads_membership(run->server, run->head, j->event->sender, run->arena, &was, &err) == 0 &&
           gg_str_is(was, "join");
}

static int judge_message(struct run *run, struct judged *j, struct gg_error *err)
{
    if (!run->head || !run->head->n_joined || is_alone(run, j))
        return 0; /* one is not notified of what one does */
    int rc = read_facts(run, j, err);
    if (rc == 0)
        rc = mx_push_members_of(run->server, run->head, run->arena, &run->members, err);
    const struct gg_map *ignorers = NULL;
    if (rc == 0 && !mx_event_is_state(j->event)) /* last: what it gives is borrowed until the next yield */
        rc = mx_push_ignorers(run->server, j->event->sender, run->arena, &ignorers, err);
    return rc ? rc : mx_push_ask_all(&j->q, run->members, ignorers, run->arena, err);
}

/* ---- members ---- */

/* Rooms that show nothing of before one joined show no invitation either (Synapse's visibility rules). */
static int sees_invite(const struct run *run, struct judged *j, bool *sees, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = state_event(run, j->place, "m.room.history_visibility", &event, err);
    *sees = rc == 0 && !(event && gg_str_is(mx_json_get(event->content, "history_visibility"), "\"joined\""));
    return rc;
}

/* A change of membership concerns its target alone: asking everybody for each join would cost much, and nobody has rules
 * about other people's memberships. */
static int judge_member(struct run *run, struct judged *j, struct gg_error *err)
{
    struct gg_str target = j->event->state_key, was = {NULL, 0};
    if (gg_str_eq(target, j->event->sender) || !mx_is_mine(run->server, target))
        return 0;
    bool invited = gg_str_is(j->event->membership, "invite"), sees = true;
    int rc = run->head ? mx_heads_membership(run->server, run->head, target, run->arena, &was, err) : 0;
    bool joined = gg_str_is(was, "join");
    if (rc || (!joined && !invited))
        return rc;
    if (!joined && !j->event->meta.outlier)
        rc = sees_invite(run, j, &sees, err);
    struct gg_str name = mx_json_get(j->event->content, "displayname");
    struct mx_push_member *member;
    if (rc == 0 && sees)
        rc = read_facts(run, j, err);
    if (rc == 0 && sees)
        rc = mx_push_outsider(run->server, target,
                              mx_json_is_string(name) ? mx_json_string(name, run->arena) : gg_strn(NULL, 0), run->arena,
                              &member, err);
    if (rc || !sees)
        return rc;
    j->q.actions = GG_NEW(run->arena, struct mx_push_action);
    mx_push_ask(&j->q, member, run->arena);
    return 0;
}

/* ---- all of it ---- */

static int find_head(struct run *run, struct gg_error *err)
{
    int rc = mx_heads_get(run->server, run->room_id, run->arena, &run->head, err);
    if (rc != GG_E_NOT_FOUND)
        return rc;
    *err = (struct gg_error)GG_ERROR_INIT; /* it is just being made */
    run->head = NULL;
    return 0;
}

int mx_push_evaluate(struct mx_server *server, struct gg_str room_id, const struct mx_state *before,
                     struct mx_persist_item *items, size_t n, struct gg_arena *arena, struct gg_error *err)
{
    struct run run = {.server = server, .room_id = room_id, .before = before, .items = items, .arena = arena};
    int rc = server->push->enabled ? find_head(&run, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct judged j = {.event = items[i].event, .place = i};
        items[i].push_known = true;
        if (!server->push->enabled || items[i].backfilled || !notifies(j.event))
            continue;
        rc = is_member_event(j.event) ? judge_member(&run, &j, err) : judge_message(&run, &j, err);
        items[i].push = j.q.actions;
        items[i].n_push = j.q.n;
    }
    return rc;
}
