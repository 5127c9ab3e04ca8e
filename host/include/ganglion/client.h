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
    uint32_t max_redirects;        /* 0: a redirect is an answer like any other */
};

struct gg_client_answer {
    int status;
    struct gg_str body;            /* in the arena */
    struct gg_str content_type;
    bool connected;                /* false when the failure came before any byte was sent */
    struct gg_str head;            /* status line and headers as they came; in the arena */
};

/* 0 whenever an HTTP answer came, whatever its status. GG_E_UNAVAILABLE: could
 * not connect; GG_E_CLOSED: closed before an answer; TIMEOUT, LIMIT, FORBIDDEN
 * (address), CANCELLED. Bounded by the fiber's deadline. */
GG_API GG_YIELDS GG_CHECKED int gg_client_fetch(struct gg_host *host, const struct gg_client_request *request,
                                                struct gg_arena *arena, struct gg_client_answer *out,
                                                struct gg_error *err);

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
