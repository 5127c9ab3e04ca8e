/* matrix/appservice/sending/body.c: a transaction as JSON (application service API, "PUT /_matrix/app/v1/transactions/{txnId}"). */
#include "appservice/sending/sending.h"

#include "rooms/show.h"

#include <ganglion/matrix/store.h>

/* The room as whoever was invited, or knocks, is shown it: a member, with nothing before it. */
static void write_stripped(struct gg_buf *out, const struct mx_event *event)
{
    static const char *const kept[] = {"invite_room_state", "knock_room_state"};
    for (size_t i = 0; i < GG_COUNT(kept) && event->membership.s != NULL; i++) {
        struct gg_str value = mx_json_get(event->unsigned_, kept[i]);
        if (value.s == NULL)
            continue;
        gg_buf_printf(out, "%s\"%s\":", out->n > 0 ? "," : "", kept[i]);
        gg_buf_str(out, value);
    }
}

/* Services are trusted by the administrator: they are told what the event came with, and what we think of it. */
static struct gg_str extra_unsigned(const struct mx_event *event, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    write_stripped(&out, event);
    if (event->meta.soft_failed)
        gg_buf_printf(&out, "%s\"io.element.synapse.soft_failed\":true", out.n > 0 ? "," : "");
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

/* The first version of the client format has copies of it at the top, too. */
static void copy_stripped(struct gg_buf *out, const struct mx_event *event)
{
    struct gg_buf copy = GG_BUF_INIT;
    write_stripped(&copy, event);
    if (copy.n > 0) {
        out->n--; /* the closing brace */
        gg_buf_char(out, ',');
        gg_buf_str(out, gg_buf_view(&copy));
        gg_buf_char(out, '}');
    }
    gg_buf_done(&copy);
}

static int write_events(struct mx_as_queue *q, const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                        struct gg_buf *out, struct gg_error *err)
{
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .old_copies = true};
    struct mx_show show;
    bool first = true;
    int rc = mx_show_read(q->sending->server, events, n, arena, &show, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i] == NULL || events[i]->meta.rejected.s != NULL)
            continue;
        gg_buf_text(out, first ? "" : ",");
        first = false;
        format.extra_unsigned = extra_unsigned(events[i], arena);
        mx_show_write(out, &show, i, &format);
        copy_stripped(out, events[i]);
    }
    return rc;
}

static void write_list(struct gg_buf *out, const char *key, const struct gg_buf *items)
{
    gg_buf_printf(out, ",\"%s\":[", key);
    gg_buf_str(out, gg_buf_view(items));
    gg_buf_char(out, ']');
}

static int write_extras(struct mx_as_queue *q, const struct mx_event *const *events, size_t n, struct gg_arena *arena,
                        struct gg_buf *out, struct gg_error *err)
{
    const struct mx_appservice *s = q->service;
    if (s->ephemeral)
        write_list(out, "ephemeral", &q->extras.told);
    if (s->unstable_ephemeral)
        write_list(out, "de.sorunome.msc2409.ephemeral", &q->extras.told);
    if (s->ephemeral || s->unstable_ephemeral)
        write_list(out, "de.sorunome.msc2409.to_device", &q->extras.messages);
    if (!mx_as_lists_on(q->sending, s))
        return 0;
    if (q->extras.n_lists > 0) {
        gg_buf_lit(out, ",\"org.matrix.msc3202.device_lists\":{\"changed\":[");
        gg_buf_str(out, gg_buf_view(&q->extras.lists));
        gg_buf_lit(out, "],\"left\":[]}");
    }
    return mx_as_write_counts(q, events, n, arena, out, err);
}

int mx_as_body(struct mx_as_queue *q, const struct mx_event *const *events, size_t n, struct gg_arena *arena, struct gg_str *out,
               struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"events\":[");
    int rc = write_events(q, events, n, arena, &buf, err);
    gg_buf_char(&buf, ']');
    if (rc == 0)
        rc = write_extras(q, events, n, arena, &buf, err);
    gg_buf_char(&buf, '}');
    *out = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return rc;
}
