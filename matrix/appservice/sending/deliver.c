/* matrix/appservice/sending/deliver.c: one service is sent its transactions in their order, each until it was taken.
 *
 * A transaction that failed is sent again under its id and with the same contents; the waits are those of Synapse (2, 4, ..
 * 512 s). Users whom the service claims and nobody knows are asked for first: it may register them before it hears of them. */
#include "appservice/sending/sending.h"

#include <ganglion/log.h>
#include <ganglion/matrix/event.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/store.h>
#include <ganglion/metrics.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.appservice"};

enum { FIRST_BACKOFF = 1, LAST_BACKOFF = 9, IDLE_MS = 60000, PAUSE_MS = 1000, LOOK_MS = 2000 };

#define METRIC(var_, name_, help_)                                                                       \
    static struct gg_metric var_ = {.name = "synapse_appservice_api_" name_ "_total", .help = help_, .type = GG_COUNTER, \
                                    .label = {"service"}}
METRIC(sent_transactions, "sent_transactions", "Transactions that application services took");
METRIC(failed_transactions, "failed_transactions", "Transactions that application services did not take");
METRIC(sent_events, "sent_events", "Events that application services took");
METRIC(sent_ephemeral, "sent_ephemeral", "Ephemeral events that application services took");
METRIC(sent_messages, "sent_todevice", "Messages to devices that application services took");

struct turn {
    struct mx_as_queue *queue;
    struct gg_arena *arena;
    int64_t txn_id;
    const struct mx_event **events;
    size_t n;
};

/* ---- what is next ---- */

static int read_events(struct turn *t, struct gg_str list, struct gg_error *err)
{
    size_t n = mx_json_length(list);
    struct gg_str *ids = GG_NEW_ARRAY(t->arena, struct gg_str, n + 1);
    struct mx_json_iter it = mx_json_iter(list);
    while (t->n < n && mx_json_next(&it)) {
        ids[t->n] = mx_json_string(it.value, t->arena);
        t->n += ids[t->n].s != NULL;
    }
    t->events = GG_NEW_ARRAY(t->arena, const struct mx_event *, t->n + 1);
    return t->n > 0 ? mx_store_events(t->queue->sending->server, ids, t->n, false, t->arena, t->events, err) : 0;
}

static int wait_for_commit(struct mx_as_queue *q, struct gg_error *err)
{
    while (q->committing)
        if (gg_cond_wait(&q->news, GG_FOREVER) != 0)
            return gg_fail(err, GG_E_CANCELLED, "stopping");
    return 0;
}

/* The oldest transaction of the table; from now on it does not grow. */
static int next_transaction(struct turn *t, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    struct gg_str list = GG_STR("[]");
    int64_t open = 0;
    unsigned commits = 0;
    int rc = 0;
    do {
        rc = wait_for_commit(q, err);
        if (rc != 0 || !q->rows)
            return rc;
        open = q->open_id;
        commits = q->commits;
        q->open_id = 0; /* what is written from here on stands behind what is read */
        rc = mx_as_oldest(q->sending->server, q->service->id, t->arena, &t->txn_id, &list, err);
        if (t->txn_id > q->picked)
            q->picked = t->txn_id; /* perhaps before whoever wrote it knows that it is written */
        /* One that was written, and perhaps grew, while it was read is read again now that it cannot. */
    } while (rc == 0 && t->txn_id != 0 && t->txn_id == q->open_id);
    bool still = rc == 0 && q->commits == commits; /* else there is another open one by now, or nobody knows */
    if (still && t->txn_id != open)
        q->open_id = open;
    if (still && t->txn_id == 0)
        q->rows = false;
    return rc == 0 ? read_events(t, list, err) : rc;
}

/* A transaction for what stands beside no events. Events may have been committed while that was gathered, and stand before it: then
 * it goes with them, and what was made for it is left empty and for later. */
static int make_room(struct turn *t, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    int rc = mx_as_owe_nothing(q->sending->server, q->service->id, &t->txn_id, err);
    if (rc != 0)
        return rc;
    q->rows = true;
    return next_transaction(t, err);
}

/* What goes beside the events: the same as before if the transaction was tried before, or could not be made. */
static int next_extras(struct turn *t, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    bool kept = q->extras.txn_id == 0 && mx_as_extras_any(&q->extras);
    int rc = 0;
    if (t->txn_id != 0 && t->txn_id == q->extras.txn_id)
        return 0;
    if (!kept)
        mx_as_extras_clear(&q->extras);
    if (t->txn_id != 0 && t->txn_id <= q->frozen)
        return 0;
    if (!kept)
        rc = mx_as_gather(q, &q->extras, err);
    if (rc == 0 && t->txn_id == 0 && mx_as_extras_any(&q->extras))
        rc = make_room(t, err);
    q->extras.txn_id = rc == 0 ? t->txn_id : 0;
    return rc;
}

/* ---- who is nobody yet ---- */

static int ask_one(struct turn *t, struct gg_map *asked, struct gg_str user_id, struct gg_error *err)
{
    struct mx_server *server = t->queue->sending->server;
    if (!mx_is_mine(server, user_id) || gg_map_has(asked, user_id) || !mx_appservice_has_user(t->queue->service, user_id))
        return 0;
    gg_map_put(asked, user_id, NULL);
    return mx_appservice_ask_user(server, t->queue->service, user_id, err);
}

static int ask_users(struct turn *t, struct gg_error *err)
{
    struct gg_map *asked = gg_map_new(NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n; i++) {
        const struct mx_event *e = t->events[i];
        if (e == NULL)
            continue;
        rc = ask_one(t, asked, e->sender, err);
        if (rc == 0 && gg_str_is(e->type, "m.room.member") && mx_event_is_state(e))
            rc = ask_one(t, asked, e->state_key, err);
    }
    gg_map_free(asked);
    return rc;
}

/* ---- sending ---- */

static int transmit(struct turn *t, struct gg_str body, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    struct gg_client_answer answer = {0};
    char path[80];
    snprintf(path, sizeof(path), "/_matrix/app/v1/transactions/%lld", (long long)t->txn_id);
    int rc = mx_appservice_request(q->sending->server, q->service, "PUT", path, body, t->arena, &answer, err);
    if (rc == 0 && (answer.status < 200 || answer.status >= 300))
        rc = gg_fail(err, GG_E_UNAVAILABLE, "it answered %d", answer.status);
    return rc;
}

static void count(const struct turn *t)
{
    const struct mx_as_queue *q = t->queue;
    const char *const labels[] = {q->service->id, NULL};
    gg_metric_add(&sent_transactions, 1, labels);
    gg_metric_add(&sent_events, (double)t->n, labels);
    gg_metric_add(&sent_ephemeral, (double)q->extras.n_told, labels);
    gg_metric_add(&sent_messages, (double)q->extras.n_messages, labels);
}

/* Positions go first: if the row stays after a kill, it is sent again without what the positions have passed. */
static int complete(struct turn *t, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    const struct {
        enum mx_as_stream stream;
        int64_t to;
    } moves[] = {{MX_AS_TO_DEVICE, q->extras.to_device}, {MX_AS_LISTS, q->extras.device_lists}};
    int rc = 0;
    count(t);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(moves); i++) {
        if (moves[i].to < 0)
            continue;
        rc = mx_as_position_set(q->sending->server, q->service->id, moves[i].stream, moves[i].to, err);
        if (rc == 0)
            q->positions[moves[i].stream] = q->written[moves[i].stream] = moves[i].to;
    }
    if (rc == 0)
        rc = mx_as_taken(q->sending->server, q->service->id, t->txn_id, err);
    if (rc == 0)
        mx_as_extras_clear(&q->extras);
    q->backoff = FIRST_BACKOFF;
    return rc;
}

static int put_off(struct turn *t, const struct gg_error *why, struct gg_error *err)
{
    struct mx_as_queue *q = t->queue;
    const char *const labels[] = {q->service->id, NULL};
    gg_metric_add(&failed_transactions, 1, labels);
    int64_t seconds = INT64_C(1) << q->backoff;
    gg_warn(&logger, "%s did not take transaction %lld: %s; again in %lld s", q->service->id, (long long)t->txn_id, why->message,
            (long long)seconds);
    q->retry_at = gg_now_ms() + seconds * 1000;
    q->failed_at = gg_wall_ms();
    q->backoff += q->backoff < LAST_BACKOFF;
    q->again = false;
    if (q->down)
        return 0;
    q->down = true;
    mx_as_told_drop(q, q->n_told);
    return mx_as_state_set(q->sending->server, q->service->id, true, err);
}

static int recovered(struct mx_as_queue *q, struct gg_error *err)
{
    int rc = q->down ? mx_as_state_set(q->sending->server, q->service->id, false, err) : 0;
    if (rc == 0 && q->down) {
        gg_info(&logger, "%s takes transactions again", q->service->id);
        q->down = false;
    }
    return rc;
}

static int one_turn(struct turn *t, struct gg_error *err)
{
    struct gg_error why = GG_ERROR_INIT;
    struct gg_str body;
    int rc = next_transaction(t, err);
    if (rc == 0)
        rc = next_extras(t, err);
    if (rc == 0 && t->txn_id == 0)
        return recovered(t->queue, err);
    if (rc == 0)
        rc = ask_users(t, err);
    if (rc == 0)
        rc = mx_as_body(t->queue, t->events, t->n, t->arena, &body, err);
    if (rc != 0)
        return rc;
    rc = transmit(t, body, &why);
    if (gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "stopping");
    return rc == 0 ? complete(t, err) : put_off(t, &why, err);
}

/* ---- life ---- */

static int begin(struct mx_as_queue *q, struct gg_error *err)
{
    struct mx_as_state state;
    int rc = mx_as_state_get(q->sending->server, q->service->id, &state, err);
    if (rc != 0)
        return rc;
    const int64_t now[MX_AS_STREAMS] = {gg_stream_upto(q->sending->server->receipts), gg_stream_upto(q->sending->server->presence), 0,
                                        gg_stream_upto(q->sending->server->device_lists)};
    for (int i = 0; i < MX_AS_STREAMS; i++) { /* of messages everything that waits is owed; of the rest what is new */
        q->written[i] = state.positions[i];
        q->positions[i] = state.positions[i] >= 0 ? state.positions[i] : now[i];
    }
    q->down = state.down;
    q->frozen = state.newest_txn;
    q->backoff = FIRST_BACKOFF;
    q->known = true;
    q->sending->receipts = true; /* what came while nobody had the duty */
    gg_cond_signal(&q->sending->told);
    return 0;
}

static bool has_work(const struct mx_as_queue *q)
{
    return q->rows || q->n_told > 0 || q->to_device_news || q->lists_news || q->down || mx_as_extras_any(&q->extras);
}

static void wait_for_work(struct mx_as_queue *q)
{
    int64_t wait = q->down && !q->again ? q->retry_at - gg_now_ms() : 0;
    if (wait > 0) {
        (void)gg_cond_wait(&q->news, gg_deadline(wait < LOOK_MS ? wait : LOOK_MS));
        if (wait > LOOK_MS && !gg_cancelled())
            q->again = q->again || mx_as_reached_since(q, q->failed_at);
    } else if (!has_work(q)) {
        (void)gg_cond_wait(&q->news, gg_deadline(IDLE_MS));
    }
}

static bool is_time(const struct mx_as_queue *q)
{
    return has_work(q) && !q->sending->draining && (!q->down || q->again || gg_now_ms() >= q->retry_at);
}

void mx_as_deliver(void *arg)
{
    struct mx_as_queue *q = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = 0;
        if (!q->known) {
            rc = begin(q, &err);
        } else if (is_time(q)) {
            struct turn t = {.queue = q, .arena = gg_arena_new()};
            q->sending->n_turns++;
            rc = one_turn(&t, &err);
            q->sending->n_turns--;
            gg_cond_broadcast(&q->sending->turned);
            gg_arena_free(t.arena);
        } else if (q->sending->draining) {
            (void)gg_cond_wait(&q->news, gg_deadline(LOOK_MS));
        } else {
            wait_for_work(q);
        }
        if (rc != 0 && !gg_cancelled()) {
            gg_warn(&logger, "%s: %s", q->service->id, err.message);
            (void)gg_sleep(PAUSE_MS);
        }
    }
}
