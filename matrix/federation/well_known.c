/* well_known.c: asks for /.well-known/matrix/server and keeps what was said, as long as the specification lets us. */
#include "federation/well_known.h"

#include "cache/flight.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.well_known"};

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

enum { KEEP = 50000, MAX_ANSWER = 50 * 1024, MAX_REDIRECTS = 20, TRIES = 3, PAUSE_MS = 500, PATIENCE_MS = 15000 };

#define PERIOD_DEFAULT (24 * HOUR)
#define PERIOD_FAILED HOUR        /* none to be had */
#define PERIOD_DOWN (2 * MINUTE)  /* none now, but lately */
#define LATELY (2 * HOUR)         /* how long after its end a good answer counts as lately */

struct known {
    int64_t until, fresh_until; /* gg_now_ms(); asked anew after fresh_until, a failure then does no harm before until */
    int64_t good_until;         /* there was a good answer lately */
    char server[];              /* "": none */
};

struct mx_well_knowns {
    struct gg_map *known, *flights;
};

struct found {
    const char *server; /* NULL: none */
    int64_t period;     /* bounded; -1: the headers do not say */
    bool passing;       /* it may be there later */
};

/* ---- one answer ---- */

static struct gg_str host_of(const char *url)
{
    const char *at = strstr(url, "://");
    at = at ? at + 3 : url;
    size_t n = strcspn(at, "/?#");
    const char *sign = memchr(at, '@', n);
    if (sign) {
        n -= (size_t)(sign + 1 - at);
        at = sign + 1;
    }
    if (*at == '[')
        return gg_strn(at + 1, strcspn(at + 1, "]"));
    return gg_strn(at, strcspn(at, ":") < n ? strcspn(at, ":") : n);
}

static int ask_once(struct mx_fed_client *client, const char *host, struct gg_arena *arena, struct gg_client_answer *out,
                    struct gg_error *err)
{
    const char *headers[] = {client->user_agent, NULL};
    const char *url = client->well_known_port ? gg_arena_printf(arena, "https://%s:%u/.well-known/matrix/server", host,
                                                                client->well_known_port)
                                              : gg_arena_printf(arena, "https://%s/.well-known/matrix/server", host);
    int status = 0;
    for (int i = 0; !status && i <= MAX_REDIRECTS && url; i++) {
        struct gg_client_request request = {.url = url, .headers = headers, .max_answer = MAX_ANSWER, .public_only = true, .proxied = true,
                                            .pool = client->pool, .insecure = !mx_fed_verifies(client, host_of(url))};
        status = gg_client_fetch(client->server->host, &request, arena, out, err);
        url = status ? NULL : out->redirect;
    }
    return status;
}

/* It had one lately: then it is asked more than once. */
static int ask(struct mx_fed_client *client, const char *host, bool again, struct gg_arena *arena, struct found *out)
{
    struct gg_client_answer answer;
    int64_t half = gg_now_ms() + (gg_get_deadline() == GG_FOREVER ? PATIENCE_MS : (gg_get_deadline() - gg_now_ms()) / 2);
    int64_t before = gg_set_deadline(half < gg_deadline(PATIENCE_MS) ? half : gg_deadline(PATIENCE_MS));
    struct gg_error err;
    int status;
    for (int i = 1;; i++) {
        err = (struct gg_error)GG_ERROR_INIT;
        status = ask_once(client, host, arena, &answer, &err);
        bool passing = status ? status != GG_E_LIMIT && status != GG_E_CANCELLED : answer.status >= 500;
        if (!passing || !again || i == TRIES || gg_sleep(PAUSE_MS))
            break;
    }
    gg_set_deadline(before);
    if (status == GG_E_CANCELLED)
        return status;
    out->passing = status || answer.status >= 500;
    out->server = !status && answer.status == 200 ? mx_well_known_parse(answer.body, arena) : NULL;
    if (out->server)
        out->period = mx_well_known_period(gg_client_header(&answer, arena, "Cache-Control"),
                                           gg_client_header(&answer, arena, "Expires"), gg_wall_ms());
    gg_debug(&logger, "%s: %s", host, out->server ? out->server : status ? err.message : "no delegation");
    return 0;
}

/* ---- what is kept ---- */

static int64_t jittered(int64_t period) /* within a tenth: not all are asked at once */
{
    uint32_t bits;
    gg_random_bytes(&bits, sizeof(bits));
    return period - period / 10 + (int64_t)((double)(period / 5) * (bits / (double)UINT32_MAX));
}

static void make_room(struct gg_map *map)
{
    struct gg_str key;
    void *value;
    if (gg_map_count(map) < KEEP)
        return;
    for (size_t i = 0; gg_map_next(map, &i, &key, &value);)
        if (((struct known *)value)->until < gg_now_ms())
            gg_map_delete(map, key);
    if (gg_map_count(map) >= KEEP)
        gg_map_clear(map);
}

static void keep(struct mx_well_knowns *all, struct gg_str host, const char *server, int64_t period, int64_t good_until)
{
    size_t n = server ? strlen(server) : 0;
    struct known *known = gg_xcalloc(1, sizeof(*known) + n + 1);
    memcpy(known->server, server ? server : "", n);
    known->until = gg_now_ms() + period;
    known->fresh_until = known->until - period / 5;
    known->good_until = good_until;
    make_room(all->known);
    gg_map_put(all->known, host, known);
}

/* What the answer, or that there is none, means for the next hours. Returns whom the host delegates to now. */
static const char *learn(struct mx_fed_client *client, const char *host, const struct found *found, struct gg_arena *arena)
{
    struct mx_well_knowns *all = client->well_knowns;
    const struct known *old = gg_map_get(all->known, gg_str(host));
    int64_t now = gg_now_ms(), good_until = old ? old->good_until : 0;
    if (found->server) {
        int64_t period = found->period < 0 ? jittered(PERIOD_DEFAULT) : found->period;
        keep(all, gg_str(host), found->server, period, now + period + LATELY);
        return found->server;
    }
    if (found->passing && old && old->server[0] && old->until > now)
        return gg_arena_strdup(arena, old->server);
    keep(all, gg_str(host), NULL, jittered(good_until > now ? PERIOD_DOWN : PERIOD_FAILED), good_until);
    return NULL;
}

static const struct known *fresh(const struct mx_well_knowns *all, const char *host)
{
    const struct known *known = gg_map_get(all->known, gg_str(host));
    return known && known->fresh_until > gg_now_ms() ? known : NULL;
}

static int ask_and_learn(struct mx_fed_client *client, const char *host, struct gg_arena *arena, const char **out)
{
    const struct known *old = gg_map_get(client->well_knowns->known, gg_str(host));
    struct found found = {.period = -1};
    int status = ask(client, host, old && old->good_until > gg_now_ms(), arena, &found);
    if (!status)
        *out = learn(client, host, &found, arena);
    return status;
}

int mx_fed_well_known(struct mx_fed_client *client, const char *host, struct gg_arena *arena, const char **out,
                      struct gg_error *err)
{
    struct mx_well_knowns *all = client->well_knowns;
    const struct known *known;
    int status = 0;
    *out = NULL;
    while (!(known = fresh(all, host))) {
        bool owner;
        struct mx_flight *flight = mx_flight_join(all->flights, gg_str(host), &owner);
        if (owner) {
            status = ask_and_learn(client, host, arena, out);
            mx_flight_land(all->flights, gg_str(host), flight);
            return status ? gg_fail(err, status, "%s was not found in time", host) : 0;
        }
        status = mx_flight_wait(flight);
        if (status)
            return gg_fail(err, status, "%s was not found in time", host);
    }
    *out = known->server[0] ? gg_arena_strdup(arena, known->server) : NULL;
    return 0;
}

void mx_fed_well_knowns_make(struct mx_fed_client *client)
{
    client->well_knowns = gg_xcalloc(1, sizeof(*client->well_knowns));
    client->well_knowns->known = gg_map_new(free);
    client->well_knowns->flights = gg_map_new(NULL);
}

void mx_fed_well_knowns_free(struct mx_fed_client *client)
{
    gg_map_free(client->well_knowns->known);
    gg_map_free(client->well_knowns->flights);
    free(client->well_knowns);
}
