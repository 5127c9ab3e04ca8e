/* user_directory.c: the user directory from scratch, in the four updates and the temporary tables of Synapse: what is to be
 * done is listed, rooms are worked off (the largest first), then users; at the end the directory goes on from the position
 * at which the list was made. Changes meanwhile are followed as ever, and followed once more afterwards: rows are made of the
 * state as it is. */
#include "updates/updates.h"

#include "persist/writer.h"
#include "storage/user_directory.h"

#include <ganglion/matrix/appservice.h>

enum { ROOMS_MAX = 250 };

#define TEMP "_temp_populate_user_directory"

/* ---- 1: lists ---- */

static const struct gg_stmt make_lists[] = {
    {"CREATE TABLE IF NOT EXISTS " TEMP "_rooms AS SELECT room_id, count(*) AS events FROM current_state_events"
     " GROUP BY room_id", 0},
    {"CREATE INDEX IF NOT EXISTS " TEMP "_rooms_rm ON " TEMP "_rooms (room_id)", 0},
    {"CREATE INDEX IF NOT EXISTS " TEMP "_rooms_evs ON " TEMP "_rooms (events)", 0},
    {"CREATE TABLE IF NOT EXISTS " TEMP "_position (position BIGINT NOT NULL)", 0},
    {"CREATE TABLE IF NOT EXISTS " TEMP "_users AS SELECT name AS user_id FROM users", 0},
    {"CREATE INDEX IF NOT EXISTS " TEMP "_users_idx ON " TEMP "_users (user_id)", 0},
    {"INSERT INTO " TEMP "_position (position) SELECT COALESCE(max(stream_id), 0) FROM current_state_delta_stream", 0},
};

static int begin(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(make_lists); i++)
        rc = gg_txn_queue(txn, &make_lists[i], GG_NO_PARAMS, err);
    return rc == 0 ? mx_update_finish(txn, arg, err) : rc;
}

int mx_update_directory_begin(struct mx_update_step *step, struct gg_error *err)
{
    step->items = 1;
    return gg_db_txn(step->server->db, "user_directory", 0, begin, step, err);
}

/* ---- 2: rooms ---- */

static const struct gg_stmt empty[] = {{"DELETE FROM users_in_public_rooms", 0},
                                       {"DELETE FROM users_who_share_private_rooms", 0},
                                       {"DELETE FROM user_directory", 0},
                                       {"DELETE FROM user_directory_search", 0}};
static const struct gg_stmt next_rooms = {
    "SELECT room_id, events, (SELECT count(*) FROM " TEMP "_rooms) FROM " TEMP "_rooms ORDER BY events DESC, room_id LIMIT $1",
    GG_LANE_SCAN};
static const struct gg_stmt rooms_done = {"DELETE FROM " TEMP "_rooms WHERE room_id = ANY($1::text[])", 0};

struct rooms_turn {
    struct mx_update_step *step;
    const struct gg_str *rooms;
    size_t n;
    int64_t remaining;
};

static int note_remaining(struct gg_txn *txn, struct mx_update_step *step, int64_t remaining, struct gg_error *err)
{
    return mx_update_note(txn, step, "remaining", gg_str(gg_arena_printf(step->arena, "%lld", (long long)remaining)), true, err);
}

static int clear(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct rooms_turn *t = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(empty); i++)
        rc = gg_txn_queue(txn, &empty[i], GG_NO_PARAMS, err);
    return rc == 0 ? note_remaining(txn, t->step, t->remaining, err) : rc;
}

static int rooms_noted(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct rooms_turn *t = arg;
    int rc = gg_txn_queue(txn, &rooms_done, GG_PARAMS(gg_p_texts(t->rooms, t->n)), err);
    return rc == 0 ? note_remaining(txn, t->step, t->remaining - (int64_t)t->n, err) : rc;
}

int mx_update_directory_rooms(struct mx_update_step *step, struct gg_error *err)
{
    struct mx_server *server = step->server;
    struct gg_str *ids = GG_NEW_ARRAY(step->arena, struct gg_str, ROOMS_MAX);
    struct rooms_turn turn = {.step = step, .rooms = ids};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &next_rooms, GG_PARAMS(gg_p_i64(ROOMS_MAX)), step->arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    turn.remaining = n > 0 ? gg_rows_i64(rows, 0, 2) : 0;
    if (rc == 0 && mx_update_progress(step, "remaining").s == NULL)
        return gg_db_txn(server->db, "user_directory", 0, clear, &turn, err);
    if (rc < 0 || n == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    for (; turn.n < n && (turn.n == 0 || step->items < step->batch); turn.n++) {
        ids[turn.n] = gg_rows_str(rows, turn.n, 0);
        step->items += gg_rows_i64(rows, turn.n, 1);
    }
    return mx_directory_rebuild_rooms(server, ids, turn.n, step->arena, rooms_noted, &turn, err);
}

/* ---- 3: users ---- */

static const struct gg_stmt next_users = {
    "SELECT t.user_id, p.displayname, p.avatar_url, (u.deactivated = 0 AND COALESCE(u.appservice_id, '') = ''"
    " AND u.user_type IS DISTINCT FROM 'support') IS TRUE, (SELECT count(*) FROM " TEMP "_users)"
    " FROM " TEMP "_users t LEFT JOIN users u ON u.name = t.user_id LEFT JOIN profiles p"
    " ON p.user_id = split_part(substr(t.user_id, 2), ':', 1)" /* whole ids may be filled in by a later update */
    " ORDER BY t.user_id LIMIT $1", GG_LANE_SCAN};
static const struct gg_stmt users_done = {"DELETE FROM " TEMP "_users WHERE user_id = ANY($1::text[])", 0};

static int users_noted(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct rooms_turn *t = arg;
    int rc = gg_txn_queue(txn, &users_done, GG_PARAMS(gg_p_texts(t->rooms, t->n)), err);
    return rc == 0 ? note_remaining(txn, t->step, t->remaining - (int64_t)t->n, err) : rc;
}

int mx_update_directory_users(struct mx_update_step *step, struct gg_error *err)
{
    struct mx_server *server = step->server;
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &next_users, GG_PARAMS(gg_p_i64(step->batch)), step->arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0, n_entries = 0;
    if (rc < 0 || n == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    struct gg_str *ids = GG_NEW_ARRAY(step->arena, struct gg_str, n);
    struct mx_directory_entry *entries = GG_NEW_ARRAY(step->arena, struct mx_directory_entry, n);
    for (size_t i = 0; i < n; i++) {
        ids[i] = gg_rows_str(rows, i, 0);
        bool bridged = mx_appservices_own_user(server, ids[i]) || mx_appservice_by_sender(server, ids[i]) != NULL;
        if (gg_rows_bool(rows, i, 3) && !bridged)
            entries[n_entries++] = (struct mx_directory_entry){ids[i], gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
    }
    struct rooms_turn turn = {step, ids, n, gg_rows_i64(rows, 0, 4)};
    step->items = (int64_t)n;
    rc = mx_directory_write(server, entries, n_entries, err); /* before the note: done twice is no harm */
    return rc == 0 ? gg_db_txn(server->db, "user_directory", 0, users_noted, &turn, err) : rc;
}

/* ---- 4: the end ---- */

static const struct gg_stmt finish[] = {
    {"UPDATE user_directory_stream_pos SET stream_id = (SELECT min(position) FROM " TEMP "_position)"
     " WHERE EXISTS (SELECT 1 FROM " TEMP "_position)", 0},
    {"DROP TABLE IF EXISTS " TEMP "_rooms", 0},
    {"DROP TABLE IF EXISTS " TEMP "_users", 0},
    {"DROP TABLE IF EXISTS " TEMP "_position", 0},
};

static int end(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(finish); i++)
        rc = gg_txn_queue(txn, &finish[i], GG_NO_PARAMS, err);
    return rc == 0 ? mx_update_finish(txn, arg, err) : rc;
}

int mx_update_directory_end(struct mx_update_step *step, struct gg_error *err)
{
    step->items = 1;
    return gg_db_txn(step->server->db, "user_directory", 0, end, step, err);
}
