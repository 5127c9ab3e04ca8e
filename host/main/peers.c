/* Watches what /ready tells of: the database, and the replication listeners of the
 * processes that this one calls. */
#include "main/peers.h"

#include "client/internal.h"
#include "config/topology.h"
#include "repl/ids.h"

#include <ganglion/db.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <stdlib.h>

#define INTERVAL_MS 5000
#define PATIENCE_MS 2000

static struct gg_logger logger = {"ganglion.main"};

struct gg_peers {
    struct gg_host *host;
    struct watched {
        const struct gg_peer *peer;
        bool asked, there;
    } * list;
    size_t n;
};

static bool is_writer(struct gg_host *host, const char *name)
{
    struct gg_streams *streams = gg_streams_of(host);
    for (size_t i = 0; i < gg_streams_count(streams); i++) {
        size_t n;
        const char *const *names = gg_stream_writers(gg_streams_at(streams, i), &n);
        for (size_t k = 0; k < n; k++)
            if (strcmp(names[k], name) == 0)
                return true;
    }
    return false;
}

/* The main process tells of duties that nobody does. */
static bool has_duty(struct gg_host *host, const char *name)
{
    static const char *const lists[] = {"pusher", "appservice", "federation_sender", "user_dir", "background", "media_background"};
    for (size_t i = 0; host->main && i < GG_COUNT(lists); i++)
        for (const char *const *each = gg_topology_duty(host->config, lists[i], NULL); *each != NULL; each++)
            if (strcmp(*each, name) == 0)
                return true;
    return false;
}

static bool needed(struct gg_host *host, const struct gg_peer *peer)
{
    if (strcmp(peer->name, host->instance) == 0)
        return false;
    return strcmp(peer->name, GG_MAIN_INSTANCE) == 0 || is_writer(host, peer->name) || has_duty(host, peer->name);
}

static bool is_there(struct gg_host *host, const struct gg_peer *peer)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_internal_answer answer;
    struct gg_internal_request request = {.peer = peer, .target = "/health", .connect_timeout_ms = PATIENCE_MS,
                                          .timeout_ms = PATIENCE_MS, .repeatable = true};
    bool there = gg_internal_fetch(host, &request, arena, &answer, &err) == 0;
    gg_arena_free(arena);
    return there;
}

/* An idle process would learn only from its next request that the database went
 * away, or came back. */
static void touch_database(struct gg_host *host)
{
    static const struct gg_stmt one = {"SELECT 1", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    bool was = gg_db_healthy(host->db);
    int64_t old = gg_set_deadline(gg_deadline(PATIENCE_MS));
    int rc = gg_db_read(host->db, &one, GG_NO_PARAMS, arena, &rows, &err);
    gg_set_deadline(old);
    if (rc < 0 && was && !gg_cancelled())
        gg_warn(&logger, "the database does not answer: %s", err.message);
    else if (rc == 0 && !was)
        gg_info(&logger, "the database answers again");
    gg_arena_free(arena);
}

static void watch(void *arg)
{
    struct gg_peers *peers = arg;
    do {
        touch_database(peers->host);
        for (size_t i = 0; i < peers->n && !gg_cancelled(); i++) {
            struct watched *w = &peers->list[i];
            bool there = is_there(peers->host, w->peer);
            if (gg_cancelled())
                return;
            if (w->asked && there != w->there)
                gg_log(&logger, there ? GG_INFO : GG_WARN, "%s %s", w->peer->name,
                       there ? "is there again" : "cannot be reached");
            w->asked = true;
            w->there = there;
        }
    } while (gg_sleep(INTERVAL_MS) == GG_OK);
}

void gg_peers_watch(struct gg_host *host)
{
    size_t n;
    const struct gg_peer *all = gg_topology_peers(host->config, &n);
    struct gg_peers *peers = calloc(1, sizeof(*peers));
    GG_ASSERT(peers != NULL);
    peers->host = host;
    peers->list = calloc(n + 1, sizeof(*peers->list));
    GG_ASSERT(peers->list != NULL);
    for (size_t i = 0; i < n; i++)
        if (needed(host, &all[i]))
            peers->list[peers->n++].peer = &all[i];
    host->peers = peers;
    if (gg_spawn(host->jobs_scope, "watch processes", watch, peers) == NULL)
        gg_err(&logger, "cannot watch the other processes");
}

void gg_peers_ready(const struct gg_host *host, struct gg_buf *out)
{
    const struct gg_peers *peers = host->peers;
    bool first = true;
    gg_buf_lit(out, ",\"processes\":{");
    for (size_t i = 0; peers != NULL && i < peers->n; i++) {
        if (!peers->list[i].asked)
            continue;
        gg_buf_text(out, first ? "" : ",");
        gg_buf_json_string(out, gg_str(peers->list[i].peer->name));
        gg_buf_text(out, peers->list[i].there ? ":true" : ":false");
        first = false;
    }
    gg_buf_char(out, '}');
}

bool gg_peers_there(const struct gg_host *host, const char *name)
{
    const struct gg_peers *peers = host->peers;
    for (size_t i = 0; peers != NULL && i < peers->n; i++)
        if (strcmp(peers->list[i].peer->name, name) == 0)
            return peers->list[i].there;
    return false;
}

void gg_peers_free(struct gg_host *host)
{
    if (host->peers == NULL)
        return;
    free(host->peers->list);
    free(host->peers);
    host->peers = NULL;
}
