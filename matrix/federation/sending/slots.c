/* matrix/federation/sending/slots.c: who may transmit: fair shares of a bounded number of turns.
 *
 * A server that answers is served within milliseconds; one that is dead holds its turn for minutes. So they are kept
 * apart: destinations that failed last time, and transmissions that take long, have turns of their own, and however many
 * of them there are, those that are well find a free one. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>
#include <ganglion/metrics.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum {
    QUICK = 128,        /* turns of those that are well */
    DOUBTFUL = 128,     /* slow ones beyond which no doubtful one begins */
    ALL = 768,          /* of both kinds: each is a fiber and a connection */
    LOOK_MS = 5 * 1000, /* how often idle ones are looked at */
    SLOW_MS = 5 * 1000, /* a transmission that took so long is a slow one */
};

static struct gg_metric metric_running = {
    "synapse_federation_transaction_queue_pending_destinations", "Destinations that have, or want, a turn", GG_GAUGE, {NULL}};

size_t mx_slots_running(const struct mx_sending *sending)
{
    return sending->n_quick + sending->n_slow;
}

static void place(struct mx_dest *dest, struct gg_list *list, uint8_t where)
{
    gg_list_remove(&dest->link);
    gg_list_push(list, &dest->link);
    dest->place = where;
}

static bool begin(struct mx_dest *dest, bool slow);

static void pump(struct mx_sending *sending)
{
    if (sending->scope == NULL || sending->draining)
        return;
    while (!gg_list_empty(&sending->ready[0]) && sending->n_quick < QUICK && mx_slots_running(sending) < ALL)
        if (!begin(GG_CONTAINER(sending->ready[0].next, struct mx_dest, link), false))
            return;
    while (!gg_list_empty(&sending->ready[1]) && sending->n_slow < DOUBTFUL && mx_slots_running(sending) < ALL)
        if (!begin(GG_CONTAINER(sending->ready[1].next, struct mx_dest, link), true))
            return;
}

static void run(void *arg)
{
    struct mx_dest *dest = arg;
    struct mx_sending *sending = dest->sending;
    mx_transmit(dest);
    if (dest->slow)
        sending->n_slow--;
    else
        sending->n_quick--;
    place(dest, &sending->idle, MX_DEST_IDLE);
    gg_cond_broadcast(&sending->ended);
    if (dest->again)
        mx_dest_wake(dest);
    pump(sending);
}

static bool begin(struct mx_dest *dest, bool slow)
{
    struct mx_sending *sending = dest->sending;
    if (gg_spawn(sending->scope, dest->name, run, dest) == NULL)
        return false; /* no stack is left now: the next tick tries again */
    dest->slow = slow;
    dest->started = gg_now_ms();
    if (slow)
        sending->n_slow++;
    else
        sending->n_quick++;
    place(dest, &sending->running, MX_DEST_RUNNING);
    return true;
}

void mx_dest_wake(struct mx_dest *dest)
{
    struct mx_sending *sending = dest->sending;
    if (dest->place == MX_DEST_RUNNING)
        dest->again = true;
    if (dest->place != MX_DEST_IDLE || dest->not_before > gg_now_ms() || !mx_dest_owed(dest))
        return;
    place(dest, &sending->ready[dest->failures > 0], MX_DEST_READY);
    pump(sending);
}

void mx_dest_is_up(struct mx_dest *dest)
{
    dest->not_before = 0;
    dest->failures = 0;
    dest->proven = true;
    if (dest->place == MX_DEST_READY) {
        gg_list_remove(&dest->link);
        gg_list_push(&dest->sending->ready[0], &dest->link);
    }
    mx_dest_wake(dest);
    pump(dest->sending);
}

static size_t count(const struct gg_list *list)
{
    size_t n = 0;
    GG_LIST_EACH(link, list)
        n++;
    return n;
}

/* Those of which memory knows that something is owed, and whose time has come. */
static void wake_rested(struct mx_sending *sending)
{
    sending->looked_at = gg_now_ms();
    GG_LIST_EACH(link, &sending->idle)
        mx_dest_wake(GG_CONTAINER(link, struct mx_dest, link));
}

void mx_slots_tick(struct mx_sending *sending)
{
    int64_t now = gg_now_ms();
    GG_LIST_EACH(link, &sending->running) {
        struct mx_dest *dest = GG_CONTAINER(link, struct mx_dest, link);
        if (dest->slow || now - dest->started < SLOW_MS)
            continue;
        dest->slow = true;
        sending->n_quick--;
        sending->n_slow++;
        gg_debug(&logger, "%s takes long", dest->name);
    }
    if (now - sending->looked_at >= LOOK_MS)
        wake_rested(sending);
    gg_metric_set(&metric_running,
                  (double)(mx_slots_running(sending) + count(&sending->ready[0]) + count(&sending->ready[1])), NULL);
    pump(sending);
}
