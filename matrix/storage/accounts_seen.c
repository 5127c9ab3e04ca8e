/* accounts_seen.c: where tokens were used: user_ips, and the last sighting in devices (facts database 4). */
#include "storage/accounts.h"

enum { COLUMNS = 5 };

struct batch {
    struct gg_str *text[COLUMNS]; /* user, token, device, ip, user agent */
    int64_t *at;
    size_t n;
};

static void make_batch(const struct mx_sighting *seen, size_t n, struct gg_arena *arena, struct batch *out)
{
    out->n = n;
    out->at = GG_NEW_ARRAY(arena, int64_t, n);
    for (size_t c = 0; c < COLUMNS; c++)
        out->text[c] = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        out->text[0][i] = seen[i].user_id;
        out->text[1][i] = seen[i].token;
        out->text[2][i] = seen[i].device_id;
        out->text[3][i] = seen[i].ip;
        out->text[4][i] = seen[i].user_agent;
        out->at[i] = seen[i].at;
    }
}

#define SIGHTINGS                                                                                                      \
    "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) "                                \
    "AS v (user_id, token, device_id, ip, user_agent, at)"

static int write_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt addresses = {
        "INSERT INTO user_ips (user_id, access_token, device_id, ip, user_agent, last_seen) "
        "SELECT user_id, token, device_id, ip, user_agent, at FROM " SIGHTINGS " ORDER BY 1, 2, 4 "
        "ON CONFLICT (user_id, access_token, ip) DO UPDATE SET device_id = EXCLUDED.device_id, "
        "user_agent = EXCLUDED.user_agent, last_seen = EXCLUDED.last_seen",
        0};
    static const struct gg_stmt devices = {
        "UPDATE devices SET user_agent = s.user_agent, last_seen = s.at, ip = s.ip FROM (SELECT DISTINCT ON (user_id, "
        "device_id) user_id, device_id, ip, user_agent, at FROM " SIGHTINGS " WHERE device_id IS NOT NULL AND "
        "token IS NOT NULL ORDER BY user_id, device_id, at DESC) AS s "
        "WHERE devices.user_id = s.user_id AND devices.device_id = s.device_id",
        0};
    const struct batch *b = arg;
    const struct gg_param params[] = {gg_p_texts(b->text[0], b->n), gg_p_texts(b->text[1], b->n),
                                      gg_p_texts(b->text[2], b->n), gg_p_texts(b->text[3], b->n),
                                      gg_p_texts(b->text[4], b->n), gg_p_i64s(b->at, b->n)};
    int status = gg_txn_queue(txn, &addresses, params, GG_COUNT(params), err);
    return status ? status : gg_txn_queue(txn, &devices, params, GG_COUNT(params), err);
}

int mx_seen_write(struct mx_server *server, const struct mx_sighting *seen, size_t n, struct gg_error *err)
{
    if (!n)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct batch batch;
    make_batch(seen, n, arena, &batch);
    int status = gg_db_txn(server->db, "update_client_ips_batch", GG_TXN_READ_COMMITTED, write_body, &batch, err);
    gg_arena_free(arena);
    return status;
}

int mx_seen_prune(struct mx_server *server, int64_t before_ms, int64_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "DELETE FROM user_ips WHERE ctid = ANY (ARRAY(SELECT ctid FROM user_ips WHERE last_seen < $1::bigint "
        "ORDER BY last_seen LIMIT 5000))",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(before_ms)), arena, &rows, err);
    *n_out = status ? 0 : gg_rows_affected(rows);
    gg_arena_free(arena);
    return status;
}
