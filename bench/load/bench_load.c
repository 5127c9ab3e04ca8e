/* bench_load.c: sends prepared HTTP requests over kept connections and prints how long each answer took.
 *
 * A client in Python would take longer for a request than what is measured here. Usage:
 *
 *     bench_load CONNECTIONS [--waiters SETTLE_MS] < requests
 *
 * Standard input is a row of records "PORT COUNT LENGTH\n" and LENGTH bytes of a whole request, which is sent COUNT
 * times to 127.0.0.1. Each connection has one request in flight. Standard output is a line of nanoseconds for each
 * answer, in the order of the requests; the first answer that is not 200 ends the program with its text.
 *
 * --waiters: all requests but the last are sent at once, each on a connection of its own; after the pause, in which
 * none may be answered, the last is sent; the times are those from that moment to the end of each waiter's answer. */
#include <errno.h>
#include <http_parser.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, KEPT_ANSWER = 400, READ_SIZE = 256 * 1024, MAX_PORTS = 64 };

struct record {
    uint16_t port;
    size_t count, length;
    char *bytes;
};

struct port {
    uint16_t number;
    size_t *places; /* of its requests, in their order */
    size_t n, next;
};

struct connection {
    int fd;
    struct port *port;
    http_parser parser;
    size_t place, sent; /* the request in flight */
    bool busy;
    char answer[KEPT_ANSWER + 1];
    size_t answer_length;
};

static struct record *records;
static size_t n_records, n_requests, n_done;
static size_t *record_of; /* by place */
static int64_t *started, *taken;
static struct port ports[MAX_PORTS];
static size_t n_ports;
static int epoll;

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *grow(void *old, size_t n, size_t size)
{
    void *grown = realloc(old, n * size);
    if (grown == NULL)
        die("out of memory");
    return grown;
}

/* ---- input ---- */

static struct port *port_of(uint16_t number)
{
    for (size_t i = 0; i < n_ports; i++)
        if (ports[i].number == number)
            return &ports[i];
    if (n_ports == MAX_PORTS) {
        fprintf(stderr, "bench_load: more than %d ports\n", MAX_PORTS);
        exit(1);
    }
    ports[n_ports].number = number;
    return &ports[n_ports++];
}

static void read_requests(void)
{
    unsigned port;
    size_t count, length;
    while (scanf("%u %zu %zu", &port, &count, &length) == 3) {
        if (getchar() != '\n' || port > UINT16_MAX || length == 0 || length > (64u << 20))
            break;
        struct record r = {.port = (uint16_t)port, .count = count, .length = length, .bytes = grow(NULL, length, 1)};
        if (fread(r.bytes, 1, length, stdin) != length)
            die("requests end early");
        records = grow(records, n_records + 1, sizeof(*records));
        records[n_records++] = r;
        n_requests += count;
    }
    if (n_requests == 0)
        die("no requests");
}

static void spread_requests(void)
{
    record_of = grow(NULL, n_requests, sizeof(*record_of));
    started = grow(NULL, n_requests, sizeof(*started));
    taken = grow(NULL, n_requests, sizeof(*taken));
    size_t place = 0;
    for (size_t i = 0; i < n_records; i++) {
        struct port *port = port_of(records[i].port);
        port->places = grow(port->places, port->n + records[i].count, sizeof(*port->places));
        for (size_t k = 0; k < records[i].count; k++, place++) {
            record_of[place] = i;
            port->places[port->n++] = place;
        }
    }
}

/* ---- one connection ---- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        die("TCP_NODELAY");
    return fd;
}

/* The rest of a request that did not fit is sent blocking: requests are small. */
static void send_now(struct connection *c, size_t place)
{
    const struct record *r = &records[record_of[place]];
    c->place = place;
    c->busy = true;
    c->answer_length = 0;
    started[place] = now();
    for (c->sent = 0; c->sent < r->length;) {
        ssize_t n = send(c->fd, r->bytes + c->sent, r->length - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            die("send");
        c->sent += n > 0 ? (size_t)n : 0;
    }
}

static void send_next(struct connection *c)
{
    if (c->port->next < c->port->n)
        send_now(c, c->port->places[c->port->next++]);
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
    struct connection *c = parser->data;
    size_t room = KEPT_ANSWER - c->answer_length;
    memcpy(c->answer + c->answer_length, at, n < room ? n : room);
    c->answer_length += n < room ? n : room;
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct connection *c = parser->data;
    taken[c->place] = now() - started[c->place];
    c->answer[c->answer_length] = 0;
    if (parser->status_code != 200) {
        fprintf(stderr, "bench_load: request %zu to port %u: %u %s\n%.*s\n", c->place, c->port->number, parser->status_code,
                c->answer, 200, records[record_of[c->place]].bytes);
        exit(1);
    }
    c->busy = false;
    n_done++;
    return 0;
}

static const http_parser_settings settings = {.on_body = on_body, .on_message_complete = on_complete};

static void open_connection(struct connection *c, struct port *port)
{
    c->port = port;
    c->fd = connect_to(port->number);
    http_parser_init(&c->parser, HTTP_RESPONSE);
    c->parser.data = c;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
}

/* A server may close a connection that has had enough requests; one that dies with a request in flight is an error. */
static void reopen(struct connection *c)
{
    if (c->busy) {
        fprintf(stderr, "bench_load: port %u closed the connection before its answer\n", c->port->number);
        exit(1);
    }
    close(c->fd);
    open_connection(c, c->port);
}

static void read_answer(struct connection *c)
{
    static char buf[READ_SIZE];
    ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        reopen(c);
        return;
    }
    size_t parsed = http_parser_execute(&c->parser, &settings, buf, (size_t)n);
    if (parsed != (size_t)n) {
        fprintf(stderr, "bench_load: %s\n", http_errno_description(HTTP_PARSER_ERRNO(&c->parser)));
        exit(1);
    }
    if (!c->busy && !http_should_keep_alive(&c->parser))
        reopen(c);
}

static void wait_once(int milliseconds, bool go_on)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(epoll, events, MAX_EVENTS, milliseconds);
    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        bool was_busy = c->busy;
        read_answer(c);
        if (go_on && was_busy && !c->busy)
            send_next(c);
    }
}

/* ---- the two ways ---- */

static void run_load(size_t n_connections)
{
    struct connection *connections = calloc(n_connections, sizeof(*connections));
    for (size_t i = 0; i < n_connections; i++)
        open_connection(&connections[i], &ports[i % n_ports]);
    for (size_t i = 0; i < n_connections; i++)
        send_next(&connections[i]);
    while (n_done < n_requests)
        wait_once(-1, true);
}

static void run_waiters(int settle_ms)
{
    struct connection *connections = calloc(n_requests, sizeof(*connections));
    for (size_t i = 0; i < n_requests; i++) {
        open_connection(&connections[i], port_of(records[record_of[i]].port));
        if (i + 1 < n_requests)
            send_now(&connections[i], i);
    }
    for (int64_t until = now() + settle_ms * INT64_C(1000000), t; (t = now()) < until;)
        wait_once((int)((until - t) / 1000000) + 1, false);
    if (n_done != 0) {
        fprintf(stderr, "bench_load: %zu waiters were answered before anything was sent: %s\n", n_done, connections[0].answer);
        exit(1);
    }
    send_now(&connections[n_requests - 1], n_requests - 1);
    for (size_t i = 0; i + 1 < n_requests; i++)
        started[i] = started[n_requests - 1];
    while (n_done < n_requests)
        wait_once(-1, false);
    n_requests--; /* the sender's own answer is no delivery */
}

int main(int argc, char **argv)
{
    size_t n_connections = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    bool waiters = argc == 4 && strcmp(argv[2], "--waiters") == 0;
    if (n_connections == 0 || (argc != 2 && !waiters)) {
        fprintf(stderr, "usage: bench_load CONNECTIONS [--waiters SETTLE_MS] < requests\n");
        return 2;
    }
    read_requests();
    spread_requests();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (waiters)
        run_waiters((int)strtol(argv[3], NULL, 10));
    else
        run_load(n_connections < n_ports ? n_ports : n_connections);
    for (size_t i = 0; i < n_requests; i++)
        printf("%lld\n", (long long)taken[i]);
    return 0;
}
