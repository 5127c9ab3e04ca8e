/* matrix/e2ee/outbound.c: EDUs about our users' devices (facts database 4.12).
 *
 * Each update names the one before it, so that a server that missed one notices: the last one that it took
 * (device_lists_outbound_last_success), then each in turn. */
#include "e2ee/outbound.h"

#include "e2ee/key_rows.h"
#include "e2ee/text.h"

#include <ganglion/config.h>

struct poke {
    int64_t stream_id;
    struct gg_str user_id, device_id;
    bool superseded;       /* a later one is about the same device */
    size_t device;         /* 1 + row of the device; 0: it is gone */
    bool cross;            /* no device, but a cross-signing key */
};
struct outbound {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str destination;
    struct poke *pokes;
    size_t n;
    struct gg_str *users;  /* each once */
    size_t n_users;
    struct mx_key_rows rows;
    struct gg_map *previous; /* user id -> the position that the next update follows on, as text in the arena */
    bool names;
    struct mx_device_edu *out;
    size_t n_out;
};

static void free_map(void *map)
{
    gg_map_free(map);
}

static struct gg_map *map_in(struct gg_arena *arena)
{
    struct gg_map *map = gg_map_new(NULL);
    gg_arena_defer(arena, free_map, map);
    return map;
}

static struct gg_str pair(const struct outbound *o, struct gg_str user_id, struct gg_str device_id)
{
    return gg_str(gg_arena_printf(o->arena, "%.*s\x1f%.*s", GG_FMT(user_id), GG_FMT(device_id)));
}

/* ---- reading ---- */

static int read_pokes(struct outbound *o, int64_t from, int64_t to, size_t limit, int64_t *upto, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT stream_id, user_id, device_id FROM device_lists_outbound_pokes WHERE destination = $1 AND stream_id > $2"
        " AND stream_id <= $3 AND NOT coalesce(sent, false) ORDER BY stream_id LIMIT $4", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(o->server->db, &stmt, GG_PARAMS(gg_p_str(o->destination), gg_p_i64(from), gg_p_i64(to),
                                                        gg_p_i64((int64_t)limit)), o->arena, &rows, err);
    if (rc != 0)
        return rc;
    o->n = gg_rows_count(rows);
    o->pokes = GG_NEW_ARRAY(o->arena, struct poke, o->n + 1);
    for (size_t i = 0; i < o->n; i++)
        o->pokes[i] = (struct poke){.stream_id = gg_rows_i64(rows, i, 0), .user_id = gg_rows_str(rows, i, 1),
                                    .device_id = gg_rows_str(rows, i, 2)};
    *upto = o->n == limit && limit > 0 ? o->pokes[o->n - 1].stream_id : to;
    return 0;
}

/* Of each device the last change counts: it tells all. */
static struct mx_key_query *wanted(struct outbound *o, size_t *n)
{
    struct mx_key_query *queries = GG_NEW_ARRAY(o->arena, struct mx_key_query, o->n + 1);
    struct gg_map *devices = map_in(o->arena), *users = map_in(o->arena);
    o->users = GG_NEW_ARRAY(o->arena, struct gg_str, o->n + 1);
    *n = 0;
    for (size_t i = o->n; i-- > 0;) {
        struct poke *p = &o->pokes[i];
        struct gg_str name = pair(o, p->user_id, p->device_id);
        p->superseded = gg_map_has(devices, name);
        if (p->superseded)
            continue;
        gg_map_put(devices, name, NULL);
        queries[(*n)++] = (struct mx_key_query){p->user_id, p->device_id};
        if (!gg_map_has(users, p->user_id)) {
            gg_map_put(users, p->user_id, NULL);
            o->users[o->n_users++] = p->user_id;
        }
    }
    return queries;
}

static int read_previous(struct outbound *o, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT user_id, max(stream_id)::text FROM device_lists_outbound_last_success WHERE destination = $1"
        " AND user_id = ANY ($2::text[]) GROUP BY user_id", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(o->server->db, &stmt, GG_PARAMS(gg_p_str(o->destination), gg_p_texts(o->users, o->n_users)), o->arena,
                        &rows, err);
    o->previous = map_in(o->arena);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        gg_map_put(o->previous, gg_rows_str(rows, i, 0), gg_arena_strdup(o->arena, gg_rows_str(rows, i, 1).s));
    return rc;
}

static void place_devices(struct outbound *o)
{
    struct gg_map *found = map_in(o->arena);
    for (size_t i = 0; i < gg_rows_count(o->rows.devices); i++)
        gg_map_put(found, pair(o, gg_rows_str(o->rows.devices, i, 0), gg_rows_str(o->rows.devices, i, 1)),
                   (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < o->n; i++)
        o->pokes[i].device = (size_t)(uintptr_t)gg_map_get(found, pair(o, o->pokes[i].user_id, o->pokes[i].device_id));
}

/* ---- writing ---- */

static void add(struct outbound *o, const char *type, struct gg_str content)
{
    o->out[o->n_out++] = (struct mx_device_edu){type, content};
}

static void write_update(struct outbound *o, const struct poke *p)
{
    struct gg_buf out = GG_BUF_INIT;
    const char *previous = gg_map_get(o->previous, p->user_id);
    gg_buf_lit(&out, "{\"user_id\":");
    gg_buf_json_string(&out, p->user_id);
    gg_buf_lit(&out, ",\"device_id\":");
    gg_buf_json_string(&out, p->device_id);
    gg_buf_printf(&out, ",\"prev_id\":[%s],\"stream_id\":%lld", previous != NULL ? previous : "", (long long)p->stream_id);
    if (p->device == 0) {
        gg_buf_lit(&out, ",\"deleted\":true");
    } else {
        struct gg_str keys = mx_key_rows_device(&o->rows, p->device - 1), name = gg_rows_str(o->rows.devices, p->device - 1, 2);
        if (keys.s != NULL) {
            gg_buf_lit(&out, ",\"keys\":");
            gg_buf_str(&out, keys);
        }
        if (o->names && name.s != NULL) {
            gg_buf_lit(&out, ",\"device_display_name\":");
            gg_buf_json_string(&out, name);
        }
    }
    gg_buf_char(&out, '}');
    add(o, "m.device_list_update", mx_e2ee_moved(&out, o->arena));
    gg_map_put(o->previous, p->user_id, gg_arena_printf(o->arena, "%lld", (long long)p->stream_id));
}

/* Is the poke about one of the user's cross-signing keys as they are now? */
static bool names_cross(struct outbound *o, const struct poke *p, enum mx_cross_kind kind, struct gg_str *json)
{
    *json = p->device == 0 ? mx_key_rows_find_cross(&o->rows, p->user_id, kind) : (struct gg_str){0};
    return json->s != NULL && gg_str_eq(mx_cross_public_part(*json, o->arena), p->device_id);
}

/* All keys of a user that changed travel together, under both names. */
static void write_cross(struct outbound *o, struct gg_str user_id)
{
    struct gg_str keys[2] = {{0}}, json;
    for (size_t i = 0; i < o->n; i++)
        for (enum mx_cross_kind kind = MX_CROSS_MASTER; kind <= MX_CROSS_SELF; kind++)
            if (!o->pokes[i].superseded && gg_str_eq(o->pokes[i].user_id, user_id) && names_cross(o, &o->pokes[i], kind, &json)) {
                keys[kind] = json;
                o->pokes[i].cross = true;
            }
    if (keys[0].s == NULL && keys[1].s == NULL)
        return;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"user_id\":");
    gg_buf_json_string(&out, user_id);
    for (enum mx_cross_kind kind = MX_CROSS_MASTER; kind <= MX_CROSS_SELF; kind++)
        if (keys[kind].s != NULL) {
            gg_buf_printf(&out, ",\"%s_key\":", mx_cross_names[kind]);
            gg_buf_str(&out, keys[kind]);
        }
    gg_buf_char(&out, '}');
    struct gg_str content = mx_e2ee_moved(&out, o->arena);
    add(o, "m.signing_key_update", content);
    add(o, "org.matrix.signing_key_update", content);
}

int mx_device_list_edus(struct mx_server *server, struct gg_str destination, int64_t from, int64_t to, size_t limit,
                        struct gg_arena *arena, struct mx_device_edu **out, size_t *n_out, int64_t *upto, struct gg_error *err)
{
    struct outbound o = {.server = server, .arena = arena, .destination = destination,
                         .names = gg_config_bool(server->config, "allow_device_name_lookup_over_federation")};
    size_t n_queries;
    int64_t here = gg_stream_upto(server->device_lists);
    *n_out = 0;
    to = to < here ? to : here; /* beyond it something may still be written */
    int rc = read_pokes(&o, from, to, limit, upto, err);
    if (rc != 0 || o.n == 0)
        return rc;
    struct mx_key_query *queries = wanted(&o, &n_queries);
    rc = mx_key_rows_read(server, o.users, o.n_users, queries, n_queries, arena, &o.rows, err);
    if (rc == 0)
        rc = read_previous(&o, err);
    if (rc != 0)
        return rc;
    o.out = GG_NEW_ARRAY(arena, struct mx_device_edu, o.n + 2 * o.n_users + 1);
    place_devices(&o);
    for (size_t i = 0; i < o.n_users; i++)
        write_cross(&o, o.users[i]);
    for (size_t i = 0; i < o.n; i++)
        if (!o.pokes[i].superseded && !o.pokes[i].cross)
            write_update(&o, &o.pokes[i]);
    *out = o.out;
    *n_out = o.n_out;
    return 0;
}

/* ---- delivered ---- */

struct sent {
    struct gg_str destination;
    int64_t upto;
};

/* Updates of signing keys, whose names are hidden devices, are no link of the chain. */
static int sent_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt note = {
        "INSERT INTO device_lists_outbound_last_success (destination, user_id, stream_id) SELECT destination, user_id,"
        " max(stream_id) FROM device_lists_outbound_pokes p WHERE destination = $1 AND stream_id <= $2 AND NOT EXISTS (SELECT 1"
        " FROM devices d WHERE d.user_id = p.user_id AND d.device_id = p.device_id AND d.hidden) GROUP BY destination, user_id"
        " ON CONFLICT (destination, user_id) DO UPDATE SET stream_id = excluded.stream_id", 0};
    static const struct gg_stmt forget = {"DELETE FROM device_lists_outbound_pokes WHERE destination = $1 AND stream_id <= $2", 0};
    const struct sent *s = arg;
    int rc = gg_txn_queue(txn, &note, GG_PARAMS(gg_p_str(s->destination), gg_p_i64(s->upto)), err);
    return rc == 0 ? gg_txn_queue(txn, &forget, GG_PARAMS(gg_p_str(s->destination), gg_p_i64(s->upto)), err) : rc;
}

int mx_device_lists_sent(struct mx_server *server, struct gg_str destination, int64_t upto, struct gg_error *err)
{
    struct sent s = {destination, upto};
    return gg_db_txn(server->db, "mark_as_sent_devices_by_remote", 0, sent_body, &s, err);
}

int mx_device_list_destinations(struct mx_server *server, int64_t from, int64_t to, struct gg_arena *arena, struct gg_str **out,
                                size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT destination FROM device_lists_outbound_pokes WHERE stream_id > $1 AND stream_id <= $2", GG_LANE_POINT};
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(to)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}
