/* dummy_events.c: rooms whose graph has many ends get an event that joins them (cleanup_extremities_with_dummy_events): each
 * end makes every new event dearer, and every resolution of its state. */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

#include "jobs/jobs.h"
#include "rooms/chain.h"

static struct gg_logger logger = {"ganglion.jobs"};

enum {
    ROOMS = 5,         /* in one turn, those with most ends first */
    EVENTS = 10,       /* in one room and turn: each joins ten ends */
    TRIED = 50,        /* members of ours who are tried as senders */
    MAX_HOPELESS = 10000,
};
#define HOPELESS_MS (INT64_C(7) * 24 * 3600 * 1000) /* a room in which nobody of ours may send is left alone */

static int read_rooms(struct mx_server *server, struct gg_arena *arena, struct gg_rows **out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT room_id FROM event_forward_extremities GROUP BY room_id HAVING count(*) > $1::bigint AND"
        " NOT room_id = ANY ($2::text[]) ORDER BY count(*) DESC LIMIT $3::bigint",
        GG_LANE_SCAN};
    struct gg_map *hopeless = server->jobs->hopeless;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(hopeless) + 1), id;
    size_t n = 0;
    void *until;
    for (size_t i = 0; gg_map_next(hopeless, &i, &id, &until);)
        if ((int64_t)(intptr_t)until > gg_now_ms())
            ids[n++] = gg_arena_str(arena, id);
        else
            gg_map_delete(hopeless, id);
    int64_t threshold = gg_config_int(server->config, "dummy_events_threshold");
    return gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(threshold), gg_p_texts(ids, n), gg_p_i64(ROOMS)), arena, out,
                      err);
}

/* One event at the head, by the first of ours who may. GG_E_FORBIDDEN: nobody. */
static int send_one(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, struct gg_arena *arena,
                    struct gg_error *err)
{
    struct gg_str localpart = mx_id_localpart(user_id);
    const struct mx_requester requester = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                           .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
    const struct mx_chain_event event = {.type = GG_STR("org.matrix.dummy_event"),
                                         .sender = gg_str(requester.user_id),
                                         .content = GG_STR("{}"),
                                         .not_proactively_send = true};
    struct mx_chain chain;
    int64_t stream;
    int rc = mx_chain_begin(&chain, server, &requester, room_id, arena, err);
    if (!rc)
        rc = mx_chain_add(&chain, &event, err);
    if (!rc)
        rc = mx_chain_commit(&chain, NULL, &stream, err);
    mx_chain_done(&chain);
    return rc;
}

static int send_as_anybody(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                           struct gg_error *err)
{
    const struct gg_str *users;
    size_t n, tried = 0;
    int rc = mx_heads_joined(server, head, arena, &users, &n, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && tried < TRIED; i++) {
        if (!mx_is_mine(server, users[i]))
            continue;
        tried++;
        *err = (struct gg_error){0};
        rc = send_one(server, head->room_id, users[i], arena, err);
        if (rc != GG_E_FORBIDDEN)
            return rc;
    }
    return gg_refuse(err, 403, "M_FORBIDDEN", "none of our users may send to it");
}

static int join_ends(struct mx_server *server, struct gg_str room_id, int64_t threshold, struct gg_error *err)
{
    struct mx_room_lock *lock = NULL;
    int rc = mx_room_lock(server, room_id, &lock, err);
    for (int i = 0; !rc && i < EVENTS; i++) {
        struct gg_arena *arena = gg_arena_new();
        const struct mx_head *head;
        rc = mx_heads_extremities(server, room_id, arena, &head, err);
        bool enough = !rc && (int64_t)head->n_extremities <= threshold;
        if (!rc && !enough)
            rc = send_as_anybody(server, head, arena, err);
        gg_arena_free(arena);
        if (enough)
            break;
    }
    mx_room_unlock(server, lock);
    return rc;
}

int mx_job_dummy_events(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_map *hopeless = server->jobs->hopeless;
    struct gg_rows *rows;
    bool on = gg_config_bool(server->config, "cleanup_extremities_with_dummy_events");
    int rc = on ? read_rooms(server, arena, &rows, err) : 0;
    for (size_t i = 0; on && !rc && i < gg_rows_count(rows) && !gg_cancelled(); i++) {
        struct gg_error own = GG_ERROR_INIT;
        struct gg_str room_id = gg_rows_str(rows, i, 0);
        int failed = join_ends(server, room_id, gg_config_int(server->config, "dummy_events_threshold"), &own);
        if (failed)
            gg_info(&logger, "the ends of %.*s could not be joined: %s", GG_FMT(room_id), own.message);
        if (failed == GG_E_FORBIDDEN && gg_map_count(hopeless) < MAX_HOPELESS)
            gg_map_put(hopeless, room_id, (void *)(intptr_t)(gg_now_ms() + HOPELESS_MS));
    }
    gg_arena_free(arena);
    return rc;
}
