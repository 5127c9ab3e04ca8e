/* matrix/appservice/sending/follow.c: events in their order: whom each concerns, and the transactions that come of it.
 *
 * A batch's transactions and the position that it reaches are one database transaction. A transaction that nobody was sent
 * yet grows while its service is busy, so that a slow service is sent few large ones. */
#include "appservice/sending/sending.h"

#include <ganglion/log.h>
#include <ganglion/matrix/store.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.appservice"};

enum {
    BATCH = 100,
    WRITE_MS = 1000, /* a position that nobody was owed anything for is written so often at most */
    LOOK_MS = 10000, /* a lost wake-up is made good */
    PAUSE_MS = 1000, /* after a failure */
};

static struct gg_metric processed = {.name = "synapse_handlers_appservice_events_processed_total",
                                     .help = "Events looked at for application services",
                                     .type = GG_COUNTER};

struct batch {
    struct mx_as_sending *sending;
    struct gg_arena *arena;
    struct gg_str **ids;     /* by service: the events that it sees */
    size_t *n_ids;
    struct mx_as_owed *owed;
    size_t *owners;          /* of owed[i]: the index of its queue */
    size_t n_owed;
};

static struct batch batch_new(struct mx_as_sending *sending, struct gg_arena *arena, size_t n_events)
{
    struct batch b = {.sending = sending, .arena = arena};
    b.ids = GG_NEW_ARRAY(arena, struct gg_str *, sending->n + 1);
    b.n_ids = GG_NEW_ARRAY(arena, size_t, sending->n + 1);
    b.owed = GG_NEW_ARRAY(arena, struct mx_as_owed, sending->n + 1);
    b.owners = GG_NEW_ARRAY(arena, size_t, sending->n + 1);
    for (size_t s = 0; s < sending->n; s++)
        b.ids[s] = GG_NEW_ARRAY(arena, struct gg_str, n_events + 1);
    return b;
}

static int sort_out(struct batch *b, const struct gg_str *ids, size_t n, struct gg_error *err)
{
    struct mx_as_sending *sending = b->sending;
    const struct mx_event **events = GG_NEW_ARRAY(b->arena, const struct mx_event *, n + 1);
    bool *seen = GG_NEW_ARRAY(b->arena, bool, sending->n + 1);
    int rc = mx_store_events(sending->server, ids, n, false, b->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i] == NULL || events[i]->meta.rejected.s != NULL)
            continue;
        rc = mx_appservices_see_event(sending->server, events[i], seen, err);
        for (size_t s = 0; rc == 0 && s < sending->n; s++)
            if (seen[s] && sending->queues[s].service->url != NULL)
                b->ids[s][b->n_ids[s]++] = ids[i];
    }
    return rc;
}

/* The transaction that takes up a service's share: the open one, if it is not full and nobody has begun with it. */
static void add_owed(struct batch *b, size_t s)
{
    struct mx_as_queue *q = &b->sending->queues[s];
    struct gg_buf list = GG_BUF_INIT;
    bool grow = q->open_id != 0 && q->open_n + b->n_ids[s] <= MX_AS_EVENTS;
    gg_buf_char(&list, '[');
    if (grow)
        gg_buf_str(&list, gg_buf_view(&q->open_ids));
    for (size_t i = 0; i < b->n_ids[s]; i++) {
        gg_buf_text(&list, list.n > 1 ? "," : "");
        gg_buf_json_string(&list, b->ids[s][i]);
    }
    gg_buf_char(&list, ']');
    b->owners[b->n_owed] = s;
    b->owed[b->n_owed++] = (struct mx_as_owed){.id = q->service->id, .event_ids = gg_arena_str(b->arena, gg_buf_view(&list)),
                                               .txn_id = grow ? q->open_id : 0};
    q->committing = true;
    q->commits++;
    gg_buf_done(&list);
}

static void settle(struct batch *b, bool written)
{
    for (size_t i = 0; i < b->n_owed; i++) {
        struct mx_as_queue *q = &b->sending->queues[b->owners[i]];
        const struct mx_as_owed *owed = &b->owed[i];
        q->committing = false;
        if (written) {
            q->open_n = (owed->txn_id == q->open_id ? q->open_n : 0) + b->n_ids[b->owners[i]];
            q->open_id = owed->txn_id > q->picked ? owed->txn_id : 0;
            gg_buf_clear(&q->open_ids);
            gg_buf_add(&q->open_ids, owed->event_ids.s + 1, owed->event_ids.n - 2);
        } else { /* perhaps it was written all the same */
            q->open_id = 0;
        }
        q->rows = true;
        gg_cond_signal(&q->news);
    }
}

static int move(struct mx_as_sending *sending, struct batch *b, int64_t to, struct gg_error *err)
{
    int rc = mx_as_owe(sending->server, sending->written, to, b->owed, b->n_owed, err);
    if (rc == 0) {
        sending->written = to;
        sending->written_at = gg_now_ms();
    }
    return rc;
}

static int one_batch(struct mx_as_sending *sending, int64_t upto, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *ids;
    size_t n;
    int64_t reached;
    int rc = mx_as_events_after(sending->server, sending->position, upto, BATCH, arena, &ids, &n, &reached, err);
    if (rc != 0)
        return rc;
    struct batch b = batch_new(sending, arena, n);
    rc = sort_out(&b, ids, n, err);
    for (size_t s = 0; rc == 0 && s < sending->n; s++)
        if (b.n_ids[s] > 0)
            add_owed(&b, s);
    if (rc == 0 && b.n_owed > 0)
        rc = move(sending, &b, reached, err);
    settle(&b, rc == 0);
    if (rc == 0) {
        sending->position = reached;
        gg_metric_add(&processed, (double)n, NULL);
    }
    return rc;
}

static int keep_position(struct mx_as_sending *sending, struct gg_error *err)
{
    struct batch none = {.sending = sending};
    if (sending->position == sending->written || gg_now_ms() - sending->written_at < WRITE_MS)
        return 0;
    return move(sending, &none, sending->position, err);
}

static int catch_up(struct mx_as_sending *sending, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && !gg_cancelled() && sending->position < gg_stream_upto(sending->server->events)) {
        struct gg_arena *arena = gg_arena_new();
        rc = one_batch(sending, gg_stream_upto(sending->server->events), arena, err);
        gg_arena_free(arena);
        if (rc == 0)
            rc = keep_position(sending, err);
    }
    return rc == 0 ? keep_position(sending, err) : rc;
}

static int begin(struct mx_as_sending *sending, struct gg_error *err)
{
    int rc = mx_as_position(sending->server, &sending->written, err);
    if (rc == 0)
        sending->position = sending->written;
    return rc;
}

void mx_as_follow(void *arg)
{
    struct mx_as_sending *sending = arg;
    for (bool begun = false; !gg_cancelled();) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = begun ? catch_up(sending, &err) : begin(sending, &err);
        if (rc != 0) {
            if (!gg_cancelled())
                gg_warn(&logger, "events for application services: %s", err.message);
            begun = false; /* what the table says is looked at again */
            (void)gg_sleep(PAUSE_MS);
        } else if (!begun) {
            begun = true;
        } else if (sending->position >= gg_stream_upto(sending->server->events)) {
            bool unwritten = sending->position != sending->written;
            (void)gg_cond_wait(&sending->events, gg_deadline(unwritten ? WRITE_MS : LOOK_MS));
        }
    }
    struct gg_error err = GG_ERROR_INIT;
    gg_shield_begin(); /* spares the next one from looking at what concerned nobody */
    struct batch none = {.sending = sending};
    if (sending->position > sending->written)
        (void)move(sending, &none, sending->position, &err);
    gg_shield_end();
}
