/* seen.c: where and when tokens were used. The background process writes it down in batches; the others tell it over
 * the command USER_IP (facts replication 4), at most once in two minutes for each token and address. */
#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/list.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "accounts/accounts.h"
#include "usage/usage.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum {
    AGAIN_MS = 120000, /* a key is told of again after this */
    FLUSH_MS = 5000,
    PRUNE_MS = 300000,
    MAX_KNOWN = 20000,   /* keys that we remember having told */
    MAX_PENDING = 10000, /* sightings that wait for the next batch */
};

/* A key (user, token, ip) told already; in order of telling, so the first is the oldest. */
struct known {
    struct gg_list link;
    int64_t at;
    size_t n;
    char key[];
};

/* A sighting that waits: text holds its five parts. */
struct pending {
    struct mx_sighting sighting;
    char text[];
};

struct mx_seen {
    struct mx_server *server;
    struct gg_map *known;
    struct gg_list order;
    struct gg_map *pending; /* key -> struct pending */
    uint64_t dropped;
};

static void make_key(struct gg_buf *out, struct gg_str user, struct gg_str token, struct gg_str ip)
{
    gg_buf_printf(out, "%.*s\x1f%.*s\x1f%.*s", GG_FMT(user), GG_FMT(token), GG_FMT(ip));
}

static void drop_oldest(struct mx_seen *seen)
{
    struct known *k = GG_CONTAINER(gg_list_pop(&seen->order), struct known, link);
    gg_map_delete(seen->known, gg_strn(k->key, k->n));
}

/* Was the key told less than two minutes ago? If not, it is now. */
static bool told(struct mx_seen *seen, struct gg_str key, int64_t now)
{
    struct known *k = gg_map_get(seen->known, key);
    if (k && now - k->at < AGAIN_MS)
        return true;
    if (k) {
        k->at = now;
        gg_list_remove(&k->link);
        gg_list_push(&seen->order, &k->link);
        return false;
    }
    while (gg_map_count(seen->known) >= MAX_KNOWN)
        drop_oldest(seen);
    k = gg_xmalloc(sizeof(*k) + key.n + 1);
    memcpy(k->key, key.s, key.n);
    k->n = key.n;
    k->at = now;
    gg_list_init(&k->link);
    gg_list_push(&seen->order, &k->link);
    gg_map_put(seen->known, key, k);
    return false;
}

static struct gg_str copy_part(char **to, struct gg_str part)
{
    if (!part.s)
        return part;
    memcpy(*to, part.s, part.n);
    struct gg_str copy = gg_strn(*to, part.n);
    *to += part.n;
    return copy;
}

static void add_pending(struct mx_seen *seen, struct gg_str key, const struct mx_sighting *s)
{
    if (gg_map_count(seen->pending) >= MAX_PENDING && !gg_map_has(seen->pending, key)) {
        seen->dropped++;
        return;
    }
    size_t n = s->user_id.n + s->token.n + s->device_id.n + s->ip.n + s->user_agent.n;
    struct pending *p = gg_xmalloc(sizeof(*p) + n + 1);
    char *to = p->text;
    p->sighting =
        (struct mx_sighting){copy_part(&to, s->user_id), copy_part(&to, s->token),      copy_part(&to, s->device_id),
                             copy_part(&to, s->ip),      copy_part(&to, s->user_agent), s->at};
    gg_map_put(seen->pending, key, p);
}

/* USER_IP <user> [token, ip, user agent, device or null, ms] */
static void tell(struct mx_seen *seen, const struct mx_sighting *s)
{
    struct gg_buf line = GG_BUF_INIT;
    gg_buf_str(&line, s->user_id);
    gg_buf_lit(&line, " [");
    gg_buf_json_string(&line, s->token);
    gg_buf_char(&line, ',');
    gg_buf_json_string(&line, s->ip);
    gg_buf_char(&line, ',');
    gg_buf_json_string(&line, s->user_agent);
    gg_buf_char(&line, ',');
    if (s->device_id.s)
        gg_buf_json_string(&line, s->device_id);
    else
        gg_buf_lit(&line, "null");
    gg_buf_printf(&line, ",%lld]", (long long)s->at);
    gg_repl_send(seen->server->host, "USER_IP", gg_buf_view(&line));
    gg_buf_done(&line);
}

static void note(struct mx_server *server, const struct mx_sighting *s)
{
    struct mx_seen *seen = server->accounts->seen;
    struct gg_buf key = GG_BUF_INIT;
    make_key(&key, s->user_id, s->token, s->ip);
    if (!told(seen, gg_buf_view(&key), gg_now_ms())) {
        mx_usage_seen(server, s->user_id);
        if (gg_host_runs_background(server->host))
            add_pending(seen, gg_buf_view(&key), s);
        else
            tell(seen, s);
    }
    gg_buf_done(&key);
}

/* An administrator who acts for a user is seen as an administrator, and as the user if so configured. */
static void on_request(void *self, struct gg_request *rq)
{
    struct mx_server *server = self;
    const struct gg_route *route = gg_request_route(rq);
    if (!route || (route->auth != GG_AUTH_USER && route->auth != GG_AUTH_GUEST && route->auth != GG_AUTH_ADMIN &&
                   route->auth != GG_AUTH_OPTIONAL))
        return;
    const struct mx_principal *p = gg_request_principal(rq);
    if (!p)
        return;
    const struct mx_requester *r = &p->requester;
    if (r->app_service && !gg_config_bool(server->config, "track_appservice_user_ips"))
        return;
    struct mx_sighting s = {gg_str(r->puppeted_by ? r->puppeted_by : r->user_id),
                            gg_str(r->access_token),
                            gg_str(!r->device_id && r->app_service ? "dummy-device" : r->device_id),
                            gg_str(gg_request_address(rq)),
                            gg_str(gg_request_user_agent(rq)),
                            gg_wall_ms()};
    note(server, &s);
    if (!r->puppeted_by || !gg_config_bool(server->config, "track_puppeted_user_ips"))
        return;
    s.user_id = gg_str(r->user_id);
    note(server, &s);
}

static struct gg_str text_at(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    return json_is_string(v) ? gg_strn(json_string_value(v), json_string_length(v)) : (struct gg_str){0};
}

/* [token, ip, user agent, device or null, ms]; borrowed from row. */
static bool read_sighting(const json_t *row, struct mx_sighting *out)
{
    const json_t *at = json_array_get(row, 4);
    out->token = text_at(row, 0);
    out->ip = text_at(row, 1);
    out->user_agent = text_at(row, 2);
    out->device_id = text_at(row, 3);
    out->at = json_integer_value(at);
    return out->token.s && out->ip.s && out->user_agent.s && json_is_integer(at);
}

static void on_user_ip(void *self, const char *command, struct gg_str rest)
{
    struct mx_server *server = self;
    const char *blank = memchr(rest.s, ' ', rest.n);
    if (blank)
        mx_usage_seen(server, gg_strn(rest.s, (size_t)(blank - rest.s)));
    if (!blank || !gg_host_runs_background(server->host))
        return;
    json_t *row = json_loadb(blank + 1, (size_t)(rest.s + rest.n - blank - 1), 0, NULL);
    struct mx_sighting s = {.user_id = gg_strn(rest.s, (size_t)(blank - rest.s))};
    if (read_sighting(row, &s)) {
        struct gg_buf key = GG_BUF_INIT;
        make_key(&key, s.user_id, s.token, s.ip);
        add_pending(server->accounts->seen, gg_buf_view(&key), &s);
        gg_buf_done(&key);
    } else {
        gg_warn(&logger, "USER_IP: not understood");
    }
    json_decref(row);
}

void mx_seen_flush(struct mx_server *server)
{
    struct mx_seen *seen = server->accounts->seen;
    size_t n = gg_map_count(seen->pending), i = 0;
    if (!n)
        return;
    struct gg_map *batch = seen->pending; /* new ones go into the next batch while this one is written */
    seen->pending = gg_map_new(free);
    struct mx_sighting *list = gg_xcalloc(n, sizeof(*list));
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str key;
    void *value;
    for (size_t cursor = 0; gg_map_next(batch, &cursor, &key, &value);)
        list[i++] = ((struct pending *)value)->sighting;
    if (mx_seen_write(server, list, i, &err))
        gg_warn(&logger, "%zu sightings of users were not written: %s", i, err.message);
    if (seen->dropped)
        gg_warn(&logger, "%llu sightings of users were dropped", (unsigned long long)seen->dropped);
    seen->dropped = 0;
    free(list);
    gg_map_free(batch);
}

static void flush_job(void *arg)
{
    mx_seen_flush(arg);
}

static void prune_job(void *arg)
{
    struct mx_server *server = arg;
    struct gg_error err = GG_ERROR_INIT;
    int64_t n = 1, age = gg_config_int(server->config, "user_ips_max_age");
    int status = 0;
    while (age > 0 && n && !status && !gg_cancelled())
        status = mx_seen_prune(server, gg_wall_ms() - age, &n, &err);
    if (status)
        gg_warn(&logger, "old addresses of users were not removed: %s", err.message);
}

void mx_seen_make(struct mx_server *server)
{
    struct mx_seen *seen = gg_xcalloc(1, sizeof(*seen));
    seen->server = server;
    seen->known = gg_map_new(free);
    seen->pending = gg_map_new(free);
    gg_list_init(&seen->order);
    server->accounts->seen = seen;
    gg_host_on_request(server->host, on_request, server);
    gg_repl_on_command(server->host, "USER_IP", on_user_ip, server);
    gg_host_every(server->host, "user_ips", FLUSH_MS, true, flush_job, server);
    gg_host_every(server->host, "user_ips_prune", PRUNE_MS, true, prune_job, server);
}

void mx_seen_free(struct mx_seen *seen)
{
    if (!seen)
        return;
    gg_map_free(seen->pending);
    gg_map_free(seen->known);
    free(seen);
}
