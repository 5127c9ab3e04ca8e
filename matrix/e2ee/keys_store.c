/* matrix/e2ee/keys_store.c: keys that devices publish are written (facts database 4.12).
 *
 * Uploads that wait at the same time share a transaction and its statements; two of one device never do. */
#include "e2ee/keys.h"

#include "accounts/accounts.h"
#include "e2ee/e2ee.h"
#include "e2ee/text.h"

#include <ganglion/matrix/cache.h>

enum { MAX_DEPTH = 64 };

/* One upload. */
struct storing {
    struct gg_gather_call call;
    struct gg_str key[2]; /* user, device */
    const struct mx_key_upload *upload;
    bool changed;         /* the identity keys */
    bool *known;          /* of the one-time keys: stored already */
};

/* Uploads of one transaction. */
struct together {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_gather_call *const *calls;
    size_t n;
    struct mx_forget forget;
    int64_t now;
};

static struct storing *at(const struct together *t, size_t i)
{
    return GG_CONTAINER(t->calls[i], struct storing, call);
}

/* ---- rows as columns ---- */

struct columns {
    struct gg_str *users, *devices, *algorithms, *ids, *texts;
    int64_t *of;  /* which upload */
    size_t *place; /* which of its keys */
    size_t n;
};

enum which { ONE_TIME, FRESH_ONE_TIME, FALLBACK };

static size_t list_of(const struct storing *s, enum which which, const struct mx_upload_key **keys)
{
    *keys = which == FALLBACK ? s->upload->fallback : s->upload->one_time;
    return s->call.status ? 0 : which == FALLBACK ? s->upload->n_fallback : s->upload->n_one_time;
}

static struct columns columns_of(const struct together *t, enum which which)
{
    const struct mx_upload_key *keys;
    size_t most = 1;
    for (size_t i = 0; i < t->n; i++)
        most += list_of(at(t, i), which, &keys);
    struct columns c = {GG_NEW_ARRAY(t->arena, struct gg_str, most), GG_NEW_ARRAY(t->arena, struct gg_str, most),
                        GG_NEW_ARRAY(t->arena, struct gg_str, most), GG_NEW_ARRAY(t->arena, struct gg_str, most),
                        GG_NEW_ARRAY(t->arena, struct gg_str, most), GG_NEW_ARRAY(t->arena, int64_t, most),
                        GG_NEW_ARRAY(t->arena, size_t, most), 0};
    for (size_t i = 0; i < t->n; i++) {
        struct storing *s = at(t, i);
        size_t n = list_of(s, which, &keys);
        for (size_t k = 0; k < n; k++) {
            if (which == FRESH_ONE_TIME && s->known[k])
                continue;
            c.users[c.n] = s->key[0];
            c.devices[c.n] = s->key[1];
            c.algorithms[c.n] = keys[k].algorithm;
            c.ids[c.n] = keys[k].key_id;
            c.texts[c.n] = keys[k].json;
            c.of[c.n] = (int64_t)i;
            c.place[c.n++] = k;
        }
    }
    return c;
}

#define OWNERS(c_) gg_p_texts((c_).users, (c_).n), gg_p_texts((c_).devices, (c_).n)
#define NAMES(c_) gg_p_texts((c_).algorithms, (c_).n), gg_p_texts((c_).ids, (c_).n)

/* ---- one-time keys: what is stored decides whether the upload is taken ---- */

/* The same key, whoever signed it: signatures are made anew when a client uploads again. */
static bool same_key(struct gg_str stored, const struct mx_json *new, struct gg_arena *arena)
{
    struct gg_error ignored = GG_ERROR_INIT;
    struct mx_json *old;
    if (mx_json_parse(stored, MAX_DEPTH, arena, &old, &ignored) != 0 || old->kind != new->kind)
        return false;
    struct mx_json *bare = (struct mx_json *)new;
    if (old->kind == MX_JSON_OBJECT) {
        bare = mx_json_copy_level(new, arena);
        mx_json_remove(bare, "signatures");
        mx_json_remove(old, "signatures");
    }
    return gg_str_eq(mx_e2ee_text(old, true, arena), mx_e2ee_text(bare, true, arena));
}

static void refuse_known(const struct together *t, const struct columns *c, const struct gg_rows *rows)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        size_t row = (size_t)gg_rows_i64(rows, i, 0) - 1;
        struct storing *s = at(t, (size_t)c->of[row]);
        const struct mx_upload_key *key = &s->upload->one_time[c->place[row]];
        s->known[c->place[row]] = true;
        if (!s->call.status && !same_key(gg_rows_str(rows, i, 1), key->value, t->arena))
            s->call.status = gg_refuse(&s->call.err, 400, "M_UNKNOWN", "One time key %.*s:%.*s already exists.",
                                       GG_FMT(key->algorithm), GG_FMT(key->key_id));
    }
}

/* How many keys of an algorithm the upload adds. */
static int64_t adding(const struct storing *s, struct gg_str algorithm)
{
    int64_t n = 0;
    for (size_t k = 0; k < s->upload->n_one_time; k++)
        n += !s->known[k] && gg_str_eq(s->upload->one_time[k].algorithm, algorithm);
    return n;
}

static void check_room(struct storing *s, int64_t which, const struct gg_rows *counts)
{
    struct gg_str last = {0};
    for (size_t k = 0; k < s->upload->n_one_time && !s->call.status; k++) {
        struct gg_str algorithm = s->upload->one_time[k].algorithm;
        if (s->known[k] || (last.s != NULL && gg_str_eq(last, algorithm)))
            continue;
        last = algorithm;
        int64_t more = adding(s, algorithm), held = 0;
        for (size_t i = 0; i < gg_rows_count(counts); i++)
            if (gg_rows_i64(counts, i, 0) == which + 1 && gg_str_eq(gg_rows_str(counts, i, 1), algorithm))
                held = gg_rows_i64(counts, i, 2);
        if (held + more > MX_ONE_TIME_KEYS_MAX)
            s->call.status = gg_refuse(&s->call.err, 400, "M_TOO_LARGE", "Uploading %lld more %.*s one-time keys would leave the"
                                       " device holding %lld, over the limit of %d", (long long)more, GG_FMT(algorithm),
                                       (long long)(held + more), MX_ONE_TIME_KEYS_MAX);
    }
}

/* Before anything is written: an upload that is refused leaves nothing behind. */
static int check_one_time_keys(struct together *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stored = {
        "SELECT n.at, k.key_json FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY"
        " AS n (user_id, device_id, algorithm, key_id, at) JOIN e2e_one_time_keys_json k USING (user_id, device_id, algorithm, key_id)", 0};
    static const struct gg_stmt count = {
        "SELECT n.at, k.algorithm, count(*) FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (user_id, device_id, at)"
        " JOIN e2e_one_time_keys_json k USING (user_id, device_id) GROUP BY 1, 2", 0};
    struct columns c = columns_of(t, ONE_TIME);
    struct gg_rows *rows, *counts;
    if (c.n == 0)
        return 0;
    struct gg_str *users = GG_NEW_ARRAY(t->arena, struct gg_str, t->n), *devices = GG_NEW_ARRAY(t->arena, struct gg_str, t->n);
    for (size_t i = 0; i < t->n; i++) {
        bool asks = at(t, i)->upload->n_one_time > 0;
        users[i] = asks ? at(t, i)->key[0] : gg_strn(NULL, 0);
        devices[i] = asks ? at(t, i)->key[1] : gg_strn(NULL, 0);
    }
    int rc = gg_txn_queue_rows(txn, &stored, GG_PARAMS(OWNERS(c), NAMES(c)), t->arena, &rows, err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &count, GG_PARAMS(gg_p_texts(users, t->n), gg_p_texts(devices, t->n)), t->arena, &counts, err);
    if (rc != 0)
        return rc;
    refuse_known(t, &c, rows);
    for (size_t i = 0; i < t->n; i++)
        check_room(at(t, i), (int64_t)i, counts);
    return 0;
}

static int store_one_time_keys(struct together *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "INSERT INTO e2e_one_time_keys_json (user_id, device_id, algorithm, key_id, ts_added_ms, key_json)"
        " SELECT user_id, device_id, algorithm, key_id, $6, json FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])"
        " AS n (user_id, device_id, algorithm, key_id, json) ON CONFLICT DO NOTHING", 0};
    struct columns c = columns_of(t, FRESH_ONE_TIME);
    if (c.n == 0)
        return 0;
    for (size_t i = 0; i < c.n; i++)
        if (i == 0 || c.of[i] != c.of[i - 1])
            mx_forget_add(&t->forget, "count_e2e_one_time_keys", at(t, (size_t)c.of[i])->key, 2);
    return gg_txn_queue(txn, &insert, GG_PARAMS(OWNERS(c), NAMES(c), gg_p_texts(c.texts, c.n), gg_p_i64(t->now)), err);
}

/* ---- identity keys ---- */

/* The upload of a device; there is one for each. */
static struct storing *of_device(const struct together *t, struct gg_str user_id, struct gg_str device_id)
{
    for (size_t i = 0; i < t->n; i++)
        if (gg_str_eq(at(t, i)->key[0], user_id) && gg_str_eq(at(t, i)->key[1], device_id))
            return at(t, i);
    return NULL;
}

static int store_device_keys(struct together *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_device_keys_json AS k (user_id, device_id, ts_added_ms, key_json)"
        " SELECT user_id, device_id, $4, json FROM unnest($1::text[], $2::text[], $3::text[]) AS n (user_id, device_id, json)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET ts_added_ms = excluded.ts_added_ms, key_json = excluded.key_json"
        " WHERE k.key_json <> excluded.key_json RETURNING user_id, device_id", 0};
    struct gg_rows *rows;
    struct gg_str *columns[3];
    size_t n = 0;
    for (size_t c = 0; c < GG_COUNT(columns); c++)
        columns[c] = GG_NEW_ARRAY(t->arena, struct gg_str, t->n);
    for (size_t i = 0; i < t->n; i++) {
        const struct storing *s = at(t, i);
        if (s->call.status || s->upload->device_keys.s == NULL)
            continue;
        columns[0][n] = s->key[0];
        columns[1][n] = s->key[1];
        columns[2][n++] = s->upload->device_keys;
    }
    if (n == 0)
        return 0;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_texts(columns[0], n), gg_p_texts(columns[1], n), gg_p_texts(columns[2], n),
                                               gg_p_i64(t->now)), t->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct storing *s = of_device(t, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1));
        s->changed = true;
        mx_forget_add(&t->forget, "get_device", s->key, 2);
    }
    return rc;
}

/* ---- fallback keys ---- */

/* The same key again stays as used as it was. Of two keys for one algorithm the last counts. */
static int store_fallback_keys(struct together *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_fallback_keys_json AS k (user_id, device_id, algorithm, key_id, key_json, used)"
        " SELECT DISTINCT ON (user_id, device_id, algorithm) user_id, device_id, algorithm, key_id, json, false"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY"
        " AS n (user_id, device_id, algorithm, key_id, json, at)"
        " ORDER BY user_id, device_id, algorithm, at DESC ON CONFLICT (user_id, device_id, algorithm)"
        " DO UPDATE SET key_id = excluded.key_id, key_json = excluded.key_json, used = false"
        " WHERE (k.key_id, k.key_json) <> (excluded.key_id, excluded.key_json) RETURNING user_id, device_id", 0};
    struct columns c = columns_of(t, FALLBACK);
    struct gg_rows *rows;
    if (c.n == 0)
        return 0;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(OWNERS(c), NAMES(c), gg_p_texts(c.texts, c.n)), t->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        mx_forget_add(&t->forget, "get_e2e_unused_fallback_key_types",
                      of_device(t, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1))->key, 2);
    return rc;
}

/* ---- all of it ---- */

static int store(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct together *t = arg;
    mx_forget_again(&t->forget);
    for (size_t i = 0; i < t->n; i++) {
        struct storing *s = at(t, i);
        s->changed = false;
        s->call.status = 0;
        s->known = GG_NEW_ARRAY(t->arena, bool, s->upload->n_one_time + 1);
    }
    int rc = check_one_time_keys(t, txn, err);
    if (rc == 0)
        rc = store_device_keys(t, txn, err);
    if (rc == 0)
        rc = store_one_time_keys(t, txn, err);
    if (rc == 0)
        rc = store_fallback_keys(t, txn, err);
    return rc == 0 ? mx_forget_write(&t->forget, txn, err) : rc;
}

static int store_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct together t = {.server = server, .arena = gg_arena_new(), .calls = calls, .n = n, .now = gg_wall_ms()};
    mx_forget_begin(&t.forget, server, t.arena);
    int rc = gg_db_txn(server->db, "upload_keys", 0, store, &t, err);
    mx_forget_end(&t.forget, gg_maybe_committed(rc));
    gg_arena_free(t.arena);
    return rc;
}

const struct gg_gather_def mx_keys_upload_gather = {
    .name = "keys_upload", .run = store_together, .max_weight = 1000, .at_once = 2, .linger = true};

int mx_keys_upload(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                   const struct mx_key_upload *upload, struct gg_error *err)
{
    struct storing s = {.key = {user_id, device_id}, .upload = upload};
    if (upload->device_keys.s == NULL && upload->n_one_time + upload->n_fallback == 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    s.call.key = gg_str(gg_arena_printf(arena, "%.*s%c%.*s", GG_FMT(user_id), MX_KEY_SEP, GG_FMT(device_id)));
    s.call.weight = 1 + upload->n_one_time + upload->n_fallback;
    int rc = gg_gather(server->e2ee->uploads, &s.call, err);
    if (rc == 0 && s.changed)
        rc = mx_devices_changed(server, user_id, &device_id, 1, err);
    gg_arena_free(arena);
    return rc;
}
