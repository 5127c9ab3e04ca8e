/* matrix/federation/keys.c: finds signing keys: our own, in memory, in the database, with their servers, with those that
 * we trust to know. */
#include "federation/keys.h"

#include "parts.h"
#include "storage/federation/server_keys.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.keys"};

enum {
    CACHE_BYTES = 4 << 20,
    FEW_SERVERS = 4,       /* more than this at once: who knows them all is asked before they are, one by one */
    MAX_PAIR = 2 * 255 + 8,
};
#define MAX_AHEAD_MS ((int64_t)7 * 24 * 3600 * 1000)

struct mx_keyring {
    struct gg_arena *arena;
    struct mx_key_config config;
    struct mx_cache *cache; /* "server\x1fid" -> struct kept */
    struct mx_key_fetcher *fetcher;
};

struct kept {
    uint8_t public_key[32];
    int64_t valid_until_ms;
};

static struct mx_keyring *keyring_of(const struct mx_server *server)
{
    return server->keyring;
}

const struct mx_key_config *mx_key_config(const struct mx_server *server)
{
    return &keyring_of(server)->config;
}

struct mx_key_fetcher *mx_key_fetcher_of(const struct mx_server *server)
{
    return keyring_of(server)->fetcher;
}

bool mx_key_good(const struct mx_key_want *want)
{
    int64_t ahead = gg_wall_ms() + MAX_AHEAD_MS;
    int64_t until = want->valid_until_ms < ahead ? want->valid_until_ms : ahead;
    return want->found && until >= want->valid_at_ms;
}

bool mx_key_banned(const uint8_t public_key[32])
{
    /* advisory ELEMENTSEC-2025-1670 */
    static const char *const banned[] = {"l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og"};
    char text[mx_base64_size(32)];
    mx_base64(public_key, 32, false, text);
    for (size_t i = 0; i < GG_COUNT(banned); i++)
        if (strcmp(text, banned[i]) == 0)
            return true;
    return false;
}

static void fill(struct mx_key_want *want, const uint8_t public_key[32], int64_t valid_until_ms)
{
    if (want->found && want->valid_until_ms >= valid_until_ms)
        return;
    want->found = true;
    want->valid_until_ms = valid_until_ms;
    memcpy(want->public_key, public_key, 32);
}

/* ---- memory ---- */

static struct gg_str pair_of(struct gg_str server, struct gg_str id, char out[MAX_PAIR])
{
    if (server.n + id.n + 1 > MAX_PAIR)
        return (struct gg_str){0};
    memcpy(out, server.s, server.n);
    out[server.n] = MX_KEY_SEP;
    memcpy(out + server.n + 1, id.s, id.n);
    return gg_strn(out, server.n + 1 + id.n);
}

static void from_cache(struct mx_keyring *k, struct mx_key_want *want)
{
    char text[MAX_PAIR];
    struct gg_str key = pair_of(want->server, want->id, text);
    const struct kept *kept = key.s ? mx_cache_get(k->cache, key) : NULL;
    if (kept)
        fill(want, kept->public_key, kept->valid_until_ms);
}

static void to_cache(struct mx_keyring *k, struct gg_str server, struct gg_str id, const uint8_t public_key[32],
                     int64_t valid_until_ms, uint64_t tick)
{
    char text[MAX_PAIR];
    struct gg_str key = pair_of(server, id, text);
    if (!key.s)
        return;
    struct kept *kept = gg_xmalloc(sizeof(*kept));
    memcpy(kept->public_key, public_key, 32);
    kept->valid_until_ms = valid_until_ms;
    mx_cache_put(k->cache, key, kept, sizeof(*kept), tick);
}

/* A row of the caches stream: its one key is a JSON list of server and key id. */
static void forget(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_keyring *k = self;
    char text[MAX_PAIR];
    if (n != 1) {
        mx_cache_clear(k->cache);
        return;
    }
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *pair = NULL;
    if (!mx_json_parse(keys[0], 2, arena, &pair, &err) && pair->kind == MX_JSON_ARRAY && pair->n == 2) {
        struct gg_str server = mx_json_text(pair->items[0]), id = mx_json_text(pair->items[1]);
        struct gg_str key = server.s && id.s ? pair_of(server, id, text) : (struct gg_str){0};
        if (key.s)
            mx_cache_drop(k->cache, key);
    }
    gg_arena_free(arena);
}

static void own_keys(struct mx_server *server, struct mx_key_want *want)
{
    const struct mx_key_config *config = mx_key_config(server);
    for (size_t i = 0; i < server->n_keys; i++)
        if (gg_str_is(want->id, server->keys[i].id))
            fill(want, server->keys[i].public_key, INT64_MAX);
    for (size_t i = 0; i < config->n_old; i++)
        if (gg_str_eq(want->id, config->old[i].id))
            fill(want, config->old[i].public_key, config->old[i].valid_until_ms);
}

static bool is_own(const struct mx_server *server, const struct mx_key_want *want)
{
    return gg_str_is(want->server, server->name);
}

static size_t look_around(struct mx_server *server, struct mx_key_want *wants, size_t n)
{
    size_t missing = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_own(server, &wants[i])) {
            own_keys(server, &wants[i]);
            continue; /* nobody else knows better */
        }
        from_cache(keyring_of(server), &wants[i]);
        missing += !mx_key_good(&wants[i]);
    }
    return missing;
}

/* ---- the database ---- */

/* Only what memory did not have at all: what is there and too old is not newer in the database, or we would know. */
static int from_database(struct mx_server *server, struct mx_key_want *wants, size_t n, struct gg_arena *arena,
                         struct gg_error *err)
{
    struct mx_keyring *k = keyring_of(server);
    struct gg_str *names = GG_NEW_ARRAY(arena, struct gg_str, n), *ids = GG_NEW_ARRAY(arena, struct gg_str, n);
    uint64_t tick = mx_cache_tick(k->cache);
    struct gg_map *by_pair = gg_map_new(NULL);
    struct gg_rows *rows;
    char text[MAX_PAIR];
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        struct gg_str key = pair_of(wants[i].server, wants[i].id, text);
        if (wants[i].found || is_own(server, &wants[i]) || !key.s)
            continue;
        names[m] = wants[i].server;
        ids[m++] = wants[i].id;
        gg_map_put(by_pair, key, &wants[i]);
    }
    int rc = m ? mx_server_keys_read(server, names, ids, m, arena, &rows, err) : 0;
    for (size_t i = 0; m && !rc && i < gg_rows_count(rows); i++) {
        struct gg_str name = gg_rows_str(rows, i, 0), id = gg_rows_str(rows, i, 1), bytes = gg_rows_str(rows, i, 2);
        struct gg_str key = pair_of(name, id, text);
        struct mx_key_want *want = key.s ? gg_map_get(by_pair, key) : NULL;
        if (!want || bytes.n != 32)
            continue;
        fill(want, (const uint8_t *)bytes.s, gg_rows_i64(rows, i, 3));
        to_cache(k, name, id, want->public_key, want->valid_until_ms, tick);
    }
    gg_map_free(by_pair);
    return rc;
}

/* ---- the network ---- */

/* No answer makes a key good for a time that is too far ahead. */
static bool hopeless(const struct mx_key_want *want)
{
    return want->found && want->valid_at_ms > gg_wall_ms() + MAX_AHEAD_MS;
}

static size_t servers_of(struct mx_server *server, const struct mx_key_want *wants, size_t n, struct gg_arena *arena,
                         struct gg_str **out)
{
    struct gg_map *seen = gg_map_new(NULL);
    size_t m = 0;
    *out = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        if (mx_key_good(&wants[i]) || hopeless(&wants[i]) || is_own(server, &wants[i]) || gg_map_has(seen, wants[i].server))
            continue;
        gg_map_put(seen, wants[i].server, NULL);
        (*out)[m++] = wants[i].server;
    }
    gg_map_free(seen);
    return m;
}

static int from_network(struct mx_server *server, struct mx_key_want *wants, size_t n, uint32_t flags,
                        struct gg_arena *arena)
{
    struct mx_keyring *k = keyring_of(server);
    struct gg_str *names;
    size_t m = servers_of(server, wants, n, arena, &names);
    bool notaries_first = m > FEW_SERVERS && k->config.n_notaries;
    int rc = 0;
    if (notaries_first) {
        rc = mx_key_fetch_notaries(k->fetcher, wants, n);
        look_around(server, wants, n);
        m = servers_of(server, wants, n, arena, &names);
    }
    if (!rc && m)
        rc = mx_key_fetch_servers(k->fetcher, names, m, flags);
    if (!rc && m && look_around(server, wants, n) && !notaries_first) {
        rc = mx_key_fetch_notaries(k->fetcher, wants, n);
        look_around(server, wants, n);
    }
    return rc;
}

int mx_keys_find(struct mx_server *server, struct mx_key_want *wants, size_t n, uint32_t flags, struct gg_arena *arena,
                 struct gg_error *err)
{
    if (!look_around(server, wants, n))
        return 0;
    int rc = from_database(server, wants, n, arena, err);
    if (rc)
        return rc;
    rc = from_network(server, wants, n, flags, arena);
    return rc ? gg_fail(err, rc, "waiting for the keys of other servers") : 0;
}

void mx_keys_keep(struct mx_server *server, const char *from, const struct mx_key_answer *answer, struct gg_arena *arena)
{
    struct mx_keyring *k = keyring_of(server);
    struct gg_error err = GG_ERROR_INIT;
    if (mx_server_keys_store(server, gg_str(from), gg_wall_ms(), answer, arena, &err))
        gg_warn(&logger, "keys of %.*s could not be kept: %s", GG_FMT(answer->server), err.message);
    /* storing made everybody forget, us too: what is kept from here on is what was stored */
    for (size_t i = 0; i < answer->n; i++)
        to_cache(k, answer->server, answer->keys[i].id, answer->keys[i].public_key, answer->keys[i].valid_until_ms,
                 mx_cache_tick(k->cache));
}

/* ---- the part ---- */

static int keyring_make(struct mx_server *server, struct gg_error *err)
{
    static const struct mx_cache_def def = {.name = "server_signing_keys", .max_bytes = CACHE_BYTES};
    struct mx_keyring *k = gg_xcalloc(1, sizeof(*k));
    server->keyring = k;
    k->arena = gg_arena_new();
    int rc = mx_key_config_read(server, k->arena, &k->config, err);
    if (rc) {
        gg_arena_free(k->arena);
        free(k);
        server->keyring = NULL;
        return rc;
    }
    k->cache = mx_cache_new(server, &def);
    k->fetcher = mx_key_fetcher_new(server, &k->config);
    mx_caches_on(server, "_get_server_keys_json", forget, k);
    return 0;
}

static int keyring_check(const struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_key_config config;
    int rc = mx_key_config_read(server, arena, &config, err);
    gg_arena_free(arena);
    return rc;
}

static void keyring_stop(struct mx_server *server)
{
    mx_key_fetcher_stop(keyring_of(server)->fetcher);
}

static void keyring_free(struct mx_server *server)
{
    struct mx_keyring *k = keyring_of(server);
    mx_key_fetcher_free(k->fetcher);
    gg_arena_free(k->arena);
    free(k);
    server->keyring = NULL;
}

const struct mx_part mx_part_keyring = {
    .name = "keyring", .make = keyring_make, .stop = keyring_stop, .free = keyring_free, .check = keyring_check};
