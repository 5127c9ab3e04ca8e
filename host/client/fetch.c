/* Requests to the world: HTTP by libcurl. */
#include "client/curl.h"
#include "client/through.h"
#include "client/way.h"

#include <ganglion/buf.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 10000 };
#define MAX_ANSWER ((size_t)50 << 20)

struct call { /* on the stack of the fiber that waits */
    struct gg_curl_call transfer;
    const struct gg_client_request *request;
    struct gg_arena *arena;
    struct gg_buf body, head;
    size_t max, taken;  /* taken: bytes that came */
    int sink;           /* what it said; meaningful once begun */
    bool begun;
    struct curl_slist *headers, *connect_to;
    struct gg_way way;
    bool too_much, refused;
};

/* ---- one transfer ---- */

/* Asks the sink, once, whether it wants this answer. */
static void begin_body(struct call *call)
{
    const struct gg_client_sink *sink = call->request->sink;
    long status = 0;
    curl_off_t length = -1;
    char *type = NULL;
    if (call->begun)
        return;
    call->begun = true;
    call->sink = GG_SINK_KEEP;
    if (sink == NULL)
        return;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_CONTENT_TYPE, &type);
    call->sink = sink->begin(sink->self, (int)status, type != NULL ? type : "", (int64_t)length);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    size_t bytes = size * n;
    begin_body(call);
    call->taken += bytes;
    call->too_much = call->taken > call->max || call->sink == GG_SINK_REFUSE;
    if (!call->too_much && call->sink == GG_SINK_TAKE)
        call->too_much = !call->request->sink->piece(call->request->sink->self, data, bytes);
    else if (!call->too_much)
        gg_buf_add(&call->body, data, bytes);
    return call->too_much ? 0 : bytes;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    size_t bytes = size * n;
    if (bytes >= 5 && strncasecmp(data, "HTTP/", 5) == 0)
        gg_buf_clear(&call->head); /* of a redirect, or 100 Continue */
    if (call->head.n + bytes <= 65536)
        gg_buf_add(&call->head, data, bytes);
    return bytes;
}

/* The address is the one that is about to be connected to, whatever name or redirect led here. A proxy is the operator's. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = arg;
    if (call->request->public_only && call->way.proxy == NULL && !gg_deny_allows(&call->transfer.curl->pool->deny, &address->addr)) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static struct curl_slist *headers_of(const struct gg_client_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (const char *const *each = request->headers; each != NULL && *each != NULL; each++)
        list = curl_slist_append(list, *each);
    return list;
}

/* "::host:port": whatever the URL names, connect there. */
static struct curl_slist *connect_to(const struct gg_client_request *request)
{
    bool bare_v6 = strchr(request->connect_host, ':') != NULL;
    char text[320];
    int n = snprintf(text, sizeof(text), bare_v6 ? "::[%s]:" : "::%s:", request->connect_host);
    if (n > 0 && (size_t)n < sizeof(text) - 8 && request->connect_port != 0)
        snprintf(text + n, sizeof(text) - (size_t)n, "%u", request->connect_port);
    return curl_slist_append(NULL, text);
}

static void set_options(struct call *call)
{
    const struct gg_client_request *request = call->request;
    CURL *easy = call->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* a path may be part of what was signed */
    if (call->connect_to != NULL)
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, call->connect_to);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    bool unseen = call->way.proxy != NULL && request->public_only; /* where a redirect leads could not be looked at */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->max_redirects > 0 && !unseen ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)request->max_redirects);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Ganglion");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_MS));
    if (request->body.s != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.s);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    }
    if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method != NULL ? request->method : "GET");
    gg_way_set(&call->way, easy);
    if (request->inflate)
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    if (request->unix_socket != NULL)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    if (request->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (request->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* A proxy that does not let us through: the peer was never reached. */
static bool is_stopped(const struct call *call)
{
    long status = 0;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300;
}

static int status_of(const struct call *call, bool sent)
{
    if (call->transfer.result == CURLE_OK && !call->too_much)
        return 0; /* perhaps after an address that was refused */
    if (call->refused)
        return GG_E_FORBIDDEN;
    if (call->too_much)
        return GG_E_LIMIT;
    if (is_stopped(call))
        return GG_E_UNAVAILABLE;
    switch (call->transfer.result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return GG_E_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return sent ? GG_E_TIMEOUT : GG_E_UNAVAILABLE;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return GG_E_CLOSED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_BAD_CONTENT_ENCODING:
        return GG_E_PROTOCOL;
    default:
        return GG_E_UNAVAILABLE; /* names, connecting, TLS */
    }
}

static void take_answer(struct call *call, struct gg_client_answer *out)
{
    long status = 0, sent = 0;
    char *type = NULL, *redirect = NULL;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_REDIRECT_URL, &redirect);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_REQUEST_SIZE, &sent);
    out->status = (int)status;
    out->connected = sent > 0 && !is_stopped(call);
    out->content_type = gg_arena_str(call->arena, gg_str(type != NULL ? type : ""));
    out->head = gg_arena_str(call->arena, gg_buf_view(&call->head));
    out->redirect = gg_arena_strdup(call->arena, redirect);
    size_t n;
    char *data = gg_buf_steal(&call->body, &n);
    gg_arena_defer(call->arena, free, data);
    out->body = gg_strn(data, n);
}

/* Another process gathered the answer: it goes on to the sink in one piece. */
static int hand_on(const struct gg_client_sink *sink, struct gg_arena *arena, struct gg_client_answer *out,
                   struct gg_error *err)
{
    const char *type = gg_arena_strndup(arena, out->content_type.s, out->content_type.n);
    int verdict = sink->begin(sink->self, out->status, type, (int64_t)out->body.n);
    bool taken = verdict == GG_SINK_TAKE && sink->piece(sink->self, out->body.s, out->body.n);
    if (verdict == GG_SINK_REFUSE || (verdict == GG_SINK_TAKE && !taken))
        return gg_fail(err, GG_E_LIMIT, "the answer is not taken");
    if (taken)
        out->body = GG_STR("");
    return 0;
}

int gg_client_fetch(struct gg_host *host, const struct gg_client_request *request, struct gg_arena *arena,
                    struct gg_client_answer *out, struct gg_error *err)
{
    struct call call = {.request = request, .arena = arena, .body = GG_BUF_INIT, .head = GG_BUF_INIT};
    if (request->through != NULL) {
        int through = gg_client_fetch_through(host, request, arena, out, err);
        return through == 0 && request->sink != NULL ? hand_on(request->sink, arena, out, err) : through;
    }
    memset(out, 0, sizeof(*out));
    call.headers = headers_of(request);
    call.connect_to = request->connect_host != NULL ? connect_to(request) : NULL;
    call.max = request->max_answer != 0 ? request->max_answer : MAX_ANSWER;
    gg_curl_begin(host, request->pool, request->public_only, &call.transfer);
    int rc = gg_way_find(host, request, &call.transfer.curl->pool->deny, arena, &call.way, err);
    if (rc == 0)
        set_options(&call);
    if (rc == 0)
        rc = gg_curl_wait(&call.transfer, err);
    if (call.transfer.done && call.transfer.result == CURLE_OK)
        begin_body(&call); /* none came */
    call.too_much = call.too_much || (call.begun && call.sink == GG_SINK_REFUSE);
    take_answer(&call, out);
    gg_curl_end(&call.transfer);
    curl_slist_free_all(call.headers);
    curl_slist_free_all(call.connect_to);
    gg_way_done(&call.way);
    gg_buf_done(&call.head);
    gg_buf_done(&call.body);
    if (!call.transfer.done)
        return err->code != 0 ? rc : gg_fail(err, rc, "%s was not answered in time", request->url);
    rc = status_of(&call, out->connected);
    if (rc == GG_E_FORBIDDEN)
        return gg_fail(err, rc, "%s is at an address that must not be asked", request->url);
    return rc == 0 ? 0 : gg_fail(err, rc, "%s: %s", request->url, curl_easy_strerror(call.transfer.result));
}

const char *gg_client_header(const struct gg_client_answer *answer, struct gg_arena *arena, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = answer->head.s, *end = at + answer->head.n; at != NULL && at < end;) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        line = line != NULL ? line : end;
        if ((size_t)(line - at) > n && at[n] == ':' && strncasecmp(at, name, n) == 0) {
            at += n + 1;
            while (at < line && (*at == ' ' || *at == '\t'))
                at++;
            while (line > at && (line[-1] == '\r' || line[-1] == ' ' || line[-1] == '\n'))
                line--;
            return gg_arena_strndup(arena, at, (size_t)(line - at));
        }
        at = line < end ? line + 1 : end;
    }
    return NULL;
}
