/* peer.h: other servers for tests in one process: an HTTPS listener with a certificate of its own authority, and a name
 * server. Include after cmocka and world.h. */
#ifndef TEST_FEDERATION_PEER_H
#define TEST_FEDERATION_PEER_H

#include "http/conn.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <ganglion/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct peer {
    char folder[64], ca[128];
    struct gg_server *server;
    struct gg_host *host; /* of the listener */
    uint16_t port;
    int asked, dns_asked;
    char last_host[128], last_target[256], last_auth[1024], last_body[256];
    char called[16][64]; /* by which names TLS connections came (SNI), each once; "": by none */
    size_t n_called;
    struct gg_fiber *names;
    int dns_fd;
    uint16_t dns_port;
};
static struct peer peer;

/* Certificates for these names; tests of the deny list and of trust rely on others being absent. */
#define PEER_NAMES "DNS:plain.example,DNS:deleg.example,DNS:old.example,DNS:port.example,DNS:moved.example,DNS:two.example,IP:127.0.0.1"

static inline void peer_certificates(void)
{
    char command[1600];
    snprintf(peer.folder, sizeof(peer.folder), "/tmp/gg-peer-%d", (int)getpid());
    snprintf(peer.ca, sizeof(peer.ca), "%s/ca.crt", peer.folder);
    snprintf(command, sizeof(command),
             "mkdir -p %1$s && cd %1$s && exec 2>/dev/null && EC='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes' && "
             "openssl req -x509 $EC -days 2 -subj /CN=authority -keyout ca.key -out ca.crt && "
             "openssl req $EC -subj /CN=peer -keyout peer.key -out peer.csr && "
             "echo subjectAltName=" PEER_NAMES " > ext && "
             "openssl x509 -req -in peer.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out peer.crt",
             peer.folder);
    assert_int_equal(system(command), 0);
}

static inline bool peer_was_called(const char *name)
{
    for (size_t i = 0; i < peer.n_called; i++)
        if (strcmp(peer.called[i], name) == 0)
            return true;
    return false;
}

static inline int peer_on_name(SSL *ssl, int *alert, void *self)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    name = name != NULL ? name : "";
    if (!peer_was_called(name) && peer.n_called < sizeof(peer.called) / sizeof(peer.called[0]))
        snprintf(peer.called[peer.n_called++], sizeof(peer.called[0]), "%s", name);
    return SSL_TLSEXT_ERR_OK;
}

static inline void peer_listen(const struct gg_route *routes)
{
    struct gg_error err = GG_ERROR_INIT;
    char certificate[128], key[128];
    snprintf(certificate, sizeof(certificate), "%s/peer.crt", peer.folder);
    snprintf(key, sizeof(key), "%s/peer.key", peer.folder);
    peer.host = gg_host_new(NULL, NULL, NULL);
    peer.server = gg_http_new(peer.host, NULL);
    for (const struct gg_route *r = routes; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(peer.server), r, NULL, "peer", &err), 0);
    struct gg_http_port port = {.address = "127.0.0.1", .resources = GG_RES_FEDERATION, .tag = "peer", .certificate = certificate,
                                .key = key};
    if (gg_http_listen(peer.server, &port, &peer.port, &err) != 0)
        fail_msg("%s", err.message);
    SSL_CTX_set_tlsext_servername_callback(((struct gg_port *)peer.server->ports.next)->tls, peer_on_name);
}

/* ---- names: A records all lead here; SRV records from a table ---- */

struct peer_service {
    const char *name, *target;
    uint16_t priority, weight;
    uint16_t port; /* 0: the listener's */
};
static const struct peer_service *peer_services;
static const char *const *peer_unknown; /* names that do not exist; NULL-ended */

static inline size_t dns_name(const unsigned char *query, size_t n, char *out)
{
    size_t at = 12, o = 0;
    while (at < n && query[at] != 0) {
        memcpy(out + o, query + at + 1, query[at]);
        o += query[at];
        out[o++] = '.';
        at += (size_t)query[at] + 1;
    }
    out[o > 0 ? o - 1 : 0] = '\0';
    return at + 1;
}

static inline size_t dns_put_name(unsigned char *out, const char *name)
{
    size_t o = 0;
    while (*name != '\0' && strcmp(name, ".") != 0) {
        size_t n = strcspn(name, ".");
        out[o++] = (unsigned char)n;
        memcpy(out + o, name, n);
        o += n;
        name += n + (name[n] == '.');
    }
    out[o++] = 0;
    return o;
}

static inline size_t dns_record(unsigned char *out, unsigned type, const unsigned char *data, size_t n)
{
    const unsigned char head[] = {0xc0, 12, 0, (unsigned char)type, 0, 1, 0, 0, 0, 60, (unsigned char)(n >> 8), (unsigned char)n};
    memcpy(out, head, sizeof(head));
    memcpy(out + sizeof(head), data, n);
    return sizeof(head) + n;
}

static inline size_t dns_answer(unsigned char *message, size_t n)
{
    char name[256];
    size_t end = dns_name(message, n, name), at;
    unsigned type = message[end + 1], found = 0;
    bool unknown = false;
    at = end + 4;
    for (const char *const *u = peer_unknown; u != NULL && *u != NULL; u++)
        unknown |= strcmp(*u, name) == 0;
    if (type == 1 && !unknown) {
        at += dns_record(message + at, 1, (const unsigned char *)"\x7f\0\0\1", 4);
        found = 1;
    }
    for (const struct peer_service *s = peer_services; type == 33 && s != NULL && s->name != NULL; s++) {
        unsigned char data[300];
        uint16_t port = s->port ? s->port : peer.port;
        const unsigned char head[] = {(unsigned char)(s->priority >> 8), (unsigned char)s->priority, (unsigned char)(s->weight >> 8),
                                      (unsigned char)s->weight, (unsigned char)(port >> 8), (unsigned char)port};
        if (strcmp(s->name, name) != 0)
            continue;
        memcpy(data, head, sizeof(head));
        at += dns_record(message + at, 33, data, sizeof(head) + dns_put_name(data + sizeof(head), s->target));
        found++;
    }
    message[2] = 0x81;
    message[3] = found == 0 && unknown ? 0x83 : 0x80;
    message[6] = 0;
    message[7] = (unsigned char)found;
    memset(message + 8, 0, 4);
    return at;
}

static inline void dns_serve(void *arg)
{
    unsigned char message[2048];
    struct sockaddr_in from;
    for (;;) {
        if (gg_wait_fd(peer.dns_fd, GG_READABLE, NULL, GG_FOREVER) != 0)
            return;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(peer.dns_fd, message, 512, 0, (struct sockaddr *)&from, &size);
        if (n < 17)
            continue;
        peer.dns_asked++;
        message[10] = message[11] = 0;
        size_t length = dns_answer(message, (size_t)n);
        sendto(peer.dns_fd, message, length, 0, (struct sockaddr *)&from, size);
    }
}

static inline void dns_start(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);
    peer.dns_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(peer.dns_fd, (struct sockaddr *)&here, size), 0);
    getsockname(peer.dns_fd, (struct sockaddr *)&here, &size);
    peer.dns_port = ntohs(here.sin_port);
    peer.names = gg_spawn_joinable(NULL, "names", dns_serve, NULL);
}

static inline void peer_stop(void)
{
    char command[128];
    gg_cancel(peer.names);
    gg_join(peer.names, GG_FOREVER);
    close(peer.dns_fd);
    gg_http_stop(peer.server);
    gg_http_free(peer.server);
    gg_host_free(peer.host);
    snprintf(command, sizeof(command), "rm -rf %s", peer.folder);
    assert_int_equal(system(command), 0);
}

#endif
