/* One question to a process of this machine: GET /ready. Blocks, for a few seconds at most. */
#include "control/control.h"

#include "config/topology.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_S = 5, MAX_ANSWER = 1 << 20 };

static int connect_to(const struct sockaddr *address, socklen_t n)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, address, n) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return -1;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return connect_to((const struct sockaddr *)&address, sizeof(address));
}

/* Who listens everywhere also listens here. */
static int connect_address(const char *text, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0 || strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return connect_to((const struct sockaddr *)&v4, sizeof(v4));
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        return connect_to((const struct sockaddr *)&v6, sizeof(v6));
    return -1;
}

static int connect_listener(const struct gg_listener *listener)
{
    if (listener->type != GG_LISTENER_HTTP || (listener->tls && listener->path == NULL))
        return -1;
    if (listener->path != NULL)
        return connect_path(listener->path);
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < listener->n_addresses; i++)
        fd = connect_address(listener->addresses[i], listener->port);
    return fd;
}

/* The status, with the body in the arena; 0: nothing that makes sense. */
static int exchange(int fd, struct gg_arena *arena, const char **body_out)
{
    static const char request[] = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct gg_buf answer = GG_BUF_INIT;
    char piece[16384];
    int status = 0;
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1)
        for (ssize_t n; answer.n < MAX_ANSWER && (n = recv(fd, piece, sizeof(piece), 0)) > 0;)
            gg_buf_add(&answer, piece, (size_t)n);
    const char *body = strstr(answer.data, "\r\n\r\n");
    if (body != NULL && strncmp(answer.data, "HTTP/1.1 ", 9) == 0) {
        status = atoi(answer.data + 9);
        *body_out = gg_arena_strdup(arena, body + 4);
    }
    gg_buf_done(&answer);
    return status;
}

const char *gg_control_ready(const struct gg_managed *process, struct gg_arena *arena, bool *ready_out)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(process->config, &n);
    *ready_out = false;
    for (size_t i = 0; i < n; i++) {
        const char *body = NULL;
        int fd = connect_listener(&listeners[i]), status = fd >= 0 ? exchange(fd, arena, &body) : 0;
        if (fd >= 0)
            close(fd);
        if (body == NULL)
            continue;
        *ready_out = status == 200;
        return body;
    }
    return NULL;
}
