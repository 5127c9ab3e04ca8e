/* matrix/e2ee/keys_claim.c: one-time keys are handed out, each once (facts database 4.12). */
#include "e2ee/keys.h"

#include "e2ee/e2ee.h"
#include "e2ee/remote_keys.h"
#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/id.h>

/* ---- what a body may be ---- */

static int read_devices(struct gg_str user_id, struct gg_str devices, struct gg_arena *arena, struct mx_key_claim *out,
                        size_t *n, struct gg_error *err)
{
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it);) {
        struct gg_str device_id = mx_e2ee_name(it.key, arena), algorithm = mx_storable(mx_json_string(it.value, arena));
        if (algorithm.s == NULL)
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

/* One request's claims of local users. */
struct claiming {
    struct gg_gather_call call;
    struct gg_arena *arena;
    struct gg_str *users, *devices, *algorithms;
    size_t n;
    struct gg_str *key_ids, *keys; /* what was found; s NULL: nothing */
};

/* Requests that are served by one transaction. What several of them want of one device is asked for once, by number. */
struct taking {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_gather_call *const *calls;
    size_t n;
    struct gg_map *places;         /* user, device, algorithm -> its place below, from 1 */
    struct gg_str *users, *devices, *algorithms;
    int64_t *wanted;
    struct waiting **first, **last; /* who wants it, in order */
    size_t n_devices;
    struct mx_forget forget;
};

struct waiting {
    struct waiting *next;
    struct claiming *of;
    size_t at;
};

static struct claiming *claim_at(const struct taking *t, size_t i)
{
    return GG_CONTAINER(t->calls[i], struct claiming, call);
}

/* What is not had yet, of all requests. */
static void gather_wants(struct taking *t)
{
    gg_map_clear(t->places);
    t->n_devices = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct claiming *c = claim_at(t, i);
        for (size_t k = 0; k < c->n; k++) {
            if (c->keys[k].s != NULL)
                continue;
            struct gg_str name = gg_str(gg_arena_printf(t->arena, "%.*s%c%.*s%c%.*s", GG_FMT(c->users[k]), MX_KEY_SEP,
                                                        GG_FMT(c->devices[k]), MX_KEY_SEP, GG_FMT(c->algorithms[k])));
            size_t place = (size_t)(uintptr_t)gg_map_get(t->places, name);
            struct waiting *w = GG_NEW(t->arena, struct waiting);
            *w = (struct waiting){NULL, c, k};
            if (place == 0) {
                gg_map_put(t->places, name, (void *)(uintptr_t)(place = ++t->n_devices));
                t->users[place - 1] = c->users[k];
                t->devices[place - 1] = c->devices[k];
                t->algorithms[place - 1] = c->algorithms[k];
                t->wanted[place - 1] = 0;
                t->first[place - 1] = w;
            } else {
                t->last[place - 1]->next = w;
            }
            t->last[place - 1] = w;
            t->wanted[place - 1]++;
        }
    }
}

static void forget(struct taking *t, const char *cache, size_t place)
{
    struct gg_str *key = GG_NEW_ARRAY(t->arena, struct gg_str, 2);
    key[0] = t->users[place];
    key[1] = t->devices[place];
    mx_forget_add(&t->forget, cache, key, 2);
}

#define WANTS(t_) gg_p_texts((t_)->users, (t_)->n_devices), gg_p_texts((t_)->devices, (t_)->n_devices), \
                  gg_p_texts((t_)->algorithms, (t_)->n_devices)

/* Whoever comes at the same moment skips the rows that are locked and takes the next ones. A row that is locked stays in its
 * place, by which it is deleted. */
static int take_one_time(struct taking *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY"
        " AS w (user_id, device_id, algorithm, n, at)), picked AS (SELECT w.at, o.place FROM wanted w CROSS JOIN LATERAL ("
        " SELECT k.ctid AS place FROM e2e_one_time_keys_json k"
        " WHERE k.user_id = w.user_id AND k.device_id = w.device_id AND k.algorithm = w.algorithm"
        " ORDER BY k.ts_added_ms LIMIT w.n FOR UPDATE SKIP LOCKED) o)"
        " DELETE FROM e2e_one_time_keys_json k USING picked p WHERE k.ctid = p.place RETURNING p.at, k.key_id, k.key_json", 0};
    struct gg_rows *rows;
    gather_wants(t);
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(WANTS(t), gg_p_i64s(t->wanted, t->n_devices)), t->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t place = (size_t)gg_rows_i64(rows, i, 0) - 1;
        struct waiting *w = t->first[place];
        if (w == NULL)
            return gg_fail(err, GG_E_PROTOCOL, "more keys than were wanted");
        w->of->key_ids[w->at] = gg_arena_str(w->of->arena, gg_rows_str(rows, i, 1));
        w->of->keys[w->at] = gg_arena_str(w->of->arena, gg_rows_str(rows, i, 2));
        if (t->wanted[place] > 0)
            forget(t, "count_e2e_one_time_keys", place);
        t->wanted[place] = 0;
        t->first[place] = w->next;
    }
    return rc;
}

static int mark_used(struct taking *t, const struct gg_rows *rows, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE e2e_fallback_keys_json f SET used = true FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])"
        " AS u (user_id, device_id, algorithm, key_id) WHERE f.user_id = u.user_id AND f.device_id = u.device_id"
        " AND f.algorithm = u.algorithm AND f.key_id = u.key_id", 0};
    struct gg_str *columns[4];
    size_t n = 0;
    for (size_t c = 0; c < GG_COUNT(columns); c++)
        columns[c] = GG_NEW_ARRAY(t->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        size_t place = (size_t)gg_rows_i64(rows, i, 0) - 1;
        if (gg_rows_bool(rows, i, 3))
            continue;
        forget(t, "get_e2e_unused_fallback_key_types", place);
        columns[0][n] = t->users[place];
        columns[1][n] = t->devices[place];
        columns[2][n] = t->algorithms[place];
        columns[3][n++] = gg_rows_str(rows, i, 1);
    }
    return n == 0 ? 0 : gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_texts(columns[0], n), gg_p_texts(columns[1], n),
                                                           gg_p_texts(columns[2], n), gg_p_texts(columns[3], n)), err);
}

/* All who found nothing get the one fallback key. */
static int take_fallback(struct taking *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT w.at, f.key_id, f.key_json, f.used FROM unnest($1::text[], $2::text[], $3::text[])"
        " WITH ORDINALITY AS w (user_id, device_id, algorithm, at) JOIN e2e_fallback_keys_json f"
        " USING (user_id, device_id, algorithm) ORDER BY 1", 0};
    struct gg_rows *rows;
    gather_wants(t);
    if (t->n_devices == 0)
        return 0;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(WANTS(t)), t->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        for (struct waiting *w = t->first[gg_rows_i64(rows, i, 0) - 1]; w != NULL; w = w->next) {
            w->of->key_ids[w->at] = gg_arena_str(w->of->arena, gg_rows_str(rows, i, 1));
            w->of->keys[w->at] = gg_arena_str(w->of->arena, gg_rows_str(rows, i, 2));
        }
    return rc == 0 ? mark_used(t, rows, txn, err) : rc;
}

static int take(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct taking *t = arg;
    mx_forget_again(&t->forget);
    for (size_t i = 0; i < t->n; i++) {
        struct claiming *c = claim_at(t, i);
        memset(c->keys, 0, (c->n + 1) * sizeof(*c->keys));
        memset(c->key_ids, 0, (c->n + 1) * sizeof(*c->key_ids));
    }
    int rc = take_one_time(t, txn, err);
    if (rc == 0)
        rc = take_fallback(t, txn, err);
    return rc == 0 ? mx_forget_write(&t->forget, txn, err) : rc;
}

static int take_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    size_t most = 1;
    for (size_t i = 0; i < n; i++)
        most += GG_CONTAINER(calls[i], struct claiming, call)->n;
    struct taking t = {.server = server, .arena = arena, .calls = calls, .n = n, .places = gg_map_new(NULL),
                       .users = GG_NEW_ARRAY(arena, struct gg_str, most), .devices = GG_NEW_ARRAY(arena, struct gg_str, most),
                       .algorithms = GG_NEW_ARRAY(arena, struct gg_str, most), .wanted = GG_NEW_ARRAY(arena, int64_t, most),
                       .first = GG_NEW_ARRAY(arena, struct waiting *, most), .last = GG_NEW_ARRAY(arena, struct waiting *, most)};
    mx_forget_begin(&t.forget, server, arena);
    int rc = gg_db_txn(server->db, "claim_keys", GG_TXN_READ_COMMITTED, take, &t, err);
    mx_forget_end(&t.forget, gg_maybe_committed(rc));
    gg_map_free(t.places);
    gg_arena_free(arena);
    return rc;
}

const struct gg_gather_def mx_keys_claim_gather = {
    .name = "keys_claim", .run = take_together, .max_weight = 1000, .at_once = 2, .linger = true};

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

int mx_keys_claim_local(struct mx_server *server, const struct mx_key_claim *claims, size_t n, struct gg_arena *arena,
                        struct gg_buf *out, struct gg_error *err)
{
    struct claiming c = {.arena = arena, .users = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                         .devices = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                         .algorithms = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                         .key_ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1), .keys = GG_NEW_ARRAY(arena, struct gg_str, n + 1)};
    for (size_t i = 0; i < n; i++) {
        if (!mx_is_mine(server, claims[i].user_id))
            continue;
        c.users[c.n] = claims[i].user_id;
        c.devices[c.n] = claims[i].device_id;
        c.algorithms[c.n++] = claims[i].algorithm;
    }
    c.call.weight = c.n;
    int rc = c.n > 0 ? gg_gather(server->e2ee->claims, &c.call, err) : 0;
    if (rc == 0)
        write_keys(&c, out);
    return rc;
}

int mx_keys_claim(struct mx_server *server, const struct mx_key_claim *claims, size_t n, int64_t timeout_ms,
                  struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct mx_key_claim *others = GG_NEW_ARRAY(arena, struct mx_key_claim, n + 1);
    size_t n_others = 0;
    struct gg_buf keys = GG_BUF_INIT, failures = GG_BUF_INIT;
    for (size_t i = 0; i < n; i++)
        if (!mx_is_mine(server, claims[i].user_id))
            others[n_others++] = claims[i];
    gg_buf_lit(out, "{\"one_time_keys\":");
    int rc = mx_keys_claim_local(server, claims, n, arena, out, err);
    if (rc == 0 && n_others > 0) {
        rc = mx_remote_keys_claim(server, others, n_others, timeout_ms, arena, &keys, &failures, err);
        if (keys.n > 0) {
            out->data[--out->n] = '\0'; /* the brace: more follows */
            gg_buf_text(out, out->data[out->n - 1] == '{' ? "" : ",");
            gg_buf_str(out, gg_buf_view(&keys));
            gg_buf_char(out, '}');
        }
    }
    gg_buf_lit(out, ",\"failures\":{");
    gg_buf_str(out, gg_buf_view(&failures));
    gg_buf_lit(out, "}}");
    gg_buf_done(&keys);
    gg_buf_done(&failures);
    return rc;
}
