/* Listeners from the configuration: TLS and its reload, resources, addresses that overlap, ports that are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/client.h"
#include "config/config.h"
#include "http/server.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <ganglion/fiber.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct gg_host *host;
    struct gg_config *config;
    struct gg_server *server;
    char folder[64], certificate[96], key[96];
} t;

/* A self-signed certificate for localhost, with a serial number to tell it by. */
static void write_certificate(long serial)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *out = fopen(t.certificate, "w");
    assert_true(out != NULL && PEM_write_X509(out, x) == 1 && fclose(out) == 0);
    out = fopen(t.key, "w");
    assert_true(out != NULL && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0);
    X509_free(x);
    EVP_PKEY_free(key);
}

static int big(void *self, struct gg_request *rq, struct gg_error *err)
{
    char *body = gg_arena_alloc(gg_request_arena(rq), 1000000);
    memset(body, 'b', 1000000);
    return gg_reply_text(rq, 200, "text/plain", gg_strn(body, 1000000));
}

static int count(void *self, struct gg_request *rq, struct gg_error *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%zu %d", gg_request_body(rq).n, gg_request_https(rq));
    return gg_reply_text(rq, 200, "text/plain", gg_str(text));
}

static const struct gg_route routes[] = {
    {"GET", "/client", big, "client"},
    {"POST", "/client", count, "client", .max_body = 2000000},
    {"GET", "/federation", count, "federation"},
    {"GET", "/keys", count, "keys"},
    {"GET", "/media", count, "media"},
    {"GET", "/replication", count, "replication"},
    {NULL},
};

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(bind(fd, (struct sockaddr *)&at, n) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    close(fd);
    return ntohs(at.sin_port);
}

static int up(const char *app, const char *listeners, struct gg_error *err)
{
    char text[3000];
    snprintf(text, sizeof(text),
             "server_name: x\nreport_stats: false\ndatabase: {name: psycopg2, args: {dbname: x}}\n"
             "tls_certificate_path: %s\ntls_private_key_path: %s\n%s",
             t.certificate, t.key, listeners);
    int rc = gg_config_load_text(text, NULL, &t.config, err);
    if (rc < 0)
        fail_msg("%s", err->message);
    t.host = gg_host_new(t.config, app, app != NULL ? "w" : NULL);
    t.server = gg_http_new(t.host, NULL);
    for (const struct gg_route *r = routes; r->method != NULL; r++)
        assert_int_equal(gg_router_add(gg_http_router(t.server), r, NULL, "test", err), 0);
    return gg_http_listen_all(t.server, err);
}

static void down(void)
{
    gg_http_stop(t.server);
    gg_client_stop(t.host);
    gg_http_free(t.server);
    gg_host_free(t.host);
    gg_config_free(t.config);
}

static int ask(const char *scheme, uint16_t port, const char *path, struct gg_str body, struct gg_arena *arena,
               struct gg_client_answer *answer)
{
    struct gg_error err = GG_ERROR_INIT;
    char url[100];
    snprintf(url, sizeof(url), "%s://localhost:%u%s", scheme, port, path);
    struct gg_client_request request = {
        .url = url, .insecure = true, .body = body, .method = body.s != NULL ? "POST" : NULL};
    return gg_client_fetch(t.host, &request, arena, answer, &err);
}

static int status(const char *scheme, uint16_t port, const char *path)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_client_answer answer;
    int rc = ask(scheme, port, path, (struct gg_str){0}, arena, &answer);
    int got = rc < 0 ? rc : answer.status;
    gg_arena_free(arena);
    return got;
}

static void in_loop(void *arg)
{
    (*(void (**)(void))arg)();
}

#define LOOP_TEST(name_)                                                                                               \
    static void name_##_body(void);                                                                                    \
    static void name_(void **state)                                                                                    \
    {                                                                                                                  \
        void (*body)(void) = name_##_body;                                                                             \
        struct gg_loop_options options = {.threads = 2};                                                               \
        assert_int_equal(gg_loop_run(&options, in_loop, &body), 0);                                                    \
    }                                                                                                                  \
    static void name_##_body(void)

static long served_serial(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(fd, (struct sockaddr *)&at, sizeof(at));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    for (int rc; (rc = SSL_connect(ssl)) != 1;) {
        int want = SSL_get_error(ssl, rc) == SSL_ERROR_WANT_WRITE ? GG_WRITABLE : GG_READABLE;
        assert_int_equal(gg_wait_fd(fd, want, NULL, gg_deadline(3000)), 0);
    }
    X509 *x = SSL_get1_peer_certificate(ssl);
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(x));
    X509_free(x);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return serial;
}

LOOP_TEST(test_tls)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_client_answer answer;
    char listeners[400];
    uint16_t port = free_port();
    write_certificate(7);
    snprintf(listeners, sizeof(listeners),
             "listeners: [{port: %u, type: http, tls: true, bind_addresses: ['127.0.0.1'], "
             "resources: [{names: [client]}]}]\n",
             port);
    assert_int_equal(up(NULL, listeners, &err), 0);
    char *data = gg_arena_zero(arena, 1500000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("https", port, "/client", (struct gg_str){0}, arena, &answer), 0);
        assert_int_equal(answer.body.n, 1000000);
        assert_int_equal(ask("https", port, "/client", gg_strn(data, 1500000), arena, &answer), 0);
        assert_true(gg_str_is(answer.body, "1500000 1"));
    }
    assert_true(status("http", port, "/client") < 0); /* plain text is no TLS */
    assert_int_equal(served_serial(port), 7);
    write_certificate(8);
    assert_int_equal(gg_http_reload(t.server, &err), 0);
    assert_int_equal(served_serial(port), 8);
    FILE *out = fopen(t.certificate, "w"); /* a broken file leaves the old certificate in place */
    fputs("nothing", out);
    fclose(out);
    assert_true(gg_http_reload(t.server, &err) < 0);
    assert_int_equal(served_serial(port), 8);
    gg_arena_free(arena);
    down();
}

LOOP_TEST(test_resources)
{
    struct gg_error err = GG_ERROR_INIT;
    char listeners[600];
    uint16_t fed = free_port(), client = free_port();
    snprintf(listeners, sizeof(listeners),
             "listeners:\n- {port: %u, type: http, bind_addresses: ['127.0.0.1'], resources: [{names: [federation]}]}\n"
             "- {port: %u, type: http, bind_addresses: ['127.0.0.1'], resources: [{names: [client, replication]}]}\n",
             fed, client);
    assert_int_equal(up(NULL, listeners, &err), 0);
    assert_int_equal(status("http", fed, "/federation"), 200);
    assert_int_equal(status("http", fed, "/keys"), 200); /* federation holds keys; on main also media */
    assert_int_equal(status("http", fed, "/media"), 200);
    assert_int_equal(status("http", fed, "/client"), 404);
    assert_int_equal(status("http", fed, "/replication"), 404);
    assert_int_equal(status("http", client, "/client"), 200);
    assert_int_equal(status("http", client, "/replication"), 200);
    assert_int_equal(status("http", client, "/federation"), 404);
    assert_int_equal(status("http", client, "/_synapse/metrics"), 404);
    assert_int_equal(status("http", client, "/health"), 200);
    down();
    snprintf(listeners, sizeof(listeners),
             "listeners: [{port: %u, type: http, bind_addresses: ['127.0.0.1'], "
             "resources: [{names: [federation, metrics]}]}]\n",
             fed);
    assert_int_equal(up("synapse.app.generic_worker", listeners, &err), 0);
    assert_int_equal(status("http", fed, "/keys"), 200);
    assert_int_equal(status("http", fed, "/media"), 404); /* a worker's media needs its own name */
    assert_int_equal(status("http", fed, "/_synapse/metrics"), 200);
    down();
}

LOOP_TEST(test_addresses)
{
    struct gg_error err = GG_ERROR_INIT;
    char listeners[400];
    uint16_t port = free_port();
    snprintf(listeners, sizeof(listeners),
             "listeners: [{port: %u, type: http, bind_addresses: ['::', '0.0.0.0'], "
             "resources: [{names: [client]}]}]\n",
             port);
    if (up(NULL, listeners, &err) == 0) /* where there is IPv6 */
        assert_int_equal(status("http", port, "/client"), 200);
    down();
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    port = free_port();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
    assert_true(bind(taken, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(taken, 1) == 0);
    snprintf(listeners, sizeof(listeners),
             "listeners: [{port: %u, type: http, bind_addresses: ['127.0.0.1'], "
             "resources: [{names: [client]}]}]\n",
             port);
    memset(&err, 0, sizeof(err));
    assert_true(up(NULL, listeners, &err) < 0);
    char number[16];
    snprintf(number, sizeof(number), "%u", port);
    assert_non_null(strstr(err.message, number));
    close(taken);
    down();
}

static int make_folder(void **state)
{
    signal(SIGPIPE, SIG_IGN); /* as the host does: OpenSSL writes with write(2) */
    snprintf(t.folder, sizeof(t.folder), "/tmp/gg-listeners-XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    snprintf(t.certificate, sizeof(t.certificate), "%s/cert.pem", t.folder);
    snprintf(t.key, sizeof(t.key), "%s/key.pem", t.folder);
    write_certificate(1);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(t.certificate);
    unlink(t.key);
    return rmdir(t.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
