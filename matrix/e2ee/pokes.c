/* matrix/e2ee/pokes.c: changes of our users' devices in rooms become rows for each server that is there (facts database 4.12,
 * replication 5.10).
 *
 * The first writer of device_lists goes through the changes in the order of (position, room) and keeps in the database how far
 * it came, in the very transaction that writes the rows: nothing is told twice and nothing is lost, whatever ends the process.
 * Changes that other writers make are read up to where the whole stream is known to be written. */
#include "e2ee/e2ee.h"
#include "e2ee/outbound.h"
#include "e2ee/remote_devices.h"
#include "e2ee/text.h"
#include "federation/hosts.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.e2ee.pokes"};

enum { BATCH = 200, MAX_POKES = 5000, PAUSE_MS = 1000, DB_TRIES = 5 };

struct poke {
    struct gg_str destination, user_id, device_id, context;
};
struct turn {
    struct mx_server *server;
    struct gg_arena *arena;
    int64_t stream_id, upto;            /* how far we were; how far we may go */
    struct gg_str room_id;
    int64_t new_stream_id;              /* how far this turn goes */
    struct gg_str new_room_id;
    struct poke *pokes;
    size_t n, cap;
    int64_t *spent;                     /* ids of all tries */
    size_t n_spent;
    bool lost;                          /* somebody else went on meanwhile */
};

/* ---- which servers ---- */

static int hosts_of(struct turn *t, struct gg_map *rooms, struct gg_str room_id, const struct mx_fed_hosts **out,
                    struct gg_error *err)
{
    struct mx_fed_hosts *hosts = gg_map_get(rooms, room_id);
    int rc = 0;
    if (hosts == NULL) {
        hosts = GG_NEW(t->arena, struct mx_fed_hosts);
        rc = mx_fed_hosts_in_room(t->server, room_id, t->arena, hosts, err);
        if (rc == GG_E_NOT_FOUND) /* it was purged since */
            rc = 0;
        gg_map_put(rooms, room_id, hosts);
    }
    *out = hosts;
    return rc;
}

static void add(struct turn *t, const struct poke *poke)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        struct poke *more = GG_NEW_ARRAY(t->arena, struct poke, t->cap);
        if (t->n > 0)
            memcpy(more, t->pokes, t->n * sizeof(*more));
        t->pokes = more;
    }
    t->pokes[t->n++] = *poke;
}

/* A change is told to each server once, in however many rooms it is. */
static void add_hosts(struct turn *t, const struct gg_rows *rows, size_t i, const struct mx_fed_hosts *hosts, struct gg_map *told)
{
    for (size_t h = 0; h < hosts->n; h++) {
        struct gg_str key = gg_str(gg_arena_printf(t->arena, "%lld\x1f%.*s", (long long)gg_rows_i64(rows, i, 0),
                                                   GG_FMT(hosts->names[h])));
        if (gg_str_is(hosts->names[h], t->server->name) || gg_map_has(told, key))
            continue;
        gg_map_put(told, key, NULL);
        add(t, &(struct poke){hosts->names[h], gg_rows_str(rows, i, 2), gg_rows_str(rows, i, 3), gg_rows_str(rows, i, 4)});
    }
}

/* Rooms of one change that fall into two turns may tell a server twice, which does no harm. */
static int gather(struct turn *t, const struct gg_rows *rows, struct gg_error *err)
{
    struct gg_map *rooms = gg_map_new(NULL), *told = gg_map_new(NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows) && t->n < MAX_POKES; i++) {
        const struct mx_fed_hosts *hosts;
        rc = hosts_of(t, rooms, gg_rows_str(rows, i, 1), &hosts, err);
        if (rc != 0)
            break;
        add_hosts(t, rows, i, hosts, told);
        t->new_stream_id = gg_rows_i64(rows, i, 0);
        t->new_room_id = gg_rows_str(rows, i, 1);
    }
    gg_map_free(rooms);
    gg_map_free(told);
    return rc;
}

/* ---- writing ---- */

static int move_on(struct turn *t, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE device_lists_changes_converted_stream_position SET stream_id = $1, room_id = $2, instance_name = $5"
        " WHERE stream_id = $3 AND room_id = $4", 0};
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_i64(t->new_stream_id), gg_p_str(t->new_room_id), gg_p_i64(t->stream_id),
                                               gg_p_str(t->room_id), gg_p_text(gg_host_instance(t->server->host))),
                         t->arena, &rows, err);
    t->lost = rc == 0 && gg_rows_affected(rows) == 0;
    return t->lost ? gg_fail(err, GG_E_CONFLICT, "another process has turned changes into pokes") : rc;
}

static int write_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "INSERT INTO device_lists_outbound_pokes (destination, stream_id, user_id, device_id, sent, ts, opentracing_context,"
        " instance_name) SELECT destination, id, user_id, device_id, false, $5::bigint, coalesce(context, '{}'), $6"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $7::bigint[]) AS p (destination, user_id, device_id, context, id)", 0};
    struct turn *t = arg;
    int rc = move_on(t, txn, err);
    if (rc != 0 || t->n == 0)
        return rc;
    int64_t *ids = t->spent + t->n_spent;
    struct gg_str *columns[4];
    for (size_t c = 0; c < GG_COUNT(columns); c++)
        columns[c] = GG_NEW_ARRAY(t->arena, struct gg_str, t->n);
    for (size_t i = 0; i < t->n; i++) {
        const struct gg_str values[] = {t->pokes[i].destination, t->pokes[i].user_id, t->pokes[i].device_id, t->pokes[i].context};
        for (size_t c = 0; c < GG_COUNT(columns); c++)
            columns[c][i] = values[c];
    }
    rc = gg_stream_allocate(t->server->device_lists, txn, t->n, ids, err);
    if (rc != 0)
        return rc;
    t->n_spent += t->n;
    return gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_texts(columns[0], t->n), gg_p_texts(columns[1], t->n),
                                                gg_p_texts(columns[2], t->n), gg_p_texts(columns[3], t->n), gg_p_i64(gg_wall_ms()),
                                                gg_p_text(gg_host_instance(t->server->host)), gg_p_i64s(ids, t->n)), err);
}

/* [user, no signature, destinations are known]: for who sends. */
static void announce(struct turn *t)
{
    const int64_t *ids = t->spent + (t->n_spent - t->n);
    struct gg_fetched *rows = GG_NEW_ARRAY(t->arena, struct gg_fetched, t->n + 1);
    for (size_t i = 0; i < t->n; i++) {
        struct gg_buf row = GG_BUF_INIT;
        gg_buf_char(&row, '[');
        gg_buf_json_string(&row, t->pokes[i].user_id);
        gg_buf_lit(&row, ",false,true]");
        rows[i] = (struct gg_fetched){ids[i], mx_e2ee_moved(&row, t->arena)};
    }
    gg_stream_finish_rows(t->server->device_lists, t->spent, t->n_spent, rows, t->n);
}

static int write(struct turn *t, struct gg_error *err)
{
    t->spent = GG_NEW_ARRAY(t->arena, int64_t, t->n * DB_TRIES + 1);
    int rc = gg_db_txn(t->server->db, "add_device_list_outbound_pokes", 0, write_body, t, err);
    if (gg_maybe_committed(rc) && t->n_spent > 0)
        announce(t);
    else if (t->n_spent > 0)
        gg_stream_finish(t->server->device_lists, t->spent, t->n_spent);
    return rc;
}

/* ---- turns ---- */

static int begin(struct turn *t, struct gg_rows **rows, struct gg_error *err)
{
    static const struct gg_stmt where = {
        "SELECT stream_id, room_id FROM device_lists_changes_converted_stream_position", GG_LANE_POINT};
    static const struct gg_stmt changes = {
        "SELECT stream_id, room_id, user_id, device_id, opentracing_context FROM device_lists_changes_in_room"
        " WHERE (stream_id, room_id) > ($1, $2) AND stream_id <= $3 AND NOT converted_to_destinations"
        " ORDER BY stream_id, room_id LIMIT $4", GG_LANE_POINT};
    struct gg_rows *at;
    t->upto = gg_stream_upto(t->server->device_lists);
    int rc = gg_db_read(t->server->db, &where, GG_NO_PARAMS, t->arena, &at, err);
    if (rc == 0 && gg_rows_count(at) == 0)
        return gg_fail(err, GG_E_INTERNAL, "device_lists_changes_converted_stream_position is empty");
    if (rc != 0)
        return rc;
    t->stream_id = gg_rows_i64(at, 0, 0);
    t->room_id = gg_rows_str(at, 0, 1);
    return gg_db_read(t->server->db, &changes, GG_PARAMS(gg_p_i64(t->stream_id), gg_p_str(t->room_id), gg_p_i64(t->upto),
                                                         gg_p_i64(BATCH)), t->arena, rows, err);
}

/* *more: there may be more to do. When nothing is left the place is moved to where we looked: the search begins there. */
static int take_turn(struct mx_server *server, bool *more, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct turn t = {.server = server, .arena = arena};
    struct gg_rows *rows;
    int rc = begin(&t, &rows, err);
    *more = rc == 0 && gg_rows_count(rows) > 0;
    if (*more) {
        rc = gather(&t, rows, err);
    } else if (rc == 0) {
        t.new_stream_id = t.upto;
        t.new_room_id = GG_STR("");
    }
    if (rc == 0 && (*more || t.upto > t.stream_id))
        rc = write(&t, err);
    if (t.lost)
        rc = 0;
    gg_arena_free(arena);
    return rc;
}

static void convert(struct mx_server *server)
{
    struct gg_error err = GG_ERROR_INIT;
    bool more = true;
    while (more && !gg_cancelled()) {
        if (take_turn(server, &more, &err) == 0)
            continue;
        gg_warn(&logger, "changes of devices are not told to other servers yet: %s", err.message);
        if (gg_sleep(PAUSE_MS) != 0)
            return;
        more = true;
    }
}

static void tell_first_writer(struct mx_server *server)
{
    static const char *const no_args[] = {NULL};
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL, *body = json_object();
    size_t n;
    const char *const *writers = gg_stream_writers(server->device_lists, &n);
    if (gg_repl_call(server->host, writers[0], "handle_new_device_update", no_args, body, &answer, &err) != 0)
        gg_warn(&logger, "%s was not told of changed devices: %s", writers[0], err.message);
    json_decref(answer);
    json_decref(body);
}

static void run(void *arg)
{
    struct mx_server *server = arg;
    struct mx_e2ee *e = server->e2ee;
    while (e->poke_again && !gg_cancelled()) {
        e->poke_again = false;
        if (mx_remote_is_keeper(server))
            convert(server);
        else
            tell_first_writer(server);
    }
    e->poking = false;
}

void mx_pokes_soon(struct mx_server *server)
{
    struct mx_e2ee *e = server->e2ee;
    e->poke_again = true;
    if (!e->poking && e->scope != NULL)
        e->poking = gg_spawn(e->scope, "device list pokes", run, server) != NULL;
}
