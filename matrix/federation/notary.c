/* matrix/federation/notary.c: hands on the keys of other servers, signed by us (server-server API, "Querying Keys Through
 * Another Server"). */
#include "federation/keys.h"
#include "federation/own_keys.h"

#include "storage/federation/server_keys.h"

#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

enum { KEPT_DEPTH = 50 };

/* ---- the question ---- */

static int bad(struct gg_error *err, const char *what)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "server_keys: %s", what);
}

static int read_ids(const struct mx_json *map, struct gg_arena *arena, struct mx_notary_ask *out, struct gg_error *err)
{
    if (map->kind != MX_JSON_OBJECT)
        return bad(err, "not an object of key ids");
    if (map->n > MX_NOTARY_IDS_MAX)
        return gg_refuse(err, 413, "M_TOO_LARGE", "Too many key ids at once");
    struct mx_notary_id *ids = GG_NEW_ARRAY(arena, struct mx_notary_id, map->n ? map->n : 1);
    for (uint32_t i = 0; i < map->n; i++) {
        const struct mx_json *criteria = map->members[i].value, *least;
        if (criteria->kind != MX_JSON_OBJECT)
            return bad(err, "criteria are no object");
        least = mx_json_member(criteria, "minimum_valid_until_ts");
        ids[i] = (struct mx_notary_id){map->members[i].key, -1};
        if (least && least->kind != MX_JSON_NULL &&
            (least->kind != MX_JSON_NUMBER || !mx_json_i64(least->text, &ids[i].valid_until_ms)))
            return bad(err, "minimum_valid_until_ts is no integer");
        if (mx_key_id_usable(ids[i].id))
            ids[out->n++] = ids[i]; /* no server can have others */
    }
    out->ids = map->n ? ids : NULL;
    return 0;
}

int mx_notary_read(const struct mx_json *body, struct gg_arena *arena, struct mx_notary_ask **out, size_t *n_out,
                   struct gg_error *err)
{
    const struct mx_json *map = mx_json_member(body, "server_keys");
    *n_out = 0;
    if (body->kind == MX_JSON_OBJECT && !map)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "server_keys: missing");
    if (!map || map->kind != MX_JSON_OBJECT)
        return bad(err, "not an object");
    if (map->n > MX_NOTARY_SERVERS_MAX)
        return gg_refuse(err, 413, "M_TOO_LARGE", "Too many servers at once");
    *out = GG_NEW_ARRAY(arena, struct mx_notary_ask, map->n ? map->n : 1);
    for (uint32_t i = 0; i < map->n; i++) {
        struct mx_notary_ask *ask = &(*out)[*n_out];
        *ask = (struct mx_notary_ask){.server = map->members[i].key}; /* one left out had this place before */
        int rc = read_ids(map->members[i].value, arena, ask, err);
        if (rc)
            return rc;
        *n_out += mx_server_name_valid(ask->server) && ask->server.n <= MX_ID_MAX;
    }
    return 0;
}

/* ---- the answer ---- */

struct held {
    struct mx_kept_answer *answers;
    size_t n;
};

static const struct mx_kept_answer *find(const struct held *held, struct gg_str id)
{
    for (size_t i = 0; i < held->n; i++)
        if (gg_str_eq(held->answers[i].key_id, id))
            return &held->answers[i];
    return NULL;
}

/* Without a wish of the asker's, an answer is fresh for the first half of its life. */
static bool fresh(const struct mx_kept_answer *answer, int64_t least_ms, int64_t now_ms)
{
    if (!answer)
        return false;
    return least_ms >= 0 ? answer->valid_until_ms >= least_ms
                         : answer->added_ms / 2 + answer->valid_until_ms / 2 >= now_ms;
}

static bool satisfied(const struct mx_notary_ask *ask, const struct held *held, int64_t now_ms)
{
    bool ok = ask->ids || held->n; /* of everything: anything will do */
    for (size_t i = 0; ask->ids && i < ask->n && ok; i++)
        ok = fresh(find(held, ask->ids[i].id), ask->ids[i].valid_until_ms, now_ms);
    return ok;
}

static int look_up(struct mx_server *server, const struct mx_notary_ask *ask, struct gg_arena *arena, struct held *out,
                   struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, ask->n ? ask->n : 1);
    for (size_t i = 0; i < ask->n; i++)
        ids[i] = ask->ids[i].id;
    return mx_server_keys_answers(server, ask->server, ask->ids ? ids : NULL, ask->n, arena, &out->answers, &out->n, err);
}

static void add(struct mx_server *server, struct mx_json *object, struct gg_arena *arena, struct gg_buf *out)
{
    const struct mx_key_config *config = mx_key_config(server);
    for (size_t i = 0; i < config->n_notary_keys; i++)
        mx_json_sign(object, server->name, &config->notary_keys[i], arena);
    if (out->data[out->n - 1] != '[')
        gg_buf_char(out, ',');
    mx_json_write(out, object);
}

/* One answer may stand for several keys: it is told once. */
static void add_held(struct mx_server *server, const struct held *held, struct gg_arena *arena, struct gg_buf *out)
{
    struct gg_map *told = gg_map_new(NULL);
    for (size_t i = 0; i < held->n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct mx_json *object;
        if (gg_map_has(told, held->answers[i].text))
            continue;
        gg_map_put(told, held->answers[i].text, NULL);
        if (!mx_json_parse(held->answers[i].text, KEPT_DEPTH, arena, &object, &err) && object->kind == MX_JSON_OBJECT)
            add(server, object, arena, out);
    }
    gg_map_free(told);
}

/* Looks all up; names of those that have to be asked go to names. */
static int look_up_all(struct mx_server *server, const struct mx_notary_ask *asks, size_t n, struct gg_arena *arena,
                       struct held *held, bool *want, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (!want[i] || gg_str_is(asks[i].server, server->name)) {
            want[i] = false;
            continue;
        }
        rc = look_up(server, &asks[i], arena, &held[i], err);
        want[i] = !rc && !satisfied(&asks[i], &held[i], gg_wall_ms());
    }
    return rc;
}

static int fetch(struct mx_server *server, const struct mx_notary_ask *asks, size_t n, const bool *want,
                 struct gg_arena *arena, bool *any)
{
    struct gg_str *names = GG_NEW_ARRAY(arena, struct gg_str, n ? n : 1);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (want[i])
            names[m++] = asks[i].server;
    *any = m > 0;
    return m ? mx_key_fetch_servers(mx_key_fetcher_of(server), names, m, MX_KEYS_ANEW) : 0;
}

int mx_notary_answer(struct mx_server *server, const struct mx_notary_ask *asks, size_t n, struct gg_arena *arena,
                     struct gg_buf *out, struct gg_error *err)
{
    struct held *held = GG_NEW_ARRAY(arena, struct held, n ? n : 1);
    bool *want = GG_NEW_ARRAY(arena, bool, n ? n : 1), any;
    memset(want, true, n * sizeof(want[0]));
    int rc = look_up_all(server, asks, n, arena, held, want, err);
    if (!rc && (rc = fetch(server, asks, n, want, arena, &any)))
        rc = gg_fail(err, rc, "waiting for the keys of other servers");
    if (!rc && any)
        rc = look_up_all(server, asks, n, arena, held, want, err);
    if (rc)
        return rc;
    gg_buf_lit(out, "{\"server_keys\":[");
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(asks[i].server, server->name))
            add(server, mx_own_keys(server, gg_wall_ms(), arena), arena, out);
        else
            add_held(server, &held[i], arena, out);
    gg_buf_lit(out, "]}");
    return 0;
}
