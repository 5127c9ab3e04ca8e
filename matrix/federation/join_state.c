/* matrix/federation/join_state.c: the state of a room as another server gave it with our join: checked, then stored. */
#include "federation/join_state.h"

#include "federation/keyring.h"
#include "federation/receive.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation"};

enum { CHECK_AT_ONCE = 500 }; /* events, between which others may run */

/* ---- checking ---- */

static int add_event(struct mx_joined_state *s, const struct mx_event *e, bool in_state, const struct mx_event *join,
                     struct gg_error *err)
{
    if (!gg_str_eq(e->room_id, join->room_id))
        return gg_fail(err, GG_E_PROTOCOL, "%.*s is of another room", GG_FMT(e->event_id));
    if (mx_event_is(e, "m.room.create", "")) {
        if (s->create != NULL && !gg_str_eq(s->create->event_id, e->event_id))
            return gg_fail(err, GG_E_PROTOCOL, "there are several create events");
        s->create = e;
    }
    if (in_state && mx_event_is_state(e))
        mx_state_set(s->state, e->type, e->state_key, e->event_id);
    if (gg_map_has(s->by_id, e->event_id))
        return 0;
    gg_map_put(s->by_id, e->event_id, (void *)(uintptr_t)e);
    s->events[s->n++] = e;
    return 0;
}

static int check_some(struct mx_server *server, const struct mx_join_answer *answer, size_t from, size_t n,
                      const struct mx_event *join, struct gg_arena *arena, struct mx_joined_state *s,
                      struct gg_error *err)
{
    const struct mx_event *checked[CHECK_AT_ONCE];
    const char *why[CHECK_AT_ONCE];
    int rc = mx_fed_check_pdus(server, join->version, answer->events + from, n, arena, checked, why, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (checked[i] == NULL)
            gg_info(&logger, "an event of the state of %.*s is left out: %s", GG_FMT(join->room_id), why[i]);
        else
            rc = add_event(s, checked[i], from + i < answer->n_state, join, err);
    }
    return rc;
}

/* Whose version is it? Who made the join and who answers it may be two servers, and one of them may lie. */
static int check_create(const struct mx_joined_state *s, const struct mx_event *join, struct gg_arena *arena,
                        struct gg_error *err)
{
    if (s->create == NULL || mx_state_get(s->state, GG_STR("m.room.create"), GG_STR("")).s == NULL)
        return gg_fail(err, GG_E_PROTOCOL, "the state has no create event");
    struct gg_str version = mx_json_get(s->create->content, "room_version");
    version = version.s != NULL ? mx_json_string(version, arena) : GG_STR("1");
    if (version.s == NULL || !gg_str_is(version, join->version->id))
        return gg_fail(err, GG_E_PROTOCOL, "the create event is of another room version");
    return 0;
}

int mx_joined_state_check(struct mx_server *server, const struct mx_join_answer *answer, const struct mx_event *join,
                          struct gg_arena *arena, struct mx_joined_state *out, struct gg_error *err)
{
    *out = (struct mx_joined_state){.events = GG_NEW_ARRAY(arena, const struct mx_event *, answer->n + 1),
                                    .state = mx_state_new(),
                                    .by_id = gg_map_new(NULL)};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < answer->n; i += CHECK_AT_ONCE) {
        rc = check_some(server, answer, i, answer->n - i < CHECK_AT_ONCE ? answer->n - i : CHECK_AT_ONCE, join, arena,
                        out, err);
        if (rc == 0 && (rc = gg_yield()) != 0)
            rc = gg_fail(err, rc, "checking the state of a room");
    }
    return rc == 0 ? check_create(out, join, arena, err) : rc;
}

/* ---- storing ---- */

static const struct gg_stmt select_rejected = {"SELECT event_id FROM rejections WHERE event_id = ANY($1)",
                                               GG_LANE_SCAN};

static void drop_from_state(struct mx_joined_state *s, struct gg_str event_id)
{
    const struct mx_event *e = gg_map_get(s->by_id, event_id);
    if (e != NULL && mx_event_is_state(e) && gg_str_eq(mx_state_get(s->state, e->type, e->state_key), event_id))
        mx_state_delete(s->state, e->type, e->state_key);
}

static int drop_rejected(struct mx_server *server, struct mx_joined_state *s, struct gg_arena *arena,
                         struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, s->n + 1);
    for (size_t i = 0; i < s->n; i++)
        ids[i] = s->events[i]->event_id;
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_rejected, GG_PARAMS(gg_p_texts(ids, s->n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        drop_from_state(s, gg_rows_str(rows, i, 0));
    return rc;
}

int mx_joined_state_store(struct mx_server *server, const char *origin, struct gg_str room_id,
                          const struct mx_room_version *version, struct mx_joined_state *s, struct gg_arena *arena,
                          struct gg_error *err)
{
    int rc = mx_fed_store_outliers(server, origin, room_id, version, s->events, s->n, arena, err);
    return rc == 0 ? drop_rejected(server, s, arena, err) : rc;
}

/* ---- our join ---- */

static const struct mx_event *by_state(void *arg, struct gg_str type, struct gg_str state_key)
{
    const struct mx_joined_state *s = arg;
    struct gg_str id = mx_state_get(s->state, type, state_key);
    return id.s != NULL ? gg_map_get(s->by_id, id) : NULL;
}

/* Its auth events: of the answer, or such as we held before. */
static int load_auth(struct mx_server *server, const struct mx_joined_state *s, const struct mx_event *join,
                     struct gg_arena *arena, const struct mx_event **out, size_t *n_out, struct gg_error *err)
{
    *n_out = 0;
    for (size_t i = 0; i < join->n_auth; i++) {
        const struct mx_event *e = gg_map_get(s->by_id, join->auth_events[i]);
        int rc = e == NULL ? mx_store_events(server, &join->auth_events[i], 1, true, arena, &e, err) : 0;
        if (rc != 0)
            return rc;
        if (e == NULL)
            return gg_fail(err, GG_E_PROTOCOL, "auth event %.*s of our join did not come",
                           GG_FMT(join->auth_events[i]));
        out[(*n_out)++] = e;
    }
    return 0;
}

int mx_joined_state_allows(struct mx_server *server, const struct mx_joined_state *s, const struct mx_event *join,
                           struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_event **auth = GG_NEW_ARRAY(arena, const struct mx_event *, join->n_auth + 1);
    size_t n;
    int rc = load_auth(server, s, join, arena, auth, &n, err);
    if (rc == 0)
        rc = mx_auth_check_events(join, auth, n, err);
    return rc == 0 ? mx_auth_check(join, s->create, by_state, (void *)(uintptr_t)s, err) : rc;
}

void mx_joined_state_done(struct mx_joined_state *s)
{
    mx_state_unref(s->state);
    gg_map_free(s->by_id);
    s->state = NULL;
    s->by_id = NULL;
}
