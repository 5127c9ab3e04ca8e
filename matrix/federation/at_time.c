/* matrix/federation/at_time.c: the event of a room that is nearest to a moment, though we may not hold it yet
 * (server-server API, "GET /timestamp_to_event"). */
#include "federation/at_time.h"

#include "federation/candidates.h"
#include "federation/client.h"
#include "federation/pulled.h"
#include "rooms/at_time.h"
#include "storage/federation/backfill.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation"};

enum { ASKED_MAX = 10, ONE_SERVER_MS = 15000, ALL_MS = 45000 };

struct moment {
    struct mx_server *server;
    struct gg_str room_id, event_id; /* event_id: the best so far; s NULL: none */
    int64_t ts, found;
    bool backwards;
    struct gg_arena *arena;
};

static int ask(const struct moment *m, const char *name, struct gg_str *event_id, int64_t *found, struct gg_error *err)
{
    struct gg_str body;
    struct mx_fed_request request = {
        .destination = name,
        .method = "GET",
        .timeout_ms = ONE_SERVER_MS,
        .max_answer = 64 * 1024,
        .path = gg_arena_printf(m->arena, "%s?ts=%lld&dir=%s",
                                mx_fed_path(m->arena, "/_matrix/federation/v1/timestamp_to_event/%s",
                                            gg_arena_strndup(m->arena, m->room_id.s, m->room_id.n)),
                                (long long)m->ts, m->backwards ? "b" : "f")};
    int rc = mx_fed_call(m->server, &request, m->arena, &body, err);
    if (rc != 0)
        return rc;
    *event_id = mx_json_string(mx_json_get(body, "event_id"), m->arena);
    if (event_id->s == NULL || !mx_event_id_valid(*event_id) ||
        !mx_json_i64(mx_json_get(body, "origin_server_ts"), found))
        return gg_fail(err, GG_E_PROTOCOL, "%s names no event", name);
    return 0;
}

/* From the server that knows it, at its place in the room. */
static int fetch(const struct moment *m, const char *name, struct gg_str event_id, struct gg_error *err)
{
    struct gg_str body;
    struct mx_fed_request request = {.destination = name,
                                     .method = "GET",
                                     .timeout_ms = ONE_SERVER_MS,
                                     .max_answer = 1024 * 1024,
                                     .path = mx_fed_path(m->arena, "/_matrix/federation/v1/event/%s",
                                                         gg_arena_strndup(m->arena, event_id.s, event_id.n))};
    int rc = mx_fed_call(m->server, &request, m->arena, &body, err);
    return rc == 0 ? mx_fed_place_pulled(m->server, name, m->room_id, mx_json_get(body, "pdus"), 1, m->arena, err) : rc;
}

static const struct gg_stmt select_placed = {"SELECT origin_server_ts FROM events WHERE event_id = $1 AND room_id = $2 "
                                             "AND NOT outlier AND rejection_reason IS NULL",
                                             GG_LANE_POINT};

/* Is it now an event of the room like any other? Its own time counts, not what was said of it. */
static int is_placed(const struct moment *m, struct gg_str event_id, bool *placed, int64_t *ts, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(m->server->db, &select_placed, GG_PARAMS(gg_p_str(event_id), gg_p_str(m->room_id)), m->arena,
                        &rows, err);
    *placed = rc == 0 && gg_rows_count(rows) > 0;
    if (*placed)
        *ts = gg_rows_i64(rows, 0, 0);
    return rc;
}

static bool is_nearer(const struct moment *m, int64_t ts)
{
    if (m->backwards ? ts > m->ts : ts < m->ts)
        return false;
    return m->event_id.s == NULL || llabs(ts - m->ts) < llabs(m->found - m->ts);
}

static int ask_one(struct moment *m, const char *name, struct gg_error *err)
{
    struct gg_str event_id;
    int64_t ts;
    bool placed = false;
    int rc = ask(m, name, &event_id, &ts, err);
    if (rc != 0 || !is_nearer(m, ts))
        return rc;
    rc = is_placed(m, event_id, &placed, &ts, err);
    if (rc == 0 && !placed)
        rc = fetch(m, name, event_id, err);
    if (rc == 0 && !placed)
        rc = is_placed(m, event_id, &placed, &ts, err);
    if (rc == 0 && placed && is_nearer(m, ts)) {
        m->event_id = event_id;
        m->found = ts;
    }
    return rc == 0 && !placed ? gg_fail(err, GG_E_PROTOCOL, "%s does not hand over %.*s", name, GG_FMT(event_id)) : rc;
}

/* The first that answers at all ends the search. */
static int ask_others(struct moment *m, struct gg_error *err)
{
    struct mx_candidates servers = {0};
    struct gg_str *names;
    size_t n;
    int64_t deadline = gg_get_deadline(), mine = gg_deadline(ALL_MS);
    int rc = mx_backfill_servers(m->server, m->room_id, ASKED_MAX, m->arena, &names, &n, err), asked = GG_E_NOT_FOUND;
    for (size_t i = 0; rc == 0 && i < n; i++)
        mx_candidates_add(m->server, &servers, names[i], m->arena);
    gg_set_deadline(mine < deadline ? mine : deadline);
    for (size_t i = 0; rc == 0 && asked != 0 && i < servers.n && gg_get_deadline() > gg_now_ms() && !gg_cancelled();
         i++) {
        struct gg_error why = GG_ERROR_INIT;
        asked = ask_one(m, servers.names[i], &why);
        if (asked != 0)
            gg_info(&logger, "what happened in %.*s at a moment: %s: %s", GG_FMT(m->room_id), servers.names[i],
                    why.message);
    }
    gg_set_deadline(deadline);
    return rc;
}

int mx_fed_event_at_time(struct mx_server *server, struct gg_str room_id, int64_t ts, bool backwards,
                         struct gg_arena *arena, struct gg_str *event_id_out, int64_t *ts_out, struct gg_error *err)
{
    struct moment m = {.server = server, .room_id = room_id, .ts = ts, .backwards = backwards, .arena = arena};
    bool gap = true;
    int rc = mx_event_at_time(server, room_id, ts, backwards, arena, &m.event_id, &m.found, err);
    if (rc == 0 && m.event_id.s != NULL)
        rc = mx_backfill_next_to_gap(server, room_id, m.event_id, !backwards, &gap, err);
    if (rc == 0 && gap)
        rc = ask_others(&m, err);
    *event_id_out = m.event_id;
    *ts_out = m.found;
    return rc;
}
