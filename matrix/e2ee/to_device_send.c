/* matrix/e2ee/to_device_send.c: messages go into inboxes and towards other servers (facts database 3.9, 4.14).
 *
 * Requests whose messages all stay here are written together with those that wait at the same time. */
#include "e2ee/to_device.h"

#include "e2ee/e2ee.h"
#include "e2ee/text.h"
#include "e2ee/to_device_out.h"

#include <ganglion/matrix/id.h>
#include <stdlib.h>

/* Messages of one request to one user's devices share an id; a device gets one of them at most. */
#define INSERT_INBOX                                                                                                         \
    "INSERT INTO device_inbox (user_id, device_id, stream_id, message_json, instance_name)"
static const struct gg_stmt insert_named = {
    INSERT_INBOX " SELECT d.user_id, d.device_id, m.id, m.json, $5 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])"
    " AS m (id, user_id, device_id, json) JOIN devices d ON d.user_id = m.user_id AND d.device_id = m.device_id"
    " WHERE NOT coalesce(d.hidden, false) RETURNING stream_id, user_id", 0};
static const struct gg_stmt insert_every = {
    INSERT_INBOX " SELECT DISTINCT ON (m.id, d.user_id, d.device_id) d.user_id, d.device_id, m.id, m.json, $6"
    " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[]) AS m (id, user_id, device_id, json, every)"
    " JOIN devices d ON d.user_id = m.user_id AND (m.every OR d.device_id = m.device_id) WHERE NOT coalesce(d.hidden, false)"
    " RETURNING stream_id, user_id", 0};

static struct gg_str message_json(const struct mx_to_device_message *m, struct gg_str sender, struct gg_str type,
                                  struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"content\":");
    gg_buf_str(&out, m->content);
    gg_buf_lit(&out, ",\"type\":");
    gg_buf_json_string(&out, type);
    gg_buf_lit(&out, ",\"sender\":");
    gg_buf_json_string(&out, sender);
    gg_buf_char(&out, '}');
    return mx_e2ee_moved(&out, arena);
}

static struct gg_str entity_row(struct gg_str entity, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '[');
    gg_buf_json_string(&out, entity);
    gg_buf_char(&out, ']');
    return mx_e2ee_moved(&out, arena);
}

/* One request: what goes into inboxes of local devices under its first id, and what waits for other servers, an id each. */
struct sending {
    struct gg_gather_call call;
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str *users, *devices, *texts;
    bool *every, any_every;
    size_t n;
    const struct mx_outbox_edu *edus;
    size_t n_edus;
    int64_t *ids;
    struct gg_str origin, message_id;  /* of what another server sent; s NULL: of ours */
    bool known;                        /* it was taken in before */
};

/* Several requests that are written at once. */
struct inserting {
    struct mx_server *server;
    struct gg_arena *arena;
    struct sending *const *v;
    size_t n;
    struct gg_rows *rows;              /* (id, local user who got something), in any order */
};

/* A device named twice, by a key that stands twice in the JSON, gets the last message. */
static size_t place_of(struct sending *s, struct gg_map *places, const struct mx_to_device_message *m)
{
    struct gg_str key = gg_str(gg_arena_printf(s->arena, "%.*s%c%.*s", GG_FMT(m->user_id), MX_KEY_SEP, GG_FMT(m->device_id)));
    size_t known = (size_t)(uintptr_t)gg_map_get(places, key);
    if (known > 0)
        return known - 1;
    gg_map_put(places, key, (void *)(uintptr_t)(s->n + 1));
    return s->n++;
}

static void begin_sending(struct sending *s, struct mx_server *server, struct gg_str sender, struct gg_str type,
                          const struct mx_to_device_message *messages, size_t n)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_map *places = gg_map_new(NULL);
    *s = (struct sending){.server = server, .arena = arena, .users = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                          .devices = GG_NEW_ARRAY(arena, struct gg_str, n + 1), .texts = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                          .every = GG_NEW_ARRAY(arena, bool, n + 1)};
    for (size_t i = 0; i < n; i++) {
        if (!mx_is_mine(server, messages[i].user_id))
            continue;
        size_t at = place_of(s, places, &messages[i]);
        s->users[at] = messages[i].user_id;
        s->devices[at] = messages[i].device_id;
        s->every[at] = messages[i].every;
        s->any_every |= messages[i].every;
        s->texts[at] = message_json(&messages[i], sender, type, arena);
    }
    gg_map_free(places);
}

static int by_id_and_user(const void *a, const void *b)
{
    const struct gg_fetched *x = a, *y = b;
    return x->token != y->token ? (x->token < y->token ? -1 : 1) : gg_str_cmp(x->row, y->row);
}

/* The rows of the stream, each once, in order; own: what waits for other servers comes after. */
static size_t told_rows(const struct inserting *w, const struct sending *own, struct gg_fetched *told)
{
    size_t n_rows = w->rows != NULL ? gg_rows_count(w->rows) : 0, n = 0;
    for (size_t i = 0; i < n_rows; i++)
        told[i] = (struct gg_fetched){gg_rows_i64(w->rows, i, 0), gg_rows_str(w->rows, i, 1)};
    if (n_rows > 0)
        qsort(told, n_rows, sizeof(*told), by_id_and_user);
    for (size_t i = 0; i < n_rows; i++)
        if (n == 0 || told[n - 1].token != told[i].token || !gg_str_eq(told[n - 1].row, told[i].row))
            told[n++] = told[i];
    for (size_t i = 0; i < n; i++)
        told[i].row = entity_row(told[i].row, w->arena);
    for (size_t i = 0; own != NULL && i < own->n_edus; i++)
        told[n++] = (struct gg_fetched){own->ids[1 + i], entity_row(own->edus[i].destination, w->arena)};
    return n;
}

static void announce(const struct inserting *w, const struct sending *own, const int64_t *ids, size_t n_ids)
{
    size_t most = (w->rows != NULL ? gg_rows_count(w->rows) : 0) + (own != NULL ? own->n_edus : 0);
    struct gg_fetched *told = GG_NEW_ARRAY(w->arena, struct gg_fetched, most + 1);
    gg_stream_finish_rows(w->server->to_device, ids, n_ids, told, told_rows(w, own, told));
}

/* A message that another server sends twice is taken once: those that come at the same time wait for each other. */
static int note_message(struct sending *s, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt lock = {"SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))", 0};
    static const struct gg_stmt note = {
        "INSERT INTO device_federation_inbox (origin, message_id, received_ts, instance_name) SELECT $1, $2, $3, $4 WHERE NOT EXISTS"
        " (SELECT 1 FROM device_federation_inbox WHERE origin = $1 AND message_id = $2)", 0};
    struct gg_rows *rows;
    int rc = gg_txn_queue(txn, &lock, GG_PARAMS(gg_p_str(s->origin), gg_p_str(s->message_id)), err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &note, GG_PARAMS(gg_p_str(s->origin), gg_p_str(s->message_id), gg_p_i64(gg_wall_ms()),
                                               gg_p_text(gg_host_instance(s->server->host))), s->arena, &rows, err);
    s->known = rc == 0 && gg_rows_affected(rows) == 0;
    return rc;
}

static int queue_edus(struct sending *s, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO device_federation_outbox (destination, stream_id, queued_ts, messages_json, instance_name)"
        " SELECT destination, id, $4::bigint, content, $5 FROM unnest($1::text[], $2::bigint[], $3::text[]) AS e (destination, id, content)", 0};
    struct gg_str *destinations = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_edus + 1);
    struct gg_str *contents = GG_NEW_ARRAY(s->arena, struct gg_str, s->n_edus + 1);
    for (size_t i = 0; i < s->n_edus; i++) {
        destinations[i] = s->edus[i].destination;
        contents[i] = s->edus[i].content;
    }
    return gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_texts(destinations, s->n_edus), gg_p_i64s(s->ids + 1, s->n_edus),
                                              gg_p_texts(contents, s->n_edus), gg_p_i64(gg_wall_ms()),
                                              gg_p_text(gg_host_instance(s->server->host))), err);
}

/* Into the inboxes, in txn or, where it is NULL, by itself. */
static int insert(struct inserting *w, struct gg_txn *txn, struct gg_error *err)
{
    size_t total = 0, k = 0;
    bool any_every = false;
    for (size_t i = 0; i < w->n; i++)
        total += w->v[i]->n;
    int64_t *ids = GG_NEW_ARRAY(w->arena, int64_t, total + 1);
    bool *every = GG_NEW_ARRAY(w->arena, bool, total + 1);
    struct gg_str *users = GG_NEW_ARRAY(w->arena, struct gg_str, total + 1), *devices = GG_NEW_ARRAY(w->arena, struct gg_str, total + 1);
    struct gg_str *texts = GG_NEW_ARRAY(w->arena, struct gg_str, total + 1);
    for (size_t i = 0; i < w->n; i++) {
        any_every |= w->v[i]->any_every;
        for (size_t m = 0; m < w->v[i]->n; m++, k++) {
            ids[k] = w->v[i]->ids[0];
            users[k] = w->v[i]->users[m];
            devices[k] = w->v[i]->devices[m];
            texts[k] = w->v[i]->texts[m];
            every[k] = w->v[i]->every[m];
        }
    }
    struct gg_param params[6] = {gg_p_i64s(ids, total), gg_p_texts(users, total), gg_p_texts(devices, total),
                                 gg_p_texts(texts, total), gg_p_bools(every, total)};
    size_t n = any_every ? 5 : 4;
    params[n++] = gg_p_text(gg_host_instance(w->server->host));
    const struct gg_stmt *stmt = any_every ? &insert_every : &insert_named;
    return txn != NULL ? gg_txn_exec(txn, stmt, params, n, w->arena, &w->rows, err)
                       : gg_db_write(w->server->db, stmt, params, n, w->arena, &w->rows, err);
}

struct alone {
    struct inserting w;
    struct sending *s;
};

static int send_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct alone *a = arg;
    struct sending *s = a->s;
    int rc = s->origin.s != NULL ? note_message(s, txn, err) : 0;
    a->w.rows = NULL;
    if (rc != 0 || s->known)
        return rc;
    if (s->n_edus > 0)
        rc = queue_edus(s, txn, err);
    return rc == 0 ? insert(&a->w, txn, err) : rc;
}

/* What concerns other servers, in a transaction of its own. */
static int send_alone(struct sending *s, struct gg_error *err)
{
    struct alone a = {{.server = s->server, .arena = s->arena, .v = &s, .n = 1}, s};
    s->ids = GG_NEW_ARRAY(s->arena, int64_t, 1 + s->n_edus);
    int rc = gg_stream_allocate(s->server->to_device, NULL, 1 + s->n_edus, s->ids, err);
    if (rc != 0)
        return rc;
    rc = gg_db_txn(s->server->db, "add_messages_to_device_inbox", GG_TXN_READ_COMMITTED, send_body, &a, err);
    if (gg_maybe_committed(rc))
        announce(&a.w, s, s->ids, 1 + s->n_edus);
    else
        gg_stream_finish(s->server->to_device, s->ids, 1 + s->n_edus);
    return rc;
}

/* Requests that wait at the same time, in one statement. */
static int send_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    struct sending **v = GG_NEW_ARRAY(arena, struct sending *, n);
    int64_t *ids = GG_NEW_ARRAY(arena, int64_t, n);
    struct inserting w = {.server = server, .arena = arena, .v = v, .n = n};
    int rc = gg_stream_allocate(server->to_device, NULL, n, ids, err);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++) {
            v[i] = GG_CONTAINER(calls[i], struct sending, call);
            v[i]->ids = &ids[i];
        }
        rc = insert(&w, NULL, err);
        if (rc == 0)
            announce(&w, NULL, ids, n);
        else
            gg_stream_finish(server->to_device, ids, n);
    }
    gg_arena_free(arena);
    return rc;
}

const struct gg_gather_def mx_to_device_gather = {
    .name = "to_device", .run = send_together, .max_weight = 1000, .at_once = 2, .linger = true};

int mx_to_device_send(struct mx_server *server, struct gg_str sender, struct gg_str type,
                      const struct mx_to_device_message *messages, size_t n, struct gg_error *err)
{
    struct sending s;
    struct mx_outbox_edu *edus = NULL;
    begin_sending(&s, server, sender, type, messages, n);
    if (s.n < n)
        mx_to_device_edus(server->name, sender, type, messages, n, s.arena, &edus, &s.n_edus);
    s.edus = edus;
    s.call.weight = s.n;
    int rc = s.n_edus == 0 ? gg_gather(server->e2ee->sends, &s.call, err) : send_alone(&s, err);
    gg_arena_free(s.arena);
    return rc;
}

int mx_to_device_receive(struct mx_server *server, struct gg_str origin, struct gg_str message_id, struct gg_str sender,
                         struct gg_str type, const struct mx_to_device_message *messages, size_t n, struct gg_error *err)
{
    struct sending s;
    begin_sending(&s, server, sender, type, messages, n);
    s.origin = origin;
    s.message_id = message_id;
    int rc = send_alone(&s, err);
    gg_arena_free(s.arena);
    return rc;
}
