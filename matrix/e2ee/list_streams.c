/* matrix/e2ee/list_streams.c: the device_lists stream: its rows, its followers, and signatures that it tells of
 * (facts database 4.12, replication 5.10). What writes a change of devices is in storage/accounts_devices.c. */
#include "e2ee/device_lists.h"
#include "e2ee/e2ee.h"
#include "e2ee/known_keys.h"
#include "e2ee/outbound.h"
#include "e2ee/remote_devices.h"
#include "e2ee/streams.h"
#include "e2ee/text.h"
#include "userdata/streams.h"

#include <ganglion/log.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>

static struct gg_logger logger = {"ganglion.e2ee"};

/* [user, is it a signature?, are the destinations known?] */
static const struct gg_stmt fetch_rows = {
    "SELECT id, user_id, signature, hosts FROM ("
    " SELECT stream_id AS id, user_id, 'false' AS signature, 'false' AS hosts FROM device_lists_stream"
    " WHERE stream_id > $1 AND stream_id <= $2"
    " UNION ALL SELECT DISTINCT stream_id, user_id, 'false', 'true' FROM device_lists_outbound_pokes"
    " WHERE stream_id > $1 AND stream_id <= $2"
    " UNION ALL SELECT stream_id, from_user_id, 'true', 'false' FROM user_signature_stream"
    " WHERE stream_id > $1 AND stream_id <= $2) r ORDER BY id LIMIT $3", GG_LANE_SCAN};

int mx_device_lists_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                          struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached,
                          struct gg_error *err)
{
    return mx_fetch_rows(self, &fetch_rows, "tjj", from, to, limit, arena, out, n_out, reached, err);
}

/* ---- following: which rooms a change concerns is read behind the announcement ---- */

static int read_rooms(struct mx_server *server, int64_t from, int64_t to, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT room_id, max(stream_id) FROM device_lists_changes_in_room WHERE stream_id > $1 AND stream_id <= $2"
        " GROUP BY room_id", GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(to)), arena, &rows, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        mx_changes_note(server->e2ee->list_rooms, gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1));
    if (server->e2ee->rooms_known == from) /* else a writer that was behind has told of an older one meanwhile */
        server->e2ee->rooms_known = to;
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        mx_notify_room(server, gg_rows_str(rows, i, 0));
    return 0;
}

static void read_on(void *arg)
{
    enum { PAUSE_MS = 1000 };
    struct mx_server *server = arg;
    struct mx_e2ee *e = server->e2ee;
    int status = 0;
    while (e->rooms_known < e->list_seen && status == 0) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        if (read_rooms(server, e->rooms_known, e->list_seen, arena, &err) != 0) {
            gg_warn(&logger, "rooms of changed devices could not be read: %s", err.message);
            status = gg_sleep(PAUSE_MS);
        }
        gg_arena_free(arena);
    }
    e->reading = false;
}

static bool is_true(struct gg_str row, size_t column)
{
    struct mx_json_iter it = mx_json_iter(row);
    for (size_t i = 0; mx_json_next(&it); i++)
        if (i == column)
            return mx_json_true(it.value);
    return false;
}

static void heard(struct mx_e2ee *e, struct gg_str user_id, bool signature, int64_t token)
{
    mx_changes_note(e->list_users, user_id, token);
    if (signature)
        return;
    if (token > e->list_seen)
        e->list_seen = token;
    if (token <= e->rooms_known)
        e->rooms_known = token - 1;
}

/* Is it for this process to see to it that other servers hear of a change which that instance wrote? The first writer hears
 * of all; who wrote it tells the first writer, which may be a process of Synapse's that waits for that. */
static bool pokes(const struct mx_server *server, const char *instance)
{
    return mx_remote_is_keeper(server) || strcmp(instance, gg_host_instance(server->host)) == 0;
}

void mx_device_lists_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                           const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_server *server = self;
    struct mx_e2ee *e = server->e2ee;
    for (size_t i = 0; i < n; i++) {
        struct gg_str user_id = mx_row_text(rows[i].row, 0);
        if (user_id.s == NULL || is_true(rows[i].row, 2))
            continue;
        if (!moved) {
            heard(e, user_id, is_true(rows[i].row, 1), token);
            mx_known_keys_drop(server, user_id);
        } else {
            mx_notify_user(server, user_id);
        }
        if (moved && !is_true(rows[i].row, 1) && mx_is_mine(server, user_id) && pokes(server, instance))
            mx_pokes_soon(server);
    }
    if (moved && !e->reading && e->rooms_known < e->list_seen && e->scope != NULL)
        e->reading = gg_spawn(e->scope, "rooms of devices", read_on, server) != NULL;
}

/* ---- signatures ---- */

static int write_signatures(struct mx_server *server, struct gg_str user_id, const struct gg_str *of, size_t n,
                            struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO user_signature_stream (stream_id, from_user_id, user_ids, instance_name) VALUES ($1, $2, $3, $4)", 0};
    int64_t id;
    struct gg_buf list = GG_BUF_INIT;
    int rc = gg_stream_allocate(server->device_lists, NULL, 1, &id, err);
    if (rc != 0)
        return rc;
    mx_write_names(&list, of, n);
    rc = gg_db_write(server->db, &stmt,
                     GG_PARAMS(gg_p_i64(id), gg_p_str(user_id), gg_p_str(mx_e2ee_moved(&list, arena)),
                               gg_p_text(gg_host_instance(server->host))), arena, NULL, err);
    struct gg_buf row = GG_BUF_INIT;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, user_id);
    gg_buf_lit(&row, ",true,false]");
    if (gg_maybe_committed(rc))
        gg_stream_finish_rows(server->device_lists, &id, 1, &(struct gg_fetched){id, gg_buf_view(&row)}, 1);
    else
        gg_stream_finish(server->device_lists, &id, 1);
    gg_buf_done(&row);
    return rc;
}

static int ask_writer(struct mx_server *server, struct gg_str user_id, const struct gg_str *of, size_t n,
                      struct gg_arena *arena, struct gg_error *err)
{
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL, *body = json_object(), *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_stringn(of[i].s, of[i].n));
    json_object_set_new(body, "user_ids", ids);
    int rc = gg_repl_call(server->host, gg_stream_writer_of(server->device_lists, user_id), "notify_user_signature_update",
                          args, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    return rc;
}

int mx_signatures_changed(struct mx_server *server, struct gg_str user_id, const struct gg_str *of, size_t n,
                          struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int rc = gg_stream_is_writer(server->device_lists) ? write_signatures(server, user_id, of, n, arena, err)
                                                       : ask_writer(server, user_id, of, n, arena, err);
    gg_arena_free(arena);
    return rc;
}
