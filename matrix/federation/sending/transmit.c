/* matrix/federation/sending/transmit.c: one destination's transactions, one after the other (server-server API,
 * "Transactions"). What waits goes in an order of need: what was missed first; then events together with messages to
 * devices, device lists and as much passing news as has place. */
#include "e2ee/outbound.h"
#include "federation/backoff.h"
#include "federation/client.h"
#include "federation/last_seen.h"
#include "federation/sending/sending.h"
#include "federation/sending/transaction.h"

#include <ganglion/log.h>
#include <ganglion/matrix/json.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum {
    RECEIPT_EDUS = 5,              /* before what devices wait for */
    KEPT_FOR_LISTS = 10,           /* EDUs that messages to devices leave to device lists */
    FIRST_WAIT_MS = 1000,          /* after a failure that is not theirs, doubling */
    MOST_WAIT_MS = 60 * 1000,
    NEWS_DIES_MS = 60 * 60 * 1000, /* passing news is not kept for a server that is left alone for longer */
    MOST_ANSWER = 4 << 20,
};

static struct gg_metric metric_transactions = {
    "synapse_federation_client_sent_transactions", "Transactions that other servers took", GG_COUNTER, {NULL}};
static struct gg_metric metric_pdus = {
    "synapse_federation_client_sent_pdu_destinations", "Events that others took, for each of them", GG_COUNTER, {NULL}};
static struct gg_metric metric_edus = {
    "synapse_federation_client_sent_edus", "EDUs that other servers took", GG_COUNTER, {NULL}};

/* ---- one transaction over the wire ---- */

/* What they did not take of it, and why, is theirs to know: a line helps who looks for a lost event. */
static void note_refused(const struct mx_dest *dest, struct gg_str answer)
{
    if (!gg_log_enabled(&logger, GG_INFO) || !mx_json_is_object(answer))
        return;
    for (struct mx_json_iter it = mx_json_iter(mx_json_get(answer, "pdus")); mx_json_next(&it);) {
        struct gg_str why = mx_json_get(it.value, "error");
        if (why.s != NULL)
            gg_info(&logger, "%s did not take %.*s: %.*s", dest->name, GG_FMT(it.key), (int)(why.n < 300 ? why.n : 300),
                    why.s);
    }
}

static int put(struct mx_dest *dest, struct gg_str pdus, struct gg_str edus, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_sending *sending = dest->sending;
    struct mx_server *server = sending->server;
    struct mx_fed_answer answer = {0};
    struct gg_buf body = GG_BUF_INIT;
    const char *id = gg_arena_printf(arena, "%s%llu", sending->id_part, (unsigned long long)++sending->transactions);
    mx_transaction_write(&body, server->name, gg_wall_ms(), pdus, edus);
    struct mx_fed_request request = {.destination = dest->name,
                                     .method = "PUT",
                                     .path = mx_fed_path(arena, "/_matrix/federation/v1/send/%s", id),
                                     .body = gg_buf_view(&body),
                                     .max_answer = MOST_ANSWER,
                                     .ignore_backoff = dest->proven,
                                     .backoff_on_404 = true,
                                     .backoff_on_any = true,
                                     .long_retries = dest->failures == 0};
    dest->proven = false;
    int rc = mx_fed_fetch(server, &request, arena, &answer, err);
    if (rc == 0 && (answer.status < 200 || answer.status > 299))
        rc = mx_fed_refused(&request, &answer, arena, err);
    if (rc == 0) {
        note_refused(dest, answer.body);
        mx_fed_sent(server, dest->name, gg_buf_view(&body));
        dest->failures = 0;
        gg_metric_add(&metric_transactions, 1, NULL);
    }
    gg_buf_done(&body);
    return rc;
}

/* The texts of those that it does not have yet; n is at most MX_PDUS_MAX. */
static int write_events(struct mx_dest *dest, struct mx_out_pdu *const *pdus, size_t n, struct gg_buf *out, size_t *n_out,
                        struct gg_error *err)
{
    struct mx_out_pdu *lacking[MX_PDUS_MAX];
    size_t n_lacking = 0;
    for (size_t i = 0; i < n; i++)
        if (!mx_dest_has_ahead(dest, pdus[i]->stream_ordering))
            lacking[n_lacking++] = pdus[i];
    return mx_out_pdus_write(dest->sending->server, &dest->sending->texts, lacking, n_lacking, out, n_out, err);
}

int mx_transmit_events(struct mx_dest *dest, struct mx_out_pdu *const *pdus, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf text = GG_BUF_INIT;
    size_t n_written;
    int rc = write_events(dest, pdus, n, &text, &n_written, err);
    if (rc == 0 && n_written > 0)
        rc = put(dest, gg_buf_view(&text), GG_STR(""), arena, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        mx_dest_note_ahead(dest, pdus[i]->stream_ordering);
    if (rc == 0)
        gg_metric_add(&metric_pdus, (double)n_written, NULL);
    gg_buf_done(&text);
    gg_arena_free(arena);
    return rc;
}

/* ---- putting one together ---- */

struct outgoing {
    struct mx_dest *dest;
    struct gg_arena *arena;
    struct mx_transaction t;
    struct gg_buf pdus;
    struct mx_out_pdu *held[MX_PDUS_MAX]; /* references */
    size_t n_held, n_pdus;
    int64_t messages[MX_EDUS_MAX];
    size_t n_messages;
    int64_t lists_upto; /* device lists up to there are in it; 0: none */
};

static void outgoing_begin(struct outgoing *o, struct mx_dest *dest)
{
    *o = (struct outgoing){.dest = dest, .arena = gg_arena_new(), .pdus = GG_BUF_INIT};
    mx_transaction_init(&o->t);
}

static void outgoing_end(struct outgoing *o)
{
    for (size_t i = 0; i < o->n_held; i++)
        mx_out_pdu_unref(&o->dest->sending->texts, o->held[i]);
    mx_transaction_done(&o->t);
    gg_buf_done(&o->pdus);
    gg_arena_free(o->arena);
}

static int fill_events(struct outgoing *o, struct gg_error *err)
{
    struct mx_dest *dest = o->dest;
    for (; o->n_held < MX_PDUS_MAX && o->n_held < dest->n_pdus; o->n_held++)
        o->held[o->n_held] = mx_out_pdu_ref(dest->pdus[dest->first + o->n_held]);
    return write_events(dest, o->held, o->n_held, &o->pdus, &o->n_pdus, err);
}

static int fill_messages(struct outgoing *o, struct gg_error *err)
{
    struct mx_outbox_row *rows;
    size_t n = 0, limit = MX_EDUS_MAX - KEPT_FOR_LISTS - o->t.n_edus;
    if (!o->dest->to_device)
        return 0;
    o->dest->to_device = false; /* what is written from now on sets it again */
    int rc = mx_outbox_read(o->dest->sending->server, mx_dest_name(o->dest), limit, o->arena, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        mx_transaction_add(&o->t, "m.direct_to_device", rows[i].content);
        o->messages[o->n_messages++] = rows[i].stream_id;
    }
    if (rc != 0 || n == limit)
        o->dest->to_device = true;
    return rc;
}

static size_t room_left(const struct outgoing *o)
{
    return o->t.n_edus < MX_EDUS_MAX ? MX_EDUS_MAX - o->t.n_edus : 0;
}

/* One change may be two EDUs. */
static int fill_lists(struct outgoing *o, struct gg_error *err)
{
    struct mx_server *server = o->dest->sending->server;
    struct mx_device_edu *edus;
    size_t n = 0, limit = room_left(o) / 2;
    if (!o->dest->lists || limit == 0)
        return 0;
    int64_t upto = 0, to = gg_stream_max_seen(server->device_lists);
    o->dest->lists = false; /* as above */
    int rc = mx_device_list_edus(server, mx_dest_name(o->dest), 0, to, limit, o->arena, &edus, &n, &upto, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        mx_transaction_add(&o->t, edus[i].type, edus[i].content);
    if (rc == 0 && n > 0)
        o->lists_upto = upto;
    if (rc != 0 || upto < to)
        o->dest->lists = true;
    return rc;
}

static int fill(struct outgoing *o, struct gg_error *err)
{
    struct mx_out_queue *news = &o->dest->edus;
    mx_transaction_add_presence(&o->t, news, gg_wall_ms());
    mx_transaction_add_receipts(&o->t, news, RECEIPT_EDUS);
    int rc = fill_messages(o, err);
    if (rc == 0)
        rc = fill_lists(o, err);
    if (rc != 0)
        return rc;
    mx_transaction_add_typing(&o->t, news, room_left(o));
    mx_transaction_add_receipts(&o->t, news, room_left(o));
    return fill_events(o, err);
}

/* ---- afterwards ---- */

/* It was taken: what the tables hold of it goes. */
static int settle(struct outgoing *o, struct gg_error *err)
{
    struct mx_dest *dest = o->dest;
    int64_t last = o->n_held > 0 ? o->held[o->n_held - 1]->stream_ordering : 0;
    while (dest->n_pdus > 0 && dest->pdus[dest->first]->stream_ordering <= last)
        mx_dest_drop_pdus(dest, 1);
    if (last > 0)
        mx_mark_delivered(dest, last);
    gg_metric_add(&metric_pdus, (double)o->n_pdus, NULL);
    gg_metric_add(&metric_edus, (double)o->t.n_edus, NULL);
    int rc = o->n_messages == 0
                 ? 0
                 : mx_outbox_delete(dest->sending->server, mx_dest_name(dest), o->messages, o->n_messages, err);
    if (rc == 0 && o->lists_upto > 0)
        rc = mx_device_lists_sent(dest->sending->server, mx_dest_name(dest), o->lists_upto, err);
    return rc;
}

/* It was not, or nobody knows: all of it is still owed. */
static void take_back(struct outgoing *o)
{
    o->dest->to_device |= o->n_messages > 0;
    o->dest->lists |= o->lists_upto > 0;
    mx_out_queue_return(&o->dest->edus, &o->t.taken);
}

/* *more: something was sent, there may be more. */
static int transmit_one(struct mx_dest *dest, bool *more, struct gg_error *err)
{
    struct outgoing o;
    outgoing_begin(&o, dest);
    int rc = fill(&o, err);
    bool any = rc == 0 && (o.n_pdus > 0 || o.t.n_edus > 0);
    if (any)
        rc = put(dest, gg_buf_view(&o.pdus), gg_buf_view(&o.t.edus), o.arena, err);
    if (rc == 0)
        rc = settle(&o, err); /* also when nothing was left of events that are gone */
    else
        take_back(&o);
    *more = any || o.n_held > 0;
    outgoing_end(&o);
    return rc;
}

static int transmit_all(struct mx_dest *dest, struct gg_error *err)
{
    bool more = true;
    int rc = 0;
    while (rc == 0 && more && !dest->sending->draining && !gg_cancelled()) {
        if (dest->behind)
            rc = mx_catch_up(dest, err);
        if (rc == 0 && !dest->behind)
            rc = transmit_one(dest, &more, err);
    }
    return rc;
}

/* ---- failures ---- */

/* How long it is to be left alone: what the table says; if it was not their failure, a while that grows. */
static int64_t wait_after(struct mx_dest *dest)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fed_timings timings = {0};
    if (mx_fed_timings_of(dest->sending->server, mx_dest_name(dest), &timings, &err) == 0 && timings.interval > 0) {
        int64_t wait = timings.last_ts + timings.interval - gg_wall_ms();
        if (wait > 0)
            return wait;
    }
    unsigned doublings = dest->failures < 6 ? dest->failures : 6;
    int64_t wait = (int64_t)FIRST_WAIT_MS << doublings;
    return wait < MOST_WAIT_MS ? wait : MOST_WAIT_MS;
}

static void failed(struct mx_dest *dest, const struct gg_error *why)
{
    int64_t wait = wait_after(dest);
    dest->failures++;
    dest->not_before = gg_deadline(wait);
    if (dest->n_pdus > 0)
        mx_dest_fall_behind(dest);
    mx_out_queue_clear(&dest->edus, wait > NEWS_DIES_MS ? MX_OUT_KINDS : MX_OUT_TYPING);
    gg_info(&logger, "%s took nothing: %s; the next try is in %lld s", dest->name, why->message, (long long)(wait / 1000));
}

void mx_transmit(void *arg)
{
    struct mx_dest *dest = arg;
    struct gg_error err = GG_ERROR_INIT;
    int rc;
    do {
        dest->again = false;
        rc = transmit_all(dest, &err);
    } while (rc == 0 && dest->again && !dest->sending->draining && !gg_cancelled());
    if (rc != 0 && !gg_cancelled())
        failed(dest, &err);
}
