/* matrix/e2ee/to_device.c: inboxes of devices (facts database 3.9, 4.14; replication 5.11). */
#include "e2ee/to_device.h"

#include "e2ee/e2ee.h"
#include "e2ee/streams.h"
#include "e2ee/text.h"
#include "userdata/streams.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>

/* ---- reading ---- */

int mx_to_device_after(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, int64_t after,
                       int64_t upto, size_t limit, struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                       int64_t *reached, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT stream_id, message_json FROM device_inbox WHERE user_id = $1 AND device_id = $2 AND stream_id > $3"
        " AND stream_id <= $4 ORDER BY stream_id LIMIT $5", GG_LANE_POINT};
    struct gg_rows *rows;
    *n_out = 0;
    *reached = upto > after ? upto : after;
    if (upto <= after || !mx_changes_after(server->e2ee->inboxes, user_id, after))
        return 0;
    int rc = gg_db_read(server->db, &stmt,
                        GG_PARAMS(gg_p_str(user_id), gg_p_str(device_id), gg_p_i64(after), gg_p_i64(upto),
                                  gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 1);
    if (*n_out == limit && *n_out > 0)
        *reached = gg_rows_i64(rows, *n_out - 1, 0);
    return 0;
}

int mx_to_device_acknowledge(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, int64_t upto,
                             struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "DELETE FROM device_inbox WHERE user_id = $1 AND device_id = $2 AND stream_id <= $3", 0};
    struct mx_e2ee *e = server->e2ee;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str key = gg_str(gg_arena_printf(arena, "%.*s%c%.*s", GG_FMT(user_id), MX_KEY_SEP, GG_FMT(device_id)));
    int64_t emptied = mx_changes_position(e->emptied, key), here = gg_stream_upto(server->to_device);
    int rc = 0;
    upto = upto < here ? upto : here; /* what a token says may be forged, or from a process that is ahead */
    if (upto > emptied && mx_changes_after(e->inboxes, user_id, emptied)) {
        rc = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(device_id), gg_p_i64(upto)), arena, NULL, err);
        if (rc == 0)
            mx_changes_note(e->emptied, key, upto);
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- what a request asks for ---- */

struct messages {
    struct mx_to_device_message *v;
    size_t n, cap;
};

static void add(struct messages *m, const struct mx_to_device_message *message, struct gg_arena *arena)
{
    if (m->n == m->cap) {
        struct mx_to_device_message *more = GG_NEW_ARRAY(arena, struct mx_to_device_message, m->cap * 2 + 64);
        if (m->n > 0)
            memcpy(more, m->v, m->n * sizeof(*more));
        m->v = more;
        m->cap = m->cap * 2 + 64;
    }
    m->v[m->n++] = *message;
}

static int read_devices(struct gg_str user_id, struct gg_str devices, struct gg_arena *arena, struct messages *out,
                        struct gg_error *err)
{
    size_t first = out->n, named = 0;
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it); named++) {
        struct mx_to_device_message message = {.user_id = user_id, .device_id = mx_e2ee_name(it.key, arena), .content = it.value};
        if (!mx_json_is_object(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "A message must be an object");
        if (it.value.n > MX_TO_DEVICE_MAX_BYTES)
            return gg_refuse(err, 413, "M_TOO_LARGE", "To-device message for %.*s:%.*s is too large to send (%zu > %d)",
                             GG_FMT(user_id), GG_FMT(it.key), it.value.n, MX_TO_DEVICE_MAX_BYTES);
        if (message.device_id.s != NULL) /* else no device is called so */
            add(out, &message, arena);
    }
    if (named == 1 && out->n == first + 1)
        out->v[first].every = gg_str_is(out->v[first].device_id, "*");
    return 0;
}

/* Large bodies are the common ones: each is gone through once. */
int mx_to_device_read(struct gg_str messages, struct gg_arena *arena, struct mx_to_device_message **out, size_t *n_out,
                      struct gg_error *err)
{
    struct messages found = {0};
    if (!mx_json_is_object(messages))
        return gg_refuse(err, 400, "M_BAD_JSON", "messages must be an object");
    for (struct mx_json_iter it = mx_json_iter(messages); mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, arena);
        size_t before = found.n;
        if (!mx_json_is_object(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "messages must hold objects of messages by device");
        int rc = read_devices(user_id, it.value, arena, &found, err);
        if (rc != 0)
            return rc;
        if (user_id.s == NULL || !mx_user_id_valid(user_id))
            found.n = before;
    }
    *out = found.v;
    *n_out = found.n;
    return 0;
}

/* ---- the stream: a row for each user who got something, or server that is to get something ---- */

static const struct gg_stmt fetch_rows = {
    "SELECT max(stream_id) AS id, user_id FROM device_inbox WHERE stream_id > $1 AND stream_id <= $2 GROUP BY user_id"
    " UNION ALL SELECT max(stream_id), destination FROM device_federation_outbox WHERE stream_id > $1 AND stream_id <= $2"
    " GROUP BY destination ORDER BY 1", GG_LANE_SCAN};

int mx_to_device_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                       struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_rows *rows;
    int64_t end = to - from > (int64_t)limit ? from + (int64_t)limit : to;
    int rc = gg_db_read(server->db, &fetch_rows, GG_PARAMS(gg_p_i64(from), gg_p_i64(end)), arena, &rows, err);
    return rc != 0 ? rc : mx_rows_to_fetched(rows, "t", SIZE_MAX, end, arena, out, n_out, reached);
}

void mx_to_device_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                        size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; i < n; i++) {
        struct gg_str entity = mx_row_text(rows[i].row, 0);
        if (entity.n == 0 || entity.s[0] != '@')
            continue; /* a server: for who sends to others */
        if (moved)
            mx_notify_user(server, entity);
        else
            mx_changes_note(server->e2ee->inboxes, entity, token);
    }
}
