/* Names: c-ares on the loop, and what its answers said for as long as they hold. */
#include "client/names.h"

#include "fiber/loop.h"
#include "main/host.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static struct gg_logger logger = {"ganglion.client.names"};

enum { KEEP = 20000, RECORDS = 32, TRY_MS = 3000, TRIES = 3 };
/* Seconds: an answer is used at least and at most so long; that there is none, so long. */
enum { TTL_LEAST = 5, TTL_MOST = 3600, TTL_NONE = 60 };

struct record {
    char host[256];
    uint16_t port, priority, weight;
};

struct answer {
    int64_t until; /* gg_now_ms() */
    size_t n;      /* 0: no such name */
    struct record records[];
};

struct lookup { /* shared by all who wait for it */
    struct gg_names *names;
    struct gg_cond done_cond;
    unsigned refs;
    bool done;
    int status; /* of c-ares */
    size_t key_n;
    char key[]; /* 'A' or 'S', then the name */
};

struct watch {
    struct gg_list link;
    ares_socket_t fd;
    struct event *event;
};

struct gg_names {
    ares_channel channel;
    struct gg_list watches;
    struct gg_timer *timer;
    struct gg_map *known, *pending;
};

/* ---- the loop's side of c-ares ---- */

static void set_timer(struct gg_names *names);

static void process(struct gg_names *names, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(names->channel, readable, writable);
    set_timer(names);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    process(arg, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD, (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void on_time(void *arg)
{
    struct gg_names *names = arg;
    names->timer = NULL;
    process(names, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void set_timer(struct gg_names *names)
{
    struct timeval tv;
    if (names->timer != NULL)
        gg_timer_stop(names->timer);
    names->timer = NULL;
    if (ares_timeout(names->channel, NULL, &tv) != NULL)
        names->timer = gg_timer_start((int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1, on_time, names);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct gg_names *names = arg;
    struct watch *watch = NULL;
    GG_LIST_EACH(at, &names->watches)
        if (GG_CONTAINER(at, struct watch, link)->fd == fd)
            watch = GG_CONTAINER(at, struct watch, link);
    if (watch == NULL) {
        watch = gg_xcalloc(1, sizeof(*watch));
        watch->fd = fd;
        gg_list_push(&names->watches, &watch->link);
    }
    if (watch->event != NULL)
        event_free(watch->event);
    if (!readable && !writable) {
        gg_list_remove(&watch->link);
        free(watch);
        return;
    }
    short want = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    watch->event = event_new(gg_loop_base(), fd, want, on_event, names);
    GG_ASSERT(watch->event != NULL && event_add(watch->event, NULL) == 0);
}

/* ---- answers ---- */

static void make_room(struct gg_map *known)
{
    struct gg_str key;
    void *value;
    if (gg_map_count(known) < KEEP)
        return;
    for (size_t i = 0; gg_map_next(known, &i, &key, &value);)
        if (((struct answer *)value)->until < gg_now_ms())
            gg_map_delete(known, key);
    if (gg_map_count(known) >= KEEP)
        gg_map_clear(known);
}

static void land(struct lookup *lookup)
{
    lookup->done = true;
    gg_map_delete(lookup->names->pending, gg_strn(lookup->key, lookup->key_n));
    gg_cond_broadcast(&lookup->done_cond);
    if (--lookup->refs == 0)
        free(lookup);
}

static void keep(struct lookup *lookup, const struct record *records, size_t n, int64_t ttl)
{
    struct answer *answer = gg_xmalloc(sizeof(*answer) + n * sizeof(*records));
    ttl = ttl < TTL_LEAST ? TTL_LEAST : ttl > TTL_MOST ? TTL_MOST : ttl;
    answer->until = gg_now_ms() + ttl * 1000;
    answer->n = n;
    if (n > 0)
        memcpy(answer->records, records, n * sizeof(*records));
    make_room(lookup->names->known);
    gg_map_put(lookup->names->known, gg_strn(lookup->key, lookup->key_n), answer);
    lookup->status = ARES_SUCCESS;
}

static bool says_none(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup *lookup = arg;
    struct record records[RECORDS] = {0};
    int64_t ttl = TTL_MOST;
    size_t n = 0;
    lookup->status = status;
    for (struct ares_addrinfo_node *at = found != NULL ? found->nodes : NULL; at != NULL && n < RECORDS; at = at->ai_next) {
        const void *address = at->ai_family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)(void *)at->ai_addr)->sin6_addr
                                                        : (const void *)&((struct sockaddr_in *)(void *)at->ai_addr)->sin_addr;
        ttl = at->ai_ttl < ttl ? at->ai_ttl : ttl;
        if (inet_ntop(at->ai_family, address, records[n].host, sizeof(records[n].host)) != NULL)
            n++;
    }
    if (found != NULL)
        ares_freeaddrinfo(found);
    if (n > 0 || says_none(status))
        keep(lookup, records, n, n > 0 ? ttl : TTL_NONE);
    land(lookup);
}

/* Where a name in a message ends; 0: it does not. */
static size_t skip_name(const unsigned char *message, size_t n, size_t at)
{
    while (at < n && message[at] != 0) {
        if ((message[at] & 0xc0) == 0xc0)
            return at + 2;
        at += (size_t)message[at] + 1;
    }
    return at < n ? at + 1 : 0;
}

int64_t gg_names_ttl(const unsigned char *message, size_t n, int64_t fallback)
{
    int64_t least = -1;
    if (n < 12)
        return fallback;
    unsigned questions = (unsigned)message[4] << 8 | message[5], answers = (unsigned)message[6] << 8 | message[7];
    size_t at = 12;
    for (; questions > 0; questions--)
        if ((at = skip_name(message, n, at)) == 0 || (at += 4) > n)
            return fallback;
    for (; answers > 0; answers--) {
        if ((at = skip_name(message, n, at)) == 0 || at + 10 > n)
            return fallback;
        int64_t ttl = (int64_t)message[at + 4] << 24 | message[at + 5] << 16 | message[at + 6] << 8 | message[at + 7];
        least = least < 0 || ttl < least ? ttl : least;
        at += 10 + ((size_t)message[at + 8] << 8 | message[at + 9]);
        if (at > n)
            return fallback;
    }
    return least < 0 ? fallback : least;
}

static void on_services(void *arg, int status, int timeouts, unsigned char *message, int length)
{
    struct lookup *lookup = arg;
    struct record records[RECORDS] = {0};
    struct ares_srv_reply *found = NULL;
    size_t n = 0;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(message, length, &found);
    lookup->status = status;
    for (struct ares_srv_reply *at = found; at != NULL && n < RECORDS; at = at->next) {
        struct record *record = &records[n];
        if (snprintf(record->host, sizeof(record->host), "%s", at->host) >= (int)sizeof(record->host))
            continue;
        record->port = at->port;
        record->priority = at->priority;
        record->weight = at->weight;
        n++;
    }
    if (found != NULL)
        ares_free_data(found);
    if (status == ARES_SUCCESS || says_none(status))
        keep(lookup, records, n, n > 0 ? gg_names_ttl(message, (size_t)length, TTL_LEAST) : TTL_NONE);
    land(lookup);
}

/* ---- set-up, by the first name that is asked for ---- */

static void set_servers(struct gg_names *names, const struct gg_config *config)
{
    size_t n = 0;
    const char *const *list = config != NULL ? gg_config_texts(config, "ganglion.dns_servers", &n) : NULL;
    struct gg_buf text = GG_BUF_INIT;
    for (size_t i = 0; i < n; i++)
        gg_buf_printf(&text, "%s%s", i > 0 ? "," : "", list[i]);
    if (n > 0 && ares_set_servers_ports_csv(names->channel, text.data) != ARES_SUCCESS)
        gg_err(&logger, "ganglion.dns_servers: \"%s\" is no list of addresses; the system's are asked", text.data);
    gg_buf_done(&text);
}

static struct gg_names *names_of(struct gg_host *host)
{
    struct gg_client *client = gg_client_of(host);
    struct ares_options options = {.sock_state_cb = on_socket, .timeout = TRY_MS, .tries = TRIES};
    if (client->names != NULL)
        return client->names;
    struct gg_names *names = client->names = gg_xcalloc(1, sizeof(*names));
    gg_list_init(&names->watches);
    names->known = gg_map_new(free);
    names->pending = gg_map_new(NULL);
    options.sock_state_cb_data = names;
    GG_ASSERT(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
    GG_ASSERT(ares_init_options(&names->channel, &options,
                                ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS);
    set_servers(names, host->config);
    return names;
}

void gg_names_free(struct gg_names *names)
{
    if (names == NULL)
        return;
    ares_destroy(names->channel);
    ares_library_cleanup();
    if (names->timer != NULL)
        gg_timer_stop(names->timer);
    gg_map_free(names->known);
    gg_map_free(names->pending);
    free(names);
}

/* ---- asking ---- */

static void begin(struct gg_names *names, struct lookup *lookup)
{
    const char *name = lookup->key + 1;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};
    if (lookup->key[0] == 'A')
        ares_getaddrinfo(names->channel, name, NULL, &hints, on_addresses, lookup);
    else
        ares_query(names->channel, name, 1 /* class IN */, 33 /* type SRV */, on_services, lookup);
    set_timer(names);
}

/* One look-up for all who want the same name now. */
static int look_up(struct gg_names *names, struct gg_str key, int *status_out)
{
    struct lookup *lookup = gg_map_get(names->pending, key);
    bool first = lookup == NULL;
    if (first) {
        lookup = gg_xcalloc(1, sizeof(*lookup) + key.n + 1);
        lookup->names = names;
        gg_cond_init(&lookup->done_cond);
        lookup->refs = 1; /* its own, until it lands */
        lookup->key_n = key.n;
        memcpy(lookup->key, key.s, key.n);
        gg_map_put(names->pending, key, lookup);
    }
    lookup->refs++;
    if (first)
        begin(names, lookup);
    int rc = 0;
    while (rc == 0 && !lookup->done)
        rc = gg_cond_wait(&lookup->done_cond, GG_FOREVER);
    *status_out = lookup->status;
    if (--lookup->refs == 0)
        free(lookup);
    return rc;
}

/* What is known, asked for if need be; an old answer serves when nobody answers now. Borrowed until the next yield. */
static int find(struct gg_host *host, char kind, const char *name, const struct answer **out, struct gg_error *err)
{
    struct gg_names *names = names_of(host);
    char text[300];
    int n = snprintf(text, sizeof(text), "%c%s", kind, name), status = ARES_SUCCESS;
    if (n < 0 || (size_t)n >= sizeof(text))
        return gg_fail(err, GG_E_NOT_FOUND, "the name is too long");
    struct gg_str key = gg_strn(text, (size_t)n);
    *out = gg_map_get(names->known, key);
    if (*out != NULL && (*out)->until > gg_now_ms())
        return 0;
    int rc = look_up(names, key, &status);
    if (rc != 0)
        return gg_fail(err, rc, "the name %s was not found in time", name);
    *out = gg_map_get(names->known, key);
    if (*out == NULL)
        return gg_fail(err, GG_E_UNAVAILABLE, "the name %s: %s", name, ares_strerror(status));
    return 0;
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

int gg_names_addresses(struct gg_host *host, const char *name, struct gg_arena *arena, const char ***out, size_t *n_out,
                       struct gg_error *err)
{
    const struct answer *answer = NULL;
    int rc = is_address(name) ? 0 : find(host, 'A', name, &answer, err);
    if (rc != 0)
        return rc;
    *n_out = answer != NULL ? answer->n : 1;
    *out = (const char **)gg_arena_array(arena, *n_out + 1, sizeof(**out));
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_arena_strdup(arena, answer != NULL ? answer->records[i].host : name);
    return *n_out > 0 ? 0 : gg_fail(err, GG_E_NOT_FOUND, "there is no host %s", name);
}

/* ---- the order of services ---- */

static int by_priority(const void *a, const void *b)
{
    const struct gg_name_service *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->weight > 0) - (y->weight > 0); /* those without weight first, so that they have a small chance */
}

void gg_names_order(struct gg_name_service *services, size_t n, uint32_t (*draw)(void *arg, uint32_t n), void *arg)
{
    qsort(services, n, sizeof(*services), by_priority);
    for (size_t i = 0; i + 1 < n; i++) {
        uint32_t total = 0, at;
        size_t end = i, chosen = i;
        for (; end < n && services[end].priority == services[i].priority; end++)
            total += services[end].weight;
        at = draw(arg, total + 1);
        for (uint32_t sum = services[i].weight; sum < at; sum += services[chosen].weight)
            chosen++;
        struct gg_name_service first = services[chosen];
        memmove(&services[i + 1], &services[i], (chosen - i) * sizeof(*services));
        services[i] = first;
    }
}

static uint32_t draw_random(void *arg, uint32_t n)
{
    uint64_t bits;
    gg_random_bytes(&bits, sizeof(bits));
    return (uint32_t)(bits % n);
}

int gg_names_services(struct gg_host *host, const char *name, struct gg_arena *arena, struct gg_name_service **out,
                      size_t *n_out, struct gg_error *err)
{
    const struct answer *answer;
    int rc = find(host, 'S', name, &answer, err);
    if (rc != 0)
        return rc;
    *n_out = answer->n;
    *out = GG_NEW_ARRAY(arena, struct gg_name_service, answer->n + 1);
    for (size_t i = 0; i < answer->n; i++)
        (*out)[i] = (struct gg_name_service){.host = gg_arena_strdup(arena, answer->records[i].host),
                                             .port = answer->records[i].port,
                                             .priority = answer->records[i].priority,
                                             .weight = answer->records[i].weight};
    gg_names_order(*out, answer->n, draw_random, NULL);
    return 0;
}
