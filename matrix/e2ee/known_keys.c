/* matrix/e2ee/known_keys.c: keys of our users, kept in memory. Entries are shared by the cache and the requests that read them. */
#include "e2ee/known_keys.h"

#include "e2ee/e2ee.h"
#include "e2ee/key_rows.h"
#include "e2ee/text.h"

#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_DEPTH = 64 };

/* ---- entries: one piece of memory each, counted ---- */

struct known {
    struct mx_known_keys keys;
    unsigned refs;
    size_t bytes;
    char text[]; /* devices, then their text; aligned as the arrays need */
};

struct signature {
    struct gg_str target_user, target, key_id, value;
};
struct mx_signed {
    struct gg_str signer;
    struct signature *v; /* by target user, then target */
    size_t n;
    unsigned refs;
    struct gg_arena *arena;
};

static void known_unref(void *value)
{
    struct known *k = value;
    if (--k->refs == 0)
        free(k);
}

static void signed_unref(void *value)
{
    struct mx_signed *s = value;
    if (--s->refs > 0)
        return;
    gg_arena_free(s->arena);
    free(s);
}

static const struct mx_cache_def known_def = {.name = "known_keys", .max_bytes = 16 << 20, .destroy = known_unref};
static const struct mx_cache_def signed_def = {.name = "known_signatures", .max_bytes = 4 << 20, .destroy = signed_unref};

/* ---- building an entry from rows ---- */

static size_t text_size(const struct mx_known_keys *keys)
{
    size_t size = 0;
    for (size_t i = 0; i < keys->n; i++)
        size += keys->devices[i].id.n + keys->devices[i].name.n + keys->devices[i].keys.n;
    for (int k = 0; k < MX_CROSS_KINDS; k++)
        size += keys->cross[k].n;
    return size;
}

static struct gg_str move_text(char **at, struct gg_str text)
{
    if (text.s == NULL)
        return text;
    struct gg_str moved = {*at, text.n};
    if (text.n > 0)
        memcpy(*at, text.s, text.n);
    *at += text.n;
    return moved;
}

static struct known *copied(const struct mx_known_keys *from)
{
    size_t table = from->n * sizeof(*from->devices), bytes = sizeof(struct known) + table + text_size(from);
    struct known *k = gg_xcalloc(1, bytes + 1);
    char *at = k->text + table;
    k->refs = 1;
    k->bytes = bytes;
    k->keys.n = from->n;
    k->keys.devices = (struct mx_known_device *)(void *)k->text;
    for (size_t i = 0; i < from->n; i++)
        k->keys.devices[i] = (struct mx_known_device){.id = move_text(&at, from->devices[i].id),
                                                      .name = move_text(&at, from->devices[i].name),
                                                      .keys = move_text(&at, from->devices[i].keys)};
    for (int c = 0; c < MX_CROSS_KINDS; c++)
        k->keys.cross[c] = move_text(&at, from->cross[c]);
    return k;
}

static int by_id(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_known_device *)a)->id, ((const struct mx_known_device *)b)->id);
}

/* Rows of a user's devices stand together, from `first` on. */
static struct known *from_rows(const struct mx_key_rows *rows, struct gg_str user_id, size_t first, struct gg_arena *arena)
{
    size_t all = gg_rows_count(rows->devices), end = first;
    while (end < all && gg_str_eq(gg_rows_str(rows->devices, end, 0), user_id))
        end++;
    struct mx_known_keys keys = {.devices = GG_NEW_ARRAY(arena, struct mx_known_device, end - first + 1)};
    for (size_t i = first; i < end; i++)
        keys.devices[keys.n++] = (struct mx_known_device){.id = gg_rows_str(rows->devices, i, 1),
                                                          .name = gg_rows_str(rows->devices, i, 2),
                                                          .keys = mx_key_rows_device(rows, i)};
    if (keys.n > 1)
        qsort(keys.devices, keys.n, sizeof(*keys.devices), by_id);
    for (int k = 0; k < MX_CROSS_KINDS; k++)
        keys.cross[k] = mx_key_rows_find_cross(rows, user_id, (enum mx_cross_kind)k);
    return copied(&keys);
}

/* ---- reading ---- */

struct wanted {
    const struct gg_str *users;
    size_t n;
    const struct known **found;
    struct gg_arena *arena;
};

static void hold(struct wanted *w, size_t i, struct known *k)
{
    k->refs++;
    gg_arena_defer(w->arena, known_unref, k);
    w->found[i] = k;
}

static int read_missing(struct mx_server *server, struct wanted *w, struct gg_str *users, size_t *at, size_t n,
                        struct gg_error *err)
{
    struct mx_cache *cache = server->e2ee->known;
    struct mx_key_query *queries = GG_NEW_ARRAY(w->arena, struct mx_key_query, n + 1);
    struct gg_map *first = gg_map_new(NULL);
    struct mx_key_rows rows;
    uint64_t tick = mx_cache_tick(cache);
    for (size_t i = 0; i < n; i++)
        queries[i] = (struct mx_key_query){users[i], {0}};
    int rc = mx_key_rows_read(server, users, n, queries, n, w->arena, &rows, err);
    for (size_t i = rc == 0 ? gg_rows_count(rows.devices) : 0; i-- > 0;)
        gg_map_put(first, gg_rows_str(rows.devices, i, 0), (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t place = (size_t)(uintptr_t)gg_map_get(first, users[i]);
        struct known *k = from_rows(&rows, users[i], place > 0 ? place - 1 : gg_rows_count(rows.devices), w->arena);
        hold(w, at[i], k);
        mx_cache_put(cache, users[i], k, k->bytes, tick);
    }
    gg_map_free(first);
    return rc;
}

int mx_known_keys_get(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                      const struct mx_known_keys **out, struct gg_error *err)
{
    struct wanted w = {.users = users, .n = n, .found = GG_NEW_ARRAY(arena, const struct known *, n + 1), .arena = arena};
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    size_t *at = GG_NEW_ARRAY(arena, size_t, n + 1), n_missing = 0;
    for (size_t i = 0; i < n; i++) {
        struct known *k = mx_cache_get(server->e2ee->known, users[i]);
        if (k != NULL) {
            hold(&w, i, k);
            continue;
        }
        at[n_missing] = i;
        missing[n_missing++] = users[i];
    }
    int rc = n_missing > 0 ? read_missing(server, &w, missing, at, n_missing, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        out[i] = &w.found[i]->keys;
    return rc;
}

long mx_known_device_find(const struct mx_known_keys *keys, struct gg_str device_id)
{
    size_t low = 0, high = keys->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gg_str_cmp(keys->devices[middle].id, device_id);
        if (order == 0)
            return (long)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void mx_known_device_write(const struct mx_known_device *device, bool names, struct gg_buf *out)
{
    if (!mx_json_is_object(device->keys) || device->keys.n <= 2) {
        gg_buf_str(out, device->keys);
        return;
    }
    gg_buf_add(out, device->keys.s, device->keys.n - 1);
    gg_buf_lit(out, ",\"unsigned\":{");
    if (names && device->name.s != NULL) {
        gg_buf_lit(out, "\"device_display_name\":");
        gg_buf_json_string(out, device->name);
    }
    gg_buf_lit(out, "}}");
}

/* ---- what somebody signed ---- */

static int read_signed(struct mx_server *server, struct mx_signed *s, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT target_user_id, target_device_id, key_id, signature FROM e2e_cross_signing_signatures WHERE user_id = $1"
        " ORDER BY target_user_id COLLATE \"C\", target_device_id COLLATE \"C\"", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(s->signer)), s->arena, &rows, err);
    if (rc != 0)
        return rc;
    s->n = gg_rows_count(rows);
    s->v = GG_NEW_ARRAY(s->arena, struct signature, s->n + 1);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = (struct signature){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                     gg_rows_str(rows, i, 3)};
    return 0;
}

int mx_signed_by(struct mx_server *server, struct gg_str signer, struct gg_arena *arena, const struct mx_signed **out,
                 struct gg_error *err)
{
    struct mx_cache *cache = server->e2ee->signed_by;
    struct mx_signed *s = mx_cache_get(cache, signer);
    if (s == NULL) {
        uint64_t tick = mx_cache_tick(cache);
        s = gg_xcalloc(1, sizeof(*s));
        s->refs = 2; /* the cache's and ours */
        s->arena = gg_arena_new();
        s->signer = gg_arena_str(s->arena, signer);
        int rc = read_signed(server, s, err);
        if (rc != 0) {
            s->refs = 1;
            signed_unref(s);
            return rc;
        }
        mx_cache_put(cache, signer, s, gg_arena_used(s->arena) + sizeof(*s), tick);
    } else {
        s->refs++;
    }
    gg_arena_defer(arena, signed_unref, s);
    *out = s;
    return 0;
}

static size_t first_of(const struct mx_signed *by, struct gg_str user_id, struct gg_str target)
{
    size_t low = 0, high = by->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gg_str_cmp(by->v[middle].target_user, user_id);
        if (order == 0)
            order = gg_str_cmp(by->v[middle].target, target);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct gg_str mx_signed_key(const struct mx_signed *by, struct gg_str user_id, struct gg_str text, struct gg_arena *arena)
{
    struct gg_str target = by != NULL && by->n > 0 ? mx_cross_public_part(text, arena) : (struct gg_str){0};
    struct mx_json *key = NULL;
    if (target.s == NULL)
        return text;
    for (size_t i = first_of(by, user_id, target); i < by->n; i++) {
        const struct signature *s = &by->v[i];
        if (!gg_str_eq(s->target_user, user_id) || !gg_str_eq(s->target, target))
            break;
        if (!mx_key_sign(&key, text, by->signer, s->key_id, s->value, arena))
            return text;
    }
    return key != NULL ? mx_e2ee_text(key, false, arena) : text;
}

/* ---- what changed ---- */

void mx_known_keys_drop(struct mx_server *server, struct gg_str user_id)
{
    mx_cache_drop(server->e2ee->known, user_id);
    mx_cache_drop(server->e2ee->signed_by, user_id);
}

/* get_device (user, device), _get_bare_e2e_cross_signing_keys (user). */
static void forget_user(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    if (keys != NULL && n > 0)
        mx_known_keys_drop(server, keys[0]);
    else
        mx_cache_clear(server->e2ee->known);
}

/* _get_e2e_cross_signing_signatures_for_device: one key, a JSON list of who signed and what. */
static void forget_signatures(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    struct mx_json_iter it = mx_json_iter(keys != NULL && n > 0 ? keys[0] : (struct gg_str){0});
    struct gg_str user_id = mx_json_next(&it) ? mx_json_string(it.value, arena) : (struct gg_str){0};
    if (user_id.s != NULL) {
        mx_known_keys_drop(server, user_id);
    } else {
        mx_cache_clear(server->e2ee->known);
        mx_cache_clear(server->e2ee->signed_by);
    }
    gg_arena_free(arena);
}

void mx_known_keys_make(struct mx_server *server)
{
    server->e2ee->known = mx_cache_new(server, &known_def);
    server->e2ee->signed_by = mx_cache_new(server, &signed_def);
    mx_caches_on(server, "get_device", forget_user, server);
    mx_caches_on(server, "_get_bare_e2e_cross_signing_keys", forget_user, server);
    mx_caches_on(server, "_get_e2e_cross_signing_signatures_for_device", forget_signatures, server);
}
