/* matrix/e2ee/keys_query.c: the keys of devices and users, with the signatures that who asks may see (facts database 3.8).
 *
 * Three reads whatever the number of users. Stored keys are passed on as they are; only where a signature has to be put
 * into them they are taken apart. */
#include "e2ee/keys.h"

#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

enum { MAX_DEPTH = 64 };

/* ---- what a body may be ---- */

static int read_devices(struct gg_str user_id, struct gg_str devices, struct gg_arena *arena, struct mx_key_query *out,
                        size_t *n, struct gg_error *err)
{
    if (mx_json_length(devices) == 0)
        out[(*n)++] = (struct mx_key_query){user_id, {0}};
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it);) {
        struct gg_str device_id = mx_json_string(it.value, arena);
        if (device_id.s == NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' values must be a list of strings");
        if (memchr(device_id.s, '\0', device_id.n) == NULL)
            out[(*n)++] = (struct mx_key_query){user_id, device_id};
    }
    return 0;
}

int mx_keys_read_query(struct gg_str body, struct gg_arena *arena, struct gg_str **users, size_t *n_users,
                       struct mx_key_query **queries, size_t *n_queries, struct gg_error *err)
{
    struct gg_str asked = mx_json_get(body, "device_keys");
    size_t total = 0;
    *n_users = *n_queries = 0;
    if (!mx_json_is_object(asked))
        return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' must be a JSON object");
    for (struct mx_json_iter it = mx_json_iter(asked); mx_json_next(&it);) {
        if (!mx_json_is_array(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' values must be a list of strings");
        total += mx_json_length(it.value) + 1;
    }
    *users = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(asked) + 1);
    *queries = GG_NEW_ARRAY(arena, struct mx_key_query, total + 1);
    struct gg_map *seen = gg_map_new(NULL);
    int rc = 0;
    for (struct mx_json_iter it = mx_json_iter(asked); rc == 0 && mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, arena);
        size_t before = *n_queries;
        rc = read_devices(user_id, it.value, arena, *queries, n_queries, err);
        if (user_id.s == NULL || !mx_user_id_valid(user_id) || gg_map_has(seen, user_id)) {
            *n_queries = before;
            continue;
        }
        gg_map_put(seen, user_id, NULL);
        (*users)[(*n_users)++] = user_id;
    }
    gg_map_free(seen);
    return rc;
}

/* ---- reading ---- */

static const struct gg_stmt read_devices_stmt = {
    "SELECT d.user_id, d.device_id, d.display_name, k.key_json FROM unnest($1::text[], $2::text[]) AS q (user_id, device_id)"
    " JOIN devices d ON d.user_id = q.user_id AND d.device_id = coalesce(q.device_id, d.device_id)"
    " JOIN e2e_device_keys_json k ON k.user_id = d.user_id AND k.device_id = d.device_id"
    " WHERE NOT coalesce(d.hidden, false) ORDER BY 1, 2", GG_LANE_POINT};

/* Of cross-signing keys the newest counts. */
static const struct gg_stmt read_cross = {
    "SELECT DISTINCT ON (user_id, keytype) keytype, user_id, keydata FROM e2e_cross_signing_keys"
    " WHERE user_id = ANY ($1::text[]) ORDER BY user_id, keytype, stream_id DESC", GG_LANE_POINT};

/* What users signed of their own, and what who asks signed of others. */
static const struct gg_stmt read_signatures = {
    "SELECT s.user_id, s.target_user_id, s.target_device_id, s.key_id, s.signature FROM unnest($1::text[]) AS u (id)"
    " JOIN e2e_cross_signing_signatures s ON s.user_id = u.id AND s.target_user_id = u.id"
    " UNION ALL SELECT s.user_id, s.target_user_id, s.target_device_id, s.key_id, s.signature FROM unnest($1::text[]) AS u (id)"
    " JOIN e2e_cross_signing_signatures s ON s.user_id = $2 AND s.target_user_id = u.id WHERE u.id <> $2", GG_LANE_POINT};

struct answer {
    struct gg_str who_asks;
    struct gg_arena *arena;
    const struct gg_rows *devices, *cross, *signatures;
    struct gg_map *first_signature; /* target user, sep, target device -> 1 + row; rows of one target follow `next` */
    size_t *next;
};

static struct gg_str target_name(struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena)
{
    return gg_str(gg_arena_printf(arena, "%.*s\x1f%.*s", GG_FMT(user_id), GG_FMT(device_id)));
}

static void index_signatures(struct answer *a)
{
    size_t n = gg_rows_count(a->signatures);
    a->next = GG_NEW_ARRAY(a->arena, size_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct gg_str name = target_name(gg_rows_str(a->signatures, i, 1), gg_rows_str(a->signatures, i, 2), a->arena);
        a->next[i] = (size_t)(uintptr_t)gg_map_get(a->first_signature, name);
        gg_map_put(a->first_signature, name, (void *)(uintptr_t)(i + 1));
    }
}

static struct mx_json *object_in(struct mx_json *parent, const char *key, struct gg_arena *arena)
{
    struct mx_json *value = mx_json_member(parent, key);
    if (value == NULL || value->kind != MX_JSON_OBJECT)
        mx_json_set(parent, arena, key, value = mx_json_object(arena));
    return value;
}

/* The stored key with the signatures that belong to it and that `by` made (by s NULL: the owner); its text as it is, if
 * there are none. */
static struct gg_str with_signatures(const struct answer *a, struct gg_str user_id, struct gg_str target, struct gg_str by,
                                     struct gg_str text)
{
    struct gg_error ignored = GG_ERROR_INIT;
    struct mx_json *key = NULL;
    size_t at = (size_t)(uintptr_t)gg_map_get(a->first_signature, target_name(user_id, target, a->arena));
    for (; at > 0; at = a->next[at - 1]) {
        struct gg_str signer = gg_rows_str(a->signatures, at - 1, 0), id = gg_rows_str(a->signatures, at - 1, 3);
        if (!gg_str_eq(signer, by))
            continue;
        if (key == NULL && (mx_json_parse(text, MAX_DEPTH, a->arena, &key, &ignored) != 0 || key->kind != MX_JSON_OBJECT))
            return text; /* not ours, and not to be mended */
        struct mx_json *all = object_in(key, "signatures", a->arena);
        struct mx_json *own = object_in(all, gg_arena_strndup(a->arena, signer.s, signer.n), a->arena);
        mx_json_set(own, a->arena, gg_arena_strndup(a->arena, id.s, id.n),
                    mx_json_new_string(a->arena, gg_rows_str(a->signatures, at - 1, 4)));
    }
    if (key == NULL)
        return text;
    return mx_e2ee_text(key, false, a->arena);
}

/* ---- writing ---- */

static void write_device(const struct answer *a, size_t row, struct gg_buf *out)
{
    struct gg_str user_id = gg_rows_str(a->devices, row, 0), device_id = gg_rows_str(a->devices, row, 1);
    struct gg_str name = gg_rows_str(a->devices, row, 2);
    struct gg_str text = with_signatures(a, user_id, device_id, user_id, gg_rows_str(a->devices, row, 3));
    gg_buf_json_string(out, device_id);
    gg_buf_char(out, ':');
    if (!mx_json_is_object(text) || text.n <= 2) {
        gg_buf_str(out, text);
        return;
    }
    gg_buf_add(out, text.s, text.n - 1);
    gg_buf_lit(out, ",\"unsigned\":{");
    if (name.s != NULL) {
        gg_buf_lit(out, "\"device_display_name\":");
        gg_buf_json_string(out, name);
    }
    gg_buf_lit(out, "}}");
}

/* Every local user that was asked for has a place, also without devices. Rows are sorted as users are not. */
static void write_devices(const struct answer *a, const struct gg_str *users, size_t n, struct gg_buf *out)
{
    struct gg_map *first = gg_map_new(NULL);
    size_t rows = gg_rows_count(a->devices);
    for (size_t i = rows; i-- > 0;)
        gg_map_put(first, gg_rows_str(a->devices, i, 0), (void *)(uintptr_t)(i + 1));
    gg_buf_char(out, '{');
    for (size_t u = 0; u < n; u++) {
        size_t at = (size_t)(uintptr_t)gg_map_get(first, users[u]);
        gg_buf_text(out, u > 0 ? "," : "");
        gg_buf_json_string(out, users[u]);
        gg_buf_lit(out, ":{");
        for (size_t i = at; i > 0 && i <= rows && gg_str_eq(gg_rows_str(a->devices, i - 1, 0), users[u]); i++) {
            gg_buf_text(out, i > at ? "," : "");
            write_device(a, i - 1, out);
        }
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, '}');
    gg_map_free(first);
}

/* The public key that a cross-signing key is: its targets are named by it. */
static struct gg_str public_part(struct gg_str keydata, struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(mx_json_get(keydata, "keys"));
    return mx_json_next(&it) ? mx_json_string(it.value, arena) : (struct gg_str){0};
}

static void write_cross(const struct answer *a, const char *member, const char *type, bool own_only, struct gg_buf *out)
{
    bool first = true;
    gg_buf_printf(out, ",\"%s\":{", member);
    for (size_t i = 0; i < gg_rows_count(a->cross); i++) {
        struct gg_str user_id = gg_rows_str(a->cross, i, 1), keydata = gg_rows_str(a->cross, i, 2);
        if (!gg_str_is(gg_rows_str(a->cross, i, 0), type) || (own_only && !gg_str_eq(user_id, a->who_asks)))
            continue;
        struct gg_str target = public_part(keydata, a->arena);
        gg_buf_text(out, first ? "" : ",");
        first = false;
        gg_buf_json_string(out, user_id);
        gg_buf_char(out, ':');
        gg_buf_str(out, target.s != NULL ? with_signatures(a, user_id, target, a->who_asks, keydata) : keydata);
    }
    gg_buf_char(out, '}');
}

static int read_all(struct mx_server *server, struct answer *a, const struct gg_str *users, size_t n,
                    const struct mx_key_query *queries, size_t n_queries, struct gg_error *err)
{
    struct gg_rows *devices, *cross, *signatures;
    struct gg_str *of = GG_NEW_ARRAY(a->arena, struct gg_str, n_queries + 1);
    struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, n_queries + 1);
    for (size_t i = 0; i < n_queries; i++) {
        of[i] = queries[i].user_id;
        ids[i] = queries[i].device_id;
    }
    int rc = gg_db_read(server->db, &read_devices_stmt, GG_PARAMS(gg_p_texts(of, n_queries), gg_p_texts(ids, n_queries)),
                        a->arena, &devices, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &read_cross, GG_PARAMS(gg_p_texts(users, n)), a->arena, &cross, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &read_signatures, GG_PARAMS(gg_p_texts(users, n), gg_p_str(a->who_asks)), a->arena,
                        &signatures, err);
    if (rc != 0)
        return rc;
    a->devices = devices;
    a->cross = cross;
    a->signatures = signatures;
    return 0;
}

int mx_keys_query(struct mx_server *server, struct gg_str who_asks, const struct gg_str *users, size_t n_users,
                  const struct mx_key_query *queries, size_t n_queries, struct gg_arena *arena, struct gg_buf *out,
                  struct gg_error *err)
{
    struct answer a = {.who_asks = who_asks, .arena = arena};
    struct gg_str *mine = GG_NEW_ARRAY(arena, struct gg_str, n_users + 1);
    struct mx_key_query *local = GG_NEW_ARRAY(arena, struct mx_key_query, n_queries + 1);
    size_t n_mine = 0, n_local = 0;
    for (size_t i = 0; i < n_users; i++)
        if (mx_is_mine(server, users[i]))
            mine[n_mine++] = users[i];
    for (size_t i = 0; i < n_queries; i++)
        if (mx_is_mine(server, queries[i].user_id))
            local[n_local++] = queries[i];
    int rc = read_all(server, &a, mine, n_mine, local, n_local, err);
    if (rc != 0)
        return rc;
    a.first_signature = gg_map_new(NULL);
    index_signatures(&a);
    gg_buf_lit(out, "{\"device_keys\":");
    write_devices(&a, mine, n_mine, out);
    gg_buf_lit(out, ",\"failures\":");
    mx_keys_write_failures(server, users, n_users, out);
    write_cross(&a, "master_keys", "master", false, out);
    write_cross(&a, "self_signing_keys", "self_signing", false, out);
    write_cross(&a, "user_signing_keys", "user_signing", true, out);
    gg_buf_char(out, '}');
    gg_map_free(a.first_signature);
    return 0;
}
