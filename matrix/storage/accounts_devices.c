/* accounts_devices.c: the table devices and the streams that tell of its changes. */
#include <ganglion/matrix/cache.h>

#include "storage/accounts.h"

#define DEVICE_COLUMNS "device_id, display_name, ip, last_seen, user_agent"

static void read_device(const struct gg_rows *rows, size_t row, struct mx_device *out)
{
    *out = (struct mx_device){.device_id = gg_rows_str(rows, row, 0),
                              .display_name = gg_rows_str(rows, row, 1),
                              .ip = gg_rows_str(rows, row, 2),
                              .last_seen = gg_rows_i64(rows, row, 3),
                              .agent = gg_rows_str(rows, row, 4)};
}

int mx_devices_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_device **out,
                    size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT " DEVICE_COLUMNS " FROM devices WHERE user_id = $1 AND NOT coalesce(hidden, false)", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_device, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        read_device(rows, i, &(*out)[i]);
    return 0;
}

int mx_devices_get(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena,
                   struct mx_device *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT " DEVICE_COLUMNS " FROM devices WHERE user_id = $1 AND device_id = $2 "
                                        "AND NOT coalesce(hidden, false)",
                                        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_device){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(device_id)), arena, &rows, err);
    if (!status && gg_rows_count(rows))
        read_device(rows, 0, out);
    return status;
}

struct edit {
    struct gg_str key[2]; /* user, device */
    struct gg_str display_name;
    struct gg_arena *arena;
    struct mx_forget forget;
    bool touched, hidden;
};

static int announce(struct edit *e, struct gg_txn *txn, struct gg_error *err)
{
    mx_forget_add(&e->forget, "get_device", e->key, 2);
    return mx_forget_write(&e->forget, txn, err);
}

/* stmt: ($1 user, $2 device, $3 display name). */
static int touch(struct edit *e, struct gg_txn *txn, const struct gg_stmt *stmt, struct gg_error *err)
{
    struct gg_rows *rows;
    mx_forget_again(&e->forget);
    int status = gg_txn_exec(txn, stmt, GG_PARAMS(gg_p_str(e->key[0]), gg_p_str(e->key[1]), gg_p_str(e->display_name)),
                             e->arena, &rows, err);
    e->touched = !status && gg_rows_affected(rows) > 0;
    return status;
}

static int register_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO devices (user_id, device_id, display_name, hidden) VALUES ($1, $2, $3, false) "
        "ON CONFLICT (user_id, device_id) DO NOTHING",
        0};
    static const struct gg_stmt look = {
        "SELECT coalesce(hidden, false) FROM devices WHERE user_id = $1 AND device_id = $2", 0};
    struct edit *e = arg;
    struct gg_rows *rows;
    int status = touch(e, txn, &stmt, err);
    if (!status && !e->touched) {
        status = gg_txn_exec(txn, &look, GG_PARAMS(gg_p_str(e->key[0]), gg_p_str(e->key[1])), e->arena, &rows, err);
        e->hidden = !status && gg_rows_count(rows) && gg_rows_bool(rows, 0, 0);
    }
    return status ? status : announce(e, txn, err);
}

static int rename_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2 AND NOT coalesce(hidden, false)",
        0};
    struct edit *e = arg;
    int status = touch(e, txn, &stmt, err);
    return !status && e->touched ? announce(e, txn, err) : status;
}

static int edit(struct mx_server *server, struct edit *e, const char *name, gg_txn_fn *body, struct gg_error *err)
{
    e->arena = gg_arena_new();
    mx_forget_begin(&e->forget, server, e->arena);
    int status = gg_db_txn(server->db, name, 0, body, e, err);
    mx_forget_end(&e->forget, gg_maybe_committed(status));
    gg_arena_free(e->arena);
    return status;
}

int mx_devices_register(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                        struct gg_str display_name, bool *new_out, struct gg_error *err)
{
    struct edit e = {.key = {user_id, device_id}, .display_name = display_name};
    int status = edit(server, &e, "store_device", register_body, err);
    *new_out = e.touched;
    if (!status && e.hidden)
        return gg_refuse(err, 400, "M_FORBIDDEN", "The device ID is in use");
    return status;
}

int mx_devices_rename(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                      struct gg_str display_name, struct gg_error *err)
{
    struct edit e = {.key = {user_id, device_id}, .display_name = display_name};
    int status = edit(server, &e, "update_device", rename_body, err);
    if (!status && !e.touched)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    return status;
}

/* ---- the streams ---- */

struct change {
    struct mx_server *server;
    struct gg_str user_id;
    const struct gg_str *devices;
    size_t n;
    int64_t *spent; /* of all tries: each must be finished */
    size_t n_spent;
};

static int change_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt remove = {
        "DELETE FROM device_lists_stream WHERE user_id = $1 AND device_id = ANY($2::text[])", 0};
    static const struct gg_stmt add = {
        "INSERT INTO device_lists_stream (stream_id, user_id, device_id, instance_name) "
        "SELECT id, $1, device, $4 FROM unnest($2::text[], $3::bigint[]) AS v (device, id)",
        0};
    static const struct gg_stmt add_rooms = {
        "INSERT INTO device_lists_changes_in_room (user_id, device_id, room_id, stream_id, converted_to_destinations, "
        "opentracing_context, instance_name, inserted_ts) "
        "SELECT $1, device, room_id, id, false, '{}', $4, $5::bigint FROM unnest($2::text[], $3::bigint[]) "
        "AS v (device, id), local_current_membership AS m WHERE m.user_id = $1 AND m.membership = 'join'",
        0};
    /* Of users of other servers: nobody else is to be told. */
    static const struct gg_stmt add_shared_rooms = {
        "INSERT INTO device_lists_changes_in_room (user_id, device_id, room_id, stream_id, converted_to_destinations, "
        "opentracing_context, instance_name, inserted_ts) "
        "SELECT $1, device, room_id, id, true, '{}', $4, $5::bigint FROM unnest($2::text[], $3::bigint[]) AS v (device, id), "
        "current_state_events AS m WHERE m.type = 'm.room.member' AND m.state_key = $1 AND m.membership = 'join'",
        0};
    struct change *c = arg;
    const char *instance = gg_host_instance(c->server->host);
    int64_t *ids = c->spent + c->n_spent;
    int status = gg_stream_allocate(c->server->device_lists, txn, c->n, ids, err);
    if (status)
        return status;
    c->n_spent += c->n;
    status = gg_txn_queue(txn, &remove, GG_PARAMS(gg_p_str(c->user_id), gg_p_texts(c->devices, c->n)), err);
    if (!status)
        status = gg_txn_queue(
            txn, &add,
            GG_PARAMS(gg_p_str(c->user_id), gg_p_texts(c->devices, c->n), gg_p_i64s(ids, c->n), gg_p_text(instance)),
            err);
    if (!status)
        status = gg_txn_queue(txn, mx_is_mine(c->server, c->user_id) ? &add_rooms : &add_shared_rooms,
                              GG_PARAMS(gg_p_str(c->user_id), gg_p_texts(c->devices, c->n), gg_p_i64s(ids, c->n),
                                        gg_p_text(instance), gg_p_i64(gg_wall_ms())),
                              err);
    return status;
}

/* The ids of the last try stand for the devices, one each: [user, no signature, no destinations]. */
static void finish(struct change *c, struct gg_arena *arena)
{
    const int64_t *ids = c->spent + (c->n_spent - c->n);
    struct gg_fetched *rows = GG_NEW_ARRAY(arena, struct gg_fetched, c->n);
    struct gg_buf row = GG_BUF_INIT;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, c->user_id);
    gg_buf_lit(&row, ",false,false]");
    for (size_t i = 0; i < c->n; i++)
        rows[i] = (struct gg_fetched){ids[i], gg_buf_view(&row)};
    gg_stream_finish_rows(c->server->device_lists, c->spent, c->n_spent, rows, c->n);
    gg_buf_done(&row);
}

int mx_devices_write_change(struct mx_server *server, struct gg_str user_id, const struct gg_str *device_ids, size_t n,
                            struct gg_error *err)
{
    enum { TRIES = 5 }; /* as often as gg_db_txn runs a body */
    if (!n)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct change c = {.server = server,
                       .user_id = user_id,
                       .devices = device_ids,
                       .n = n,
                       .spent = GG_NEW_ARRAY(arena, int64_t, n * TRIES)};
    int status = gg_db_txn(server->db, "add_device_change_to_streams", 0, change_body, &c, err);
    if (!gg_maybe_committed(status))
        gg_stream_finish(server->device_lists, c.spent, c.n_spent);
    else
        finish(&c, arena);
    gg_arena_free(arena);
    return status;
}
