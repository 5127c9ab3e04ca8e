/* backoff.c: which servers are left alone, until when, and who is told when one is back. */
#include "federation/client_part.h"
#include "storage/federation/timings.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/repl.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.client"};

enum { TIMINGS_BYTES = 8 << 20 };
#define UP_COMMAND "REMOTE_SERVER_UP"

struct follower {
    struct gg_list link;
    mx_fed_up_fn *fn;
    void *self;
};

struct sleeper { /* on the stack of the fiber that sleeps */
    struct gg_list link;
    const char *name;
    struct gg_cond cond;
    bool woken;
};

/* ---- the rule ---- */

int64_t mx_fed_next_interval(const struct mx_fed_backoff_rules *rules, int64_t interval, double spread)
{
    if (interval <= 0)
        return rules->least_ms;
    double next = (double)interval * rules->multiplier * (0.8 + 0.6 * spread);
    return next >= (double)rules->most_ms ? rules->most_ms : (int64_t)next;
}

static double draw(void)
{
    uint32_t bits;
    gg_random_bytes(&bits, sizeof(bits));
    return bits / (double)UINT32_MAX;
}

/* ---- what is known ---- */

static bool cached(struct mx_fed_client *client, struct gg_str name, struct mx_fed_timings *out)
{
    const struct mx_fed_timings *held = mx_cache_get(client->timings, name);
    if (held)
        *out = *held;
    return held != NULL;
}

static void keep(struct mx_fed_client *client, struct gg_str name, const struct mx_fed_timings *timings, uint64_t tick)
{
    struct mx_fed_timings *held = gg_xmalloc(sizeof(*held));
    *held = *timings;
    mx_cache_put(client->timings, name, held, sizeof(*held), tick);
}

static int read_many(struct mx_server *server, const struct gg_str *names, size_t n, struct mx_fed_timings *out,
                     struct gg_error *err)
{
    struct mx_fed_client *client = server->fed_client;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct mx_fed_timings *read = GG_NEW_ARRAY(arena, struct mx_fed_timings, n + 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n + 1), m = 0;
    for (size_t i = 0; i < n; i++)
        if (!cached(client, names[i], &out[i])) {
            places[m] = i;
            missing[m++] = names[i];
        }
    uint64_t tick = mx_cache_tick(client->timings);
    int status = m ? mx_fed_timings_read(server, missing, m, read, err) : 0;
    for (size_t i = 0; !status && i < m; i++) {
        out[places[i]] = read[i];
        keep(client, missing[i], &read[i], tick);
    }
    gg_arena_free(arena);
    return status;
}

int mx_fed_timings_of(struct mx_server *server, struct gg_str name, struct mx_fed_timings *out, struct gg_error *err)
{
    return cached(server->fed_client, name, out) ? 0 : read_many(server, &name, 1, out, err);
}

static bool is_early(const struct mx_fed_timings *timings, int64_t at)
{
    return timings->last_ts > 0 && timings->last_ts + timings->interval > at;
}

bool mx_fed_in_backoff(struct mx_server *server, const char *name)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fed_timings timings;
    return mx_fed_timings_of(server, gg_str(name), &timings, &err) == 0 && is_early(&timings, gg_wall_ms());
}

int mx_fed_in_backoff_many(struct mx_server *server, const char *const *names, size_t n, int64_t within_ms, bool *out,
                           struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *texts = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct mx_fed_timings *timings = GG_NEW_ARRAY(arena, struct mx_fed_timings, n + 1);
    for (size_t i = 0; i < n; i++)
        texts[i] = gg_str(names[i]);
    int status = read_many(server, texts, n, timings, err);
    for (size_t i = 0; !status && i < n; i++)
        out[i] = is_early(&timings[i], gg_wall_ms() + within_ms);
    gg_arena_free(arena);
    return status;
}

/* ---- who is told that a server is back ---- */

static void tell_here(struct mx_fed_client *client, struct gg_str name)
{
    GG_LIST_EACH(at, &client->sleepers) {
        struct sleeper *sleeper = GG_CONTAINER(at, struct sleeper, link);
        if (gg_str_is(name, sleeper->name)) {
            sleeper->woken = true;
            gg_cond_broadcast(&sleeper->cond);
        }
    }
    GG_LIST_EACH(at, &client->followers) {
        struct follower *follower = GG_CONTAINER(at, struct follower, link);
        follower->fn(follower->self, name);
    }
}

static void on_command(void *self, const char *command, struct gg_str rest)
{
    tell_here(self, rest);
}

static void tell_all(struct mx_fed_client *client, struct gg_str name)
{
    tell_here(client, name);
    gg_repl_send(client->server->host, UP_COMMAND, name);
}

void mx_fed_on_server_up(struct mx_server *server, mx_fed_up_fn *fn, void *self)
{
    struct follower *follower = gg_xcalloc(1, sizeof(*follower));
    follower->fn = fn;
    follower->self = self;
    gg_list_push(&server->fed_client->followers, &follower->link);
}

int mx_fed_sleep(struct mx_server *server, const char *name, int64_t ms)
{
    struct sleeper sleeper = {.name = name};
    int64_t until = gg_deadline(ms);
    int status = 0;
    gg_cond_init(&sleeper.cond);
    gg_list_push(&server->fed_client->sleepers, &sleeper.link);
    while (!status && !sleeper.woken)
        status = gg_cond_wait(&sleeper.cond, until);
    gg_list_remove(&sleeper.link);
    return status == GG_E_TIMEOUT && gg_now_ms() >= until ? 0 : status;
}

/* ---- what happened ---- */

/* Shielded: what was learnt of a server holds for others, though this caller may have no time left. */
static bool store(struct mx_server *server, struct gg_str name, const struct mx_fed_timings *timings)
{
    struct gg_error err = GG_ERROR_INIT;
    gg_shield_begin();
    int status = mx_fed_timings_write(server, name, timings, &err);
    gg_shield_end();
    if (status)
        gg_warn(&logger, "how well %.*s can be reached was not stored: %s", GG_FMT(name), err.message);
    return !status;
}

void mx_fed_worked(struct mx_server *server, const char *name, const struct mx_fed_timings *known)
{
    if (!known->interval && !known->failure_ts)
        return;
    if (store(server, gg_str(name), &(struct mx_fed_timings){0}) && known->failure_ts)
        tell_all(server->fed_client, gg_str(name));
}

void mx_fed_failed(struct mx_server *server, const char *name, const struct mx_fed_timings *known)
{
    struct mx_fed_timings now = {.failure_ts = known->failure_ts, .last_ts = gg_wall_ms()};
    now.interval = mx_fed_next_interval(&server->fed_client->rules, known->interval, draw());
    if (!now.failure_ts)
        now.failure_ts = now.last_ts;
    gg_info(&logger, "%s cannot be reached; it is left alone for %lld s", name, (long long)now.interval / 1000);
    store(server, gg_str(name), &now);
}

/* ---- contact from their side ---- */

struct waking {
    struct mx_server *server;
    char name[];
};

static void wake(void *arg)
{
    struct waking *waking = arg;
    struct mx_server *server = waking->server;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fed_timings known = {0};
    if (mx_fed_timings_of(server, gg_str(waking->name), &known, &err) == 0 && known.last_ts > 0) {
        known.failure_ts = known.failure_ts ? known.failure_ts : known.last_ts;
        mx_fed_worked(server, waking->name, &known);
    }
    gg_map_delete(server->fed_client->waking, gg_str(waking->name));
    free(waking);
}

void mx_fed_server_up(struct mx_server *server, const char *name)
{
    struct mx_fed_client *client = server->fed_client;
    struct mx_fed_timings known;
    if ((cached(client, gg_str(name), &known) && known.last_ts == 0) || gg_map_has(client->waking, gg_str(name)))
        return;
    size_t n = strlen(name) + 1;
    struct waking *waking = gg_xmalloc(sizeof(*waking) + n);
    waking->server = server;
    memcpy(waking->name, name, n);
    gg_map_put(client->waking, gg_str(name), NULL);
    if (!client->scope || !gg_spawn(client->scope, "server up", wake, waking)) {
        gg_map_delete(client->waking, gg_str(name));
        free(waking);
    }
}

/* ---- life ---- */

void mx_fed_backoff_make(struct mx_fed_client *client)
{
    gg_list_init(&client->followers);
    gg_list_init(&client->sleepers);
    client->waking = gg_map_new(NULL);
    client->timings =
        mx_cache_new(client->server, &(struct mx_cache_def){"get_destination_retry_timings", TIMINGS_BYTES, free});
    gg_repl_on_command(client->server->host, UP_COMMAND, on_command, client);
}

void mx_fed_backoff_free(struct mx_fed_client *client)
{
    for (struct gg_list *at; (at = gg_list_pop(&client->followers)) != NULL;)
        free(GG_CONTAINER(at, struct follower, link));
    gg_map_free(client->waking);
}
