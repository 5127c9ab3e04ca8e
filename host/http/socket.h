/* http/socket.h: a non-blocking stream socket, plain or under TLS.
 *
 * One pair of functions for both, so that the server and the internal client
 * have one code path. Nothing here waits. */
#ifndef GG_HTTP_SOCKET_H
#define GG_HTTP_SOCKET_H

#include <ganglion/base.h>
#include <ganglion/error.h>
#include <openssl/ssl.h>
#include <sys/uio.h>

struct gg_socket {
    int fd;   /* -1: closed */
    SSL *ssl; /* NULL: plain; owned */
    bool more; /* plain: what is sent now goes on at once, so that the kernel may wait for that with it */
};

enum { GG_SOCKET_AGAIN = -1, GG_SOCKET_AGAIN_OTHER = -2, GG_SOCKET_FAILED = -3 };

/* Bytes read; 0: the peer ended; GG_SOCKET_AGAIN: wait until readable;
 * AGAIN_OTHER: TLS needs the socket writable first; FAILED: reset or broken. */
ssize_t gg_socket_recv(struct gg_socket *socket, void *out, size_t n);
/* Bytes taken (perhaps fewer); AGAIN: wait until writable; AGAIN_OTHER: readable. */
ssize_t gg_socket_send(struct gg_socket *socket, const struct iovec *iov, int n);
/* Tells the peer that nothing more comes. */
void gg_socket_shutdown(struct gg_socket *socket);
void gg_socket_close(struct gg_socket *socket);

/* ---- TLS contexts ---- */

/* Server side, from PEM files (certificate chain, key); TLS 1.2 at least. */
GG_CHECKED int gg_tls_server(const char *certificate, const char *key, SSL_CTX **out, struct gg_error *err);
/* Client side: checks the peer against ca_file (NULL: the system's) and its name. */
GG_CHECKED int gg_tls_client(const char *ca_file, SSL_CTX **out, struct gg_error *err);

#endif
