/* matrix/e2ee/signatures.c: a user signs own devices, the own master key, or others' master keys; each signature is taken
 * or refused by itself (client-server API, "POST /keys/signatures/upload"). */
#include "e2ee/cross_signing.h"

#include "accounts/accounts.h"
#include "e2ee/device_lists.h"
#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/crypto.h>
#include <ganglion/matrix/id.h>

enum { MAX_DEPTH = 64 };

struct taken {
    struct gg_str key_id, target_user, target, signature;
};

struct signing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id;
    struct mx_cross_keys own;
    struct gg_map *devices;    /* own device id -> its stored key (struct mx_json) */
    struct gg_map *others;     /* user id -> their master key (struct mx_cross_key) */
    struct gg_map *signed_by_self; /* own devices that the self-signing key signed already */
    struct taken *taken;
    size_t n, cap;
    struct gg_buf failures;    /* members of the object, by user */
    struct gg_str failing;     /* the user whose failures are being written; s NULL: nobody's yet */
    struct mx_forget forget;
};

/* ---- the answer ---- */

static void fail(struct signing *s, struct gg_str user_id, struct gg_str target, const struct gg_error *why)
{
    bool same = s->failing.s != NULL && gg_str_eq(s->failing, user_id);
    gg_buf_text(&s->failures, same ? "," : s->failing.s != NULL ? "}," : "");
    if (!same) {
        gg_buf_json_string(&s->failures, user_id);
        gg_buf_lit(&s->failures, ":{");
        s->failing = user_id;
    }
    gg_buf_json_string(&s->failures, target);
    gg_buf_printf(&s->failures, ":{\"status\":%d,\"errcode\":\"%s\",\"message\":", why->http_status, why->errcode);
    gg_buf_json_string(&s->failures, gg_str(why->message));
    gg_buf_char(&s->failures, '}');
}

static void take(struct signing *s, struct gg_str key_id, struct gg_str target_user, struct gg_str target, struct gg_str signature)
{
    if (s->n == s->cap) {
        struct taken *more = GG_NEW_ARRAY(s->arena, struct taken, s->cap * 2 + 16);
        if (s->n > 0)
            memcpy(more, s->taken, s->n * sizeof(*more));
        s->taken = more;
        s->cap = s->cap * 2 + 16;
    }
    s->taken[s->n++] = (struct taken){key_id, target_user, target, signature};
}

/* ---- checks ---- */

static struct gg_str canonical_bare(const struct mx_json *key, struct gg_arena *arena)
{
    struct mx_json *bare = mx_json_copy_level(key, arena);
    mx_json_remove(bare, "signatures");
    mx_json_remove(bare, "unsigned");
    return mx_e2ee_text(bare, true, arena);
}

static int refuse_signature(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_INVALID_SIGNATURE", "400: Invalid signature");
}

/* What was signed must be what is stored, and the signature good. */
static int check(struct signing *s, const struct mx_json *given, const struct mx_json *stored, struct gg_str key_id,
                 const uint8_t public_key[32], struct gg_error *err)
{
    if (!gg_str_eq(canonical_bare(given, s->arena), canonical_bare(stored, s->arena)))
        return gg_refuse(err, 400, "M_UNKNOWN", "400: Key does not match");
    return mx_signature_good(given, s->user_id, key_id, public_key) ? 0 : refuse_signature(err);
}

static const struct mx_json *own_signatures(const struct signing *s, const struct mx_json *given)
{
    const struct mx_json *all = mx_json_member(given, "signatures");
    const struct mx_json *own = all != NULL && all->kind == MX_JSON_OBJECT ? mx_json_member(all, s->user_id.s) : NULL;
    return own != NULL && own->kind == MX_JSON_OBJECT ? own : NULL;
}

static const struct mx_json *parsed(struct signing *s, struct gg_str json)
{
    struct gg_error ignored = GG_ERROR_INIT;
    struct mx_json *tree;
    return json.s != NULL && mx_json_parse(json, MAX_DEPTH, s->arena, &tree, &ignored) == 0 && tree->kind == MX_JSON_OBJECT
               ? tree : NULL;
}

/* "ed25519:DEVICE" of a device's stored keys. */
static bool device_key(const struct mx_json *device, struct gg_str key_id, uint8_t out[32])
{
    const struct mx_json *keys = device != NULL ? mx_json_member(device, "keys") : NULL;
    uint8_t decoded[64];
    if (keys == NULL || keys->kind != MX_JSON_OBJECT || !gg_str_starts(key_id, GG_STR("ed25519:")))
        return false;
    for (uint32_t i = 0; i < keys->n; i++) {
        struct gg_str value = mx_json_text(keys->members[i].value);
        if (!gg_str_eq(keys->members[i].key, key_id) || value.s == NULL || value.n >= sizeof(decoded))
            continue;
        if (mx_unbase64(value, decoded) != 32)
            return false;
        memcpy(out, decoded, 32);
        return true;
    }
    return false;
}

/* Own devices vouch for the own master key. */
static int sign_own_master(struct signing *s, const struct mx_json *given, struct gg_error *err)
{
    const struct mx_cross_key *master = &s->own.of[MX_CROSS_MASTER];
    const struct mx_json *signatures = own_signatures(s, given), *stored = parsed(s, master->json);
    for (uint32_t i = 0; i < signatures->n; i++) {
        struct gg_str key_id = signatures->members[i].key;
        uint8_t public_key[32];
        const char *colon = memchr(key_id.s, ':', key_id.n);
        struct gg_str device_id = colon != NULL ? gg_strn(colon + 1, key_id.n - (size_t)(colon + 1 - key_id.s)) : (struct gg_str){0};
        if (device_id.s == NULL || !device_key(gg_map_get(s->devices, device_id), key_id, public_key))
            return refuse_signature(err);
        int rc = check(s, given, stored, key_id, public_key, err);
        if (rc != 0)
            return rc;
    }
    for (uint32_t i = 0; i < signatures->n; i++)
        take(s, signatures->members[i].key, s->user_id, master->public_id, mx_json_text(signatures->members[i].value));
    return 0;
}

static int sign_own(struct signing *s, struct gg_str target, const struct mx_json *given, struct gg_error *err)
{
    const struct mx_cross_key *self = &s->own.of[MX_CROSS_SELF], *master = &s->own.of[MX_CROSS_MASTER];
    const struct mx_json *signatures = own_signatures(s, given);
    if (!self->usable || !master->usable)
        return gg_refuse(err, 404, "M_NOT_FOUND", "404: No %s key found for %.*s", self->usable ? "master" : "self_signing",
                         GG_FMT(s->user_id));
    if (signatures == NULL)
        return refuse_signature(err);
    if (gg_str_eq(target, master->public_id))
        return sign_own_master(s, given, err);
    const struct mx_json *stored = gg_map_get(s->devices, target);
    if (stored == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "404: Unknown device");
    const struct mx_json *signature = mx_json_member(signatures, self->id.s);
    if (gg_map_has(s->signed_by_self, target))
        return signature != NULL ? 0 : refuse_signature(err); /* one that is there already is the same */
    int rc = signature != NULL ? check(s, given, stored, self->id, self->public_key, err) : refuse_signature(err);
    if (rc == 0)
        take(s, self->id, s->user_id, target, mx_json_text(signature));
    return rc;
}

static int sign_other(struct signing *s, struct gg_str user_id, struct gg_str target, const struct mx_json *given,
                      struct gg_error *err)
{
    const struct mx_cross_key *mine = &s->own.of[MX_CROSS_USER], *theirs = gg_map_get(s->others, user_id);
    const struct mx_json *signatures = own_signatures(s, given);
    if (!mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "400: Not a user id");
    if (!mine->usable)
        return gg_refuse(err, 404, "M_NOT_FOUND", "404: No user_signing key found for %.*s", GG_FMT(s->user_id));
    const struct mx_json *stored = theirs != NULL ? parsed(s, theirs->json) : NULL;
    if (stored == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "404: No master key found for %.*s", GG_FMT(user_id));
    if (!gg_str_eq(target, theirs->public_id))
        return gg_refuse(err, 404, "M_NOT_FOUND", "404: Unknown device");
    const struct mx_json *signature = signatures != NULL ? mx_json_member(signatures, mine->id.s) : NULL;
    int rc = signature != NULL ? check(s, given, stored, mine->id, mine->public_key, err) : refuse_signature(err);
    if (rc == 0)
        take(s, mine->id, user_id, target, mx_json_text(signature));
    return rc;
}

/* ---- what is needed of the own devices ---- */

static int load_own(struct signing *s, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT k.device_id, k.key_json, EXISTS (SELECT FROM e2e_cross_signing_signatures g WHERE g.user_id = $1"
        " AND g.target_user_id = $1 AND g.target_device_id = k.device_id AND g.key_id = $2) FROM e2e_device_keys_json k"
        " JOIN devices d USING (user_id, device_id) WHERE k.user_id = $1 AND NOT coalesce(d.hidden, false)", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = mx_cross_keys_get(s->server, s->user_id, s->arena, &s->own, err);
    if (rc == 0)
        rc = gg_db_read(s->server->db, &stmt, GG_PARAMS(gg_p_str(s->user_id), gg_p_str(s->own.of[MX_CROSS_SELF].id)), s->arena,
                        &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        const struct mx_json *key = parsed(s, gg_rows_str(rows, i, 1));
        if (key != NULL)
            gg_map_put(s->devices, gg_rows_str(rows, i, 0), (void *)key);
        if (gg_rows_bool(rows, i, 2))
            gg_map_put(s->signed_by_self, gg_rows_str(rows, i, 0), NULL);
    }
    return rc;
}

/* ---- storing ---- */

static struct gg_str pair_json(struct gg_str user_id, struct gg_str target, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '[');
    gg_buf_json_string(&out, user_id);
    gg_buf_lit(&out, ", ");
    gg_buf_json_string(&out, target);
    gg_buf_char(&out, ']');
    return mx_e2ee_moved(&out, arena);
}

static int store(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_cross_signing_signatures (user_id, key_id, target_user_id, target_device_id, signature)"
        " SELECT DISTINCT ON (k, u, t) $1, k, u, t, g FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS n (k, u, t, g)"
        " ON CONFLICT (user_id, target_user_id, target_device_id, key_id) DO UPDATE SET signature = excluded.signature", 0};
    struct signing *s = arg;
    struct gg_str *columns[4];
    mx_forget_again(&s->forget);
    for (size_t c = 0; c < GG_COUNT(columns); c++)
        columns[c] = GG_NEW_ARRAY(s->arena, struct gg_str, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct gg_str values[] = {s->taken[i].key_id, s->taken[i].target_user, s->taken[i].target, s->taken[i].signature};
        struct gg_str *key = GG_NEW(s->arena, struct gg_str);
        for (size_t c = 0; c < GG_COUNT(columns); c++)
            columns[c][i] = values[c];
        *key = pair_json(s->user_id, values[2], s->arena); /* the signer's name, whoever the target belongs to */
        mx_forget_add(&s->forget, "_get_e2e_cross_signing_signatures_for_device", key, 1);
    }
    int rc = gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(columns[0], s->n), gg_p_texts(columns[1], s->n),
                                                gg_p_texts(columns[2], s->n), gg_p_texts(columns[3], s->n)), err);
    return rc == 0 ? mx_forget_write(&s->forget, txn, err) : rc;
}

/* Of own devices everybody hears; of others' keys that one signed, the own devices. */
static int store_and_tell(struct signing *s, struct gg_error *err)
{
    struct gg_str *devices = GG_NEW_ARRAY(s->arena, struct gg_str, s->n + 1), *users = GG_NEW_ARRAY(s->arena, struct gg_str, s->n + 1);
    size_t n_devices = 0, n_users = 0;
    struct gg_map *named = gg_map_new(NULL);
    mx_forget_begin(&s->forget, s->server, s->arena);
    int rc = gg_db_txn(s->server->db, "store_signatures", 0, store, s, err);
    mx_forget_end(&s->forget, gg_maybe_committed(rc));
    for (size_t i = 0; i < s->n; i++) {
        bool own = gg_str_eq(s->taken[i].target_user, s->user_id);
        struct gg_str name = own ? s->taken[i].target : s->taken[i].target_user;
        if (gg_map_has(named, name))
            continue;
        gg_map_put(named, name, NULL);
        if (own)
            devices[n_devices++] = name;
        else
            users[n_users++] = name;
    }
    gg_map_free(named);
    if (rc == 0)
        rc = mx_devices_changed(s->server, s->user_id, devices, n_devices, err);
    if (rc == 0 && n_users > 0)
        rc = mx_signatures_changed(s->server, s->user_id, users, n_users, err);
    return rc;
}

/* ---- the request ---- */

static int check_shape(const struct mx_json *root, struct gg_error *err)
{
    for (uint32_t u = 0; u < root->n; u++) {
        const struct mx_json *targets = root->members[u].value;
        if (targets->kind != MX_JSON_OBJECT)
            return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid parameter");
        for (uint32_t t = 0; t < targets->n; t++)
            if (targets->members[t].value->kind != MX_JSON_OBJECT)
                return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid parameter");
    }
    return 0;
}

/* The master keys of the others, with one read. */
static int load_others(struct signing *s, const struct mx_json *root, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT ON (user_id) user_id, keydata FROM e2e_cross_signing_keys WHERE user_id = ANY ($1::text[])"
        " AND keytype = 'master' ORDER BY user_id, stream_id DESC", GG_LANE_POINT};
    struct gg_str *users = GG_NEW_ARRAY(s->arena, struct gg_str, root->n + 1);
    size_t n = 0;
    for (uint32_t u = 0; u < root->n; u++)
        if (!gg_str_eq(root->members[u].key, s->user_id) && mx_user_id_valid(root->members[u].key))
            users[n++] = root->members[u].key;
    if (n == 0)
        return 0;
    struct gg_rows *rows;
    int rc = gg_db_read(s->server->db, &stmt, GG_PARAMS(gg_p_texts(users, n)), s->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct mx_cross_key *key = GG_NEW(s->arena, struct mx_cross_key);
        if (mx_cross_key_read(gg_rows_str(rows, i, 1), s->arena, key))
            gg_map_put(s->others, gg_rows_str(rows, i, 0), key);
    }
    return rc;
}

static void sign_of_user(struct signing *s, struct gg_str user_id, const struct mx_json *targets)
{
    for (uint32_t t = 0; t < targets->n; t++) {
        struct gg_error why = GG_ERROR_INIT;
        struct gg_str target = targets->members[t].key;
        const struct mx_json *given = targets->members[t].value;
        int refused = gg_str_eq(user_id, s->user_id) ? sign_own(s, target, given, &why) : sign_other(s, user_id, target, given, &why);
        if (refused != 0)
            fail(s, user_id, target, &why);
    }
}

int mx_signatures_upload(struct mx_server *server, struct gg_str user_id, struct gg_str body, struct gg_arena *arena,
                         struct gg_buf *out, struct gg_error *err)
{
    struct signing s = {.server = server, .arena = arena, .user_id = gg_arena_str(arena, user_id),
                        .devices = gg_map_new(NULL), .others = gg_map_new(NULL), .signed_by_self = gg_map_new(NULL), .failures = GG_BUF_INIT};
    struct mx_json *root;
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc == 0 && root->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    if (rc == 0)
        rc = check_shape(root, err);
    if (rc == 0)
        rc = load_own(&s, err);
    if (rc == 0)
        rc = load_others(&s, root, err);
    for (uint32_t u = 0; rc == 0 && u < root->n; u++)
        sign_of_user(&s, root->members[u].key, root->members[u].value);
    if (rc == 0 && s.n > 0)
        rc = store_and_tell(&s, err);
    if (rc == 0) {
        gg_buf_lit(out, "{\"failures\":{");
        gg_buf_str(out, gg_buf_view(&s.failures));
        gg_buf_text(out, s.failing.s != NULL ? "}}}" : "}}");
    }
    gg_buf_done(&s.failures);
    gg_map_free(s.devices);
    gg_map_free(s.others);
    gg_map_free(s.signed_by_self);
    return rc;
}
