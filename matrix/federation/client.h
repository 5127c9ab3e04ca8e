/* matrix/federation/client.h: requests to other servers, signed as ours (server-server API, "Authentication").
 *
 * A server's name is resolved as the specification orders it (resolve.h). What connects and is answered counts as
 * contact; what does not is tried again and then backed off from (backoff.h). */
#ifndef MX_FEDERATION_CLIENT_H
#define MX_FEDERATION_CLIENT_H

#include <ganglion/client.h>
#include <ganglion/matrix/server.h>

struct mx_fed_request {
    const char *destination; /* server name */
    const char *method;      /* "GET", "PUT", "POST" */
    const char *path;        /* path and query, encoded: mx_fed_path() helps */
    struct gg_str body;      /* JSON object text; s NULL: none */
    int64_t timeout_ms;      /* of one attempt, which is then the only one; 0: federation.client_timeout, and retries */
    size_t max_answer;       /* bytes; 0: 100 MiB */
    bool ignore_backoff;     /* ask though it failed lately; a failure then makes nothing worse */
    bool backoff_on_404;     /* a 404 means that there is no server any more */
    bool backoff_on_any;     /* so does every status that is no success */
    bool long_retries;       /* for what no client waits for: minutes, not seconds */
    bool canonical;          /* body is canonical JSON already */
    const struct gg_client_sink *sink; /* where the body of a file goes: the answer need not be JSON; NULL: answer.body */
};

struct mx_fed_answer {
    int status;
    struct gg_str body;         /* in the arena; of a success: valid JSON */
    struct gg_str content_type;
    struct gg_str head;         /* its headers */
    const char *redirect;       /* where a redirect leads; NULL: nowhere */
};

/* Why there is no answer, as err->code: GG_E_UNAVAILABLE (502): not reached, or not asked because it failed lately
 * (errcode stays M_UNKNOWN; mx_fed_in_backoff tells); GG_E_FORBIDDEN (403 M_FORBIDDEN): federation_domain_whitelist, no
 * valid server name or a closed address; GG_E_INVALID: ourselves; GG_E_LIMIT (502 M_TOO_LARGE): the answer is larger
 * than max_answer; GG_E_PROTOCOL (502): a success that is no JSON; GG_E_TIMEOUT, GG_E_CANCELLED: the fiber's own. */

/* 0 whenever HTTP answered, whatever its status (429 and 5xx after the retries). */
GG_YIELDS GG_CHECKED int mx_fed_fetch(struct mx_server *server, const struct mx_fed_request *request,
                                      struct gg_arena *arena, struct mx_fed_answer *out, struct gg_error *err);
/* The body of a success (2xx). Another status becomes err, with that status, errcode and text for the client who waits
 * (5xx becomes 502). */
GG_YIELDS GG_CHECKED int mx_fed_call(struct mx_server *server, const struct mx_fed_request *request,
                                     struct gg_arena *arena, struct gg_str *body_out, struct gg_error *err);
/* A refusal of the other server as our error; for callers of mx_fed_fetch. Returns err->code. */
int mx_fed_refused(const struct mx_fed_request *request, const struct mx_fed_answer *answer, struct gg_arena *arena,
                   struct gg_error *err);

/* A path from a format: each %s is percent-encoded text, each %lld a number (long long), %% a percent sign. */
const char *mx_fed_path(struct gg_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* May we talk to that server (federation_domain_whitelist)? In either direction. */
bool mx_fed_allowed(const struct mx_server *server, struct gg_str name);

#endif
