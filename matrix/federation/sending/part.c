/* matrix/federation/sending/part.c: the sender's life in a process, as a service that its role attaches. */
#include "federation/backoff.h"
#include "federation/sending/sending.h"

#include <ganglion/matrix/sender.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>
#include <ganglion/topology.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum { TICK_MS = 1000, DRAIN_MS = 5 * 1000 };

/* Which list each sender was started with: the table of positions tells neither its order nor who is there now. */
const struct gg_migration mx_sender_migrations[] = {
    {1, "CREATE TABLE senders (instance_name text PRIMARY KEY, instances text[] NOT NULL, seen_ms bigint NOT NULL)"},
    {0, NULL},
};

/* ---- the `federation` stream of a main process that does not send itself (facts replication 5.15) ---- */

struct acknowledging {
    struct mx_sending *sending;
    int64_t token;
};

static void acknowledge(void *arg)
{
    struct acknowledging *a = arg;
    struct mx_sending *sending = a->sending;
    struct gg_error err = GG_ERROR_INIT;
    char rest[256];
    int rc = a->token == sending->federation_position
                 ? 0
                 : mx_sender_federation_position(sending->server, sending->claim.own, a->token, &err);
    if (rc == 0) {
        sending->federation_position = a->token;
        snprintf(rest, sizeof(rest), "%s %lld", sending->claim.own, (long long)a->token);
        gg_repl_send(sending->server->host, "FEDERATION_ACK", gg_str(rest));
    } else {
        gg_warn(&logger, "position %lld of the main process's queue is not kept: %s", (long long)a->token, err.message);
    }
    free(a);
}

/* Nothing feeds that queue: all that goes out has a stream of its own. So a row is taken to be told already. */
static void follow_federation(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                              const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_sending *sending = self;
    if (!moved || sending->scope == NULL || gg_topology_is_main(sending->server->config))
        return;
    struct acknowledging *a = gg_xcalloc(1, sizeof(*a));
    *a = (struct acknowledging){sending, token};
    if (gg_spawn(sending->scope, "federation ack", acknowledge, a) == NULL)
        free(a);
}

/* ---- life ---- */

static void tick(void *arg)
{
    struct mx_sending *sending = arg;
    while (!gg_cancelled()) {
        gg_sleep(TICK_MS);
        mx_slots_tick(sending);
        mx_typing_tick(sending);
        mx_receipts_tick(sending);
        mx_marks_flush(sending);
    }
}

static void server_is_up(void *self, struct gg_str name)
{
    struct mx_sending *sending = self;
    struct mx_dest *dest = mx_dest_held(sending, name);
    if (sending->scope != NULL && dest != NULL)
        mx_dest_is_up(dest);
    else if (sending->scope != NULL && mx_dest_mine(sending, name))
        mx_job_add(sending, MX_JOB_UP, name, (struct gg_str){0}, true, NULL);
}

/* What transmits is given a moment to hear the answer: it would be sent again otherwise. */
static void stop(void *self)
{
    struct mx_sending *sending = self;
    struct gg_scope *scope = sending->scope;
    int64_t deadline = gg_deadline(DRAIN_MS);
    if (scope == NULL)
        return;
    sending->draining = true;
    while (sending->n_quick > 0 && gg_cond_wait(&sending->ended, deadline) == 0)
        ;
    sending->scope = NULL;
    gg_scope_end(scope);
    mx_marks_flush(sending);
    mx_position_end(sending);
}

static int begin(void *self, struct gg_error *err)
{
    static const struct {
        const char *name;
        gg_fiber_fn *fn;
    } fibers[] = {{"federation events", mx_sending_events}, {"federation news", mx_jobs_run},
                  {"federation wake", mx_wake_owed},        {"federation senders", mx_position_watch},
                  {"federation tick", tick}};
    struct mx_sending *sending = self;
    sending->follows_from = gg_stream_max_seen(sending->server->events);
    sending->lists_from = gg_stream_upto(sending->server->device_lists);
    snprintf(sending->id_part, sizeof(sending->id_part), "%lld", (long long)gg_wall_ms());
    gg_random_text(sending->id_part + strlen(sending->id_part), 5, GG_LETTERS);
    int rc = mx_position_start(sending, err);
    if (rc != 0)
        return rc;
    sending->scope = gg_scope_new(gg_host_scope(sending->server->host), "federation sender");
    for (size_t i = 0; i < GG_COUNT(fibers); i++)
        if (gg_spawn(sending->scope, fibers[i].name, fibers[i].fn, sending) == NULL) {
            stop(sending);
            return gg_fail(err, GG_E_LIMIT, "no fiber for %s", fibers[i].name);
        }
    return 0;
}

static void free_all(void *self)
{
    struct mx_sending *sending = self;
    mx_jobs_free(sending);
    mx_dests_free(sending);
    mx_typing_end(sending);
    mx_receipts_end(sending);
    mx_presence_end(sending);
    free((struct gg_str *)(uintptr_t)sending->senders);
    free(sending);
}

static bool ready(void *self, void *out)
{
    const struct mx_sending *sending = self;
    int64_t behind = gg_stream_upto(sending->server->events) - sending->position;
    gg_buf_printf(out, ",\"federation_sender\":{\"events_behind\":%lld", (long long)(behind > 0 ? behind : 0));
    if (sending->disputed) {
        gg_buf_lit(out, ",\"reason\":");
        gg_buf_json_string(out, gg_str(sending->dispute));
    }
    gg_buf_char(out, '}');
    return !sending->disputed;
}

static const struct gg_service service = {
    .name = "federation_sender", .replicated = begin, .stop = stop, .free = free_all, .ready = ready};

static void read_senders(struct mx_sending *sending)
{
    size_t n;
    const char *const *names = gg_topology_duty(sending->server->config, "federation_sender", &n);
    struct gg_str *senders = gg_xcalloc(n + 1, sizeof(*senders));
    for (size_t i = 0; i < n; i++)
        senders[i] = gg_str(names[i]);
    sending->senders = senders;
    sending->claim = (struct mx_sender_claim){.own = gg_host_instance(sending->server->host), .senders = senders, .n = n};
}

int mx_sender_load(struct gg_host *host, void **self_out, struct gg_error *err)
{
    struct mx_server *server = NULL;
    int rc = mx_server_attach(host, &server, err);
    if (rc != 0)
        return rc;
    *self_out = server;
    if (!gg_topology_has_duty(server->config, "federation_sender", NULL)) /* the plugin alone makes no sender */
        return 0;
    struct mx_sending *sending = gg_xcalloc(1, sizeof(*sending));
    sending->server = server;
    sending->dests = gg_map_new(NULL);
    struct gg_list *const lists[] = {&sending->idle,      &sending->ready[0], &sending->ready[1],
                                     &sending->running,   &sending->marks.due, &sending->jobs};
    for (size_t i = 0; i < GG_COUNT(lists); i++)
        gg_list_init(lists[i]);
    gg_cond_init(&sending->news);
    gg_cond_init(&sending->jobs_cond);
    gg_cond_init(&sending->ended);
    mx_out_texts_init(&sending->texts);
    read_senders(sending);
    mx_sending_follow(sending);
    mx_typing_watch(sending);
    mx_receipts_watch(sending);
    mx_presence_watch(sending);
    mx_devices_watch(sending);
    gg_stream_follow(server->federation, follow_federation, sending);
    mx_fed_on_server_up(server, server_is_up, sending);
    gg_host_attach(host, &service, sending);
    return 0;
}
