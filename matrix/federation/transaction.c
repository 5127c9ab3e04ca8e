/* matrix/federation/transaction.c: a transaction of another server (server-server API, PUT /send/{txnId}): its events are
 * checked and staged, its EDUs handled; the answer is kept for who asks again.
 *
 * One at a time for each origin; who brings the same transaction while it is taken in waits for that answer. */
#include "federation/edus.h"
#include "federation/inbound.h"
#include "federation/keyring.h"
#include "federation/last_seen.h"
#include "rooms/server_acl.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

static struct gg_metric metric_pdus = {
    .name = "synapse_federation_server_received_pdus", .help = "Events that servers sent", .type = GG_COUNTER};
static struct gg_metric metric_edus = {
    .name = "synapse_federation_server_received_edus", .help = "EDUs that servers sent", .type = GG_COUNTER};

struct line { /* transactions of one origin, in order of arrival */
    struct gg_mutex mutex;
    unsigned n;
};

struct flight {
    struct mx_fed_inbound *inbound;
    unsigned refs;
    char *key, *origin, *txn_id, *body;
    size_t n_body;
    struct gg_cond ended;
    bool done;
    int status;
    struct gg_error err;
    char *answer;
    size_t n_answer;
};

/* ---- what it brings ---- */

/* A PDU of the transaction. */
struct brought {
    struct gg_str text;
    const struct mx_room_version *version;
    const struct mx_event *event; /* NULL: refused */
    const char *why;
    struct gg_str event_id;
    bool banned;
};

struct taking {
    struct mx_server *server;
    const char *origin;
    struct gg_arena *arena;
    struct mx_fed_lists lists;
    struct brought *brought;
    size_t n;
};

/* PDUs of rooms that we know; the others are passed over. */
static int find_rooms(struct taking *t, struct gg_error *err)
{
    struct mx_json_iter it = mx_json_iter(t->lists.pdus);
    t->brought = GG_NEW_ARRAY(t->arena, struct brought, MX_FED_TXN_PDUS);
    while (t->lists.pdus.s && mx_json_next(&it)) {
        struct gg_str room_id = mx_json_string(mx_json_get(it.value, "room_id"), t->arena);
        struct brought *b = &t->brought[t->n];
        if (!room_id.s || !mx_room_id_valid(room_id))
            continue;
        int rc = mx_store_room_version(t->server, room_id, &b->version, err);
        if (rc == GG_E_UNAVAILABLE || rc == GG_E_CANCELLED || rc == GG_E_TIMEOUT)
            return rc;
        memset(err, 0, sizeof(*err));
        if (rc || !b->version)
            continue;
        b->text = it.value;
        t->n++;
    }
    return 0;
}

/* One that was refused is named in the answer if it has a name at all. */
static void name_refused(struct taking *t, struct brought *b)
{
    struct mx_event *event;
    struct gg_error err = GG_ERROR_INIT;
    if (mx_event_parse(b->text, b->version, gg_strn(NULL, 0), &event, &err) == 0) {
        b->event_id = gg_arena_str(t->arena, event->event_id);
        mx_event_unref(event);
    }
    gg_info(&logger, "an event of %s is refused: %s", t->origin, b->why ? b->why : err.message);
}

/* Those of one room version from place first on, together. */
static int check_version(struct taking *t, size_t first, struct gg_error *err)
{
    struct gg_str texts[MX_FED_TXN_PDUS] = {0};
    const struct mx_event *events[MX_FED_TXN_PDUS];
    const char *why[MX_FED_TXN_PDUS];
    size_t places[MX_FED_TXN_PDUS], n = 0;
    for (size_t i = first; i < t->n; i++)
        if (t->brought[i].version == t->brought[first].version) {
            places[n] = i;
            texts[n++] = t->brought[i].text;
        }
    int rc = mx_fed_check_pdus(t->server, t->brought[first].version, texts, n, t->arena, events, why, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct brought *b = &t->brought[places[i]];
        b->event = events[i];
        b->why = why[i];
        if (b->event)
            b->event_id = b->event->event_id;
        else
            name_refused(t, b);
    }
    return rc;
}

static int check(struct taking *t, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = t->brought[k].version == t->brought[i].version;
        if (!seen)
            rc = check_version(t, i, err);
    }
    return rc;
}

/* ---- access control lists ---- */

static int acl_allows(struct mx_server *server, struct gg_str room_id, const char *origin, struct gg_arena *arena,
                      bool *out, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *acl;
    *out = true;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.server_acl", GG_STR(""), arena, &acl, err);
    if (rc == 0 && acl)
        *out = mx_server_acl_lets_in(acl->content, gg_str(origin), arena);
    return rc;
}

static int apply_acls(struct taking *t, struct gg_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        struct brought *b = &t->brought[i];
        bool allowed = true;
        int rc = b->event ? acl_allows(t->server, b->event->room_id, t->origin, t->arena, &allowed, err) : 0;
        if (rc)
            return rc;
        b->banned = b->event && !allowed;
    }
    return 0;
}

/* ---- staging ---- */

static int stage(struct taking *t, struct gg_error *err)
{
    const struct mx_event *events[MX_FED_TXN_PDUS];
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        bool twice = false;
        for (size_t k = 0; k < n && !twice; k++)
            twice = t->brought[i].event && gg_str_eq(events[k]->event_id, t->brought[i].event->event_id);
        if (t->brought[i].event && !t->brought[i].banned && !twice)
            events[n++] = t->brought[i].event;
    }
    struct mx_fed_inbound *inbound = t->server->fed_inbound;
    int64_t now = gg_wall_ms(), first = now > inbound->next_ms ? now : inbound->next_ms;
    inbound->next_ms = first + (int64_t)n;
    int rc = mx_staging_add(t->server, t->origin, events, n, first, t->arena, err);
    gg_metric_add(&metric_pdus, (double)n, NULL);
    for (size_t i = 0; rc == 0 && i < n; i++)
        mx_fed_drain(inbound, events[i]->room_id, gg_str(t->origin));
    return rc;
}

/* ---- EDUs ---- */

static void take_edu(struct taking *t, struct gg_str edu)
{
    json_t *content;
    struct gg_error err = GG_ERROR_INIT;
    const char *type = mx_fed_edu_read(edu, t->arena, &content);
    if (!type)
        return;
    gg_metric_add(&metric_edus, 1, NULL);
    if (mx_fed_edu(t->server, t->origin, type, content, &err))
        gg_info(&logger, "an EDU %.60s of %s is refused: %s", type, t->origin, err.message);
    json_decref(content);
}

/* ---- the answer ---- */

static int by_id(const void *a, const void *b)
{
    const struct brought *x = *(const struct brought *const *)a, *y = *(const struct brought *const *)b;
    return gg_str_cmp(x->event_id, y->event_id);
}

static void write_result(struct gg_buf *out, const struct brought *b)
{
    if (b->banned)
        gg_buf_lit(out, "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"Server is banned from room\"}");
    else if (b->event)
        gg_buf_lit(out, "{}");
    else {
        gg_buf_lit(out, "{\"error\":");
        gg_buf_json_string(out, gg_str(b->why ? b->why : "refused"));
        gg_buf_char(out, '}');
    }
}

/* Canonical, as Synapse keeps it. */
static void write_answer(const struct taking *t, struct gg_buf *out)
{
    const struct brought *sorted[MX_FED_TXN_PDUS], *last = NULL;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->brought[i].event_id.s)
            sorted[n++] = &t->brought[i];
    qsort(sorted, n, sizeof(*sorted), by_id);
    gg_buf_lit(out, "{\"pdus\":{");
    for (size_t i = 0; i < n; last = sorted[i++]) {
        if (last && gg_str_eq(last->event_id, sorted[i]->event_id))
            continue;
        if (last)
            gg_buf_char(out, ',');
        gg_buf_json_string(out, sorted[i]->event_id);
        gg_buf_char(out, ':');
        write_result(out, sorted[i]);
    }
    gg_buf_lit(out, "}}");
}

static int take(struct taking *t, struct gg_error *err)
{
    int rc = find_rooms(t, err);
    if (rc == 0)
        rc = check(t, err);
    if (rc == 0)
        rc = apply_acls(t, err);
    if (rc == 0)
        rc = stage(t, err);
    if (rc)
        return rc;
    struct mx_json_iter it = mx_json_iter(t->lists.edus);
    while (t->lists.edus.s && mx_json_next(&it))
        take_edu(t, it.value);
    return 0;
}

static int take_or_find(struct flight *f, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct mx_server *server = f->inbound->server;
    struct taking t = {.server = server, .origin = f->origin, .arena = arena};
    struct gg_str before;
    int rc = mx_received_find(server, f->origin, f->txn_id, arena, &before, err);
    if (rc == 0 && before.s)
        gg_buf_str(out, before);
    if (rc || before.s)
        return rc;
    if ((rc = mx_fed_lists_read(gg_strn(f->body, f->n_body), &t.lists, err)) || (rc = take(&t, err)))
        return rc;
    mx_fed_received(server, f->origin, gg_strn(f->body, f->n_body));
    write_answer(&t, out);
    return mx_received_keep(server, f->origin, f->txn_id, gg_buf_view(out), err);
}

/* ---- one at a time ---- */

static struct line *line_of(struct mx_fed_inbound *inbound, const char *origin)
{
    struct line *line = gg_map_get(inbound->lines, gg_str(origin));
    if (line)
        return line;
    line = gg_xcalloc(1, sizeof(*line));
    gg_mutex_init(&line->mutex);
    gg_map_put(inbound->lines, gg_str(origin), line);
    return line;
}

static void leave_line(struct mx_fed_inbound *inbound, const char *origin, struct line *line)
{
    if (--line->n)
        return;
    gg_map_take(inbound->lines, gg_str(origin));
    free(line);
}

static void drop_flight(struct flight *f)
{
    if (--f->refs)
        return;
    f->inbound->n_bytes -= f->n_body;
    free(f->key);
    free(f->origin);
    free(f->txn_id);
    free(f->body);
    free(f->answer);
    free(f);
}

static void run_flight(void *arg)
{
    struct flight *f = arg;
    struct line *line = line_of(f->inbound, f->origin); /* n was counted by who began the flight */
    struct gg_buf out = GG_BUF_INIT;
    struct gg_arena *arena = gg_arena_new();
    f->status = gg_mutex_lock(&line->mutex, GG_FOREVER);
    if (f->status) {
        (void)gg_fail(&f->err, f->status, "stopping");
    } else {
        f->status = take_or_find(f, arena, &out, &f->err);
        gg_mutex_unlock(&line->mutex);
    }
    gg_arena_free(arena);
    f->answer = gg_buf_steal(&out, &f->n_answer);
    f->done = true;
    leave_line(f->inbound, f->origin, line);
    gg_map_take(f->inbound->flights, gg_str(f->key));
    gg_cond_broadcast(&f->ended);
    drop_flight(f);
}

static struct flight *new_flight(struct mx_fed_inbound *inbound, const char *key, const char *origin, const char *txn_id,
                                 struct gg_str body)
{
    struct flight *f = gg_xcalloc(1, sizeof(*f));
    f->inbound = inbound;
    f->refs = 2; /* who runs it and who waits for it */
    f->key = strdup(key);
    f->origin = strdup(origin);
    f->txn_id = strdup(txn_id);
    f->body = gg_xmalloc(body.n + 1);
    memcpy(f->body, body.s, body.n);
    f->n_body = body.n;
    inbound->n_bytes += body.n;
    gg_cond_init(&f->ended);
    return f;
}

/* Goes on to its end if the asker goes away: the next one who asks finds the answer. */
static int begin_flight(struct mx_fed_inbound *inbound, const char *key, const char *origin, const char *txn_id,
                        struct gg_str body, struct flight **out, struct gg_error *err)
{
    struct line *line = line_of(inbound, origin);
    if (line->n >= MX_FED_TXN_WAITING)
        return gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too many transactions of yours wait here");
    line->n++;
    if (inbound->n_bytes + body.n > MX_FED_TXN_BYTES) {
        leave_line(inbound, origin, line);
        return gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too many transactions wait here");
    }
    struct flight *f = new_flight(inbound, key, origin, txn_id, body);
    if (!inbound->scope || !gg_spawn(inbound->scope, "federation transaction", run_flight, f)) {
        f->refs = 1;
        drop_flight(f);
        leave_line(inbound, origin, line);
        return gg_fail(err, GG_E_UNAVAILABLE, "shutting down");
    }
    gg_map_put(inbound->flights, gg_str(f->key), f);
    *out = f;
    return 0;
}

int mx_fed_transaction(struct mx_server *server, const char *origin, const char *txn_id, struct gg_str body,
                       struct gg_arena *arena, struct gg_str *answer, struct gg_error *err)
{
    struct mx_fed_inbound *inbound = server->fed_inbound;
    const char *key = gg_arena_printf(arena, "%s\x1f%s", origin, txn_id);
    struct flight *f = gg_map_get(inbound->flights, gg_str(key));
    int rc = 0;
    inbound->sweeps = true;
    if (f)
        f->refs++;
    else
        rc = begin_flight(inbound, key, origin, txn_id, body, &f, err);
    if (rc)
        return rc;
    while (rc == 0 && !f->done)
        rc = gg_cond_wait(&f->ended, GG_FOREVER);
    if (!f->done) {
        rc = gg_fail(err, rc, "the transaction is still being taken in");
    } else if ((rc = f->status) != 0) {
        *err = f->err;
    } else {
        *answer = gg_arena_str(arena, gg_strn(f->answer, f->n_answer));
    }
    drop_flight(f);
    return rc;
}
