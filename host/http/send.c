/* What goes out of a connection: to the kernel as far as it takes it, the rest waits here. */
#include "http/conn.h"

#include <stdlib.h>

enum { REFERENCE_FROM = 4096 };

size_t gg_http_conn_unsent(const struct gg_http_conn *conn)
{
    return conn->out != NULL ? evbuffer_get_length(conn->out) : 0;
}

void gg_http_conn_want_write(struct gg_http_conn *conn, bool want)
{
    if (want == conn->writing)
        return;
    conn->writing = want;
    if (want)
        event_add(&conn->write, NULL);
    else
        event_del(&conn->write);
}

void gg_http_conn_await(struct gg_http_conn *conn)
{
    conn->awaited = true;
    gg_http_conn_want_write(conn, true);
}

static void free_owned(const void *data, size_t n, void *owned)
{
    free(owned);
}

static void keep_unsent(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, size_t sent, void **owned)
{
    if (conn->out == NULL)
        conn->out = evbuffer_new();
    GG_ASSERT(conn->out != NULL);
    if (evbuffer_get_length(conn->out) == 0)
        conn->stuck = gg_now_ms();
    if (sent < head.n)
        evbuffer_add(conn->out, head.s + sent, head.n - sent);
    size_t skip = sent > head.n ? sent - head.n : 0;
    if (*owned != NULL && body.n - skip >= REFERENCE_FROM) {
        evbuffer_add_reference(conn->out, body.s + skip, body.n - skip, free_owned, *owned);
        *owned = NULL;
    } else if (body.n > skip) {
        evbuffer_add(conn->out, body.s + skip, body.n - skip);
    }
    gg_http_conn_want_write(conn, true);
}

void gg_http_conn_send(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, void *owned)
{
    ssize_t sent = 0;
    if (gg_http_conn_unsent(conn) == 0) {
        struct iovec iov[2] = {{(void *)head.s, head.n}, {(void *)body.s, body.n}};
        sent = gg_socket_send(&conn->socket, iov, body.n > 0 ? 2 : 1);
        conn->moved = gg_now_ms();
    }
    if (sent == GG_SOCKET_FAILED) {
        free(owned);
        gg_http_conn_close(conn);
        return;
    }
    size_t n = sent > 0 ? (size_t)sent : 0;
    if (n < head.n + body.n)
        keep_unsent(conn, head, body, n, &owned);
    free(owned);
}

bool gg_http_conn_flush(struct gg_http_conn *conn)
{
    while (gg_http_conn_unsent(conn) > 0) {
        struct evbuffer_iovec pieces[8];
        int n = evbuffer_peek(conn->out, -1, NULL, pieces, GG_COUNT(pieces));
        n = n > (int)GG_COUNT(pieces) ? (int)GG_COUNT(pieces) : n;
        ssize_t sent = gg_socket_send(&conn->socket, (const struct iovec *)pieces, n);
        if (sent == GG_SOCKET_FAILED)
            return false;
        if (sent < 0)
            break;
        conn->moved = gg_now_ms();
        evbuffer_drain(conn->out, (size_t)sent);
    }
    return true;
}
