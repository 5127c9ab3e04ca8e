/* A TCP proxy before PostgreSQL, on a thread of its own, that a test can break:
 * the nearest thing to a server that restarts which a unit test can have. */
#ifndef TEST_PG_PROXY_H
#define TEST_PG_PROXY_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libpq-fe.h>

enum proxy_mode {
    PROXY_UP,
    PROXY_DOWN,      /* refuses: accepts and closes at once, and has cut all */
    PROXY_HOLE,      /* takes bytes and passes nothing on */
    PROXY_BYE,       /* says to all who are there that nothing more comes, and reads nothing more of them; then UP */
    PROXY_CUT_COMMIT /* passes the next COMMIT on, then cuts before the answer */
};

enum { PROXY_MAX = 64 };

struct pg_proxy {
    pthread_t thread;
    atomic_int mode, cuts;
    atomic_bool stop;
    int listener, port;
    struct sockaddr_storage to;
    socklen_t to_len;
    int client[PROXY_MAX], server[PROXY_MAX];
    bool gone[PROXY_MAX];
};

static void proxy_cut(struct pg_proxy *p, int i)
{
    close(p->client[i]);
    close(p->server[i]);
    p->client[i] = p->server[i] = -1;
}

static void proxy_accept(struct pg_proxy *p)
{
    int client = accept(p->listener, NULL, NULL), i = 0;
    if (client < 0)
        return;
    while (i < PROXY_MAX && p->client[i] >= 0)
        i++;
    int server = p->mode == PROXY_DOWN || i == PROXY_MAX ? -1 : socket(p->to.ss_family, SOCK_STREAM, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&p->to, p->to_len)) {
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    p->client[i] = client;
    p->server[i] = server;
    p->gone[i] = false;
}

static void proxy_bye(struct pg_proxy *p)
{
    for (int i = 0; i < PROXY_MAX; i++) {
        p->gone[i] = p->client[i] >= 0;
        if (p->gone[i])
            shutdown(p->client[i], SHUT_WR);
    }
    p->mode = PROXY_UP;
}

static void proxy_pass(struct pg_proxy *p, int i, bool to_server)
{
    static char bytes[65536];
    int from = to_server ? p->client[i] : p->server[i], to = to_server ? p->server[i] : p->client[i];
    ssize_t n = recv(from, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        proxy_cut(p, i);
        return;
    }
    for (ssize_t sent = 0; sent < n;) {
        ssize_t m = send(to, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (m <= 0)
            break;
        sent += m;
    }
    if (to_server && p->mode == PROXY_CUT_COMMIT && memmem(bytes, (size_t)n, "COMMIT", 6)) {
        usleep(100000); /* the server has committed by now */
        p->mode = PROXY_UP;
        p->cuts++;
        proxy_cut(p, i);
    }
}

static void *proxy_main(void *arg)
{
    struct pg_proxy *p = arg;
    while (!p->stop) {
        struct pollfd fds[2 * PROXY_MAX + 1] = {{p->listener, POLLIN, 0}};
        if (p->mode == PROXY_BYE)
            proxy_bye(p);
        for (int i = 0; i < PROXY_MAX; i++) {
            if (p->mode == PROXY_DOWN && p->client[i] >= 0)
                proxy_cut(p, i);
            short want = p->mode == PROXY_HOLE || p->gone[i] ? 0 : POLLIN;
            fds[1 + 2 * i] = (struct pollfd){p->client[i], want, 0};
            fds[2 + 2 * i] = (struct pollfd){p->server[i], want, 0};
        }
        if (poll(fds, 2 * PROXY_MAX + 1, 5) <= 0)
            continue;
        if (fds[0].revents)
            proxy_accept(p);
        for (int i = 0; i < PROXY_MAX; i++) {
            if (p->gone[i] && p->client[i] >= 0 && fds[1 + 2 * i].revents)
                proxy_cut(p, i);
            if (p->client[i] >= 0 && p->client[i] == fds[1 + 2 * i].fd && fds[1 + 2 * i].revents)
                proxy_pass(p, i, true);
            if (p->server[i] >= 0 && p->server[i] == fds[2 + 2 * i].fd && fds[2 + 2 * i].revents)
                proxy_pass(p, i, false);
        }
    }
    for (int i = 0; i < PROXY_MAX; i++) {
        if (p->client[i] >= 0)
            proxy_cut(p, i);
    }
    return NULL;
}

static const char *proxy_lookup(PQconninfoOption *options, const char *keyword, const char *fallback)
{
    for (PQconninfoOption *o = options; o->keyword; o++) {
        if (strcmp(o->keyword, keyword) == 0 && o->val && *o->val)
            return o->val;
    }
    return fallback;
}

static void proxy_aim(struct pg_proxy *p, const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *host = proxy_lookup(options, "host", "/var/run/postgresql");
    const char *port = proxy_lookup(options, "port", "5432");
    if (host[0] == '/') {
        struct sockaddr_un *un = (struct sockaddr_un *)&p->to;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof(un->sun_path), "%s/.s.PGSQL.%s", host, port);
        p->to_len = sizeof(*un);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&p->to;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(port));
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
            in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        p->to_len = sizeof(*in);
    }
    PQconninfoFree(options);
}

static void proxy_start(struct pg_proxy *p, const char *conninfo)
{
    memset(p, 0, sizeof(*p));
    for (int i = 0; i < PROXY_MAX; i++)
        p->client[i] = p->server[i] = -1;
    proxy_aim(p, conninfo);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(p->listener, (struct sockaddr *)&at, n) || listen(p->listener, 64) ||
        getsockname(p->listener, (struct sockaddr *)&at, &n))
        abort();
    p->port = ntohs(at.sin_port);
    pthread_create(&p->thread, NULL, proxy_main, p);
}

static void proxy_stop(struct pg_proxy *p)
{
    p->stop = true;
    pthread_join(p->thread, NULL);
    close(p->listener);
}

#endif
