/* accounts_filters.c: the table user_filters (facts database 3.7, 4.10). */
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"

struct addition {
    struct gg_str user_id, json;
    struct gg_arena *arena;
    int64_t id;
};

static int find_equal(struct gg_txn *txn, struct addition *a, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT filter_id FROM user_filters WHERE full_user_id = $1 AND filter_json = $2::bytea", 0};
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(a->user_id), gg_p_bytes(a->json)), a->arena, &rows, err);
    a->id = !status && gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : -1;
    return status;
}

static int add_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt next = {
        "SELECT coalesce(max(filter_id) + 1, 0) FROM user_filters WHERE full_user_id = $1", 0};
    static const struct gg_stmt insert = {"INSERT INTO user_filters (full_user_id, user_id, filter_id, filter_json) "
                                          "VALUES ($1, $2, $3::bigint, $4::bytea)",
                                          0};
    struct addition *a = arg;
    struct gg_rows *rows;
    int status = find_equal(txn, a, err);
    if (status || a->id >= 0)
        return status;
    if ((status = gg_txn_exec(txn, &next, GG_PARAMS(gg_p_str(a->user_id)), a->arena, &rows, err)))
        return status;
    a->id = gg_rows_i64(rows, 0, 0);
    return gg_txn_queue(
        txn, &insert,
        GG_PARAMS(gg_p_str(a->user_id), gg_p_str(mx_id_localpart(a->user_id)), gg_p_i64(a->id), gg_p_bytes(a->json)),
        err);
}

int mx_filters_add(struct mx_server *server, struct gg_str user_id, struct gg_str canonical, int64_t *id_out,
                   struct gg_error *err)
{
    enum { TRIES = 3 }; /* two requests of one user may choose the same number: the loser chooses again */
    struct addition a = {.user_id = user_id, .json = canonical, .arena = gg_arena_new()};
    int status = -1;
    for (int i = 0; i < TRIES; i++) {
        status = gg_db_txn(server->db, "add_user_filter", 0, add_body, &a, err);
        if (!status || strcmp(gg_db_sqlstate(), "23505") != 0)
            break;
    }
    *id_out = a.id;
    gg_arena_free(a.arena);
    return status;
}

int mx_filters_get(struct mx_server *server, struct gg_str user_id, int64_t id, struct gg_arena *arena,
                   struct gg_str *json_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT filter_json FROM user_filters WHERE full_user_id = $1 AND filter_id = $2::bigint", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(id)), arena, &rows, err);
    if (status)
        return status;
    if (!gg_rows_count(rows))
        return gg_refuse(err, 404, "M_NOT_FOUND", "No such filter");
    *json_out = gg_rows_str(rows, 0, 0);
    return 0;
}
