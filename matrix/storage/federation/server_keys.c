/* storage/federation/server_keys.c: keys of other servers, ready for use and as they were signed. */
#include "storage/federation/server_keys.h"

#include <ganglion/matrix/cache.h>
#include <stdlib.h>

int mx_server_keys_read(struct mx_server *server, const struct gg_str *names, const struct gg_str *key_ids, size_t n,
                        struct gg_arena *arena, struct gg_rows **rows_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT k.server_name, k.key_id, k.verify_key, COALESCE(k.ts_valid_until_ms, 0)"
        " FROM unnest($1::text[], $2::text[]) AS wanted (server_name, key_id)"
        " JOIN server_signature_keys AS k USING (server_name, key_id) WHERE k.verify_key IS NOT NULL",
        GG_LANE_POINT};
    return gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_texts(names, n), gg_p_texts(key_ids, n)), arena, rows_out, err);
}

struct store {
    struct mx_server *server;
    struct gg_str from;
    int64_t added_ms;
    const struct mx_key_answer *answer;
    struct gg_arena *arena;
    struct mx_forget forget;
    const struct gg_str *pairs;   /* JSON lists of server and key id: one cache has them as a single key */
    const struct gg_str *remotes; /* server, key id, server, key id, ...: the other has two */
};

static int queue_key(struct store *s, struct gg_txn *txn, const struct mx_server_key *key, struct gg_error *err)
{
    static const struct gg_stmt usable = {
        "INSERT INTO server_signature_keys (server_name, key_id, from_server, ts_added_ms, verify_key, ts_valid_until_ms)"
        " VALUES ($1, $2, $3, $4::bigint, $5, $6::bigint) ON CONFLICT (server_name, key_id) DO UPDATE SET"
        " from_server = EXCLUDED.from_server, ts_added_ms = EXCLUDED.ts_added_ms, verify_key = EXCLUDED.verify_key,"
        " ts_valid_until_ms = EXCLUDED.ts_valid_until_ms",
        0};
    static const struct gg_stmt raw = {
        "INSERT INTO server_keys_json (server_name, key_id, from_server, ts_added_ms, ts_valid_until_ms, key_json)"
        " VALUES ($1, $2, $3, $4::bigint, $5::bigint, $6) ON CONFLICT (server_name, key_id, from_server) DO UPDATE SET"
        " ts_added_ms = EXCLUDED.ts_added_ms, ts_valid_until_ms = EXCLUDED.ts_valid_until_ms, key_json = EXCLUDED.key_json",
        0};
    struct gg_param name = gg_p_str(s->answer->server), id = gg_p_str(key->id), from = gg_p_str(s->from);
    struct gg_param added = gg_p_i64(s->added_ms), until = gg_p_i64(key->valid_until_ms);
    struct gg_param public_key = gg_p_bytes(gg_strn((const char *)key->public_key, 32));
    int rc = gg_txn_queue(txn, &usable, GG_PARAMS(name, id, from, added, public_key, until), err);
    return rc ? rc : gg_txn_queue(txn, &raw, GG_PARAMS(name, id, from, added, until, gg_p_bytes(s->answer->text)), err);
}

static int store_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct store *s = arg;
    int rc = 0;
    mx_forget_again(&s->forget);
    for (size_t i = 0; !rc && i < s->answer->n; i++) {
        rc = queue_key(s, txn, &s->answer->keys[i], err);
        mx_forget_add(&s->forget, "_get_server_keys_json", &s->pairs[i], 1);
        mx_forget_add(&s->forget, "get_server_key_json_for_remote", &s->remotes[2 * i], 2);
    }
    return rc ? rc : mx_forget_write(&s->forget, txn, err);
}

/* ["server", "key id"] as Python's json writes it: the key of a process of theirs. */
static struct gg_str pair_text(struct gg_str name, struct gg_str id, struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_buf_char(&text, '[');
    gg_buf_json_string(&text, name);
    gg_buf_lit(&text, ", ");
    gg_buf_json_string(&text, id);
    gg_buf_char(&text, ']');
    struct gg_str out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return out;
}

static int by_id(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_server_key *)a)->id, ((const struct mx_server_key *)b)->id);
}

int mx_server_keys_store(struct mx_server *server, struct gg_str from, int64_t added_ms,
                         const struct mx_key_answer *answer, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_key_answer sorted = *answer; /* rows in one order: two who store at once do not deadlock */
    struct gg_str *pairs = GG_NEW_ARRAY(arena, struct gg_str, answer->n), *remotes = GG_NEW_ARRAY(arena, struct gg_str, 2 * answer->n);
    struct store s = {server, from, added_ms, &sorted, arena, {0}, pairs, remotes};
    sorted.keys = GG_NEW_ARRAY(arena, struct mx_server_key, answer->n);
    memcpy(sorted.keys, answer->keys, answer->n * sizeof(sorted.keys[0]));
    qsort(sorted.keys, sorted.n, sizeof(sorted.keys[0]), by_id);
    for (size_t i = 0; i < sorted.n; i++) {
        pairs[i] = pair_text(sorted.server, sorted.keys[i].id, arena);
        remotes[2 * i] = sorted.server;
        remotes[2 * i + 1] = sorted.keys[i].id;
    }
    mx_forget_begin(&s.forget, server, arena);
    int rc = gg_db_txn(server->db, "store_server_keys_response", GG_TXN_READ_COMMITTED, store_body, &s, err);
    mx_forget_end(&s.forget, gg_maybe_committed(rc));
    return rc;
}

int mx_server_keys_answers(struct mx_server *server, struct gg_str name, const struct gg_str *key_ids, size_t n,
                           struct gg_arena *arena, struct mx_kept_answer **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT ON (key_id) key_id, ts_added_ms, ts_valid_until_ms, key_json FROM server_keys_json"
        " WHERE server_name = $1 AND ($2::text[] IS NULL OR key_id = ANY ($2::text[]))"
        " ORDER BY key_id, ts_added_ms DESC LIMIT 1000",
        GG_LANE_POINT};
    struct gg_rows *rows;
    struct gg_param ids = key_ids ? gg_p_texts(key_ids, n) : gg_p_null();
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(name), ids), arena, &rows, err);
    *n_out = rc ? 0 : gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_kept_answer, *n_out);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_kept_answer){.key_id = gg_rows_str(rows, i, 0),
                                            .added_ms = gg_rows_i64(rows, i, 1),
                                            .valid_until_ms = gg_rows_i64(rows, i, 2),
                                            .text = gg_rows_str(rows, i, 3)};
    return rc;
}
