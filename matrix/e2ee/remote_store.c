/* matrix/e2ee/remote_store.c: the rows of devices and cross-signing keys of users of other servers (facts database 4.12). */
#include "e2ee/remote_devices.h"

#include "e2ee/cross_signing.h"
#include "e2ee/text.h"
#include "storage/accounts.h"

#include <ganglion/matrix/cache.h>

struct storing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id, stream_id;
    struct gg_str *ids, *texts, *gone; /* devices that are, and those that are no more */
    size_t n, n_gone;
    bool whole;                        /* ids are all that there are */
    struct mx_forget forget;
};

static int store_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt remove = {
        "DELETE FROM device_lists_remote_cache WHERE user_id = $1 AND ($3 OR device_id = ANY ($2::text[]))", 0};
    static const struct gg_stmt put = {
        "INSERT INTO device_lists_remote_cache (user_id, device_id, content) SELECT $1, id, content"
        " FROM unnest($2::text[], $3::text[]) AS d (id, content)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET content = excluded.content", 0};
    static const struct gg_stmt move = {
        "INSERT INTO device_lists_remote_extremeties (user_id, stream_id) VALUES ($1, $2)"
        " ON CONFLICT (user_id) DO UPDATE SET stream_id = excluded.stream_id", 0};
    static const struct gg_stmt fresh = {"DELETE FROM device_lists_remote_resync WHERE user_id = $1", 0};
    struct storing *s = arg;
    mx_forget_again(&s->forget);
    int rc = 0;
    if (s->whole || s->n_gone > 0)
        rc = gg_txn_queue(txn, &remove, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(s->gone, s->n_gone), gg_p_bool(s->whole)), err);
    if (rc == 0 && s->n > 0)
        rc = gg_txn_queue(txn, &put, GG_PARAMS(gg_p_str(s->user_id), gg_p_texts(s->ids, s->n), gg_p_texts(s->texts, s->n)), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &move, GG_PARAMS(gg_p_str(s->user_id), gg_p_str(s->stream_id)), err);
    if (rc == 0 && s->whole)
        rc = gg_txn_queue(txn, &fresh, GG_PARAMS(gg_p_str(s->user_id)), err);
    if (rc != 0)
        return rc;
    mx_forget_add(&s->forget, "get_device_list_last_stream_id_for_remote", &s->user_id, 1);
    return mx_forget_write(&s->forget, txn, err);
}

static int store(struct mx_server *server, struct gg_str user_id, const struct mx_remote_device *devices, size_t n, bool whole,
                 struct gg_str stream_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct storing s = {.server = server, .arena = arena, .user_id = user_id, .stream_id = stream_id, .whole = whole,
                        .ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1), .texts = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                        .gone = GG_NEW_ARRAY(arena, struct gg_str, n + 1)};
    for (size_t i = 0; i < n; i++) {
        if (devices[i].content.s == NULL) {
            s.gone[s.n_gone++] = devices[i].device_id;
            continue;
        }
        s.ids[s.n] = devices[i].device_id;
        s.texts[s.n++] = devices[i].content;
    }
    mx_forget_begin(&s.forget, server, arena);
    int rc = gg_db_txn(server->db, "update_remote_device_list_cache", 0, store_body, &s, err);
    mx_forget_end(&s.forget, gg_maybe_committed(rc));
    gg_arena_free(arena);
    return rc;
}

int mx_remote_store_devices(struct mx_server *server, struct gg_str user_id, const struct mx_remote_device *devices, size_t n,
                            struct gg_str stream_id, struct gg_error *err)
{
    return store(server, user_id, devices, n, false, stream_id, err);
}

int mx_remote_store_list(struct mx_server *server, struct gg_str user_id, const struct mx_remote_list *list, struct gg_error *err)
{
    return store(server, user_id, list->devices, list->n, true, list->stream_id, err);
}

/* ---- cross-signing keys ---- */

struct crossing {
    struct mx_server *server;
    struct gg_str user_id;
    struct gg_str names[2], texts[2];
    size_t n;
    struct mx_forget forget;
};

static int cross_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "INSERT INTO e2e_cross_signing_keys (user_id, keytype, keydata, stream_id, instance_name)"
        " SELECT $1, name, json, nextval('e2e_cross_signing_keys_sequence'), $4 FROM unnest($2::text[], $3::text[]) AS k (name, json)", 0};
    struct crossing *c = arg;
    mx_forget_again(&c->forget);
    int rc = gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_str(c->user_id), gg_p_texts(c->names, c->n), gg_p_texts(c->texts, c->n),
                                                  gg_p_text(gg_host_instance(c->server->host))), err);
    if (rc != 0)
        return rc;
    mx_forget_add(&c->forget, "_get_bare_e2e_cross_signing_keys", &c->user_id, 1);
    return mx_forget_write(&c->forget, txn, err);
}

/* What is no key, or is the one that we hold, is passed over. */
static void take_cross(struct crossing *c, enum mx_cross_kind kind, struct gg_str json, const struct mx_cross_keys *held,
                       struct gg_arena *arena, struct gg_str *ids, size_t *n)
{
    struct mx_cross_key key;
    struct mx_cross_upload one = {{{0}}};
    one.json[kind] = json;
    if (json.s == NULL || !mx_cross_key_read(json, arena, &key) || !mx_cross_differs(&one, held, arena))
        return;
    c->names[c->n] = gg_str(mx_cross_names[kind]);
    c->texts[c->n++] = json;
    ids[(*n)++] = key.public_id;
}

int mx_remote_store_cross(struct mx_server *server, struct gg_str user_id, struct gg_str master, struct gg_str self_signing,
                          struct gg_arena *arena, struct gg_str *ids, size_t *n, struct gg_error *err)
{
    struct crossing c = {.server = server, .user_id = user_id};
    struct mx_cross_keys held;
    *n = 0;
    if (master.s == NULL && self_signing.s == NULL)
        return 0;
    int rc = mx_cross_keys_get(server, user_id, arena, &held, err);
    if (rc != 0)
        return rc;
    take_cross(&c, MX_CROSS_MASTER, master, &held, arena, ids, n);
    take_cross(&c, MX_CROSS_SELF, self_signing, &held, arena, ids, n);
    if (c.n == 0)
        return 0;
    mx_forget_begin(&c.forget, server, arena);
    rc = gg_db_txn(server->db, "store_remote_cross_signing_keys", 0, cross_body, &c, err);
    mx_forget_end(&c.forget, gg_maybe_committed(rc));
    return rc;
}

/* ---- who is tracked, who is stale ---- */

int mx_remote_mark_stale(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO device_lists_remote_resync (user_id, added_ts) SELECT DISTINCT id, $2::bigint FROM unnest($1::text[]) AS u (id)"
        " ON CONFLICT (user_id) DO NOTHING", 0};
    return n > 0 ? gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_texts(users, n), gg_p_i64(gg_wall_ms())), NULL, NULL, err) : 0;
}

int mx_remote_extremity(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str *out,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT stream_id FROM device_lists_remote_extremeties WHERE user_id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}

int mx_remote_shares_room(struct mx_server *server, struct gg_str user_id, bool *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT 1 FROM current_state_events WHERE type = 'm.room.member' AND state_key = $1 AND membership = 'join' LIMIT 1",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0;
    gg_arena_free(arena);
    return rc;
}
