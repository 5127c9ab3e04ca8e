/* Answers out of files: handed to the kernel where the connection is plain, through memory under TLS. */
#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECE = 262144, /* bytes between two turns of other fibers */
    COPY = 65536,   /* bytes of one copy */
};

struct touch {
    int fd;
    off_t at;
    size_t n;
};

/* On a thread: what is read once lies in memory, and the loop need not wait for the disk. */
static void touch(void *arg)
{
    struct touch *t = arg;
    char *into = malloc(COPY);
    ssize_t got = 1;
    for (off_t at = t->at, end = t->at + (off_t)t->n; into != NULL && at < end && got > 0; at += got)
        got = pread(t->fd, into, (size_t)(end - at) < COPY ? (size_t)(end - at) : COPY, at);
    free(into);
}

/* Does the byte lie in memory? Where the file system cannot tell, it is taken to. */
static bool in_memory(int fd, off_t at)
{
    char byte;
    struct iovec iov = {&byte, 1};
    return preadv2(fd, &iov, 1, at, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

static void fetch(int fd, off_t at, size_t n)
{
    struct touch t = {fd, at, n};
    if (!in_memory(fd, at) || !in_memory(fd, at + (off_t)n - 1))
        (void)gg_offload(touch, &t); /* with all threads taken, the kernel fetches it when it is sent */
}

static int wait_for_client(struct gg_request *rq, struct gg_error *err)
{
    int rc = gg_cond_wait(&rq->wake, GG_FOREVER);
    if (rc < 0)
        return gg_fail(err, rc, "the client does not read its answer");
    return rq->conn != NULL ? 0 : gg_fail(err, GG_E_CLOSED, "the client hung up");
}

static int send_plain(struct gg_request *rq, int fd, off_t at, size_t n, struct gg_error *err)
{
    while (n > 0) {
        if (rq->conn == NULL)
            return gg_fail(err, GG_E_CLOSED, "the client hung up");
        ssize_t sent = -1;
        if (gg_http_conn_unsent(rq->conn) == 0 && (sent = sendfile(rq->conn->socket.fd, fd, &at, n)) > 0) {
            rq->conn->moved = gg_now_ms();
            n -= (size_t)sent;
            continue;
        }
        if (sent == 0)
            return gg_fail(err, GG_E_IO, "a file became shorter while it was sent");
        if (gg_http_conn_unsent(rq->conn) == 0 && errno != EAGAIN && errno != EINTR) {
            gg_http_conn_close(rq->conn);
            continue;
        }
        gg_http_conn_await(rq->conn);
        int rc = wait_for_client(rq, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int send_copied(struct gg_request *rq, int fd, off_t at, size_t n, struct gg_error *err)
{
    char *piece = malloc(COPY);
    int rc = piece != NULL ? 0 : gg_fail(err, GG_E_NOMEM, "out of memory");
    while (rc == 0 && n > 0) {
        ssize_t got = pread(fd, piece, n < COPY ? n : COPY, at);
        if (got <= 0) {
            rc = gg_fail(err, GG_E_IO, "a file could not be read while it was sent");
            break;
        }
        rc = gg_reply_write(rq, piece, (size_t)got, err);
        at += got;
        n -= (size_t)got;
    }
    free(piece);
    return rc;
}

int gg_reply_file(struct gg_request *rq, int fd, int64_t offset, int64_t n, struct gg_error *err)
{
    GG_ASSERT(rq->streaming && !rq->ended && rq->reply_length >= 0);
    if (rq->reply_sent + n > rq->reply_length)
        return gg_fail(err, GG_E_INTERNAL, "an answer is longer than it said");
    int rc = 0;
    if (rq->conn != NULL)
        rq->conn->socket.more = false;
    while (rc == 0 && n > 0 && !rq->head_method) {
        size_t piece = n < PIECE ? (size_t)n : PIECE;
        if (rq->conn == NULL)
            return gg_fail(err, GG_E_CLOSED, "the client hung up");
        fetch(fd, offset, piece);
        bool plain = rq->conn != NULL && rq->conn->socket.ssl == NULL;
        rc = plain ? send_plain(rq, fd, offset, piece, err) : send_copied(rq, fd, offset, piece, err);
        if (plain && rc == 0)
            rq->reply_sent += (int64_t)piece;
        offset += (int64_t)piece;
        n -= (int64_t)piece;
        if (rc == 0 && n > 0 && (rc = gg_yield()) < 0)
            (void)gg_fail(err, rc, "the answer was called off");
    }
    return rc;
}
