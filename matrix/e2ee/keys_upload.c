/* matrix/e2ee/keys_upload.c: a device publishes its keys (facts database 4.12). */
#include "e2ee/keys.h"

#include "accounts/accounts.h"
#include "e2ee/text.h"

#include <ganglion/matrix/cache.h>

enum { MAX_DEPTH = 64 };

/* ---- what a body may be ---- */

static bool is(const struct mx_json *value, uint32_t kind)
{
    return value != NULL && value->kind == kind;
}

/* An object whose values are all texts. */
static bool is_texts(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_OBJECT);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is(value->members[i].value, MX_JSON_STRING);
    return good;
}

static bool is_signatures(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_OBJECT);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is_texts(value->members[i].value);
    return good;
}

static bool is_list_of_texts(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_ARRAY);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is(value->items[i], MX_JSON_STRING);
    return good;
}

static bool is_text(const struct mx_json *value)
{
    return is(value, MX_JSON_STRING);
}

static int read_device_keys(const struct mx_json *keys, struct gg_str user_id, struct gg_str device_id,
                            struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    static const struct {
        const char *name;
        bool (*good)(const struct mx_json *);
    } members[] = {{"algorithms", is_list_of_texts}, {"device_id", is_text}, {"keys", is_texts},
                   {"signatures", is_signatures},    {"user_id", is_text}};
    if (keys == NULL)
        return 0;
    if (keys->kind == MX_JSON_NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "device_keys must not be null");
    if (keys->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_keys must be an object");
    const char *wrong = NULL, *missing = NULL;
    size_t n_missing = 0;
    for (size_t i = 0; i < GG_COUNT(members); i++) {
        const struct mx_json *value = mx_json_member(keys, members[i].name);
        n_missing += value == NULL;
        if (value == NULL)
            missing = members[i].name;
        else if (!members[i].good(value))
            wrong = members[i].name;
    }
    if (wrong != NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_keys.%s has a wrong type", wrong);
    if (missing != NULL) /* one alone is told apart, as Synapse does */
        return gg_refuse(err, 400, n_missing == 1 ? "M_MISSING_PARAM" : "M_BAD_JSON", "device_keys.%s is missing", missing);
    if (!gg_str_eq(mx_json_text(mx_json_member(keys, "user_id")), user_id))
        return gg_refuse(err, 400, "M_BAD_JSON",
                         "Provided `user_id` in `device_keys` does not match that of the authenticated user");
    if (!gg_str_eq(mx_json_text(mx_json_member(keys, "device_id")), device_id))
        return gg_refuse(err, 400, "M_BAD_JSON",
                         "Provided `device_id` in `device_keys` does not match that of the authenticated user device");
    int rc = mx_json_canonical_check(keys, err);
    if (rc != 0)
        return rc;
    struct mx_json *bare = mx_json_copy_level(keys, arena);
    mx_json_remove(bare, "unsigned");
    *out = mx_e2ee_text(bare, true, arena);
    return 0;
}

/* A bare text, or {"key": text, "signatures": {..}, "fallback"?: bool}. */
static bool is_key(const struct mx_json *value)
{
    if (is_text(value))
        return true;
    if (!is(value, MX_JSON_OBJECT))
        return false;
    const struct mx_json *fallback = mx_json_member(value, "fallback");
    bool flag = fallback == NULL || fallback->kind == MX_JSON_TRUE || fallback->kind == MX_JSON_FALSE;
    return flag && is_text(mx_json_member(value, "key")) && is_signatures(mx_json_member(value, "signatures"));
}

static int read_named_keys(const struct mx_json *keys, const char *what, bool canonical, struct gg_arena *arena,
                           struct mx_upload_key **out, size_t *n_out, struct gg_error *err)
{
    *n_out = 0;
    if (keys == NULL || keys->kind == MX_JSON_NULL)
        return 0;
    if (keys->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "%s must be an object", what);
    if (keys->n > MX_UPLOAD_KEYS_MAX)
        return gg_refuse(err, 400, "M_TOO_LARGE", "%s: more than %d keys", what, MX_UPLOAD_KEYS_MAX);
    *out = GG_NEW_ARRAY(arena, struct mx_upload_key, keys->n + 1);
    for (uint32_t i = 0; i < keys->n; i++) {
        struct gg_str name = keys->members[i].key;
        const struct mx_json *value = keys->members[i].value;
        const char *colon = name.n > 0 ? memchr(name.s, ':', name.n) : NULL;
        size_t at = colon != NULL ? (size_t)(colon - name.s) : 0;
        if (colon == NULL || memchr(name.s, '\0', name.n) != NULL || memchr(colon + 1, ':', name.n - at - 1) != NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "Invalid %s key. Expected \"<algorithm>:<device_id>\".", what);
        if (!is_key(value))
            return gg_refuse(err, 400, "M_BAD_JSON", "A key in %s has a wrong type", what);
        int rc = mx_json_canonical_check(value, err);
        if (rc != 0)
            return rc;
        (*out)[(*n_out)++] = (struct mx_upload_key){
            gg_strn(name.s, at), gg_strn(colon + 1, name.n - at - 1),
            mx_e2ee_text(value, canonical, arena), value};
    }
    return 0;
}

int mx_keys_read_upload(struct gg_str body, struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena,
                        struct mx_key_upload *out, struct gg_error *err)
{
    struct mx_json *root;
    *out = (struct mx_key_upload){0};
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc == 0 && root->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    if (rc == 0)
        rc = read_device_keys(mx_json_member(root, "device_keys"), user_id, device_id, arena, &out->device_keys, err);
    if (rc == 0)
        rc = read_named_keys(mx_json_member(root, "one_time_keys"), "one_time_keys", true, arena, &out->one_time,
                             &out->n_one_time, err);
    if (rc == 0)
        rc = read_named_keys(mx_json_member(root, "fallback_keys"), "fallback_keys", false, arena, &out->fallback,
                             &out->n_fallback, err);
    return rc;
}

/* ---- writing ---- */

struct storing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str key[2]; /* user, device */
    const struct mx_key_upload *upload;
    struct mx_forget forget;
    bool changed; /* the identity keys */
    int64_t now;
};

static int store_device_keys(struct storing *s, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_device_keys_json AS k (user_id, device_id, ts_added_ms, key_json) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET ts_added_ms = excluded.ts_added_ms, key_json = excluded.key_json"
        " WHERE k.key_json <> excluded.key_json", 0};
    struct gg_rows *rows;
    if (s->upload->device_keys.s == NULL)
        return 0;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(s->key[0]), gg_p_str(s->key[1]), gg_p_i64(s->now),
                                               gg_p_str(s->upload->device_keys)), s->arena, &rows, err);
    s->changed = rc == 0 && gg_rows_affected(rows) > 0;
    if (s->changed)
        mx_forget_add(&s->forget, "get_device", s->key, 2);
    return rc;
}

struct columns {
    struct gg_str *algorithms, *ids, *texts;
    size_t n;
};

static struct columns columns_of(const struct mx_upload_key *keys, size_t n, struct gg_arena *arena)
{
    struct columns c = {GG_NEW_ARRAY(arena, struct gg_str, n + 1), GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                        GG_NEW_ARRAY(arena, struct gg_str, n + 1), n};
    for (size_t i = 0; i < n; i++) {
        c.algorithms[i] = keys[i].algorithm;
        c.ids[i] = keys[i].key_id;
        c.texts[i] = keys[i].json;
    }
    return c;
}

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

/* Rows: algorithm, key_id, key_json of stored keys of the same names. */
static int compare_keys(struct storing *s, const struct gg_rows *rows, bool *known, struct gg_error *err)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        size_t at = (size_t)gg_rows_i64(rows, i, 0) - 1;
        const struct mx_upload_key *key = &s->upload->one_time[at];
        known[at] = true;
        if (!same_key(gg_rows_str(rows, i, 1), key->value, s->arena))
            return gg_refuse(err, 400, "M_UNKNOWN", "One time key %.*s:%.*s already exists.", GG_FMT(key->algorithm),
                             GG_FMT(key->key_id));
    }
    return 0;
}

static int check_room(const struct gg_rows *counts, const struct columns *more, struct gg_error *err)
{
    for (size_t i = 0; i < more->n; i++) {
        int64_t held = 0, adding = 0;
        if (i > 0 && gg_str_eq(more->algorithms[i], more->algorithms[i - 1]))
            continue;
        for (size_t k = 0; k < more->n; k++)
            adding += gg_str_eq(more->algorithms[k], more->algorithms[i]);
        for (size_t k = 0; k < gg_rows_count(counts); k++)
            if (gg_str_eq(gg_rows_str(counts, k, 0), more->algorithms[i]))
                held = gg_rows_i64(counts, k, 1);
        if (held + adding > MX_ONE_TIME_KEYS_MAX)
            return gg_refuse(err, 400, "M_TOO_LARGE", "Uploading %lld more %.*s one-time keys would leave the device holding"
                             " %lld, over the limit of %d", (long long)adding, GG_FMT(more->algorithms[i]),
                             (long long)(held + adding), MX_ONE_TIME_KEYS_MAX);
    }
    return 0;
}

static int store_one_time_keys(struct storing *s, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stored = {
        "SELECT n.at, k.key_json FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS n (algorithm, key_id, at)"
        " JOIN e2e_one_time_keys_json k USING (algorithm, key_id) WHERE k.user_id = $1 AND k.device_id = $2", 0};
    static const struct gg_stmt count = {
        "SELECT algorithm, count(*) FROM e2e_one_time_keys_json WHERE user_id = $1 AND device_id = $2 GROUP BY algorithm", 0};
    static const struct gg_stmt insert = {
        "INSERT INTO e2e_one_time_keys_json (user_id, device_id, algorithm, key_id, ts_added_ms, key_json)"
        " SELECT $1, $2, algorithm, key_id, $3, json FROM unnest($4::text[], $5::text[], $6::text[]) AS n (algorithm, key_id, json)"
        " ON CONFLICT DO NOTHING", 0};
    const struct mx_key_upload *u = s->upload;
    struct gg_rows *rows, *counts;
    if (u->n_one_time == 0)
        return 0;
    struct columns all = columns_of(u->one_time, u->n_one_time, s->arena);
    bool *known = GG_NEW_ARRAY(s->arena, bool, all.n);
    int rc = gg_txn_queue_rows(txn, &stored, GG_PARAMS(gg_p_str(s->key[0]), gg_p_str(s->key[1]), gg_p_texts(all.algorithms, all.n),
                                                       gg_p_texts(all.ids, all.n)), s->arena, &rows, err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &count, GG_PARAMS(gg_p_str(s->key[0]), gg_p_str(s->key[1])), s->arena, &counts, err);
    if (rc == 0)
        rc = compare_keys(s, rows, known, err);
    struct mx_upload_key *fresh = GG_NEW_ARRAY(s->arena, struct mx_upload_key, all.n);
    size_t n = 0;
    for (size_t i = 0; rc == 0 && i < all.n; i++)
        if (!known[i])
            fresh[n++] = u->one_time[i];
    if (rc != 0 || n == 0)
        return rc;
    struct columns more = columns_of(fresh, n, s->arena);
    if ((rc = check_room(counts, &more, err)) != 0)
        return rc;
    mx_forget_add(&s->forget, "count_e2e_one_time_keys", s->key, 2);
    return gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_str(s->key[0]), gg_p_str(s->key[1]), gg_p_i64(s->now),
                                                gg_p_texts(more.algorithms, n), gg_p_texts(more.ids, n), gg_p_texts(more.texts, n)), err);
}

/* The same key again stays as used as it was. Of two keys for one algorithm the last counts. */
static int store_fallback_keys(struct storing *s, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_fallback_keys_json AS k (user_id, device_id, algorithm, key_id, key_json, used)"
        " SELECT DISTINCT ON (algorithm) $1, $2, algorithm, key_id, json, false"
        " FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS n (algorithm, key_id, json, at)"
        " ORDER BY algorithm, at DESC ON CONFLICT (user_id, device_id, algorithm)"
        " DO UPDATE SET key_id = excluded.key_id, key_json = excluded.key_json, used = false"
        " WHERE (k.key_id, k.key_json) <> (excluded.key_id, excluded.key_json)", 0};
    const struct mx_key_upload *u = s->upload;
    struct gg_rows *rows;
    if (u->n_fallback == 0)
        return 0;
    struct columns all = columns_of(u->fallback, u->n_fallback, s->arena);
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(s->key[0]), gg_p_str(s->key[1]), gg_p_texts(all.algorithms, all.n),
                                               gg_p_texts(all.ids, all.n), gg_p_texts(all.texts, all.n)), s->arena, &rows, err);
    if (rc == 0 && gg_rows_affected(rows) > 0)
        mx_forget_add(&s->forget, "get_e2e_unused_fallback_key_types", s->key, 2);
    return rc;
}

static int store(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct storing *s = arg;
    s->changed = false;
    mx_forget_again(&s->forget);
    int rc = store_device_keys(s, txn, err);
    if (rc == 0)
        rc = store_one_time_keys(s, txn, err);
    if (rc == 0)
        rc = store_fallback_keys(s, txn, err);
    return rc == 0 ? mx_forget_write(&s->forget, txn, err) : rc;
}

int mx_keys_upload(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                   const struct mx_key_upload *upload, struct gg_error *err)
{
    struct storing s = {.server = server, .key = {user_id, device_id}, .upload = upload, .now = gg_wall_ms()};
    if (upload->device_keys.s == NULL && upload->n_one_time + upload->n_fallback == 0)
        return 0;
    s.arena = gg_arena_new();
    mx_forget_begin(&s.forget, server, s.arena);
    int rc = gg_db_txn(server->db, "upload_keys", 0, store, &s, err);
    mx_forget_end(&s.forget, rc == 0);
    if (rc == 0 && s.changed)
        rc = mx_devices_changed(server, user_id, &device_id, 1, err);
    gg_arena_free(s.arena);
    return rc;
}
