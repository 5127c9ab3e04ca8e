/* matrix/e2ee/keys_claim.c: one-time keys are handed out, each once (facts database 4.12). */
#include "e2ee/keys.h"

#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/id.h>

/* ---- what a body may be ---- */

static int read_devices(struct gg_str user_id, struct gg_str devices, struct gg_arena *arena, struct mx_key_claim *out,
                        size_t *n, struct gg_error *err)
{
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it);) {
        struct gg_str device_id = mx_e2ee_name(it.key, arena), algorithm = mx_json_string(it.value, arena);
        if (algorithm.s == NULL || memchr(algorithm.s, '\0', algorithm.n) != NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "An algorithm must be a string");
        if (device_id.s != NULL)
            out[(*n)++] = (struct mx_key_claim){user_id, device_id, algorithm};
    }
    return 0;
}

int mx_keys_read_claim(struct gg_str body, struct gg_arena *arena, struct mx_key_claim **out, size_t *n_out,
                       struct gg_error *err)
{
    struct gg_str users = mx_json_get(body, "one_time_keys");
    size_t total = 0;
    *n_out = 0;
    *out = NULL;
    if (users.s == NULL)
        return 0;
    if (!mx_json_is_object(users))
        return gg_refuse(err, 400, "M_BAD_JSON", "'one_time_keys' must be a JSON object");
    for (struct mx_json_iter it = mx_json_iter(users); mx_json_next(&it);) {
        if (!mx_json_is_object(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "'one_time_keys' values must be JSON objects");
        total += mx_json_length(it.value);
    }
    *out = GG_NEW_ARRAY(arena, struct mx_key_claim, total + 1);
    for (struct mx_json_iter it = mx_json_iter(users); mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, arena);
        if (user_id.s == NULL || !mx_user_id_valid(user_id))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "Not a user id");
        int rc = read_devices(user_id, it.value, arena, *out, n_out, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- taking keys ---- */

struct claiming {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str *users, *devices, *algorithms; /* of local users */
    size_t n;
    struct gg_str *key_ids, *keys;               /* what was found; s NULL: nothing */
    struct mx_forget forget;
};

/* Whoever comes at the same moment skips the rows that are locked and takes the next ones. A row that is locked stays in its
 * place, by which it is deleted. */
static int take_one_time(struct claiming *c, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY"
        " AS w (user_id, device_id, algorithm, at)), picked AS (SELECT w.at, o.place FROM wanted w CROSS JOIN LATERAL ("
        " SELECT k.ctid AS place FROM e2e_one_time_keys_json k"
        " WHERE k.user_id = w.user_id AND k.device_id = w.device_id AND k.algorithm = w.algorithm"
        " ORDER BY k.ts_added_ms LIMIT 1 FOR UPDATE SKIP LOCKED) o)"
        " DELETE FROM e2e_one_time_keys_json k USING picked p WHERE k.ctid = p.place RETURNING p.at, k.key_id, k.key_json", 0};
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_texts(c->users, c->n), gg_p_texts(c->devices, c->n),
                                               gg_p_texts(c->algorithms, c->n)), c->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t at = (size_t)gg_rows_i64(rows, i, 0) - 1;
        c->key_ids[at] = gg_rows_str(rows, i, 1);
        c->keys[at] = gg_rows_str(rows, i, 2);
        struct gg_str *key = GG_NEW_ARRAY(c->arena, struct gg_str, 2);
        key[0] = c->users[at];
        key[1] = c->devices[at];
        mx_forget_add(&c->forget, "count_e2e_one_time_keys", key, 2);
    }
    return rc;
}

static int mark_used(struct claiming *c, const struct gg_rows *rows, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE e2e_fallback_keys_json SET used = true WHERE user_id = $1 AND device_id = $2 AND algorithm = $3"
        " AND key_id = $4", 0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t at = (size_t)gg_rows_i64(rows, i, 0) - 1;
        if (gg_rows_bool(rows, i, 3))
            continue;
        struct gg_str *key = GG_NEW_ARRAY(c->arena, struct gg_str, 2);
        key[0] = c->users[at];
        key[1] = c->devices[at];
        mx_forget_add(&c->forget, "get_e2e_unused_fallback_key_types", key, 2);
        rc = gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(key[0]), gg_p_str(key[1]), gg_p_str(c->algorithms[at]),
                                                gg_p_str(c->key_ids[at])), err);
    }
    return rc;
}

static int take_fallback(struct claiming *c, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT w.at, f.key_id, f.key_json, f.used FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[])"
        " WITH ORDINALITY AS w (user_id, device_id, algorithm, lacks, at) JOIN e2e_fallback_keys_json f"
        " USING (user_id, device_id, algorithm) WHERE w.lacks ORDER BY 1", 0};
    struct gg_rows *rows;
    bool *lacks = GG_NEW_ARRAY(c->arena, bool, c->n + 1), any = false;
    for (size_t i = 0; i < c->n; i++)
        any |= lacks[i] = c->keys[i].s == NULL;
    if (!any)
        return 0;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_texts(c->users, c->n), gg_p_texts(c->devices, c->n),
                                               gg_p_texts(c->algorithms, c->n), gg_p_bools(lacks, c->n)), c->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t at = (size_t)gg_rows_i64(rows, i, 0) - 1;
        c->key_ids[at] = gg_rows_str(rows, i, 1);
        c->keys[at] = gg_rows_str(rows, i, 2);
    }
    return rc == 0 ? mark_used(c, rows, txn, err) : rc;
}

static int take(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct claiming *c = arg;
    mx_forget_again(&c->forget);
    c->key_ids = GG_NEW_ARRAY(c->arena, struct gg_str, c->n + 1);
    c->keys = GG_NEW_ARRAY(c->arena, struct gg_str, c->n + 1);
    int rc = take_one_time(c, txn, err);
    if (rc == 0)
        rc = take_fallback(c, txn, err);
    return rc == 0 ? mx_forget_write(&c->forget, txn, err) : rc;
}

/* ---- the answer: claims are grouped by user, then device, as they were asked ---- */

static void write_keys(const struct claiming *c, struct gg_buf *out)
{
    struct gg_str user = {0}, device = {0};
    gg_buf_char(out, '{');
    for (size_t i = 0; i < c->n; i++) {
        if (c->keys[i].s == NULL)
            continue;
        bool new_user = user.s == NULL || !gg_str_eq(user, c->users[i]);
        bool new_device = new_user || !gg_str_eq(device, c->devices[i]);
        gg_buf_text(out, user.s == NULL ? "" : new_user ? "}}," : new_device ? "}," : ",");
        if (new_user) {
            gg_buf_json_string(out, c->users[i]);
            gg_buf_lit(out, ":{");
        }
        if (new_device) {
            gg_buf_json_string(out, c->devices[i]);
            gg_buf_lit(out, ":{");
        }
        struct gg_str name = gg_str(gg_arena_printf(c->arena, "%.*s:%.*s", GG_FMT(c->algorithms[i]), GG_FMT(c->key_ids[i])));
        gg_buf_json_string(out, name);
        gg_buf_char(out, ':');
        gg_buf_str(out, c->keys[i]);
        user = c->users[i];
        device = c->devices[i];
    }
    gg_buf_text(out, user.s != NULL ? "}}}" : "}");
}

void mx_keys_write_failures(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_buf *out)
{
    struct gg_map *told = gg_map_new(NULL);
    gg_buf_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        struct gg_str domain = mx_id_domain(users[i]);
        if (mx_is_mine(server, users[i]) || domain.s == NULL || gg_map_has(told, domain))
            continue;
        gg_buf_text(out, gg_map_count(told) > 0 ? "," : "");
        gg_map_put(told, domain, NULL);
        gg_buf_json_string(out, domain);
        gg_buf_lit(out, ":{\"status\":503,\"message\":\"Not ready for retry\"}");
    }
    gg_buf_char(out, '}');
    gg_map_free(told);
}

int mx_keys_claim(struct mx_server *server, const struct mx_key_claim *claims, size_t n, struct gg_arena *arena,
                  struct gg_buf *out, struct gg_error *err)
{
    struct claiming c = {.server = server, .arena = arena, .users = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                         .devices = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                         .algorithms = GG_NEW_ARRAY(arena, struct gg_str, n + 1)};
    struct gg_str *others = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    size_t n_others = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mx_is_mine(server, claims[i].user_id)) {
            others[n_others++] = claims[i].user_id;
            continue;
        }
        c.users[c.n] = claims[i].user_id;
        c.devices[c.n] = claims[i].device_id;
        c.algorithms[c.n++] = claims[i].algorithm;
    }
    int rc = 0;
    if (c.n > 0) {
        mx_forget_begin(&c.forget, server, arena);
        rc = gg_db_txn(server->db, "claim_keys", GG_TXN_READ_COMMITTED, take, &c, err);
        mx_forget_end(&c.forget, rc == 0);
    }
    if (rc != 0)
        return rc;
    gg_buf_lit(out, "{\"one_time_keys\":");
    write_keys(&c, out);
    gg_buf_lit(out, ",\"failures\":");
    mx_keys_write_failures(server, others, n_others, out);
    gg_buf_char(out, '}');
    return 0;
}
