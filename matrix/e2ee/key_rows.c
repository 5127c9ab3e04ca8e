/* matrix/e2ee/key_rows.c: stored keys, and the signatures that belong to them (facts database 3.8).
 *
 * Stored keys are passed on as they are; only where a signature has to be put into them they are taken apart. */
#include "e2ee/key_rows.h"

#include "e2ee/text.h"

enum { MAX_DEPTH = 64 };

/* ---- reading ---- */

static const struct gg_stmt read_devices = {
    "SELECT d.user_id, d.device_id, d.display_name, k.key_json FROM unnest($1::text[], $2::text[]) AS q (user_id, device_id)"
    " JOIN devices d ON d.user_id = q.user_id AND d.device_id = coalesce(q.device_id, d.device_id)"
    " LEFT JOIN e2e_device_keys_json k ON k.user_id = d.user_id AND k.device_id = d.device_id"
    " WHERE NOT coalesce(d.hidden, false) ORDER BY 1, 2", GG_LANE_POINT};

/* Of cross-signing keys the newest counts. */
static const struct gg_stmt read_cross = {
    "SELECT DISTINCT ON (user_id, keytype) keytype, user_id, keydata FROM e2e_cross_signing_keys"
    " WHERE user_id = ANY ($1::text[]) ORDER BY user_id, keytype, stream_id DESC", GG_LANE_POINT};

/* What users signed of their own. */
static const struct gg_stmt read_signatures = {
    "SELECT s.user_id, s.target_user_id, s.target_device_id, s.key_id, s.signature FROM unnest($1::text[]) AS u (id)"
    " JOIN e2e_cross_signing_signatures s ON s.user_id = u.id AND s.target_user_id = u.id", GG_LANE_POINT};

static struct gg_str target_name(struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena)
{
    return gg_str(gg_arena_printf(arena, "%.*s\x1f%.*s", GG_FMT(user_id), GG_FMT(device_id)));
}

static void free_map(void *map)
{
    gg_map_free(map);
}

static void index_signatures(struct mx_key_rows *r)
{
    size_t n = gg_rows_count(r->signatures);
    r->first_signature = gg_map_new(NULL);
    gg_arena_defer(r->arena, free_map, r->first_signature);
    r->next = GG_NEW_ARRAY(r->arena, size_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct gg_str name = target_name(gg_rows_str(r->signatures, i, 1), gg_rows_str(r->signatures, i, 2), r->arena);
        r->next[i] = (size_t)(uintptr_t)gg_map_get(r->first_signature, name);
        gg_map_put(r->first_signature, name, (void *)(uintptr_t)(i + 1));
    }
}

int mx_key_rows_read(struct mx_server *server, const struct gg_str *users, size_t n_users, const struct mx_key_query *queries,
                     size_t n_queries, struct gg_arena *arena, struct mx_key_rows *out, struct gg_error *err)
{
    struct gg_rows *devices, *cross, *signatures;
    struct gg_str *of = GG_NEW_ARRAY(arena, struct gg_str, n_queries + 1);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n_queries + 1);
    for (size_t i = 0; i < n_queries; i++) {
        of[i] = queries[i].user_id;
        ids[i] = queries[i].device_id;
    }
    int rc = gg_db_read(server->db, &read_devices, GG_PARAMS(gg_p_texts(of, n_queries), gg_p_texts(ids, n_queries)), arena,
                        &devices, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &read_cross, GG_PARAMS(gg_p_texts(users, n_users)), arena, &cross, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &read_signatures, GG_PARAMS(gg_p_texts(users, n_users)), arena, &signatures, err);
    if (rc != 0)
        return rc;
    *out = (struct mx_key_rows){.arena = arena, .devices = devices, .cross = cross, .signatures = signatures};
    index_signatures(out);
    return 0;
}

/* ---- signatures ---- */

static struct mx_json *object_in(struct mx_json *parent, const char *key, struct gg_arena *arena)
{
    struct mx_json *value = mx_json_member(parent, key);
    if (value == NULL || value->kind != MX_JSON_OBJECT)
        mx_json_set(parent, arena, key, value = mx_json_object(arena));
    return value;
}

bool mx_key_sign(struct mx_json **key, struct gg_str text, struct gg_str signer, struct gg_str key_id, struct gg_str signature,
                 struct gg_arena *arena)
{
    struct gg_error ignored = GG_ERROR_INIT;
    if (*key == NULL && (mx_json_parse(text, MAX_DEPTH, arena, key, &ignored) != 0 || (*key)->kind != MX_JSON_OBJECT))
        return false; /* not ours, and not to be mended */
    struct mx_json *all = object_in(*key, "signatures", arena);
    struct mx_json *own = object_in(all, gg_arena_strndup(arena, signer.s, signer.n), arena);
    mx_json_set(own, arena, gg_arena_strndup(arena, key_id.s, key_id.n), mx_json_new_string(arena, signature));
    return true;
}

struct gg_str mx_key_rows_device(const struct mx_key_rows *r, size_t row)
{
    struct gg_str user_id = gg_rows_str(r->devices, row, 0), text = gg_rows_str(r->devices, row, 3);
    struct mx_json *key = NULL;
    if (text.s == NULL || gg_map_count(r->first_signature) == 0)
        return text;
    size_t at = (size_t)(uintptr_t)gg_map_get(r->first_signature, target_name(user_id, gg_rows_str(r->devices, row, 1), r->arena));
    for (; at > 0; at = r->next[at - 1])
        if (!mx_key_sign(&key, text, user_id, gg_rows_str(r->signatures, at - 1, 3), gg_rows_str(r->signatures, at - 1, 4), r->arena))
            return text;
    return key != NULL ? mx_e2ee_text(key, false, r->arena) : text;
}

/* ---- cross-signing ---- */

struct gg_str mx_cross_public_part(struct gg_str keydata, struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(mx_json_get(keydata, "keys"));
    return mx_json_next(&it) ? mx_json_string(it.value, arena) : (struct gg_str){0};
}

struct gg_str mx_key_rows_find_cross(const struct mx_key_rows *r, struct gg_str user_id, enum mx_cross_kind kind)
{
    for (size_t i = 0; i < gg_rows_count(r->cross); i++)
        if (gg_str_eq(gg_rows_str(r->cross, i, 1), user_id) && gg_str_is(gg_rows_str(r->cross, i, 0), mx_cross_names[kind]))
            return gg_rows_str(r->cross, i, 2);
    return (struct gg_str){0};
}
