/* matrix/federation/fetch.c: single events asked of another server, checked. */
#include "federation/fetch.h"
#include "federation/client.h"
#include "federation/keyring.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

enum {
    AT_ONCE = 5,            /* requests for single events to one server */
    EVENT_MAX = 256 * 1024, /* bytes of an answer that holds one event */
    CHECKED_AT_ONCE = 200,
    ASKED_AT_ONCE = 1000 /* ids in one statement */
};

struct fetching {
    struct mx_server *server;
    const char *destination;
    const struct gg_str *ids;
    size_t n, next;
    struct gg_arena *arena;
    struct gg_str *texts; /* what came; s NULL: nothing */
    int64_t deadline;
};

static void fetch_one(struct fetching *f, size_t i)
{
    const char *id = gg_arena_strndup(f->arena, f->ids[i].s, f->ids[i].n);
    struct mx_fed_request rq = {.destination = f->destination,
                                .method = "GET",
                                .path = mx_fed_path(f->arena, "/_matrix/federation/v1/event/%s", id),
                                .max_answer = EVENT_MAX};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str body;
    if (mx_fed_call(f->server, &rq, f->arena, &body, &err)) {
        gg_info(&logger, "event %s is not to be had of %s: %s", id, f->destination, err.message);
        return;
    }
    struct mx_json_iter it = mx_json_iter(mx_json_get(body, "pdus"));
    if (mx_json_is_array(mx_json_get(body, "pdus")) && mx_json_next(&it))
        f->texts[i] = it.value;
}

static void worker(void *arg)
{
    struct fetching *f = arg;
    gg_set_deadline(f->deadline);
    while (f->next < f->n && !gg_cancelled())
        fetch_one(f, f->next++);
}

static int fetch_all(struct fetching *f, struct gg_error *err)
{
    struct gg_scope *scope = gg_scope_new(gg_host_scope(f->server->host), "federation events");
    size_t n_workers = 0;
    for (; n_workers < AT_ONCE && n_workers < f->n; n_workers++)
        if (!gg_spawn(scope, "federation event", worker, f))
            break;
    int rc = n_workers ? gg_scope_join(scope, GG_FOREVER) : GG_E_UNAVAILABLE;
    gg_scope_end(scope);
    return rc ? gg_fail(err, rc, "asking %s for events", f->destination) : 0;
}

int mx_fed_fetch_events(struct mx_server *server, const char *destination, struct gg_str room_id,
                        const struct mx_room_version *version, const struct gg_str *ids, size_t n, struct gg_arena *arena,
                        const struct mx_event **out, struct gg_error *err)
{
    struct fetching f = {server, destination, ids, n, 0, arena, GG_NEW_ARRAY(arena, struct gg_str, n + 1), gg_get_deadline()};
    struct gg_str *texts = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    const char **why = GG_NEW_ARRAY(arena, const char *, n + 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n + 1), n_texts = 0;
    memset(out, 0, n * sizeof(*out));
    int rc = n ? fetch_all(&f, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (f.texts[i].s) {
            places[n_texts] = i;
            texts[n_texts++] = f.texts[i];
        }
    if (rc == 0 && n_texts)
        rc = mx_fed_check_pdus(server, version, texts, n_texts, arena, events, why, err);
    for (size_t k = 0; rc == 0 && k < n_texts; k++)
        if (events[k] && gg_str_eq(events[k]->event_id, ids[places[k]]) && gg_str_eq(events[k]->room_id, room_id))
            out[places[k]] = events[k];
    return rc;
}

/* ---- what is held ---- */

static const struct gg_stmt select_held = {
    "SELECT w.place FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN events e ON e.event_id = w.id",
    GG_LANE_POINT};

int mx_fed_are_held(struct mx_server *server, const struct gg_str *ids, size_t n, struct gg_arena *arena, bool *held,
                    struct gg_error *err)
{
    int rc = 0;
    memset(held, 0, n * sizeof(*held));
    for (size_t done = 0; rc == 0 && done < n; done += ASKED_AT_ONCE) {
        struct gg_rows *rows;
        size_t take = n - done < ASKED_AT_ONCE ? n - done : ASKED_AT_ONCE;
        rc = gg_db_read(server->db, &select_held, GG_PARAMS(gg_p_texts(ids + done, take)), arena, &rows, err);
        for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
            held[done + (size_t)gg_rows_i64(rows, i, 0) - 1] = true;
    }
    return rc;
}

/* ---- lists ---- */

struct listed {
    struct gg_str text, event_id;
};

/* The events of a list that have the right shape and room, with their ids. */
static size_t name_all(struct gg_str room_id, const struct mx_room_version *version, struct gg_str list, size_t max,
                       struct gg_arena *arena, struct listed **out)
{
    size_t n = 0, total = mx_json_is_array(list) ? mx_json_length(list) : 0;
    struct mx_json_iter it = mx_json_iter(list);
    *out = GG_NEW_ARRAY(arena, struct listed, total + 1);
    for (size_t looked = 0; total && looked < max && mx_json_next(&it); looked++) {
        struct mx_event *event;
        struct gg_error err = GG_ERROR_INIT;
        if (mx_event_parse(it.value, version, gg_strn(NULL, 0), &event, &err))
            continue;
        if (gg_str_eq(event->room_id, room_id) && mx_event_id_valid(event->event_id))
            (*out)[n++] = (struct listed){it.value, gg_arena_str(arena, event->event_id)};
        mx_event_unref(event);
        if (looked % CHECKED_AT_ONCE == 0 && gg_yield())
            break;
    }
    return n;
}

static int check_all(struct mx_server *server, const struct mx_room_version *version, const struct gg_str *texts, size_t n,
                     struct gg_arena *arena, const struct mx_event **out, size_t *n_out, struct gg_error *err)
{
    const struct mx_event *events[CHECKED_AT_ONCE];
    const char *why[CHECKED_AT_ONCE];
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < n; done += CHECKED_AT_ONCE) {
        size_t take = n - done < CHECKED_AT_ONCE ? n - done : CHECKED_AT_ONCE;
        rc = mx_fed_check_pdus(server, version, texts + done, take, arena, events, why, err);
        for (size_t i = 0; rc == 0 && i < take; i++)
            if (events[i])
                out[(*n_out)++] = events[i];
    }
    return rc;
}

int mx_fed_checked_list(struct mx_server *server, struct gg_str room_id, const struct mx_room_version *version,
                        struct gg_str list, size_t max, struct gg_arena *arena, const struct mx_event ***out,
                        size_t *n_out, struct gg_error *err)
{
    struct listed *listed;
    size_t n = name_all(room_id, version, list, max, arena, &listed), n_texts = 0;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *texts = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    bool *held = GG_NEW_ARRAY(arena, bool, n + 1);
    *out = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = listed[i].event_id;
    int rc = mx_fed_are_held(server, ids, n, arena, held, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!held[i])
            texts[n_texts++] = listed[i].text;
    return rc ? rc : check_all(server, version, texts, n_texts, arena, *out, n_out, err);
}
