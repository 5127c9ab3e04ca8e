/* matrix/federation/sending/events.c: follows the events stream: what is ours is owed to the servers that were in the room.
 *
 * Batch by batch: who each event goes to is found out, then one statement writes what is owed and moves the position, and
 * only then do the events wait in memory. So a kill at any moment leaves either an event that is looked at again or one
 * that the tables call owed. */
#include "federation/sending/sending.h"

#include "storage/events/rows.h"

#include <ganglion/log.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum {
    BATCH = 100,
    ADDRESSES_MAX = 20000, /* of one batch: it ends with the event that reaches it */
    WRITE_MS = 1000,       /* a position with which nothing is owed is written so often at most */
    LOOK_MS = 10 * 1000,   /* without news: positions also move when a writer says that it stands still */
    PAUSE_MS = 1000,       /* after a failure */
    DISPUTED_MS = 1000,
};

static struct gg_metric metric_seen = {
    "synapse_federation_send_events_position", "Events stream position that was handled for other servers", GG_GAUGE, {NULL}};

/* ---- which tokens may concern others ---- */

/* Nobody of another server ever was in the room: nobody else is told of its events. It holds for a former event too, since
 * members never vanish from a state. A room whose members we do not hold may hold anybody. */
static bool stays_home(struct mx_server *server, const struct mx_head *head)
{
    return head != NULL && mx_fed_hosts_complete(server, head->room_id) && mx_fed_hosts_never_others(server, head);
}

static bool concerns_others(struct mx_server *server, const struct mx_event_row *row)
{
    return !row->outlier && !row->rejected && !stays_home(server, mx_heads_cached(server, row->room_id));
}

/* Most events of most servers stay at home: the tables are read for those that may not. */
static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                   size_t n, bool moved)
{
    struct mx_sending *sending = self;
    if (moved) {
        gg_cond_signal(&sending->news);
        return;
    }
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < n && token > sending->interesting; i++) {
        struct mx_event_row row;
        if (!mx_event_row_parse(rows[i].row, arena, &row) ||
            (row.kind == MX_ROW_EV && concerns_others(sending->server, &row)))
            sending->interesting = token;
    }
    gg_arena_free(arena);
}

void mx_sending_follow(struct mx_sending *sending)
{
    gg_stream_follow(sending->server->events, follow, sending);
}

/* ---- a batch ---- */

struct addressed {
    const struct mx_event *event;
    const struct gg_str *names; /* those that are ours to serve */
    size_t n;
};

struct batch {
    struct mx_sending *sending;
    struct gg_arena *arena;
    struct addressed *events;
    size_t n;
    size_t n_addresses;
    int64_t to; /* handled up to here with this batch */
};

static void keep_mine(struct batch *b, struct addressed *a, const struct gg_str *names, size_t n)
{
    struct gg_str *mine = GG_NEW_ARRAY(b->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        if (mx_dest_held(b->sending, names[i]) != NULL || mx_dest_mine(b->sending, names[i]))
            mine[a->n++] = names[i];
    a->names = mine;
    b->n_addresses += a->n;
}

/* An event whose addresses cannot be found (its state is lost) must not stop all others for ever; a database that does
 * not answer must. */
static int address(struct batch *b, const struct mx_event *event, struct gg_error *err)
{
    const struct gg_str *names;
    size_t n = 0;
    if (event == NULL || !mx_event_goes_out(b->sending->server, event))
        return 0;
    int rc = mx_addresses_of(b->sending->server, event, b->arena, &names, &n, err);
    if (rc == GG_E_NOT_FOUND || rc == GG_E_INVALID) {
        gg_warn(&logger, "nobody is sent %.*s: %s", GG_FMT(event->event_id), err->message);
        return 0;
    }
    if (rc != 0 || n == 0)
        return rc;
    struct addressed *a = &b->events[b->n];
    *a = (struct addressed){.event = event};
    keep_mine(b, a, names, n);
    b->n += a->n > 0;
    return 0;
}

static int find_home(struct batch *b, struct gg_str room_id, bool *home, struct gg_error *err)
{
    struct mx_server *server = b->sending->server;
    const struct mx_head *head;
    struct mx_fed_hosts first;
    *home = false;
    int rc = mx_heads_get(server, room_id, b->arena, &head, err);
    if (rc == GG_E_NOT_FOUND) /* our last user has left */
        return 0;
    if (rc == 0)
        rc = mx_fed_hosts_at_join(server, room_id, b->arena, &first, err);
    *home = rc == 0 && stays_home(server, head);
    return rc;
}

/* Without what stays at home: of that not even the events are read. */
static int leave_home(struct batch *b, struct mx_own_event *own, size_t *n, struct gg_error *err)
{
    size_t kept = 0;
    struct gg_str room_id = {0};
    bool home = false;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        if (!gg_str_eq(own[i].room_id, room_id)) /* the events of a room often come together */
            rc = find_home(b, room_id = own[i].room_id, &home, err);
        if (!home)
            own[kept++] = own[i];
    }
    *n = kept;
    return rc;
}

static int read_batch(struct batch *b, int64_t from, int64_t to, struct gg_error *err)
{
    struct mx_server *server = b->sending->server;
    const struct mx_event *events[BATCH];
    struct gg_str ids[BATCH];
    struct mx_own_event *own;
    size_t n = 0;
    int rc = mx_own_events_read(server, from, to, BATCH, b->arena, &own, &n, err);
    b->to = n < BATCH ? to : own[n - 1].stream_ordering;
    if (rc == 0)
        rc = leave_home(b, own, &n, err);
    for (size_t i = 0; i < n; i++)
        ids[i] = own[i].event_id;
    if (rc == 0)
        rc = mx_store_events(server, ids, n, true, b->arena, events, err);
    b->events = GG_NEW_ARRAY(b->arena, struct addressed, n + 1);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = address(b, events[i], err);
        if (b->n_addresses >= ADDRESSES_MAX) {
            b->to = own[i].stream_ordering;
            break;
        }
    }
    return rc;
}

/* ---- what is owed ---- */

struct owing {
    struct gg_map *places; /* destination and room -> place + 1 */
    struct gg_str *destinations, *rooms;
    int64_t *orderings;
    size_t n;
};

/* Of a room only the newest event is owed: one row for each destination and room. */
static void owe(struct owing *o, struct gg_str name, const struct mx_event *event, struct gg_buf *key)
{
    gg_buf_clear(key);
    gg_buf_str(key, name);
    gg_buf_char(key, '\x1f');
    gg_buf_str(key, event->room_id);
    size_t place = (size_t)(uintptr_t)gg_map_get(o->places, gg_buf_view(key));
    if (place == 0) {
        place = ++o->n;
        gg_map_put(o->places, gg_buf_view(key), (void *)(uintptr_t)place);
        o->destinations[place - 1] = name;
        o->rooms[place - 1] = event->room_id;
    }
    o->orderings[place - 1] = event->meta.stream_ordering;
}

static int write_owed(struct batch *b, bool *held, struct gg_error *err)
{
    struct owing o = {gg_map_new(NULL), GG_NEW_ARRAY(b->arena, struct gg_str, b->n_addresses + 1),
                      GG_NEW_ARRAY(b->arena, struct gg_str, b->n_addresses + 1),
                      GG_NEW_ARRAY(b->arena, int64_t, b->n_addresses + 1), 0};
    struct gg_buf key = GG_BUF_INIT;
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->events[i].n; k++)
            owe(&o, b->events[i].names[k], b->events[i].event, &key);
    gg_buf_done(&key);
    gg_map_free(o.places);
    return mx_owe(b->sending->server, b->sending->claim.own, b->to, o.destinations, o.rooms, o.orderings, o.n, held, err);
}

/* Those of one batch that are not in memory are read before anything is owed: afterwards they would all seem behind. */
static int meet(struct batch *b, struct gg_error *err)
{
    struct gg_str *names = GG_NEW_ARRAY(b->arena, struct gg_str, b->n_addresses + 1);
    struct mx_dest **dests = GG_NEW_ARRAY(b->arena, struct mx_dest *, b->n_addresses + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->events[i].n; k++)
            names[n++] = b->events[i].names[k];
    return n > 0 ? mx_dests_get(b->sending, names, n, dests, err) : 0;
}

static void queue_all(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct addressed *a = &b->events[i];
        struct mx_out_pdu *pdu = mx_out_pdu_new(a->event->event_id, a->event->meta.stream_ordering);
        for (size_t k = 0; k < a->n; k++) {
            struct mx_dest *dest = mx_dest_held(b->sending, a->names[k]);
            if (dest != NULL) /* else the tables remember it */
                mx_dest_add_pdu(dest, pdu);
        }
        mx_out_pdu_unref(&b->sending->texts, pdu);
    }
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->events[i].n; k++) {
            struct mx_dest *dest = mx_dest_held(b->sending, b->events[i].names[k]);
            if (dest != NULL)
                mx_dest_wake(dest);
        }
}

static int handle(struct mx_sending *sending, int64_t to, struct gg_error *err)
{
    struct batch b = {.sending = sending, .arena = gg_arena_new()};
    bool held = true, due;
    int rc = read_batch(&b, sending->position, to, err);
    if (rc == 0)
        rc = meet(&b, err);
    due = b.n > 0 || b.to < to || gg_now_ms() - sending->written_at >= WRITE_MS;
    if (rc == 0 && due)
        rc = write_owed(&b, &held, err);
    if (rc == 0 && !held)
        rc = gg_fail(err, GG_E_CONFLICT, "another sender has taken the position of %s", sending->claim.own);
    if (rc == 0) {
        sending->position = b.to;
        if (due) {
            sending->written = b.to;
            sending->written_at = gg_now_ms();
        }
        queue_all(&b);
        gg_metric_set(&metric_seen, (double)b.to, NULL);
    }
    gg_arena_free(b.arena);
    return rc;
}

/* ---- the fiber ---- */

/* Nothing up to `to` concerns others: the position moves on its own, and is written now and then. */
static int pass_by(struct mx_sending *sending, int64_t to, struct gg_error *err)
{
    bool held = true;
    sending->position = to;
    if (gg_now_ms() - sending->written_at < WRITE_MS)
        return 0;
    int rc = mx_owe(sending->server, sending->claim.own, to, NULL, NULL, NULL, 0, &held, err);
    if (rc == 0 && !held)
        rc = gg_fail(err, GG_E_CONFLICT, "another sender has taken the position of %s", sending->claim.own);
    if (rc == 0) {
        sending->written = to;
        sending->written_at = gg_now_ms();
    }
    return rc;
}

static int step(struct mx_sending *sending, int64_t to, struct gg_error *err)
{
    if (sending->position >= sending->follows_from && sending->position >= sending->interesting)
        return pass_by(sending, to, err);
    return handle(sending, to, err);
}

void mx_sending_events(void *arg)
{
    struct mx_sending *sending = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t to = gg_stream_upto(sending->server->events);
        int rc = 0;
        if (sending->disputed) {
            gg_sleep(DISPUTED_MS);
            continue;
        }
        if (sending->position < to)
            rc = step(sending, to, &err);
        else if (sending->written < sending->position && gg_now_ms() - sending->written_at >= WRITE_MS)
            rc = pass_by(sending, sending->position, &err);
        else
            gg_cond_wait(&sending->news, gg_deadline(sending->written < sending->position ? WRITE_MS : LOOK_MS));
        if (rc == 0 || gg_cancelled())
            continue;
        gg_warn(&logger, "events up to %lld cannot be handed to other servers now: %s", (long long)to, err.message);
        if (rc == GG_E_CONFLICT || rc == GG_E_IN_DOUBT) {
            struct gg_error again = GG_ERROR_INIT;
            if (mx_position_start(sending, &again) != 0)
                gg_warn(&logger, "the position is not known: %s", again.message);
        }
        gg_sleep(PAUSE_MS);
    }
}
