/* users_change.c: what administrators change of accounts, with the cache rows of facts replication 6.3. */
#include <ganglion/matrix/cache.h>

#include "storage/admin/users.h"
#include "storage/change.h"

static const char *const of_user[] = {"get_user_by_id", NULL};

/* One row for each flag: its statement and the caches that hold it. */
static const struct {
    struct gg_stmt stmt;
    const char *const caches[3];
} flags[] = {
    [MX_FLAG_ADMIN] = {{"UPDATE users SET admin = $2::boolean::int WHERE name = $1", 0}, {"get_user_by_id", "is_server_admin"}},
    [MX_FLAG_LOCKED] = {{"UPDATE users SET locked = $2 WHERE name = $1", 0}, {"get_user_by_id", "get_user_locked_status"}},
    [MX_FLAG_SUSPENDED] = {{"UPDATE users SET suspended = $2 WHERE name = $1", 0},
                           {"get_user_by_id", "get_user_suspended_status"}},
    [MX_FLAG_SHADOW_BANNED] = {{"UPDATE users SET shadow_banned = $2 WHERE name = $1", 0}, {"get_user_by_id"}},
};

struct shadow {
    struct gg_str user_id;
    bool on;
    struct gg_arena *arena;
    struct mx_forget forget;
};

/* Cached tokens say whether their user is shadow-banned, so each is forgotten by name. */
static int shadow_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt tokens = {"SELECT token FROM access_tokens WHERE user_id = $1 OR puppets_user_id = $1", 0};
    struct shadow *s = arg;
    struct gg_rows *rows;
    mx_forget_again(&s->forget);
    int status = gg_txn_exec(txn, &flags[MX_FLAG_SHADOW_BANNED].stmt, GG_PARAMS(gg_p_str(s->user_id), gg_p_bool(s->on)),
                             s->arena, &rows, err);
    if (!status)
        status = gg_txn_exec(txn, &tokens, GG_PARAMS(gg_p_str(s->user_id)), s->arena, &rows, err);
    if (status)
        return status;
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str token = gg_rows_str(rows, i, 0);
        mx_forget_add(&s->forget, "get_user_by_access_token", &token, 1);
    }
    mx_forget_add(&s->forget, "get_user_by_id", &s->user_id, 1);
    return mx_forget_write(&s->forget, txn, err);
}

static int set_shadow_banned(struct mx_server *server, struct gg_str user_id, bool on, struct gg_error *err)
{
    struct shadow s = {.user_id = user_id, .on = on, .arena = gg_arena_new()};
    mx_forget_begin(&s.forget, server, s.arena);
    int status = gg_db_txn(server->db, "shadow ban", 0, shadow_body, &s, err);
    mx_forget_end(&s.forget, gg_maybe_committed(status));
    gg_arena_free(s.arena);
    return status;
}

int mx_admin_user_set_flag(struct mx_server *server, struct gg_str user_id, enum mx_admin_flag flag, bool on,
                           struct gg_error *err)
{
    if (flag == MX_FLAG_SHADOW_BANNED)
        return set_shadow_banned(server, user_id, on, err);
    return mx_change_and_forget(server, &flags[flag].stmt, GG_PARAMS(gg_p_str(user_id), gg_p_bool(on)), flags[flag].caches,
                              user_id, NULL, err);
}

int mx_admin_user_set_type(struct mx_server *server, struct gg_str user_id, struct gg_str type, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE users SET user_type = $2 WHERE name = $1", 0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(type)), of_user, user_id, NULL, err);
}

static const char *const of_rate[] = {"get_ratelimit_for_user", NULL};

int mx_admin_user_set_rate(struct mx_server *server, struct gg_str user_id, int64_t per_second, int64_t burst,
                           struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO ratelimit_override (user_id, messages_per_second, burst_count) VALUES ($1, $2::bigint, $3::bigint) "
        "ON CONFLICT (user_id) DO UPDATE SET messages_per_second = EXCLUDED.messages_per_second, "
        "burst_count = EXCLUDED.burst_count",
        0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(per_second), gg_p_i64(burst)), of_rate,
                              user_id, NULL, err);
}

int mx_admin_user_no_rate(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM ratelimit_override WHERE user_id = $1", 0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id)), of_rate, user_id, NULL, err);
}

int mx_admin_user_set_feature(struct mx_server *server, struct gg_str user_id, struct gg_str feature, bool on,
                              struct gg_error *err)
{
    static const char *const caches[] = {"list_enabled_features", NULL};
    static const struct gg_stmt stmt = {
        "INSERT INTO per_user_experimental_features (user_id, feature, enabled) VALUES ($1, $2, $3) "
        "ON CONFLICT (user_id, feature) DO UPDATE SET enabled = EXCLUDED.enabled",
        0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(feature), gg_p_bool(on)), caches, user_id,
                              NULL, err);
}

/* ---- addresses and ids of other providers ---- */

struct pairs {
    struct mx_server *server;
    struct gg_str user_id;
    const struct gg_str *firsts, *seconds;
    size_t n;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int addresses_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt gone = {
        "DELETE FROM user_threepids t WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[]) "
        "w(medium, address) WHERE w.medium = t.medium AND w.address = t.address)",
        0};
    static const struct gg_stmt add = {
        "INSERT INTO user_threepids (user_id, medium, address, validated_at, added_at) SELECT DISTINCT $1, w.medium, "
        "w.address, $4::bigint, $4::bigint FROM unnest($2::text[], $3::text[]) w(medium, address) "
        "ON CONFLICT (medium, address) DO UPDATE SET user_id = EXCLUDED.user_id, validated_at = EXCLUDED.validated_at, "
        "added_at = EXCLUDED.added_at WHERE user_threepids.user_id <> EXCLUDED.user_id",
        0};
    struct pairs *p = arg;
    const struct gg_param params[] = {gg_p_str(p->user_id), gg_p_texts(p->firsts, p->n), gg_p_texts(p->seconds, p->n),
                                      gg_p_i64(gg_wall_ms())};
    int status = gg_txn_queue(txn, &gone, params, 3, err);
    return status ? status : gg_txn_queue(txn, &add, params, 4, err);
}

int mx_admin_user_set_addresses(struct mx_server *server, struct gg_str user_id, const struct gg_str *media,
                                const struct gg_str *addresses, size_t n, struct gg_error *err)
{
    struct pairs p = {.server = server, .user_id = user_id, .firsts = media, .seconds = addresses, .n = n};
    return gg_db_txn(server->db, "set addresses", 0, addresses_body, &p, err);
}

static void forget_ids(struct pairs *p, const struct gg_rows *rows)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str keys[] = {gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1)};
        mx_forget_add(&p->forget, "get_user_by_external_id", keys, 2);
    }
}

static int external_ids_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt gone = {
        "DELETE FROM user_external_ids x WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[]) "
        "w(provider, id) WHERE w.provider = x.auth_provider AND w.id = x.external_id) RETURNING auth_provider, external_id",
        0};
    static const struct gg_stmt add = {
        "INSERT INTO user_external_ids (auth_provider, external_id, user_id) SELECT DISTINCT w.provider, w.id, $1 "
        "FROM unnest($2::text[], $3::text[]) w(provider, id) ON CONFLICT (auth_provider, external_id) DO NOTHING "
        "RETURNING auth_provider, external_id",
        0};
    static const struct gg_stmt foreign = {
        "SELECT 1 FROM user_external_ids x JOIN unnest($2::text[], $3::text[]) w(provider, id) ON "
        "w.provider = x.auth_provider AND w.id = x.external_id WHERE x.user_id <> $1",
        0};
    struct pairs *p = arg;
    const struct gg_param params[] = {gg_p_str(p->user_id), gg_p_texts(p->firsts, p->n), gg_p_texts(p->seconds, p->n)};
    struct gg_rows *rows;
    mx_forget_again(&p->forget);
    int status = gg_txn_exec(txn, &gone, params, 3, p->arena, &rows, err);
    if (status)
        return status;
    forget_ids(p, rows);
    if ((status = gg_txn_exec(txn, &add, params, 3, p->arena, &rows, err)))
        return status;
    forget_ids(p, rows);
    if ((status = gg_txn_exec(txn, &foreign, params, 3, p->arena, &rows, err)))
        return status;
    if (gg_rows_count(rows))
        return gg_refuse(err, 409, "M_UNKNOWN", "External id is already in use.");
    return mx_forget_write(&p->forget, txn, err);
}

int mx_admin_user_set_external_ids(struct mx_server *server, struct gg_str user_id, const struct gg_str *providers,
                                   const struct gg_str *ids, size_t n, struct gg_error *err)
{
    struct pairs p = {.server = server, .user_id = user_id, .firsts = providers, .seconds = ids, .n = n,
                      .arena = gg_arena_new()};
    mx_forget_begin(&p.forget, server, p.arena);
    int status = gg_db_txn(server->db, "set external ids", 0, external_ids_body, &p, err);
    mx_forget_end(&p.forget, gg_maybe_committed(status));
    gg_arena_free(p.arena);
    return status;
}

int mx_admin_user_allow_new_keys(struct mx_server *server, struct gg_str user_id, int64_t *until_out, struct gg_error *err)
{
    enum { PERIOD_MS = 600000 };
    static const struct gg_stmt stmt = {
        "UPDATE e2e_cross_signing_keys SET updatable_without_uia_before_ms = $2::bigint WHERE stream_id = (SELECT stream_id FROM "
        "e2e_cross_signing_keys WHERE user_id = $1 AND keytype = 'master' ORDER BY stream_id DESC LIMIT 1)",
        0};
    int64_t n;
    *until_out = gg_wall_ms() + PERIOD_MS;
    int status = mx_admin_do(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(*until_out)), &n, err);
    if (!status && !n)
        *until_out = 0;
    return status;
}
