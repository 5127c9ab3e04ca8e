/* Listening sockets: TCP and Unix. */
#include "http/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int bind_failed(int fd, const char *where, unsigned port, int why, struct gg_error *err)
{
    if (fd >= 0)
        close(fd);
    int code = why == EADDRINUSE                             ? GG_E_CONFLICT
               : why == EAFNOSUPPORT || why == EADDRNOTAVAIL ? GG_E_UNAVAILABLE
                                                             : GG_E_IO;
    if (port != 0)
        return gg_fail(err, code, "cannot listen on %s port %u: %s", where, port, strerror(why));
    return gg_fail(err, code, "cannot listen on %s: %s", where, strerror(why));
}

int gg_http_bind_tcp(const struct gg_http_port *want, int *fd_out, uint16_t *port_out, struct gg_error *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[8];
    snprintf(service, sizeof(service), "%u", want->port);
    bool localhost = strcmp(want->address, "localhost") == 0;
    if (getaddrinfo(localhost ? "127.0.0.1" : want->address, service, &hints, &found) != 0)
        return gg_fail(err, GG_E_INVALID, "cannot listen on %s port %u: this is not an IP address", want->address,
                       want->port);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && found->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    bool ok = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int why = errno;
    freeaddrinfo(found);
    if (!ok)
        return bind_failed(fd, want->address, want->port, why, err);
    struct sockaddr_storage bound;
    socklen_t n = sizeof(bound);
    getsockname(fd, (struct sockaddr *)&bound, &n);
    *port_out = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    *fd_out = fd;
    return 0;
}

/* A socket file that nobody answers on is left from a crash and may go. */
static bool stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

int gg_http_bind_unix(const struct gg_http_port *want, int *fd_out, struct gg_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(want->path) >= sizeof(address.sun_path))
        return gg_fail(err, GG_E_INVALID, "cannot listen on %s: a socket's path may have %zu bytes", want->path,
                       sizeof(address.sun_path) - 1);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", want->path);
    if (stale(&address))
        unlink(want->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return bind_failed(fd, want->path, 0, errno, err);
    if (chmod(want->path, want->mode != 0 ? want->mode : 0666) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        unlink(want->path);
        return bind_failed(fd, want->path, 0, why, err);
    }
    *fd_out = fd;
    return 0;
}
