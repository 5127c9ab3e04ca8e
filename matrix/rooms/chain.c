/* matrix/rooms/chain.c: a run of new events of one room, each built on the one before. */
#include "federation/hints.h"
#include "push/evaluate.h"
#include "rooms/chain.h"
#include "rooms/check_content.h"

#include <ganglion/buf.h>
#include <ganglion/log.h>

void mx_chain_begin_empty(struct mx_chain *chain, struct mx_server *server, const struct mx_requester *requester,
                          const struct mx_room_version *version, struct gg_str room_id, struct gg_arena *arena)
{
    memset(chain, 0, sizeof(*chain));
    chain->server = server;
    chain->requester = requester;
    chain->arena = arena;
    chain->version = version;
    chain->room_id = room_id;
    chain->state = mx_state_new();
    chain->now_ms = gg_wall_ms();
}

static int unknown_room(const struct mx_requester *requester, struct gg_str room_id, struct gg_error *err)
{
    return gg_refuse(err, 403, "M_FORBIDDEN", "User %s not in room %.*s, or it is not known here", requester->user_id,
                     GG_FMT(room_id));
}

/* The state group that a new event stands on. With one extremity it is that event's; with several the current state is
 * their resolution, which may have no group yet. */
static int base_group(struct mx_chain *chain, const struct mx_head *head, struct gg_error *err)
{
    chain->base_group = head->group;
    if (head->group != 0)
        return 0;
    struct mx_state *state = mx_state_copy(chain->state); /* it stays in the cache, ours goes on changing */
    int rc = mx_store_map_group(chain->server, chain->room_id, chain->prev[0], state, 0, &chain->base_group, err);
    mx_state_unref(state);
    return rc;
}

/* What nearly every event of the requester cites: read at once, and then known. */
static int read_basics(struct mx_chain *chain, struct gg_error *err)
{
    const struct mx_auth_wanted basics[] = {{GG_STR("m.room.create"), GG_STR("")},
                                            {GG_STR("m.room.power_levels"), GG_STR("")},
                                            {GG_STR("m.room.join_rules"), GG_STR("")},
                                            {GG_STR("m.room.member"), gg_str(chain->requester->user_id)}};
    const struct mx_event *events[GG_COUNT(basics)];
    struct gg_str ids[GG_COUNT(basics)];
    size_t n = 0;
    for (size_t i = 0; i < GG_COUNT(basics); i++) {
        struct gg_str id = mx_state_get(chain->state, basics[i].type, basics[i].state_key);
        if (id.s != NULL)
            ids[n++] = id;
    }
    return mx_store_events(chain->server, ids, n, true, chain->arena, events, err);
}

int mx_chain_begin(struct mx_chain *chain, struct mx_server *server, const struct mx_requester *requester,
                   struct gg_str room_id, struct gg_arena *arena, struct gg_error *err)
{
    memset(chain, 0, sizeof(*chain));
    const struct mx_head *head;
    int rc = mx_heads_extremities(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND)
        return unknown_room(requester, room_id, err);
    if (rc != 0)
        return rc;
    if (head->n_extremities == 0 || mx_state_count(head->state) == 0)
        return unknown_room(requester, room_id, err);
    chain->server = server;
    chain->requester = requester;
    chain->arena = arena;
    chain->version = head->version;
    chain->room_id = gg_arena_str(arena, room_id);
    chain->state = mx_state_copy(head->state);
    chain->before = head->state; /* the arena keeps the head */
    chain->depth = head->max_depth;
    chain->now_ms = gg_wall_ms();
    struct gg_str *prev = GG_NEW_ARRAY(arena, struct gg_str, head->n_extremities);
    for (size_t i = 0; i < head->n_extremities; i++)
        prev[i] = gg_arena_str(arena, head->extremities[i]);
    chain->prev = prev;
    /* More would make the event too expensive for others to check; what stays is merged by the next event. */
    chain->n_prev = head->n_extremities < 10 ? head->n_extremities : 10;
    rc = base_group(chain, head, err);
    if (rc == 0)
        rc = read_basics(chain, err);
    return rc != 0 ? rc : mx_chain_state_event(chain, GG_STR("m.room.create"), GG_STR(""), &chain->create, err);
}

static const struct mx_event *own_event(const struct mx_chain *chain, struct gg_str id)
{
    for (size_t i = chain->n; i-- > 0;)
        if (gg_str_eq(chain->events[i]->event_id, id))
            return chain->events[i];
    return NULL;
}

int mx_chain_state_event(struct mx_chain *chain, struct gg_str type, struct gg_str state_key,
                         const struct mx_event **out, struct gg_error *err)
{
    *out = NULL;
    struct gg_str id = mx_state_get(chain->state, type, state_key);
    if (id.s == NULL)
        return 0;
    *out = own_event(chain, id);
    return *out != NULL ? 0 : mx_store_event(chain->server, id, chain->arena, out, err);
}

int mx_chain_same_content(struct mx_chain *chain, struct gg_str a, struct gg_str b, bool *same, struct gg_error *err)
{
    struct mx_json *x, *y;
    *same = false;
    int rc = mx_json_parse(a, 1000, chain->arena, &x, err);
    if (rc == 0)
        rc = mx_json_parse(b, 1000, chain->arena, &y, err);
    if (rc != 0)
        return rc;
    struct gg_buf one = GG_BUF_INIT, two = GG_BUF_INIT;
    mx_json_canonical(&one, x);
    mx_json_canonical(&two, y);
    *same = gg_str_eq(gg_buf_view(&one), gg_buf_view(&two));
    gg_buf_done(&one);
    gg_buf_done(&two);
    return 0;
}

/* ---- the events that the next one cites ---- */

struct cited {
    const struct mx_event **events;
    struct gg_str *ids;
    size_t n;
};

/* Loads the auth events of a new event: what we made ourselves from the chain, the rest in one read. */
static int load_cited(struct mx_chain *chain, const struct mx_auth_wanted *wanted, size_t n, struct cited *out,
                      struct gg_error *err)
{
    out->events = GG_NEW_ARRAY(chain->arena, const struct mx_event *, n + 1);
    out->ids = GG_NEW_ARRAY(chain->arena, struct gg_str, n + 1);
    struct gg_str *missing = GG_NEW_ARRAY(chain->arena, struct gg_str, n + 1);
    size_t *places = GG_NEW_ARRAY(chain->arena, size_t, n + 1), n_missing = 0;
    for (size_t i = 0; i < n; i++) {
        struct gg_str id = mx_state_get(chain->state, wanted[i].type, wanted[i].state_key);
        if (id.s == NULL)
            continue;
        id = gg_arena_str(chain->arena, id); /* the state may change while we wait */
        out->ids[out->n] = id;
        out->events[out->n] = own_event(chain, id);
        if (out->events[out->n] == NULL) {
            missing[n_missing] = id;
            places[n_missing++] = out->n;
        }
        out->n++;
    }
    if (n_missing == 0)
        return 0;
    const struct mx_event **found = GG_NEW_ARRAY(chain->arena, const struct mx_event *, n_missing);
    int rc = mx_store_events(chain->server, missing, n_missing, true, chain->arena, found, err);
    for (size_t i = 0; rc == 0 && i < n_missing; i++) {
        if (found[i] == NULL)
            return gg_fail(err, GG_E_INTERNAL, "state event %.*s is not in the database", GG_FMT(missing[i]));
        out->events[places[i]] = found[i];
    }
    return rc;
}

static const struct mx_event *cited_lookup(void *arg, struct gg_str type, struct gg_str state_key)
{
    const struct cited *cited = arg;
    for (size_t i = 0; i < cited->n; i++)
        if (gg_str_eq(cited->events[i]->type, type) && gg_str_eq(cited->events[i]->state_key, state_key))
            return cited->events[i];
    return NULL;
}

/* ---- unsigned: when it was made, what it replaces (readers look up the rest), what an invited server is told ---- */

static int write_unsigned(struct mx_chain *chain, const struct mx_chain_event *event, struct gg_buf *out,
                          struct gg_error *err)
{
    gg_buf_printf(out, "{\"age_ts\":%lld", (long long)chain->now_ms);
    if (event->stripped.s != NULL) {
        struct gg_str membership = mx_json_string(mx_json_get(event->content, "membership"), chain->arena);
        gg_buf_printf(out, ",\"%s_room_state\":", gg_str_is(membership, "knock") ? "knock" : "invite");
        gg_buf_str(out, event->stripped);
    }
    const struct mx_event *old = NULL;
    int rc = 0;
    if (event->state_key.s != NULL)
        rc = mx_chain_state_event(chain, event->type, event->state_key, &old, err);
    if (old != NULL) {
        gg_buf_lit(out, ",\"replaces_state\":");
        gg_buf_json_string(out, old->event_id);
    }
    gg_buf_char(out, '}');
    return rc;
}

static int build(struct mx_chain *chain, const struct mx_chain_event *event, const struct cited *cited,
                 struct mx_event **out, struct gg_error *err)
{
    struct gg_buf unsigned_ = GG_BUF_INIT;
    int rc = write_unsigned(chain, event, &unsigned_, err);
    if (rc != 0)
        goto out;
    struct mx_event_template t = {.version = chain->version,
                                  .room_id = chain->room_id,
                                  .type = event->type,
                                  .sender = event->sender,
                                  .state_key = event->state_key,
                                  .content = event->content,
                                  .redacts = event->redacts,
                                  .origin_server_ts =
                                      event->origin_server_ts != 0 ? event->origin_server_ts : chain->now_ms,
                                  .depth = mx_depth_after(chain->depth),
                                  .prev_events = chain->prev,
                                  .n_prev = chain->n_prev,
                                  .auth_events = cited->ids,
                                  .n_auth = cited->n,
                                  .unsigned_ = gg_buf_view(&unsigned_)};
    if (event->txn_id != NULL)
        t.meta.txn_id = gg_str(event->txn_id);
    if (event->delay_id != NULL)
        t.meta.delay_id = gg_str(event->delay_id);
    if (event->device_id != NULL)
        t.meta.device_id = gg_str(event->device_id);
    t.meta.not_proactively_send = event->not_proactively_send;
    if (!mx_is_mine(chain->server, event->sender)) /* an invite by address, taken up here: nobody else tells of it */
        t.meta.send_on_behalf_of = gg_str(chain->server->name);
    rc = mx_event_build(&t, chain->server->name, &chain->server->keys[0], out, err);
out:
    gg_buf_done(&unsigned_);
    return rc;
}

static void append(struct mx_chain *chain, struct mx_event *event)
{
    chain->events[chain->n++] = event;
    if (mx_event_is(event, "m.room.create", "")) {
        chain->create = event;
        chain->room_id = event->room_id;
    }
    if (mx_event_is_state(event))
        mx_state_set(chain->state, event->type, event->state_key, event->event_id);
    chain->prev = &event->event_id;
    chain->n_prev = 1;
    chain->depth = event->depth;
}

/* Who is not even in the room is told that, not what is wrong with the content. */
static int explain(struct mx_chain *chain, const struct mx_chain_event *event, int status, struct gg_error *err)
{
    const struct mx_event *member;
    struct gg_error other = GG_ERROR_INIT;
    if (chain->create == NULL || gg_str_is(event->type, "m.room.member") ||
        mx_chain_state_event(chain, GG_STR("m.room.member"), event->sender, &member, &other) != 0)
        return status;
    if (member != NULL && gg_str_is(member->membership, "join"))
        return status;
    return gg_refuse(err, 403, "M_FORBIDDEN", "User %.*s not in room %.*s", GG_FMT(event->sender), GG_FMT(chain->room_id));
}

int mx_chain_add(struct mx_chain *chain, const struct mx_chain_event *event, struct gg_error *err)
{
    if (chain->n == MX_CHAIN_MAX)
        return gg_refuse(err, 400, "M_BAD_JSON", "More than %d events in one request", MX_CHAIN_MAX);
    const struct mx_new_content content = {chain->version, chain->server->name, event->type, event->state_key, event->content};
    int rc = mx_check_content(&content, chain->arena, err);
    if (rc != 0)
        return explain(chain, event, rc, err);
    struct mx_auth_wanted *wanted;
    size_t n = mx_auth_select(chain->version, event->type, event->state_key, event->sender, event->content,
                              chain->arena, &wanted);
    struct cited cited = {0};
    struct mx_event *made = NULL;
    rc = load_cited(chain, wanted, n, &cited, err);
    if (rc == 0)
        rc = build(chain, event, &cited, &made, err);
    if (rc != 0)
        return rc;
    rc = mx_auth_check(made, mx_event_is(made, "m.room.create", "") ? NULL : chain->create, cited_lookup, &cited, err);
    if (rc != 0) {
        mx_event_unref(made);
        return rc;
    }
    chain->makers[chain->n] = event->requester;
    append(chain, made);
    return 0;
}

/* ---- writing ---- */

/* The change that event i makes to the state, as the persister wants it; the arena drops it. */
static void unref_state(void *state)
{
    mx_state_unref(state);
}

static const struct mx_state *delta_of(struct mx_chain *chain, const struct mx_event *event)
{
    if (!mx_event_is_state(event))
        return NULL;
    struct mx_state *delta = mx_state_new();
    mx_state_set(delta, event->type, event->state_key, event->event_id);
    gg_arena_defer(chain->arena, unref_state, delta);
    return delta;
}

/* The groups of a run: before and after each event, and what is to be written of them with the events. */
struct placed {
    int64_t *befores, *groups;
    struct mx_new_group *news; /* NULL: all are stored */
    size_t *firsts;
};

static bool writes_here(const struct mx_chain *chain)
{
    return strcmp(mx_persist_writer(chain->server, chain->room_id), gg_host_instance(chain->server->host)) == 0;
}

static bool has_state(const struct mx_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        if (mx_event_is_state(chain->events[i]))
            return true;
    return false;
}

static int place(struct mx_chain *chain, bool draft, struct placed *out, struct gg_error *err)
{
    size_t n = chain->n;
    *out = (struct placed){.befores = GG_NEW_ARRAY(chain->arena, int64_t, n),
                           .groups = GG_NEW_ARRAY(chain->arena, int64_t, n)};
    if (!has_state(chain) && chain->base_group != 0) {
        for (size_t i = 0; i < n; i++)
            out->befores[i] = out->groups[i] = chain->base_group; /* messages: the group before them is their own */
        return 0;
    }
    if (draft) {
        bool possible;
        struct mx_new_group *news;
        out->firsts = GG_NEW_ARRAY(chain->arena, size_t, n + 1);
        int rc = (writes_here(chain) ? mx_store_draft_groups : mx_store_draft_groups_elsewhere)(
            chain->server, chain->base_group, chain->events, n, out->befores, out->groups, chain->arena, &news, out->firsts,
            &possible, err);
        out->news = rc == 0 && possible && out->firsts[n] > 0 ? news : NULL;
        if (rc != 0 || possible)
            return rc;
    }
    return mx_store_new_groups(chain->server, chain->room_id, chain->base_group, chain->events, n, out->befores,
                               out->groups, err);
}

static struct mx_persist_item *make_items(struct mx_chain *chain)
{
    struct mx_persist_item *items = GG_NEW_ARRAY(chain->arena, struct mx_persist_item, chain->n);
    for (size_t i = 0; i < chain->n; i++) {
        items[i].event = chain->events[i];
        items[i].delta = delta_of(chain, chain->events[i]);
        items[i].requester = chain->makers[i];
    }
    return items;
}

static int commit_once(struct mx_chain *chain, bool draft, struct mx_persist_item *items, bool *drafted,
                       struct gg_str *ids, int64_t *orderings, struct gg_error *err)
{
    size_t n = chain->n;
    struct placed at;
    int rc = place(chain, draft, &at, err);
    if (rc != 0)
        return rc;
    *drafted = at.news != NULL;
    for (size_t i = 0; i < n; i++) {
        items[i].group = at.groups[i];
        items[i].group_before = at.befores[i];
        items[i].new_groups = at.news != NULL ? at.news + at.firsts[i] : NULL;
        items[i].n_new_groups = at.news != NULL ? at.firsts[i + 1] - at.firsts[i] : 0;
    }
    mx_fed_hint(chain->server, chain->room_id, items, n);
    rc =
        mx_persist_remote(chain->server, chain->requester, chain->room_id, items, n, chain->arena, orderings, ids, err);
    if (rc != 0 && at.news != NULL)
        mx_store_drop_groups(chain->server, at.news, at.firsts[n]);
    return rc;
}

/* A failure that drafts may have brought about (an id that was used after the database fell back, a cache too small to
 * hold them until they are written): stored groups come first then. */
static bool drafts_may_fail(int status)
{
    return status == GG_E_CONFLICT || status == GG_E_INTERNAL || status == GG_E_LIMIT;
}

static void set_drafted(struct mx_persist_item *items, size_t n, bool drafted)
{
    for (size_t i = 0; i < n; i++)
        items[i].drafted = drafted;
}

/* All is stored beforehand: the writer only names it. */
static int commit_stored(struct mx_chain *chain, struct mx_persist_item *items, struct gg_str *ids, int64_t *orderings,
                         struct gg_error *err)
{
    bool here = writes_here(chain), drafted;
    set_drafted(items, chain->n, false);
    int rc = here ? 0 : mx_push_stage(chain->server, items, chain->n, err);
    if (rc == 0)
        rc = commit_once(chain, false, items, &drafted, ids, orderings, err);
    if (rc != 0 && !here)
        mx_push_unstage(chain->server, items, chain->n);
    return rc;
}

/* A writer that can stores the events' groups and notifications with them. */
static int commit(struct mx_chain *chain, struct mx_persist_item *items, struct gg_str *ids, int64_t *orderings,
                  struct gg_error *err)
{
    bool drafted = false;
    if (!mx_persist_takes_drafts(chain->server, chain->room_id))
        return commit_stored(chain, items, ids, orderings, err);
    set_drafted(items, chain->n, true);
    int rc = commit_once(chain, true, items, &drafted, ids, orderings, err);
    if (rc == 0 || !drafts_may_fail(rc) || (!drafted && writes_here(chain)))
        return rc;
    memset(err, 0, sizeof(*err));
    return commit_stored(chain, items, ids, orderings, err);
}

int mx_chain_commit(struct mx_chain *chain, struct gg_str *ids_out, int64_t *last_stream, struct gg_error *err)
{
    size_t n = chain->n;
    int64_t *orderings = GG_NEW_ARRAY(chain->arena, int64_t, n);
    struct gg_str *ids = GG_NEW_ARRAY(chain->arena, struct gg_str, n);
    struct mx_persist_item *items = make_items(chain);
    int rc = mx_push_evaluate(chain->server, chain->room_id, chain->before, items, n, chain->arena, err);
    if (rc == 0)
        rc = commit(chain, items, ids, orderings, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; ids_out != NULL && i < n; i++)
        ids_out[i] = gg_arena_str(chain->arena, ids[i]); /* they may be the events' own, and those go with the chain */
    if (last_stream != NULL)
        *last_stream = orderings[n - 1];
    return 0;
}

void mx_chain_done(struct mx_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        mx_event_unref(chain->events[i]);
    chain->n = 0;
    if (chain->state != NULL)
        mx_state_unref(chain->state);
    chain->state = NULL;
}
