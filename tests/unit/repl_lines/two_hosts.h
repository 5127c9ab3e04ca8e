/* Two processes of one deployment as two hosts in one program: a main process and worker w1, with two streams, over a
 * real Redis and a real PostgreSQL. Include after cmocka. */
#ifndef TEST_TWO_HOSTS_H
#define TEST_TWO_HOSTS_H

#include "../db/db_test.h"

#include "../config/helper.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "client/client.h"
#include "config/topology.h"
#include "http/server.h"
#include "main/host.h"
#include "repl/calls.h"
#include "repl/ids.h"
#include "repl/lines_internal.h"
#include "repl/redis.h"

#include <ganglion/log.h>

#define SECRET "made-up-secret"

static int redis_port_number;
static char redis_host[64];

static bool have_redis(void)
{
    const char *where = getenv("GANGLION_TEST_REDIS");
    if (!where && getenv("GANGLION_TEST_REQUIRE"))
        fail_msg("GANGLION_TEST_REDIS is not set");
    if (!where || sscanf(where, "%63[^:]:%d", redis_host, &redis_port_number) != 2)
        print_message("skipped: GANGLION_TEST_REDIS is not set\n");
    return redis_port_number != 0;
}

/* A port that is free now. */
static int free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&in, n) == 0 &&
                getsockname(fd, (struct sockaddr *)&in, &n) == 0);
    close(fd);
    return ntohs(in.sin_port);
}

/* ---- streams ---- */

enum { MAX_HEARD = 2000 };

struct heard { /* what followers were told, as text: "w1 5 [row]" */
    char *line[MAX_HEARD];
    size_t n;
};

struct proc {
    const char *name;
    int port, redis_port;
    struct gg_host *host;
    struct gg_config *config;
    struct gg_stream *things, *moods, *shared, *secret, *lonely;
    struct heard things_heard, moods_heard, shared_heard, secret_heard;
    struct {
        int64_t token;
        char text[40];
    } mood[64]; /* the writer's memory */
    size_t n_moods;
    bool moods_lost; /* the writer's fetch fails */
};

static void hear(struct heard *h, const char *instance, int64_t token, struct gg_str row)
{
    assert_true(h->n < MAX_HEARD);
    assert_true(asprintf(&h->line[h->n++], "%s %lld %.*s", instance, (long long)token, GG_FMT(row)) > 0);
}

static void forget_heard(struct heard *h)
{
    while (h->n > 0)
        free(h->line[--h->n]);
}

static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                   size_t n, bool moved)
{
    assert_true(!moved || gg_stream_position(stream, instance) >= token);
    for (size_t i = 0; moved && i < n; i++) {
        assert_int_equal(rows[i].token, token);
        assert_string_equal(rows[i].instance, instance);
        hear(self, instance, token, rows[i].row);
    }
}

static int fetch_table(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to,
                       size_t limit, struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out,
                       int64_t *reached_out, struct gg_error *err)
{
    static const struct gg_stmt things = {
        "SELECT id, what FROM things WHERE id > $1::bigint AND id <= $2::bigint AND writer = $3"
        " ORDER BY id LIMIT $4::int",
        0};
    static const struct gg_stmt shared = {
        "SELECT id, what FROM shared WHERE id > $1::bigint AND id <= $2::bigint AND writer = $3"
        " ORDER BY id LIMIT $4::int",
        0};
    struct proc *p = self;
    struct gg_rows *rows;
    int rc = gg_db_read(p->host->db, stream == p->shared ? &shared : &things,
                        GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_text(instance), gg_p_i32((int32_t)limit)), arena,
                        &rows, err);
    if (rc)
        return rc;
    *n_out = gg_rows_count(rows);
    *rows_out = GG_NEW_ARRAY(arena, struct gg_fetched, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*rows_out)[i] = (struct gg_fetched){gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1)};
    *reached_out = *n_out == limit ? (*rows_out)[*n_out - 1].token : to;
    return 0;
}

static int fetch_moods(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to,
                       size_t limit, struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out,
                       int64_t *reached_out, struct gg_error *err)
{
    struct proc *p = self;
    *rows_out = GG_NEW_ARRAY(arena, struct gg_fetched, p->n_moods + 1);
    *n_out = 0;
    *reached_out = to;
    if (p->moods_lost)
        return gg_fail(err, GG_E_UNAVAILABLE, "lost");
    for (size_t i = 0; i < p->n_moods; i++)
        if (p->mood[i].token > from && p->mood[i].token <= to)
            (*rows_out)[(*n_out)++] = (struct gg_fetched){p->mood[i].token, gg_str(p->mood[i].text)};
    return 0;
}

static const struct gg_stream_table things_tables[] = {{"things", "id", "writer"}, {NULL}};
static const struct gg_stream_table shared_tables[] = {{"shared", "id", "writer"}, {NULL}};
static const struct gg_stream_def things_def = {.name = "things",
                                                .position_name = "things_pos",
                                                .sequence = "things_seq",
                                                .writers_key = "events",
                                                .tables = things_tables,
                                                .fetch = fetch_table};
static const struct gg_stream_def shared_def = {
    .name = "shared", .sequence = "shared_seq", .writers_key = "*", .tables = shared_tables, .fetch = fetch_table};
static const struct gg_stream_def moods_def = {
    .name = "moods", .writers_key = "typing", .may_go_back = true, .fetch = fetch_moods};
static const struct gg_stream_def secret_def = {
    .name = "com.example.secret", .writers_key = "typing", .may_go_back = true, .fetch = fetch_moods};
static const struct gg_stream_def lonely_def = {.name = "lonely",
                                                .position_name = "lonely",
                                                .sequence = "lonely_seq",
                                                .writers_key = "events",
                                                .fetch = fetch_table};
static const struct gg_stream_def quiet_def = {.name = "hushed", .quiet = true};

static void register_streams(struct proc *p)
{
    p->things = gg_stream_register(p->host, &things_def, p);
    p->moods = gg_stream_register(p->host, &moods_def, p);
    p->secret = gg_stream_register(p->host, &secret_def, p);
    p->lonely = gg_stream_register(p->host, &lonely_def, p);
    gg_stream_register(p->host, &quiet_def, p);
    p->shared = gg_stream_register(p->host, &shared_def, p); /* last, and yet said first */
    gg_stream_follow(p->things, follow, &p->things_heard);
    gg_stream_follow(p->moods, follow, &p->moods_heard);
    gg_stream_follow(p->shared, follow, &p->shared_heard);
    gg_stream_follow(p->secret, follow, &p->secret_heard);
}

/* ---- processes ---- */

static struct proc main_proc = {.name = "master"}, w1_proc = {.name = "w1"};
static struct gg_db *side_db; /* beside both processes */

static void side_run(const char *sql)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_script(side_db, sql, &err), err);
}

static void make_tables(void)
{
    struct gg_db_options options = {.conninfo = test_conninfo};
    side_db = gg_db_new(&options);
    side_run(
        "DROP TABLE IF EXISTS things, shared, stream_positions, instance_map; DROP SEQUENCE IF EXISTS things_seq, "
        "shared_seq,"
        " lonely_seq;"
        "CREATE TABLE things (id bigint PRIMARY KEY, writer text, what text);"
        "CREATE TABLE shared (id bigint PRIMARY KEY, writer text, what text);"
        "CREATE TABLE stream_positions (stream_name text, instance_name text, stream_id bigint,"
        " UNIQUE (stream_name, instance_name));"
        "CREATE TABLE instance_map (instance_id serial PRIMARY KEY, instance_name text UNIQUE);"
        "CREATE SEQUENCE things_seq START 2; CREATE SEQUENCE shared_seq START 2; CREATE SEQUENCE lonely_seq START 2;");
    main_proc.port = free_port();
    w1_proc.port = free_port();
    main_proc.redis_port = w1_proc.redis_port = redis_port_number;
}

static char channel[64];

static struct gg_config *config_for(const struct proc *p)
{
    char text[2000], password[200] = "";
    snprintf(channel, sizeof(channel), "t%d.example.com", (int)getpid());
    if (getenv("GANGLION_TEST_REDIS_PASSWORD"))
        snprintf(password, sizeof(password), ", password: '%s'", getenv("GANGLION_TEST_REDIS_PASSWORD"));
    snprintf(text, sizeof(text),
             "server_name: %s\nreport_stats: false\n" DATABASE "%s%s%s"
             "redis: {enabled: true, host: %s, port: %d, dbid: 1%s}\nworker_replication_secret: " SECRET "\n"
             "stream_writers: {events: [master, w1], typing: [w1]}\n"
             "instance_map: {main: {host: 127.0.0.1, port: %d}, w1: {host: 127.0.0.1, port: %d},"
             " gone: {host: 127.0.0.1, port: 9}}\n",
             channel, p == &main_proc ? "" : "worker_app: synapse.app.generic_worker\nworker_name: ",
             p == &main_proc ? "" : p->name, p == &main_proc ? "" : "\n", redis_host, p->redis_port, password,
             main_proc.port, w1_proc.port);
    return load(text);
}

static void make(struct proc *p)
{
    struct gg_db_options options = {.conninfo = test_conninfo};
    p->config = config_for(p);
    p->host = gg_host_new(p->config, p == &main_proc ? NULL : "synapse.app.generic_worker", p->name);
    p->host->redis = true;
    p->host->scope = gg_scope_new(NULL, p->name);
    p->host->db = gg_db_new(&options);
    p->host->server = gg_http_new(p->host, NULL);
    register_streams(p);
}

static inline int start_lines(struct proc *p, struct gg_error *err)
{
    int rc = gg_streams_load(gg_streams_of(p->host), p->host->db, err);
    return rc ? rc : gg_lines_start(p->host, err);
}

static void start(struct proc *p)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_port port = {
        .address = "127.0.0.1", .port = (uint16_t)p->port, .tag = "test", .resources = GG_RES_REPLICATION};
    assert_ok(gg_calls_add_routes(p->host, &err), err);
    assert_ok(start_lines(p, &err), err);
    assert_ok(gg_http_listen(p->host->server, &port, NULL, &err), err);
    gg_lines_announce(p->host);
}

static void stop(struct proc *p)
{
    gg_http_drain(p->host->server, gg_deadline(1000));
    gg_http_stop(p->host->server);
    gg_calls_stop(p->host);
    gg_lines_stop(p->host);
    gg_streams_stop(gg_streams_of(p->host));
    gg_http_free(p->host->server);
    gg_scope_end(p->host->scope);
    gg_client_stop(p->host);
    gg_db_free(p->host->db);
    gg_repl_free(p->host);
    gg_host_free(p->host);
    gg_config_free(p->config);
    forget_heard(&p->things_heard);
    forget_heard(&p->moods_heard);
    forget_heard(&p->shared_heard);
    forget_heard(&p->secret_heard);
    const char *name = p->name;
    int port = p->port, redis_port = p->redis_port;
    *p = (struct proc){.name = name, .port = port, .redis_port = redis_port};
}

static inline void start_both(void)
{
    make_tables();
    make(&main_proc);
    make(&w1_proc);
    start(&main_proc);
    start(&w1_proc);
}

static void stop_both(void)
{
    stop(&w1_proc);
    stop(&main_proc);
    gg_db_free(side_db);
}

/* ---- writing and waiting ---- */

/* Writes n things in one transaction each; handed: gives the rows to the announcer. Returns the last id. */
static int64_t write_row(struct proc *p, struct gg_stream *stream, const char *what, bool handed)
{
    static const struct gg_stmt things = {"INSERT INTO things VALUES ($1::bigint, $2, $3)", 0};
    static const struct gg_stmt shared = {"INSERT INTO shared VALUES ($1::bigint, $2, $3)", 0};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_fetched row = {0, gg_str(what)};
    int64_t id;
    assert_ok(gg_stream_allocate(stream, NULL, 1, &id, &err), err);
    assert_ok(gg_db_write(p->host->db, stream == p->shared ? &shared : &things,
                          GG_PARAMS(gg_p_i64(id), gg_p_text(p->name), gg_p_text(what)), NULL, NULL, &err),
              err);
    row.token = id;
    if (handed)
        gg_stream_finish_rows(stream, &id, 1, &row, 1);
    else
        gg_stream_finish(stream, &id, 1);
    return id;
}

static inline int64_t feel(struct proc *p, const char *text)
{
    int64_t token = gg_stream_current(p->moods, p->name) + 1;
    assert_true(p->n_moods < GG_COUNT(p->mood));
    p->mood[p->n_moods].token = token;
    snprintf(p->mood[p->n_moods++].text, sizeof(p->mood[0].text), "%s", text);
    assert_int_equal(gg_stream_advance(p->moods, NULL, 0), token);
    return token;
}

static inline bool heard_line(const struct heard *h, const char *line)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->line[i], line) == 0)
            return true;
    return false;
}

#define wait_until(cond_)                                                                                              \
    do {                                                                                                               \
        int64_t until_ = gg_deadline(15000);                                                                           \
        while (!(cond_) && gg_now_ms() < until_)                                                                       \
            assert_int_equal(gg_sleep(2), 0);                                                                          \
        if (!(cond_))                                                                                                  \
            fail_msg("line %d: never came true: %s", __LINE__, #cond_);                                                \
    } while (0)

static inline void wait_line(const struct heard *h, const char *line)
{
    int64_t until = gg_deadline(15000);
    while (!heard_line(h, line) && gg_now_ms() < until)
        assert_int_equal(gg_sleep(2), 0);
    if (!heard_line(h, line))
        fail_msg("never heard: %s", line);
}

#define wait_heard(heard_, fmt_, token_)                                                                               \
    do {                                                                                                               \
        char line_[200];                                                                                               \
        snprintf(line_, sizeof(line_), fmt_, (long long)(token_));                                                     \
        wait_line(heard_, line_);                                                                                      \
    } while (0)

/* ---- a stranger on the channel: hears all lines, says any ---- */

struct spy {
    struct gg_redis *redis;
    struct gg_redis_options options;
    struct gg_scope *scope;
    struct heard lines;
    bool ready;
};

static inline void spy_line(void *self, struct gg_str line)
{
    struct spy *spy = self;
    assert_true(spy->lines.n < MAX_HEARD);
    spy->lines.line[spy->lines.n++] = strndup(line.s, line.n);
}

static inline void spy_ready(void *self, bool resubscribed)
{
    ((struct spy *)self)->ready = true;
}

static inline void spy_lost(void *self)
{
    ((struct spy *)self)->ready = false;
}

static inline void spy_open(struct spy *spy, const char *const *channels, size_t n)
{
    const struct gg_redis_events events = {spy_line, spy_ready, spy_lost, spy};
    *spy = (struct spy){.options = {.enabled = true,
                                    .host = redis_host,
                                    .port = (uint16_t)redis_port_number,
                                    .password = getenv("GANGLION_TEST_REDIS_PASSWORD"),
                                    .dbid = -1}};
    spy->scope = gg_scope_new(NULL, "spy");
    spy->redis = gg_redis_new(&spy->options, channels, n, &events);
    gg_redis_start(spy->redis, spy->scope);
    wait_until(spy->ready);
}

static inline void spy_close(struct spy *spy)
{
    gg_redis_stop(spy->redis);
    gg_scope_end(spy->scope);
    gg_redis_free(spy->redis);
    forget_heard(&spy->lines);
}

static inline void say(struct spy *spy, const char *line)
{
    assert_true(gg_redis_publish(spy->redis, channel, gg_str(line)));
}

static inline size_t count_starting(const struct heard *h, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        n += strncmp(h->line[i], prefix, strlen(prefix)) == 0;
    return n;
}

#endif
