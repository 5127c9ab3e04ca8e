/* matrix/e2ee/backup_versions.c: versions of a user's key backup: rows are never removed, so that numbers never come
 * again (facts database 4.13). */
#include "e2ee/backup.h"

#include <stdlib.h>

int64_t mx_backup_version_read(const char *text)
{
    int64_t version = 0;
    if (text == NULL || *text == '\0' || strlen(text) > 18)
        return 0;
    for (; *text >= '0' && *text <= '9'; text++)
        version = version * 10 + (*text - '0');
    return *text == '\0' ? version : 0;
}

int mx_backup_version_get(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_arena *arena,
                          struct mx_backup_version *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT v.version, coalesce(v.etag, 0), (SELECT count(*) FROM e2e_room_keys k WHERE k.user_id = v.user_id"
        " AND k.version = v.version), v.algorithm, v.auth_data FROM e2e_room_keys_versions v"
        " WHERE v.user_id = $1 AND v.deleted = 0 AND ($2::bigint = 0 OR v.version = $2) ORDER BY v.version DESC LIMIT 1",
        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_backup_version){0};
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(version)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0)
        *out = (struct mx_backup_version){gg_rows_i64(rows, 0, 0), gg_rows_i64(rows, 0, 1), gg_rows_i64(rows, 0, 2),
                                          gg_rows_str(rows, 0, 3), gg_rows_str(rows, 0, 4)};
    return rc;
}

/* Who makes one at the same moment took the number: the next try takes the next. */
int mx_backup_version_new(struct mx_server *server, struct gg_str user_id, struct gg_str algorithm, struct gg_str auth_data,
                          int64_t *version_out, struct gg_error *err)
{
    enum { TRIES = 20 };
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data)"
        " SELECT $1, coalesce(max(version), 0) + 1, $2, $3 FROM e2e_room_keys_versions WHERE user_id = $1"
        " ON CONFLICT DO NOTHING RETURNING version", 0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = 0;
    *version_out = 0;
    for (int i = 0; i < TRIES && rc == 0 && *version_out == 0; i++) {
        rc = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(algorithm), gg_p_str(auth_data)), arena, &rows, err);
        if (rc == 0 && gg_rows_count(rows) > 0)
            *version_out = gg_rows_i64(rows, 0, 0);
    }
    if (rc == 0 && *version_out == 0)
        rc = gg_fail(err, GG_E_UNAVAILABLE, "too many versions are being made at once");
    gg_arena_free(arena);
    return rc;
}

int mx_backup_version_update(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_str auth_data,
                             struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE e2e_room_keys_versions SET auth_data = $3 WHERE user_id = $1 AND version = $2 AND deleted = 0", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(version), gg_p_str(auth_data)),
                       NULL, NULL, err);
}

struct deleting {
    struct gg_str user_id;
    int64_t version;
    bool found;
    struct gg_arena *arena;
};

static int delete_version(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt mark = {
        "UPDATE e2e_room_keys_versions SET deleted = 1 WHERE user_id = $1 AND version = $2", 0};
    static const struct gg_stmt keys = {"DELETE FROM e2e_room_keys WHERE user_id = $1 AND version = $2", 0};
    struct deleting *d = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &mark, GG_PARAMS(gg_p_str(d->user_id), gg_p_i64(d->version)), d->arena, &rows, err);
    d->found = rc == 0 && gg_rows_affected(rows) > 0;
    return d->found ? gg_txn_queue(txn, &keys, GG_PARAMS(gg_p_str(d->user_id), gg_p_i64(d->version)), err) : rc;
}

int mx_backup_version_delete(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_error *err)
{
    struct deleting d = {user_id, version, false, gg_arena_new()};
    int rc = gg_db_txn(server->db, "delete_backup_version", GG_TXN_READ_COMMITTED, delete_version, &d, err);
    gg_arena_free(d.arena);
    return rc == 0 && !d.found ? gg_refuse(err, 404, "M_NOT_FOUND", "Unknown backup version") : rc;
}
