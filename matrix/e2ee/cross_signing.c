/* matrix/e2ee/cross_signing.c: a user's master, self-signing and user-signing key (facts database 4.12). */
#include "e2ee/cross_signing.h"

#include "accounts/accounts.h"
#include "e2ee/device_lists.h"
#include "e2ee/text.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/crypto.h>

enum { MAX_DEPTH = 64 };

const char *const mx_cross_names[MX_CROSS_KINDS] = {"master", "self_signing", "user_signing"};

/* ---- one key ---- */

bool mx_cross_key_read(struct gg_str json, struct gg_arena *arena, struct mx_cross_key *out)
{
    struct gg_str keys = mx_json_get(json, "keys"), prefix = GG_STR("ed25519:");
    struct mx_json_iter it = mx_json_iter(keys);
    uint8_t decoded[64];
    *out = (struct mx_cross_key){.json = json};
    if (!mx_json_is_object(keys) || mx_json_length(keys) != 1 || !mx_json_next(&it))
        return false;
    struct gg_str id = mx_e2ee_name(it.key, arena), value = mx_json_string(it.value, arena);
    if (id.s == NULL || value.s == NULL || value.n >= sizeof(decoded) || !gg_str_starts(id, prefix) ||
        !gg_str_eq(gg_strn(id.s + prefix.n, id.n - prefix.n), value) || mx_unbase64(value, decoded) != 32)
        return false;
    memcpy(out->public_key, decoded, 32);
    out->id = gg_arena_str(arena, id); /* NUL-terminated: it is looked up among members */
    out->public_id = gg_arena_str(arena, value);
    out->usable = true;
    return true;
}

bool mx_signature_good(const struct mx_json *object, struct gg_str user_id, struct gg_str key_id, const uint8_t public_key[32])
{
    struct gg_error ignored = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    bool good = mx_json_verify(object, gg_arena_strndup(arena, user_id.s, user_id.n),
                               gg_arena_strndup(arena, key_id.s, key_id.n), public_key, &ignored) == 0;
    gg_arena_free(arena);
    return good;
}

/* ---- what is stored ---- */

int mx_cross_keys_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_cross_keys *out,
                      struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT ON (keytype) keytype, keydata, updatable_without_uia_before_ms FROM e2e_cross_signing_keys"
        " WHERE user_id = $1 ORDER BY keytype, stream_id DESC", GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_cross_keys){0};
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        for (int k = 0; k < MX_CROSS_KINDS; k++) {
            if (!gg_str_is(gg_rows_str(rows, i, 0), mx_cross_names[k]))
                continue;
            (void)mx_cross_key_read(gg_rows_str(rows, i, 1), arena, &out->of[k]); /* an unusable one is kept as JSON */
            out->of[k].replace_before = gg_rows_i64(rows, i, 2);
        }
    return rc;
}

/* ---- uploading ---- */

int mx_cross_read_upload(struct gg_str body, struct gg_arena *arena, struct mx_cross_upload *out, struct gg_error *err)
{
    struct mx_json *root;
    *out = (struct mx_cross_upload){0};
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc == 0 && root->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    for (int k = 0; rc == 0 && k < MX_CROSS_KINDS; k++) {
        const struct mx_json *key = mx_json_member(root, gg_arena_printf(arena, "%s_key", mx_cross_names[k]));
        if (key == NULL || key->kind == MX_JSON_NULL)
            continue;
        if (key->kind != MX_JSON_OBJECT)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s_key must be an object", mx_cross_names[k]);
        rc = mx_json_canonical_check(key, err);
        out->json[k] = mx_e2ee_text(key, false, arena);
    }
    return rc;
}

/* Keys are compared as canonical JSON: their members may come in any order. */
static bool same(struct gg_str a, struct gg_str b, struct gg_arena *arena)
{
    struct gg_error ignored = GG_ERROR_INIT;
    struct mx_json *x, *y;
    return a.s != NULL && b.s != NULL && mx_json_parse(a, MAX_DEPTH, arena, &x, &ignored) == 0 &&
           mx_json_parse(b, MAX_DEPTH, arena, &y, &ignored) == 0 &&
           gg_str_eq(mx_e2ee_text(x, true, arena), mx_e2ee_text(y, true, arena));
}

bool mx_cross_differs(const struct mx_cross_upload *upload, const struct mx_cross_keys *stored, struct gg_arena *arena)
{
    for (int k = 0; k < MX_CROSS_KINDS; k++)
        if (upload->json[k].s != NULL && !same(upload->json[k], stored->of[k].json, arena))
            return true;
    return false;
}

static bool has_usage(struct gg_str json, const char *name, struct gg_arena *arena)
{
    struct gg_str usage = mx_json_get(json, "usage");
    struct mx_json_iter it = mx_json_iter(usage);
    bool found = false;
    while (mx_json_is_array(usage) && mx_json_next(&it))
        found = found || gg_str_is(mx_json_string(it.value, arena), name);
    return found;
}

/* master: the key that must have signed it; NULL: it is the master key itself. */
static int check_key(struct gg_str json, const char *name, struct gg_str user_id, const struct mx_cross_key *master,
                     struct gg_arena *arena, struct mx_cross_key *out, struct gg_error *err)
{
    struct mx_json *tree;
    if (!mx_cross_key_read(json, arena, out) || !has_usage(json, name, arena) ||
        !gg_str_eq(mx_json_string(mx_json_get(json, "user_id"), arena), user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid %s key", name);
    if (master == NULL)
        return 0;
    int rc = mx_json_parse(json, MAX_DEPTH, arena, &tree, err);
    if (rc == 0 && !mx_signature_good(tree, user_id, master->id, master->public_key))
        rc = gg_refuse(err, 400, "M_INVALID_SIGNATURE", "Invalid signature on %s key", name);
    return rc;
}

struct storing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id;
    struct gg_str ids[MX_CROSS_KINDS], names[MX_CROSS_KINDS], labels[MX_CROSS_KINDS], texts[MX_CROSS_KINDS];
    size_t n;
    struct mx_forget forget;
};

/* Each key reserves its name among the devices, so that no device can be called so (Synapse's "hidden" devices). */
static int store(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt reserve = {
        "INSERT INTO devices (user_id, device_id, display_name, hidden) SELECT $1, id, label, true"
        " FROM unnest($2::text[], $3::text[]) AS k (id, label) ON CONFLICT (user_id, device_id) DO NOTHING", 0};
    static const struct gg_stmt taken = {
        "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = ANY ($2::text[]) AND NOT coalesce(hidden, false)", 0};
    static const struct gg_stmt insert = {
        "INSERT INTO e2e_cross_signing_keys (user_id, keytype, keydata, stream_id, instance_name)"
        " SELECT $1, name, json, nextval('e2e_cross_signing_keys_sequence'), $4 FROM unnest($2::text[], $3::text[]) AS k (name, json)", 0};
    struct storing *s = arg;
    struct gg_rows *rows;
    mx_forget_again(&s->forget);
    int rc = gg_txn_queue(txn, &reserve, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(s->ids, s->n), gg_p_texts(s->labels, s->n)), err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &taken, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(s->ids, s->n)), s->arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "A device is called like a key");
    if (rc == 0)
        rc = gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(s->names, s->n), gg_p_texts(s->texts, s->n),
                                                  gg_p_text(gg_host_instance(s->server->host))), err);
    if (rc != 0)
        return rc;
    mx_forget_add(&s->forget, "_get_bare_e2e_cross_signing_keys", &s->user_id, 1);
    return mx_forget_write(&s->forget, txn, err);
}

/* Everybody hears of the master and the self-signing key; of the user-signing key the user's own devices only. */
static int tell(struct storing *s, bool user_signing, struct gg_error *err)
{
    struct gg_str told[MX_CROSS_KINDS];
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!gg_str_is(s->names[i], mx_cross_names[MX_CROSS_USER]))
            told[n++] = s->ids[i];
    int rc = user_signing ? mx_signatures_changed(s->server, s->user_id, &s->user_id, 1, err) : 0;
    return rc == 0 ? mx_devices_changed(s->server, s->user_id, told, n, err) : rc;
}

int mx_cross_upload(struct mx_server *server, struct gg_str user_id, const struct mx_cross_upload *upload,
                    const struct mx_cross_keys *stored, struct gg_arena *arena, struct gg_error *err)
{
    struct storing s = {.server = server, .arena = arena, .user_id = user_id};
    struct mx_cross_key keys[MX_CROSS_KINDS];
    const struct mx_cross_key *master = upload->json[MX_CROSS_MASTER].s != NULL ? &keys[MX_CROSS_MASTER] : &stored->of[MX_CROSS_MASTER];
    for (int k = 0; k < MX_CROSS_KINDS; k++) {
        if (upload->json[k].s == NULL)
            continue;
        if (k != MX_CROSS_MASTER && !master->usable)
            return gg_refuse(err, 400, "M_MISSING_PARAM", "No master key available");
        int rc = check_key(upload->json[k], mx_cross_names[k], user_id, k == MX_CROSS_MASTER ? NULL : master, arena, &keys[k], err);
        if (rc != 0)
            return rc;
        s.ids[s.n] = keys[k].public_id;
        s.names[s.n] = gg_str(mx_cross_names[k]);
        s.labels[s.n] = gg_str(gg_arena_printf(arena, "%s signing key", mx_cross_names[k]));
        s.texts[s.n++] = upload->json[k];
    }
    if (s.n == 0)
        return 0;
    mx_forget_begin(&s.forget, server, arena);
    int rc = gg_db_txn(server->db, "store_cross_signing_keys", 0, store, &s, err);
    mx_forget_end(&s.forget, gg_maybe_committed(rc));
    return rc == 0 ? tell(&s, upload->json[MX_CROSS_USER].s != NULL, err) : rc;
}
