/* accounts_logout.c: what goes when devices and tokens go (facts database 4.1, "Logout"), in one transaction. */
#include <ganglion/matrix/cache.h>

#include "storage/accounts.h"
#include "storage/pushers.h"

enum { TRIES = 5 }; /* as often as gg_db_txn runs a body */

struct state {
    struct mx_server *server;
    struct mx_logout *logout;
    struct mx_forget forget;
    int64_t *spent[TRIES]; /* pushers stream ids of each try: all must be finished */
    size_t n_spent[TRIES], tries;
    struct gg_fetched *gone; /* what the pushers' ids of the last try stand for */
};

/* The tables that hold something of a device; each statement takes (user, devices). */
static const struct gg_stmt of_device[] = {
    {"DELETE FROM device_auth_providers WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
    {"DELETE FROM e2e_device_keys_json WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
    {"DELETE FROM e2e_one_time_keys_json WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
    {"DELETE FROM dehydrated_devices WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
    {"DELETE FROM e2e_fallback_keys_json WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
    {"DELETE FROM device_inbox WHERE user_id = $1 AND device_id = ANY($2::text[])", 0},
};

static int delete_devices(struct gg_txn *txn, struct state *s, struct gg_error *err)
{
    static const struct gg_stmt all = {
        "DELETE FROM devices WHERE user_id = $1 AND NOT coalesce(hidden, false) RETURNING device_id", 0};
    static const struct gg_stmt some = {
        "DELETE FROM devices WHERE user_id = $1 AND device_id = ANY($2::text[]) AND NOT coalesce(hidden, false) "
        "RETURNING device_id",
        0};
    static const char *const forgotten[] = {"get_device", "count_e2e_one_time_keys",
                                            "get_e2e_unused_fallback_key_types"};
    struct mx_logout *l = s->logout;
    struct gg_rows *rows;
    int status = l->devices
                     ? gg_txn_exec(txn, &some, GG_PARAMS(gg_p_str(l->user_id), gg_p_texts(l->devices, l->n_devices)),
                                   l->arena, &rows, err)
                     : gg_txn_exec(txn, &all, GG_PARAMS(gg_p_str(l->user_id)), l->arena, &rows, err);
    if (status)
        return status;
    l->n_gone = gg_rows_count(rows);
    l->gone_devices = GG_NEW_ARRAY(l->arena, struct gg_str, l->n_gone + 1);
    for (size_t i = 0; i < l->n_gone; i++)
        l->gone_devices[i] = gg_rows_str(rows, i, 0);
    if (!l->n_gone)
        return 0;
    for (size_t i = 0; i < GG_COUNT(of_device) && !status; i++)
        status = gg_txn_queue(txn, &of_device[i],
                              GG_PARAMS(gg_p_str(l->user_id), gg_p_texts(l->gone_devices, l->n_gone)), err);
    for (size_t i = 0; i < GG_COUNT(forgotten); i++)
        mx_forget_add(&s->forget, forgotten[i], &l->user_id, 1);
    return status;
}

/* Tokens that go: of the deleted devices, and the one named; all of the user when all devices go. */
#define TOKENS_OF                                                                                                      \
    "user_id = $1 AND puppets_user_id IS NULL AND ($2::boolean OR device_id = ANY($3::text[]) OR token = $4)"

/* The pushers that belong to those tokens: each leaves a row that tells the pushers' process. */
static int delete_pushers(struct gg_txn *txn, struct state *s, const struct gg_param *tokens_of, struct gg_error *err)
{
    static const struct gg_stmt remove = {
        "DELETE FROM pushers WHERE user_name = $1 AND ($2::boolean OR device_id = ANY($3::text[]) OR access_token IN "
        "(SELECT id FROM access_tokens WHERE " TOKENS_OF ")) RETURNING app_id, pushkey",
        0};
    static const struct gg_stmt tell = {
        "INSERT INTO deleted_pushers (stream_id, app_id, pushkey, user_id, instance_name) "
        "SELECT id, app, key, $1, $5 FROM unnest($2::bigint[], $3::text[], $4::text[]) AS v (id, app, key)",
        0};
    struct mx_logout *l = s->logout;
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &remove, tokens_of, 4, l->arena, &rows, err);
    size_t n = status ? 0 : gg_rows_count(rows);
    if (!n)
        return status;
    int64_t *ids = GG_NEW_ARRAY(l->arena, int64_t, n);
    if ((status = gg_stream_allocate(s->server->pushers, txn, n, ids, err)))
        return status;
    s->spent[s->tries - 1] = ids;
    s->n_spent[s->tries - 1] = n;
    struct gg_str *apps = GG_NEW_ARRAY(l->arena, struct gg_str, n), *keys = GG_NEW_ARRAY(l->arena, struct gg_str, n);
    s->gone = GG_NEW_ARRAY(l->arena, struct gg_fetched, n);
    for (size_t i = 0; i < n; i++) {
        apps[i] = gg_rows_str(rows, i, 0);
        keys[i] = gg_rows_str(rows, i, 1);
        s->gone[i] = mx_pusher_row(ids[i], l->user_id, apps[i], keys[i], true, l->arena);
    }
    mx_forget_add(&s->forget, "get_if_user_has_pusher", &l->user_id, 1);
    return gg_txn_queue(txn, &tell,
                        GG_PARAMS(gg_p_str(l->user_id), gg_p_i64s(ids, n), gg_p_texts(apps, n), gg_p_texts(keys, n),
                                  gg_p_text(gg_host_instance(s->server->host))),
                        err);
}

static int delete_tokens(struct gg_txn *txn, struct state *s, const struct gg_param *tokens_of, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM access_tokens WHERE " TOKENS_OF " RETURNING token", 0};
    static const struct gg_stmt refresh = {
        "DELETE FROM refresh_tokens WHERE user_id = $1 AND ($2::boolean OR device_id = ANY($3::text[]))", 0};
    struct mx_logout *l = s->logout;
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &stmt, tokens_of, 4, l->arena, &rows, err);
    if (status)
        return status;
    mx_tokens_forget(&s->forget, rows);
    return gg_txn_queue(txn, &refresh, tokens_of, 3, err);
}

static int logout_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct state *s = arg;
    struct mx_logout *l = s->logout;
    s->tries++;
    mx_forget_again(&s->forget);
    int status = delete_devices(txn, s, err);
    const struct gg_param tokens_of[] = {gg_p_str(l->user_id), gg_p_bool(!l->devices),
                                         gg_p_texts(l->gone_devices, l->n_gone), gg_p_str(l->token)};
    if (!status)
        status = delete_pushers(txn, s, tokens_of, err);
    if (!status)
        status = delete_tokens(txn, s, tokens_of, err);
    return status ? status : mx_forget_write(&s->forget, txn, err);
}

int mx_logout_write(struct mx_server *server, struct mx_logout *logout, struct gg_error *err)
{
    struct state s = {.server = server, .logout = logout};
    mx_forget_begin(&s.forget, server, logout->arena);
    int status = gg_db_txn(server->db, "logout", 0, logout_body, &s, err);
    for (size_t i = 0; i < s.tries && i < TRIES; i++)
        if (s.n_spent[i])
            gg_stream_finish_rows(server->pushers, s.spent[i], s.n_spent[i], s.gone,
                                  gg_maybe_committed(status) && i == s.tries - 1 ? s.n_spent[i] : 0);
    mx_forget_end(&s.forget, gg_maybe_committed(status));
    return status;
}
