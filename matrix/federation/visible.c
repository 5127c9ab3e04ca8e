/* matrix/federation/visible.c: what of a room's events another server may see. */
#include "federation/visible.h"

#include "federation/entry.h"

#include <ganglion/matrix/id.h>

static const struct gg_stmt erased_among = {
    "SELECT w.place FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN erased_users e ON e.user_id = w.id", GG_LANE_POINT};

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static void redact(const struct mx_event **event, struct gg_arena *arena)
{
    struct mx_event *pruned = mx_event_redacted(*event, (struct gg_str){0});
    gg_arena_defer(arena, unref_event, pruned);
    *event = pruned;
}

static int redact_erased(struct mx_server *server, const struct mx_event **events, size_t n, struct gg_arena *arena,
                         struct gg_error *err)
{
    struct gg_str *senders = GG_NEW_ARRAY(arena, struct gg_str, n);
    struct gg_rows *rows;
    for (size_t i = 0; i < n; i++)
        senders[i] = events[i] != NULL ? events[i]->sender : GG_STR("");
    int rc = gg_db_read(server->db, &erased_among, GG_PARAMS(gg_p_texts(senders, n)), arena, &rows, err);
    for (size_t k = 0; rc == 0 && k < gg_rows_count(rows); k++)
        redact(&events[gg_rows_i64(rows, k, 0) - 1], arena);
    return rc;
}

/* What members of the server must at least be, at the event, for it to be shown. */
enum need { NEED_NOTHING, NEED_INVITE, NEED_JOIN };

static int need_of(struct mx_server *server, const struct mx_state *state, struct gg_arena *arena, enum need *out,
                   struct gg_error *err)
{
    const struct mx_event *event;
    struct gg_str id = mx_state_get(state, GG_STR("m.room.history_visibility"), GG_STR(""));
    *out = NEED_NOTHING;
    int rc = id.s != NULL ? mx_store_event(server, id, arena, &event, err) : 0;
    if (rc != 0 || id.s == NULL)
        return rc;
    struct gg_str value = mx_json_string(mx_json_get(event->content, "history_visibility"), arena);
    if (gg_str_is(value, "invited"))
        *out = NEED_INVITE;
    else if (gg_str_is(value, "joined"))
        *out = NEED_JOIN;
    return 0;
}

/* Member events of the server's users, in the arena: the map may go while we wait. */
static size_t members_of(const struct mx_state *state, struct gg_str origin, struct gg_arena *arena, struct gg_str **out)
{
    struct mx_state_entry e;
    size_t n = 0, k = 0;
    for (size_t i = 0; mx_state_next_of(state, GG_STR("m.room.member"), &i, &e);)
        n += gg_str_eq(mx_id_domain(e.state_key), origin);
    *out = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; mx_state_next_of(state, GG_STR("m.room.member"), &i, &e);)
        if (gg_str_eq(mx_id_domain(e.state_key), origin))
            (*out)[k++] = gg_arena_str(arena, e.event_id);
    return n;
}

/* What was last worked out: neighbours in a room mostly stand on the same group. */
struct last {
    int64_t group;
    bool visible;
};

static int visible_at(struct mx_server *server, struct gg_str origin, int64_t group, struct gg_arena *arena, bool *visible,
                      struct gg_error *err)
{
    const struct mx_state *state;
    struct gg_str *ids;
    enum need need = NEED_NOTHING;
    int rc = mx_store_group_state(server, group, arena, &state, err);
    if (rc == 0)
        rc = need_of(server, state, arena, &need, err);
    *visible = need == NEED_NOTHING;
    if (rc != 0 || *visible)
        return rc;
    size_t n = members_of(state, origin, arena, &ids);
    const struct mx_event **members = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    rc = mx_store_events(server, ids, n, false, arena, members, err);
    for (size_t i = 0; rc == 0 && i < n && !*visible; i++)
        *visible = members[i] != NULL && (gg_str_is(members[i]->membership, "join") ||
                                          (need == NEED_INVITE && gg_str_is(members[i]->membership, "invite")));
    return rc;
}

/* While we do not know all members we cannot say who may see what others sent. */
static int redact_foreign(struct mx_server *server, const struct mx_event **events, size_t n, struct gg_arena *arena,
                          struct gg_error *err)
{
    bool partial = false;
    struct gg_str room_id = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i] == NULL || mx_is_mine(server, events[i]->sender))
            continue;
        if (room_id.s == NULL || !gg_str_eq(events[i]->room_id, room_id))
            rc = mx_fed_is_partial(server, room_id = events[i]->room_id, arena, &partial, err);
        if (rc == 0 && partial)
            redact(&events[i], arena);
    }
    return rc;
}

int mx_fed_visible(struct mx_server *server, struct gg_str origin, const struct mx_event **events, size_t n,
                   struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    int64_t *groups = GG_NEW_ARRAY(arena, int64_t, n + 1);
    struct last last = {0, true};
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = events[i] != NULL ? events[i]->event_id : GG_STR("");
    int rc = mx_store_state_groups_of(server, ids, n, groups, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i] == NULL || groups[i] == 0) /* of an outlier no state is known: nothing says that it is hidden */
            continue;
        if (groups[i] != last.group)
            rc = visible_at(server, origin, groups[i], arena, &last.visible, err);
        last.group = groups[i];
        if (rc == 0 && !last.visible)
            redact(&events[i], arena);
    }
    if (rc == 0)
        rc = redact_foreign(server, events, n, arena, err);
    return rc != 0 ? rc : redact_erased(server, events, n, arena, err);
}
