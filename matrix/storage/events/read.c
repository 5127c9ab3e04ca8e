/* matrix/storage/events/read.c: events by id: from the cache, the rest in one statement, redactions applied. */
#include "placed.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>

#include "../../json/text.h"
#include "../store.h"

static struct gg_logger logger = {"ganglion.storage.events"};

static const struct gg_stmt select_events = {
    "SELECT e.event_id, e.stream_ordering, COALESCE(e.instance_name, 'master'), e.outlier,"
    " (SELECT reason FROM rejections x WHERE x.event_id = e.event_id), j.internal_metadata, j.json, j.format_version,"
    " r.room_version, (SELECT array_agg(x.event_id) FROM redactions x WHERE x.redacts = e.event_id), w.place"
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN events e ON e.event_id = w.id JOIN event_json j ON "
    "j.event_id = w.id"
    " LEFT JOIN rooms r ON r.room_id = e.room_id",
    GG_LANE_POINT};

/* Of events whose rows in `events` were read before: each row of another table costs a search in an index. */
static const struct gg_stmt select_placed = {
    "SELECT w.place, j.internal_metadata, j.json,"
    " (SELECT array_agg(x.event_id) FROM redactions x WHERE x.redacts = w.id)"
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN event_json j ON j.event_id = w.id",
    GG_LANE_POINT};

/* One row, read. */
struct loaded {
    struct mx_event *event;          /* one reference */
    const struct gg_str *redactions; /* ids of events that redact it */
    size_t n_redactions;
    size_t place; /* among the ids that were asked for */
};

/* Rooms that we know from an invitation only have no version: any of the same format reads the event. */
static const struct mx_room_version *version_of(struct gg_str id, int64_t format)
{
    if (id.s)
        return mx_room_version_find(id);
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n);
    for (size_t i = n; i-- > 0;)
        if (all[i].format == format && all[i].stable)
            return &all[i];
    return NULL;
}

/* What cannot be read is told to the log and left out (NULL). */
static struct mx_event *event_of(const struct mx_room_version *version, struct gg_str id, struct gg_str json,
                                 struct gg_str metadata)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event = NULL;
    if (!version) {
        gg_warn(&logger, "event %.*s has an unknown room version and is left out", GG_FMT(id));
    } else if (mx_event_load(json, version, id, metadata, &event, &err)) {
        gg_err(&logger, "event %.*s cannot be read: %s", GG_FMT(id), err.message);
        event = NULL;
    }
    return event;
}

static void read_row(struct mx_store *store, const struct gg_rows *rows, size_t i, struct gg_arena *arena,
                     struct loaded *out)
{
    out->event = event_of(version_of(gg_rows_str(rows, i, 8), gg_rows_i64(rows, i, 7)), gg_rows_str(rows, i, 0),
                          gg_rows_str(rows, i, 6), gg_rows_str(rows, i, 5));
    if (!out->event)
        return;
    struct mx_event_meta *meta = &out->event->meta; /* nobody else has seen it yet */
    meta->stream_ordering = gg_rows_i64(rows, i, 1);
    meta->instance = mx_store_intern(store, gg_rows_str(rows, i, 2));
    meta->outlier = gg_rows_bool(rows, i, 3);
    meta->rejected = mx_store_intern(store, gg_rows_str(rows, i, 4));
    out->redactions = gg_rows_texts(rows, i, 9, arena, &out->n_redactions);
    out->place = (size_t)gg_rows_i64(rows, i, 10) - 1;
}

static int read_rows(struct mx_store *store, const struct gg_str *ids, size_t n, struct gg_arena *arena,
                     struct loaded **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int status = gg_db_read(store->server->db, &select_events, GG_PARAMS(gg_p_texts(ids, n)), arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct loaded, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        read_row(store, rows, i, arena, &(*out)[i]);
    return 0;
}

static void drop_loaded(struct loaded *loaded, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mx_event_unref(loaded[i].event);
        loaded[i].event = NULL;
    }
}

/* May this redaction hide that event? A rejected one may not, nor one of another room; where the room version lets any
 * sender through, only the sender's own server redacts (spec "Redactions", versions 3 and later). */
static bool redacts(const struct mx_event *redaction, const struct mx_event *event)
{
    if (redaction->meta.rejected.s || !gg_str_eq(redaction->room_id, event->room_id))
        return false;
    if (mx_event_is(event, "m.room.create", ""))
        return false;
    return !redaction->meta.recheck_redaction ||
           gg_str_eq(mx_id_domain(redaction->sender), mx_id_domain(event->sender));
}

static struct mx_event *find(struct loaded *loaded, size_t n, struct gg_str id)
{
    for (size_t i = 0; i < n; i++)
        if (loaded[i].event && gg_str_eq(loaded[i].event->event_id, id))
            return loaded[i].event;
    return NULL;
}

static struct mx_event *redacted_by(const struct mx_event *event, const struct mx_event *redaction)
{
    struct gg_buf because = GG_BUF_INIT;
    mx_event_write_client(&because, redaction, &(struct mx_client_format){0});
    struct mx_event *out = mx_event_redacted(event, gg_buf_view(&because));
    gg_buf_done(&because);
    out->meta.redacted = true;
    return out;
}

/* The redactions that loaded events name, as far as they are held. */
static int read_redactions(struct mx_store *store, const struct loaded *loaded, size_t n, struct gg_arena *arena,
                           struct loaded **out, size_t *n_out, struct gg_error *err)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        total += loaded[i].event ? loaded[i].n_redactions : 0;
    *n_out = 0;
    if (!total)
        return 0;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, total);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; loaded[i].event && j < loaded[i].n_redactions; j++)
            ids[k++] = loaded[i].redactions[j];
    return read_rows(store, ids, k, arena, out, n_out, err);
}

static struct mx_held_event *hold(struct loaded *l, struct loaded *redactions, size_t n_redactions)
{
    struct mx_held_event *held = gg_xcalloc(1, sizeof(*held));
    held->raw = l->event; /* the reference moves */
    l->event = NULL;
    for (size_t i = 0; i < l->n_redactions && !held->redacted; i++) {
        struct mx_event *redaction = find(redactions, n_redactions, l->redactions[i]);
        if (redaction && redacts(redaction, held->raw))
            held->redacted = redacted_by(held->raw, redaction);
    }
    return held;
}

static size_t held_bytes(const struct mx_held_event *held)
{
    return sizeof(*held) + held->raw->bytes + (held->redacted ? held->redacted->bytes : 0);
}

/* ---- the answer ---- */

struct ask {
    struct mx_store *store;
    const struct gg_str *ids;
    const struct mx_placed *placed; /* what is known of each; NULL: nothing */
    const struct mx_room_version *version; /* with placed: of their room */
    size_t n;
    bool raw;
    struct gg_arena *arena;
    const struct mx_event **out;
};

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static void give(const struct ask *ask, size_t i, const struct mx_held_event *held)
{
    struct mx_event *event = mx_event_ref(held->redacted && !ask->raw ? held->redacted : held->raw);
    gg_arena_defer(ask->arena, unref_event, event);
    ask->out[i] = event;
}

/* Ids come from clients and other servers: the database refuses to be asked for what it cannot hold. */
static bool may_be_held(struct gg_str id)
{
    return id.n > 0 && mx_storable(id).s != NULL;
}

/* Answers from the cache; the places of what is missing go to todo. */
static size_t from_cache(const struct ask *ask, const size_t *places, size_t n, size_t *todo)
{
    size_t n_todo = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = places ? places[k] : k;
        struct mx_held_event *held = mx_cache_get(ask->store->events, ask->ids[i]);
        if (held)
            give(ask, i, held);
        else if (may_be_held(ask->ids[i]))
            todo[n_todo++] = i;
    }
    return n_todo;
}

static void keep(const struct ask *ask, size_t i, struct mx_held_event *held, const struct mx_flight *flight)
{
    give(ask, i, held);
    if (mx_flight_fresh(flight))
        mx_cache_put(ask->store->events, ask->ids[i], held, held_bytes(held), mx_cache_tick(ask->store->events));
    else
        mx_held_event_free(held);
}

/* What one round reads and waits for. */
struct round {
    struct gg_str *mine;        /* ids that this fiber reads, */
    size_t *places;             /* their places in the ask, */
    struct mx_flight **flights; /* and flights */
    size_t n_mine;
    struct mx_flight **theirs; /* read by others (or by us: an id that was asked for twice) */
    size_t *later;
    size_t n_theirs;
};

static int read_placed(const struct ask *ask, const struct round *r, struct gg_arena *arena, struct loaded **out,
                       size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int status = gg_db_read(ask->store->server->db, &select_placed, GG_PARAMS(gg_p_texts(r->mine, r->n_mine)), arena,
                            &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct loaded, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++) {
        struct loaded *l = &(*out)[i];
        l->place = (size_t)gg_rows_i64(rows, i, 0) - 1;
        l->event = event_of(ask->version, r->mine[l->place], gg_rows_str(rows, i, 2), gg_rows_str(rows, i, 1));
        if (!l->event)
            continue;
        const struct mx_placed *placed = &ask->placed[r->places[l->place]];
        l->event->meta.stream_ordering = placed->stream;
        l->event->meta.instance = mx_store_intern(ask->store, placed->instance.s ? placed->instance : GG_STR("master"));
        l->redactions = gg_rows_texts(rows, i, 3, arena, &l->n_redactions);
    }
    return 0;
}

/* Reads the events of our own flights, answers with them and keeps them. */
static int load(const struct ask *ask, const struct round *r, struct gg_error *err)
{
    struct gg_arena *scratch = gg_arena_new();
    struct loaded *loaded = NULL, *redactions = NULL;
    size_t n_loaded = 0, n_redactions = 0;
    int status = ask->placed ? read_placed(ask, r, scratch, &loaded, &n_loaded, err)
                             : read_rows(ask->store, r->mine, r->n_mine, scratch, &loaded, &n_loaded, err);
    if (!status)
        status = read_redactions(ask->store, loaded, n_loaded, scratch, &redactions, &n_redactions, err);
    for (size_t i = 0; i < n_loaded && !status; i++)
        if (loaded[i].event)
            keep(ask, r->places[loaded[i].place], hold(&loaded[i], redactions, n_redactions),
                 r->flights[loaded[i].place]);
    drop_loaded(loaded, n_loaded);
    drop_loaded(redactions, n_redactions);
    gg_arena_free(scratch);
    return status;
}

static void share_out(const struct ask *ask, struct round *r, const size_t *todo, size_t n)
{
    r->mine = GG_NEW_ARRAY(ask->arena, struct gg_str, n);
    r->places = GG_NEW_ARRAY(ask->arena, size_t, n);
    r->flights = GG_NEW_ARRAY(ask->arena, struct mx_flight *, n);
    r->theirs = GG_NEW_ARRAY(ask->arena, struct mx_flight *, n);
    r->later = GG_NEW_ARRAY(ask->arena, size_t, n);
    for (size_t k = 0; k < n; k++) {
        bool owner;
        struct mx_flight *flight = mx_flight_join(ask->store->event_flights, ask->ids[todo[k]], &owner);
        if (owner) {
            r->flights[r->n_mine] = flight;
            r->places[r->n_mine] = todo[k];
            r->mine[r->n_mine++] = ask->ids[todo[k]];
        } else {
            r->theirs[r->n_theirs] = flight;
            r->later[r->n_theirs++] = todo[k];
        }
    }
}

/* One round: what nobody reads is read here, what others read is waited for and left in todo for the next round. Our
 * own flights land before we wait for others', so nobody waits in a circle. */
static int one_round(const struct ask *ask, size_t *todo, size_t *n_todo, struct gg_error *err)
{
    struct round r = {0};
    share_out(ask, &r, todo, *n_todo);
    int status = r.n_mine ? load(ask, &r, err) : 0;
    for (size_t i = 0; i < r.n_mine; i++)
        mx_flight_land(ask->store->event_flights, r.mine[i], r.flights[i]);
    for (size_t i = 0; i < r.n_theirs; i++) {
        int waited = mx_flight_wait(r.theirs[i]);
        if (waited && !status)
            status = gg_fail(err, waited, "waiting for an event");
    }
    *n_todo = from_cache(ask, r.later, r.n_theirs, todo);
    return status;
}

static int answer(const struct ask *ask, struct gg_error *err)
{
    size_t *todo = GG_NEW_ARRAY(ask->arena, size_t, ask->n + 1);
    memset(ask->out, 0, ask->n * sizeof(*ask->out));
    size_t n_todo = from_cache(ask, NULL, ask->n, todo);
    int status = 0;
    while (n_todo && !status)
        status = one_round(ask, todo, &n_todo, err);
    return status;
}

int mx_store_events(struct mx_server *server, const struct gg_str *ids, size_t n, bool raw, struct gg_arena *arena,
                    const struct mx_event **out, struct gg_error *err)
{
    struct ask ask = {.store = mx_store_of(server), .ids = ids, .n = n, .raw = raw, .arena = arena, .out = out};
    return n ? answer(&ask, err) : 0;
}

int mx_store_placed(struct mx_server *server, struct gg_str room_id, const struct mx_placed *placed, size_t n,
                    struct gg_arena *arena, const struct mx_event **out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct ask ask = {.store = mx_store_of(server), .ids = ids, .placed = placed, .n = n, .arena = arena, .out = out};
    for (size_t i = 0; i < n; i++)
        ids[i] = placed[i].event_id;
    int status = n ? mx_store_room_version(server, room_id, &ask.version, err) : 0;
    return status || !n ? status : answer(&ask, err);
}

int mx_store_event(struct mx_server *server, struct gg_str id, struct gg_arena *arena, const struct mx_event **out,
                   struct gg_error *err)
{
    int status = mx_store_events(server, &id, 1, false, arena, out, err);
    if (!status && !*out)
        status = gg_refuse(err, 404, "M_NOT_FOUND", "Event not found");
    return status;
}

const struct mx_event *mx_store_cached(struct mx_server *server, struct gg_str id)
{
    struct mx_held_event *held = mx_cache_get(mx_store_of(server)->events, id);
    return !held ? NULL : held->redacted ? held->redacted : held->raw;
}

/* ---- keeping and forgetting ---- */

void mx_store_keep(struct mx_server *server, const struct mx_event *event)
{
    struct mx_store *store = mx_store_of(server);
    struct mx_held_event *held = gg_xcalloc(1, sizeof(*held));
    held->raw = mx_event_ref(event);
    mx_flight_spoil(store->event_flights, event->event_id);
    mx_cache_put(store->events, event->event_id, held, held_bytes(held), mx_cache_tick(store->events));
}

void mx_events_forget(struct mx_store *store, struct gg_str event_id)
{
    mx_flight_spoil(store->event_flights, event_id);
    mx_cache_drop(store->events, event_id);
}

void mx_events_forget_all(struct mx_store *store)
{
    mx_flight_spoil_all(store->event_flights);
    mx_cache_clear(store->events);
}

void mx_events_persisted(struct mx_store *store, struct gg_str event_id, int64_t position, const char *instance)
{
    struct mx_held_event *held = mx_cache_get(store->events, event_id);
    if (!held || held->redacted || held->raw->meta.outlier || held->raw->meta.rejected.s ||
        (held->raw->meta.stream_ordering && held->raw->meta.stream_ordering != position)) {
        mx_events_forget(store, event_id);
        return;
    }
    if (held->raw->meta.stream_ordering)
        return;
    struct mx_event_meta meta = held->raw->meta;
    meta.stream_ordering = position;
    meta.instance = mx_store_intern(store, gg_str(instance));
    struct mx_event *event = mx_event_with_meta(held->raw, &meta);
    mx_store_keep(store->server, event);
    mx_event_unref(event);
}
