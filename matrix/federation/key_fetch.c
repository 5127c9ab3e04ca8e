/* matrix/federation/key_fetch.c: asks servers for their own keys, and trusted key servers for those of others. */
#include "federation/client.h"
#include "federation/keys.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "cache/flight.h"

static struct gg_logger logger = {"ganglion.federation.keys"};

enum {
    ASK_MS = 10000,          /* of one attempt: keys are nothing to think about */
    FLIGHT_MS = 30000,       /* of all: also waiting for a place */
    MAX_RUNNING = 32,        /* servers asked at the same time */
    MAX_FLIGHTS = 1000,      /* that wait for it besides; more is given up at once */
    AHEAD = 64,              /* of one caller's servers that are started before the first has answered */
    ANSWER_BYTES = 256 << 10,
    NOTARY_BYTES = 8 << 20,
    NOTARY_SERVERS = 100,    /* in one question */
    FAILED_MS = 2000,        /* left alone for so long at first, then twice as long each time */
    FAILED_MAX_MS = 600000,
    AWAKE_MS = 1000,         /* the same for one that asks us: it is there, but may be somebody who lies about his name */
    ANSWERED_MS = 3000,      /* what it did not tell just now it does not tell at once */
    MAX_ATTEMPTS = 8192,
    MAX_DEPTH = 50,
};

/* How a server answered when it was last asked. */
struct attempt {
    int64_t at, interval; /* interval 0: it answered */
};

struct mx_key_fetcher {
    struct mx_server *server;
    const struct mx_key_config *config;
    struct gg_scope *scope; /* made when it is first needed */
    struct gg_map *flights, *attempts;
    size_t running;
    struct gg_cond room;
    bool stopped;
};

struct job {
    struct mx_key_fetcher *fetcher;
    struct mx_flight *flight;
    char name[];
};

struct mx_key_fetcher *mx_key_fetcher_new(struct mx_server *server, const struct mx_key_config *config)
{
    struct mx_key_fetcher *f = gg_xcalloc(1, sizeof(*f));
    f->server = server;
    f->config = config;
    f->flights = gg_map_new(NULL);
    f->attempts = gg_map_new(free);
    gg_cond_init(&f->room);
    return f;
}

void mx_key_fetcher_stop(struct mx_key_fetcher *f)
{
    f->stopped = true;
    if (f->scope)
        gg_scope_end(f->scope);
    f->scope = NULL;
}

void mx_key_fetcher_free(struct mx_key_fetcher *f)
{
    if (!f)
        return;
    gg_map_free(f->flights);
    gg_map_free(f->attempts);
    free(f);
}

/* ---- who was asked lately ---- */

static bool leave_alone(const struct mx_key_fetcher *f, struct gg_str name, uint32_t flags)
{
    const struct attempt *last = gg_map_get(f->attempts, name);
    if (!last || (last->interval <= FAILED_MS && flags & MX_KEYS_ANEW))
        return false; /* nor is one failure a reason, when somebody asks us to ask */
    int64_t interval = flags & MX_KEYS_AWAKE ? AWAKE_MS : last->interval ? last->interval : ANSWERED_MS;
    return gg_now_ms() - last->at < interval;
}

static void note(struct mx_key_fetcher *f, struct gg_str name, bool failed)
{
    struct attempt *last = gg_map_get(f->attempts, name);
    if (!last) {
        if (gg_map_count(f->attempts) >= MAX_ATTEMPTS)
            gg_map_clear(f->attempts);
        last = gg_xcalloc(1, sizeof(*last));
        gg_map_put(f->attempts, name, last);
    }
    last->at = gg_now_ms();
    last->interval = !failed ? 0 : last->interval ? last->interval * 2 : FAILED_MS;
    if (last->interval > FAILED_MAX_MS)
        last->interval = FAILED_MAX_MS;
}

/* ---- one server ---- */

static int ask_server(struct mx_key_fetcher *f, const char *name, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_fed_request request = {.destination = name,
                                           .method = "GET",
                                           .path = "/_matrix/key/v2/server",
                                           .timeout_ms = ASK_MS,
                                           .ignore_backoff = true,
                                           .max_answer = ANSWER_BYTES};
    struct mx_key_answer answer;
    struct mx_json *object;
    struct gg_str body;
    int rc = mx_fed_call(f->server, &request, arena, &body, err);
    if (!rc)
        rc = mx_json_parse(body, MAX_DEPTH, arena, &object, err);
    if (!rc)
        rc = mx_key_answer_read(object, arena, &answer, err);
    if (!rc && !gg_str_is(answer.server, name))
        rc = gg_fail(err, GG_E_PROTOCOL, "Expected a response for server %s not %.*s", name, GG_FMT(answer.server));
    if (!rc)
        mx_keys_keep(f->server, name, &answer, arena);
    return rc;
}

static int wait_for_room(struct mx_key_fetcher *f)
{
    int rc = 0;
    while (!rc && f->running >= MAX_RUNNING)
        rc = gg_cond_wait(&f->room, GG_FOREVER);
    if (rc)
        gg_cond_signal(&f->room);
    return rc;
}

static void fly(void *arg)
{
    struct job *job = arg;
    struct mx_key_fetcher *f = job->fetcher;
    struct gg_error err = GG_ERROR_INIT;
    gg_set_deadline(gg_deadline(FLIGHT_MS));
    int rc = wait_for_room(f);
    if (!rc) {
        struct gg_arena *arena = gg_arena_new();
        f->running++;
        rc = ask_server(f, job->name, arena, &err);
        f->running--;
        gg_cond_signal(&f->room);
        gg_arena_free(arena);
        if (rc)
            gg_info(&logger, "no keys from %s: %s", job->name, err.message);
        if (rc != GG_E_CANCELLED)
            note(f, gg_str(job->name), rc != 0);
    }
    mx_flight_land(f->flights, gg_str(job->name), job->flight);
    free(job);
}

/* The flight to wait for; NULL: this server is not asked now. */
static struct mx_flight *take_off(struct mx_key_fetcher *f, struct gg_str name, uint32_t flags)
{
    bool owner, running = gg_map_has(f->flights, name);
    if (f->stopped || (!running && (leave_alone(f, name, flags) || gg_map_count(f->flights) >= MAX_FLIGHTS ||
                                    !mx_fed_allowed(f->server, name))))
        return NULL;
    struct mx_flight *flight = mx_flight_join(f->flights, name, &owner);
    if (!owner)
        return flight;
    if (!f->scope)
        f->scope = gg_scope_new(NULL, "server keys");
    flight->refs++; /* the owner's and ours */
    struct job *job = gg_xcalloc(1, sizeof(*job) + name.n + 1);
    job->fetcher = f;
    job->flight = flight;
    memcpy(job->name, name.s, name.n);
    if (!gg_spawn(f->scope, "server keys", fly, job)) {
        mx_flight_land(f->flights, name, flight);
        free(job);
    }
    return flight;
}

int mx_key_fetch_servers(struct mx_key_fetcher *f, const struct gg_str *names, size_t n, uint32_t flags)
{
    struct mx_flight *flights[AHEAD] = {NULL}; /* a ring: of each place the former one is waited for first */
    int rc = 0;
    for (size_t i = 0; i < n + AHEAD; i++) {
        struct mx_flight **place = &flights[i % AHEAD];
        if (*place) {
            int ended = mx_flight_wait(*place);
            rc = rc ? rc : ended;
        }
        *place = i < n && !rc ? take_off(f, names[i], flags) : NULL;
    }
    return rc;
}

/* ---- those who know the keys of others ---- */

/* A question about some servers, and the names of the servers in it. */
struct question {
    struct gg_map *asked; /* name -> JSON object of its key ids */
    struct mx_json *servers;
    struct gg_arena *arena;
};

/* What marks a server that the notaries know nothing of. */
static struct gg_str notary_mark(struct gg_str name, struct gg_arena *arena)
{
    return gg_str(gg_arena_printf(arena, "?%.*s", GG_FMT(name)));
}

static void add_want(struct question *q, const struct mx_key_want *want)
{
    enum { MAX_TS_BITS = 53 };
    struct mx_json *ids = gg_map_get(q->asked, want->server), *criteria = mx_json_object(q->arena);
    int64_t until = want->valid_at_ms, most = ((int64_t)1 << MAX_TS_BITS) - 1;
    if (!ids) {
        ids = mx_json_object(q->arena);
        gg_map_put(q->asked, want->server, ids);
        mx_json_set(q->servers, q->arena, gg_arena_strndup(q->arena, want->server.s, want->server.n), ids);
    }
    until = until < 0 ? 0 : until > most ? most : until;
    mx_json_set(criteria, q->arena, "minimum_valid_until_ts", mx_json_new_i64(q->arena, until));
    mx_json_set(ids, q->arena, gg_arena_strndup(q->arena, want->id.s, want->id.n), criteria);
}

static int check_notary(const struct mx_notary *notary, const struct mx_json *object, struct gg_error *err)
{
    const struct mx_json *theirs = mx_json_member(mx_json_member(object, "signatures"), notary->server);
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < notary->n_keys; i++) {
        char id[MX_ID_MAX + 1];
        if (notary->keys[i].id.n >= sizeof(id))
            continue;
        memcpy(id, notary->keys[i].id.s, notary->keys[i].id.n);
        id[notary->keys[i].id.n] = '\0';
        if (!mx_json_member(theirs, id))
            continue;
        rc = mx_json_verify(object, notary->server, id, notary->keys[i].public_key, err);
        n++;
    }
    if (!rc && notary->n_keys && !n)
        rc = gg_refuse(err, 401, "M_UNAUTHORIZED", "not signed with a known key of the key server");
    return rc;
}

static void take_answer(struct mx_key_fetcher *f, const struct mx_notary *notary, const struct mx_json *object,
                        struct question *q)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_key_answer answer;
    int rc = check_notary(notary, object, &err);
    if (!rc)
        rc = mx_key_answer_read(object, arena, &answer, &err);
    if (!rc && !gg_map_has(q->asked, answer.server))
        rc = gg_fail(&err, GG_E_PROTOCOL, "nobody asked for %.*s", GG_FMT(answer.server));
    if (!rc)
        mx_keys_keep(f->server, notary->server, &answer, arena);
    else
        gg_warn(&logger, "an answer of the key server %s is not taken: %s", notary->server, err.message);
    gg_arena_free(arena);
}

static int ask_notary(struct mx_key_fetcher *f, const struct mx_notary *notary, struct question *q, struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT;
    struct gg_str text;
    struct mx_json *object;
    gg_buf_lit(&body, "{\"server_keys\":");
    mx_json_write(&body, q->servers);
    gg_buf_char(&body, '}');
    const struct mx_fed_request request = {.destination = notary->server,
                                           .method = "POST",
                                           .path = "/_matrix/key/v2/query",
                                           .body = gg_buf_view(&body),
                                           .timeout_ms = ASK_MS,
                                           .max_answer = NOTARY_BYTES};
    int rc = mx_fed_call(f->server, &request, q->arena, &text, err);
    gg_buf_done(&body);
    if (!rc)
        rc = mx_json_parse(text, MAX_DEPTH, q->arena, &object, err);
    const struct mx_json *list = rc ? NULL : mx_json_member(object, "server_keys");
    if (!rc && (!list || list->kind != MX_JSON_ARRAY))
        rc = gg_fail(err, GG_E_PROTOCOL, "no list of server keys");
    /* several key ids of one server may be told apart; what is beyond is nothing that we asked for */
    size_t most = 4 * gg_map_count(q->asked) + 16;
    for (uint32_t i = 0; !rc && i < list->n && i < most; i++)
        take_answer(f, notary, list->items[i], q);
    return rc;
}

static bool ask_all_notaries(struct mx_key_fetcher *f, struct question *q)
{
    bool asked = false;
    for (size_t i = 0; i < f->config->n_notaries && !gg_cancelled(); i++) {
        const struct mx_notary *notary = &f->config->notaries[i];
        struct gg_str mark = gg_str(gg_arena_printf(q->arena, "!%s", notary->server));
        struct gg_error err = GG_ERROR_INIT;
        if (leave_alone(f, mark, MX_KEYS_ANEW))
            continue;
        int rc = ask_notary(f, notary, q, &err);
        if (rc)
            gg_warn(&logger, "key look-up failed from %s: %s", notary->server, err.message);
        if (rc != GG_E_CANCELLED)
            note(f, mark, rc != 0);
        asked = true;
    }
    return asked;
}

/* Adds wants from *at on until the question is full. */
static void fill_question(struct mx_key_fetcher *f, const struct mx_key_want *wants, size_t n, size_t *at,
                          struct question *q)
{
    for (; *at < n; (*at)++) {
        const struct mx_key_want *want = &wants[*at];
        bool new = !gg_map_has(q->asked, want->server);
        if (mx_key_good(want) || gg_str_is(want->server, f->server->name) || !mx_fed_allowed(f->server, want->server) ||
            (new && leave_alone(f, notary_mark(want->server, q->arena), 0)))
            continue;
        if (new && gg_map_count(q->asked) == NOTARY_SERVERS)
            return;
        add_want(q, want);
    }
}

int mx_key_fetch_notaries(struct mx_key_fetcher *f, const struct mx_key_want *wants, size_t n)
{
    for (size_t at = 0; at < n && f->config->n_notaries && !gg_cancelled();) {
        struct question q = {gg_map_new(NULL), NULL, gg_arena_new()};
        struct gg_str name;
        void *ids;
        q.servers = mx_json_object(q.arena);
        fill_question(f, wants, n, &at, &q);
        if (gg_map_count(q.asked) && ask_all_notaries(f, &q))
            for (size_t i = 0; gg_map_next(q.asked, &i, &name, &ids);)
                note(f, notary_mark(name, q.arena), true); /* not about the same ones again at once, known or not */
        gg_map_free(q.asked);
        gg_arena_free(q.arena);
    }
    return gg_cancelled() ? GG_E_CANCELLED : 0;
}
