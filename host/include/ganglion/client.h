/* ganglion/client.h: HTTP requests that go out (libcurl multi on the loop). */
#ifndef GANGLION_CLIENT_H
#define GANGLION_CLIENT_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_host;
struct gg_client_pool;

/* Connections that share rules of their own: whom to trust and where they may lead. */
struct gg_client_pool_options {
    const char *name;             /* for messages */
    const char *const *ca_files;  /* PEM files that together replace the system's authorities; NULL: the system's */
    size_t n_ca_files;
    const char *least_tls;        /* "1", "1.1", "1.2", "1.3"; NULL: what the library takes */
    const char *denied, *allowed; /* config keys of the address ranges that `public_only` looks at; NULL: ip_range_* */
    size_t keep;                  /* idle connections that are kept, at most a quarter of the descriptors; 0: 256 */
};
/* Reads the files (at load only). Lives as long as the host's client. */
GG_API GG_CHECKED int gg_client_pool_new(struct gg_host *host, const struct gg_client_pool_options *options,
                                         struct gg_client_pool **out, struct gg_error *err);

/* Where the body of an answer goes that is too large to be held. Neither function may wait: they run in the transfer. */
struct gg_client_sink {
    void *self;
    /* The body of an answer is about to come (also of none, before the fetch returns). length: -1 if it does not say.
     * GG_SINK_KEEP: gathered in answer.body like any other; GG_SINK_TAKE: its pieces follow; GG_SINK_REFUSE. A transfer
     * that is tried again begins again. */
    int (*begin)(void *self, int status, const char *content_type, int64_t length);
    bool (*piece)(void *self, const void *data, size_t n); /* false: enough; the transfer ends with GG_E_LIMIT, as REFUSE does */
};
enum { GG_SINK_REFUSE = -1, GG_SINK_KEEP = 0, GG_SINK_TAKE = 1 };

struct gg_client_request {
    const char *method;            /* NULL: GET */
    const char *url;               /* http:// or https:// */
    const char *unix_socket;       /* path, or NULL */
    const char *const *headers;    /* "Name: value", NULL-ended; may be NULL */
    struct gg_str body;            /* s NULL: none */
    int64_t connect_timeout_ms;    /* 0: 10 s */
    size_t max_answer;             /* bytes; 0: 50 MiB; more is GG_E_LIMIT */
    bool public_only;              /* apply the configured address deny list to the peer */
    bool insecure;                 /* do not check the certificate (internal TLS hops) */
    const char *ca_file;           /* NULL: the system's */
    uint32_t max_redirects;        /* 0: a redirect is an answer like any other; not with `proxied` and `public_only` together */
    struct gg_client_pool *pool;   /* NULL: the host's own */
    const char *connect_host;      /* connect there (a name or an address without brackets) and not to the URL's host; */
    uint16_t connect_port;         /* certificate, SNI and Host stay the URL's. 0: the URL's port */
    const struct gg_client_sink *sink; /* NULL: answer.body. max_answer bounds what goes there, too */
    const char *through;           /* an instance that is to send it: its replication listener gets the whole URL, with the
                                      scheme that such listeners take; the answer's `head` is empty. NULL: this process */
    bool inflate;                  /* ask for a compressed answer and unpack it: `max_answer` is of what comes out */
    bool proxied;                  /* goes through the forward proxy, where one is configured for such hosts. `public_only` then
                                      holds for addresses in the URL and for names as far as we know their addresses: it is
                                      the proxy that connects */
};

struct gg_client_answer {
    int status;
    struct gg_str body;            /* in the arena */
    struct gg_str content_type;
    bool connected;                /* false when the failure came before any byte was sent */
    struct gg_str head;            /* status line and headers as they came; in the arena */
    const char *redirect;          /* absolute URL that a redirect which was not followed leads to; NULL: none */
};

/* 0 whenever an HTTP answer came, whatever its status. GG_E_UNAVAILABLE: could
 * not connect; GG_E_CLOSED: closed before an answer; TIMEOUT, LIMIT, FORBIDDEN
 * (address), CANCELLED. Bounded by the fiber's deadline. */
GG_API GG_YIELDS GG_CHECKED int gg_client_fetch(struct gg_host *host, const struct gg_client_request *request,
                                                struct gg_arena *arena, struct gg_client_answer *out,
                                                struct gg_error *err);

/* Does the configuration, or the environment, name a forward proxy? */
struct gg_config;
GG_API bool gg_client_has_proxy(const struct gg_config *config);

/* ---- ranges of addresses ---- */

struct gg_ip_range {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};
/* "10.0.0.0/8", "fe80::/10", or one address. GG_E_INVALID. */
GG_API GG_CHECKED int gg_ip_range_parse(const char *text, struct gg_ip_range *out, struct gg_error *err);
/* Is the address, written as text, within? Never what is no address. */
GG_API bool gg_ip_range_has(const struct gg_ip_range *range, const char *address);

/* ---- mail ---- */

enum gg_mail_tls { GG_MAIL_TLS_TRY = 0, GG_MAIL_TLS_NEVER = 1, GG_MAIL_TLS_STARTTLS = 2, GG_MAIL_TLS_ALWAYS = 3 };

struct gg_mail {
    const char *host;             /* the mail server */
    uint16_t port;                /* 0: 25, or 465 with GG_MAIL_TLS_ALWAYS */
    uint32_t tls;                 /* enum gg_mail_tls: upgrade if offered; never; upgrade or fail; from the start */
    const char *user, *password;  /* NULL: none */
    const char *helo;             /* who we are */
    const char *from, *to;        /* addresses of the envelope, without angle brackets */
    struct gg_str text;           /* header and body, lines ended by CR LF */
    const char *tls_name;         /* whose certificate the mail server shows, if not host's; NULL: host's */
};

/* 0 when the mail server has taken it. GG_E_UNAVAILABLE: not reached; GG_E_FORBIDDEN: it refused us, the sender or the
 * recipient; TIMEOUT, CLOSED, CANCELLED. Bounded by the fiber's deadline. */
GG_API GG_YIELDS GG_CHECKED int gg_client_mail(struct gg_host *host, const struct gg_mail *mail, struct gg_error *err);

/* A header of the answer, in the arena; NULL: absent. */
GG_API const char *gg_client_header(const struct gg_client_answer *answer, struct gg_arena *arena, const char *name);

#ifdef __cplusplus
}
#endif
#endif
