/* room_note: counts the events of each room and tells members of staff about it.
 *
 * A whole worker_app of somebody else's: it follows the events stream, keeps a table
 * of its own, and serves one authenticated route. Run one process of it:
 *
 *     worker_app: com.example.app.room_note
 *     worker_name: room_note1
 *     worker_listeners:
 *       - {type: http, port: 8090, resources: [{names: [client]}]}
 */
#include <ganglion/db.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/server.h>
#include <ganglion/plugin.h>
#include <stdlib.h>

#define MAX_WAITING 10000 /* events that were announced and are not counted yet */

static struct gg_logger logger = {.name = "com.example.app.room_note"};

struct note {
    struct mx_server *server;
    struct gg_scope *scope;
    struct gg_queue *rooms; /* char *: a room in which something happened */
    uint64_t dropped;
};

/* ---- the table ---- */

static const struct gg_migration migrations[] = {
    {1, "CREATE TABLE notes (room_id text PRIMARY KEY, events bigint NOT NULL, changed_at timestamptz NOT NULL)"},
    {0, NULL},
};

static void count_event(struct note *note, const char *room_id)
{
    static const struct gg_stmt count = {
        "INSERT INTO ganglion_room_note.notes AS n (room_id, events, changed_at) VALUES ($1::text, 1, now()) "
        "ON CONFLICT (room_id) DO UPDATE SET events = n.events + 1, changed_at = now()",
        GG_LANE_POINT};
    struct gg_error err = GG_ERROR_INIT;
    if (gg_db_write(note->server->db, &count, GG_PARAMS(gg_p_text(room_id)), NULL, NULL, &err) < 0)
        gg_err(&logger, "an event in %s is not counted: %s", room_id, err.message);
}

/* ---- following the stream ---- */

/* Called on the loop for every row; it may not wait, so it only takes a note. A row
 * is ["ev", [event_id, room_id, ...]]. */
static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                      const struct gg_row *rows, size_t n, bool moved)
{
    struct note *note = self;
    (void)stream, (void)instance, (void)token;
    for (size_t i = 0; moved && i < n; i++) {
        json_t *row = json_loadb(rows[i].row.s, rows[i].row.n, 0, NULL);
        const char *kind = json_string_value(json_array_get(row, 0));
        const char *room_id = json_string_value(json_array_get(json_array_get(row, 1), 1));
        char *copy = kind != NULL && strcmp(kind, "ev") == 0 && room_id != NULL ? strdup(room_id) : NULL;
        if (copy != NULL && !gg_queue_try_push(note->rooms, copy)) {
            note->dropped++;
            free(copy);
        }
        json_decref(row);
    }
}

static void count_events(void *arg)
{
    struct note *note = arg;
    for (void *room_id; gg_queue_pop(note->rooms, &room_id, GG_FOREVER) == GG_OK; free(room_id))
        count_event(note, room_id);
}

/* ---- the route ---- */

static int get_note(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const struct gg_stmt read = {"SELECT events FROM ganglion_room_note.notes WHERE room_id = $1::text",
                                        GG_LANE_POINT};
    struct note *note = self;
    struct gg_rows *rows;
    const char *room_id = gg_request_param(rq, "room_id");
    int rc = gg_db_read(note->server->db, &read, GG_PARAMS(gg_p_text(room_id)), gg_request_arena(rq), &rows, err);
    if (rc < 0)
        return rc;
    if (gg_rows_count(rows) == 0)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Nothing has happened in this room since the plugin came");
    return gg_reply_json(rq, 200,
                         json_pack("{s:s, s:I, s:s}", "room_id", room_id, "events", (json_int_t)gg_rows_i64(rows, 0, 0),
                                   "asked_by", gg_request_user(rq)));
}

static const struct gg_route routes[] = {
    {.method = "GET",
     .path = "/_example/room_note/v1/rooms/{room_id}",
     .handler = get_note,
     .resource = "client",
     .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_CANCELLABLE,
     .doc = "How many events a room has seen"},
    {0},
};

/* ---- life ---- */

static int load(struct gg_host *host, void **self_out, struct gg_error *err)
{
    struct note *note = calloc(1, sizeof(*note));
    if (note == NULL)
        return gg_fail(err, GG_E_NOMEM, "out of memory");
    int rc = mx_server_attach(host, &note->server, err); /* streams, and who may call */
    if (rc < 0) {
        free(note);
        return rc;
    }
    note->rooms = gg_queue_new(MAX_WAITING);
    gg_stream_follow(note->server->events, on_events, note);
    *self_out = note;
    return 0;
}

static int start(void *self, struct gg_error *err)
{
    struct note *note = self;
    note->scope = gg_scope_new(gg_host_scope(note->server->host), "room_note");
    if (gg_spawn(note->scope, "room_note", count_events, note) == NULL)
        return gg_fail(err, GG_E_NOMEM, "cannot start a fiber");
    return 0;
}

static void stop(void *self)
{
    struct note *note = self;
    gg_scope_end(note->scope);
    if (note->dropped > 0)
        gg_warn(&logger, "%llu events came too fast to be counted", (unsigned long long)note->dropped);
}

static void unload(void *self)
{
    struct note *note = self;
    gg_queue_close(note->rooms);
    for (void *room_id; gg_queue_pop(note->rooms, &room_id, 0) == GG_OK;)
        free(room_id);
    gg_queue_free(note->rooms);
    free(note);
}

/* The keys that the Matrix library reads. */
static const struct gg_config_key *const keys[] = {mx_config_keys, NULL};
static const char *const worker_apps[] = {"com.example.app.room_note", NULL};

GG_PLUGIN("com.example.app.room_note", .version = "1.0", .summary = "counts the events of rooms",
          .license = "Apache-2.0", .worker_apps = worker_apps, .key_groups = keys, .routes = routes,
          .migrations = migrations, .load = load, .start = start, .stop = stop, .unload = unload);
