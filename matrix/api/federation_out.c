/* matrix/api/federation_out.c: answers to servers, spliced from stored bytes and sent piece by piece.
 *
 * The state of a room of 20,000 members is some 20 MB of JSON. Events are read a few hundred at a time into an arena of
 * their own, and what has been written leaves before the next ones are read. */
#include "api/federation_out.h"


enum { PIECE = 64 * 1024, BATCH = 200 };

static int send_piece(struct mx_fed_out *out, struct gg_error *err)
{
    int rc = 0;
    if (!out->begun) {
        out->begun = true;
        gg_reply_header(out->rq, "Content-Type", "application/json");
        rc = gg_reply_begin(out->rq, 200, -1, err);
    }
    if (rc == 0)
        rc = gg_reply_write(out->rq, out->buf.data, out->buf.n, err);
    gg_buf_clear(&out->buf);
    return rc;
}

static int add_event(struct mx_fed_out *out, const struct mx_event *event, bool *first, struct gg_error *err)
{
    if (!*first)
        gg_buf_char(&out->buf, ',');
    *first = false;
    mx_event_write_pdu(&out->buf, event);
    return out->buf.n >= PIECE ? send_piece(out, err) : 0;
}

int mx_fed_out_events(struct mx_fed_out *out, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    bool first = true;
    int rc = 0;
    gg_buf_char(&out->buf, '[');
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL)
            rc = add_event(out, events[i], &first, err);
    gg_buf_char(&out->buf, ']');
    return rc;
}

static int add_batch(struct mx_fed_out *out, const struct gg_str *ids, size_t n, const struct gg_map *without, bool *first,
                     struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n);
    int rc = mx_store_events(mx_server_of_request(out->rq), ids, n, false, arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL && events[i]->meta.rejected.s == NULL && (without == NULL || !gg_map_has(without, ids[i])))
            rc = add_event(out, events[i], first, err);
    gg_arena_free(arena);
    return rc;
}

int mx_fed_out_ids(struct mx_fed_out *out, const struct gg_str *ids, size_t n, const struct gg_map *without, struct gg_error *err)
{
    bool first = true;
    int rc = 0;
    gg_buf_char(&out->buf, '[');
    for (size_t i = 0; rc == 0 && i < n; i += BATCH)
        rc = add_batch(out, ids + i, n - i < BATCH ? n - i : BATCH, without, &first, err);
    gg_buf_char(&out->buf, ']');
    return rc;
}

void mx_fed_out_names(struct gg_buf *buf, const struct gg_str *names, size_t n)
{
    gg_buf_char(buf, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            gg_buf_char(buf, ',');
        gg_buf_json_string(buf, names[i]);
    }
    gg_buf_char(buf, ']');
}

int mx_fed_out_end(struct mx_fed_out *out, int rc, struct gg_error *err)
{
    if (rc == 0 && !out->begun)
        return gg_reply_buf(out->rq, 200, &out->buf);
    if (rc == 0)
        rc = send_piece(out, err);
    if (rc == 0)
        rc = gg_reply_end(out->rq, err);
    gg_buf_done(&out->buf);
    return rc;
}

int mx_fed_out_transaction(struct gg_request *rq, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    struct mx_fed_out out = MX_FED_OUT(rq);
    gg_buf_lit(&out.buf, "{\"origin\":");
    gg_buf_json_string(&out.buf, gg_str(mx_server_of_request(rq)->name));
    gg_buf_printf(&out.buf, ",\"origin_server_ts\":%lld,\"pdus\":", (long long)gg_wall_ms());
    int rc = mx_fed_out_events(&out, events, n, err);
    gg_buf_char(&out.buf, '}');
    return mx_fed_out_end(&out, rc, err);
}
