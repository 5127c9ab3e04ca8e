/* Requests to the world: libcurl multi, driven by the loop's events and timers. */
#include "client/client.h"

#include <ganglion/memory.h>
#include "client/deny.h"
#include "fiber/loop.h"
#include "main/host.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.client"};

enum { KEEP_HANDLES = 16, KEEP_CONNECTIONS = 256, CONNECT_MS = 10000 };
#define MAX_ANSWER ((size_t)50 << 20)

struct gg_curl {
    CURLM *multi;
    struct gg_timer *timer;
    struct gg_deny deny;
    CURL *spare[KEEP_HANDLES];
    size_t n_spare;
};

struct call { /* on the stack of the fiber that waits */
    struct gg_curl *curl;
    CURL *easy;
    const struct gg_client_request *request;
    struct gg_arena *arena;
    struct gg_buf body, head;
    struct gg_cond done_cond;
    size_t max;
    CURLcode result;
    bool done, too_much, refused;
};

/* ---- curl's wishes: sockets and a timer ---- */

static void finish_calls(struct gg_curl *curl)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(curl->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        call->result = message->data.result;
        call->done = true;
        gg_cond_broadcast(&call->done_cond);
    }
}

static void act(struct gg_curl *curl, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(curl->multi, fd, what, &running);
    finish_calls(curl);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd, ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct gg_curl *curl = arg;
    struct event *event = socket_arg;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short want = (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) | ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
        event = event_new(gg_loop_base(), fd, (short)(want | EV_PERSIST), on_socket_event, curl);
        GG_ASSERT(event != NULL && event_add(event, NULL) == 0);
    }
    curl_multi_assign(curl->multi, fd, event);
    return 0;
}

static void on_timeout(void *arg)
{
    struct gg_curl *curl = arg;
    curl->timer = NULL;
    act(curl, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct gg_curl *curl = arg;
    if (curl->timer != NULL)
        gg_timer_stop(curl->timer);
    curl->timer = ms >= 0 ? gg_timer_start(ms, on_timeout, curl) : NULL;
    return 0;
}

/* ---- set-up, by the first request ---- */

static size_t read_ranges(const struct gg_config *config, const char *key, struct gg_range **out)
{
    size_t n, used = 0;
    const char *const *texts = gg_config_texts(config, key, &n);
    *out = gg_xcalloc(n + 1, sizeof(**out));
    for (size_t i = 0; i < n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        if (gg_range_parse(texts[i], &(*out)[used], &err) == 0)
            used++;
        else
            gg_err(&logger, "%s: %s", key, err.message);
    }
    return used;
}

/* One for checked peers and one for the others: kept connections are shared inside each, and a connection that was
 * never checked must not serve a request that asks for it. */
static struct gg_curl *curl_of(struct gg_client *client, bool checked)
{
    struct gg_curl *curl = client->curl[checked];
    if (curl != NULL)
        return curl;
    curl = gg_xcalloc(1, sizeof(*curl));
    GG_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    curl->multi = curl_multi_init();
    GG_ASSERT(curl->multi != NULL);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS, (long)KEEP_CONNECTIONS);
    if (client->host->config != NULL) {
        curl->deny.n_denied = read_ranges(client->host->config, "ip_range_blacklist", &curl->deny.denied);
        curl->deny.n_allowed = read_ranges(client->host->config, "ip_range_whitelist", &curl->deny.allowed);
    }
    return client->curl[checked] = curl;
}

void gg_curl_free(struct gg_curl *curl)
{
    if (curl == NULL)
        return;
    while (curl->n_spare > 0)
        curl_easy_cleanup(curl->spare[--curl->n_spare]);
    curl_multi_cleanup(curl->multi);
    if (curl->timer != NULL)
        gg_timer_stop(curl->timer);
    free(curl->deny.denied);
    free(curl->deny.allowed);
    free(curl);
    curl_global_cleanup();
}

/* ---- one transfer ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    if (call->body.n + size * n > call->max) {
        call->too_much = true;
        return 0;
    }
    gg_buf_add(&call->body, data, size * n);
    return size * n;
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

/* The address is the one that is about to be connected to, whatever name or redirect led here. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = arg;
    if (call->request->public_only && !gg_deny_allows(&call->curl->deny, &address->addr)) {
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

static void set_options(struct call *call, struct curl_slist *headers)
{
    const struct gg_client_request *request = call->request;
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)request->max_redirects);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Ganglion");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
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
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment: it would hide the address to be checked */
    if (request->unix_socket != NULL)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    if (request->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (request->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static int status_of(const struct call *call, bool sent)
{
    if (call->refused)
        return GG_E_FORBIDDEN;
    if (call->too_much)
        return GG_E_LIMIT;
    switch (call->result) {
    case CURLE_OK:
        return 0;
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
    char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    out->status = (int)status;
    out->connected = sent > 0;
    out->content_type = gg_arena_str(call->arena, gg_str(type != NULL ? type : ""));
    out->head = gg_arena_str(call->arena, gg_buf_view(&call->head));
    size_t n;
    char *data = gg_buf_steal(&call->body, &n);
    gg_arena_defer(call->arena, free, data);
    out->body = gg_strn(data, n);
}

static CURL *take_handle(struct gg_curl *curl)
{
    CURL *easy = curl->n_spare > 0 ? curl->spare[--curl->n_spare] : curl_easy_init();
    GG_ASSERT(easy != NULL);
    return easy;
}

static void give_handle(struct gg_curl *curl, CURL *easy)
{
    if (curl->n_spare == KEEP_HANDLES) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    curl->spare[curl->n_spare++] = easy;
}

int gg_client_fetch(struct gg_host *host, const struct gg_client_request *request, struct gg_arena *arena,
                    struct gg_client_answer *out, struct gg_error *err)
{
    struct gg_curl *curl = curl_of(gg_client_of(host), request->public_only);
    struct call call = {.curl = curl, .request = request, .arena = arena, .body = GG_BUF_INIT, .head = GG_BUF_INIT};
    struct curl_slist *headers = headers_of(request);
    memset(out, 0, sizeof(*out));
    call.max = request->max_answer != 0 ? request->max_answer : MAX_ANSWER;
    call.easy = take_handle(curl);
    gg_cond_init(&call.done_cond);
    set_options(&call, headers);
    int rc = 0;
    if (curl_multi_add_handle(curl->multi, call.easy) != CURLM_OK)
        rc = gg_fail(err, GG_E_INTERNAL, "curl takes no more requests");
    while (rc == 0 && !call.done)
        rc = gg_cond_wait(&call.done_cond, GG_FOREVER);
    take_answer(&call, out);
    curl_multi_remove_handle(curl->multi, call.easy);
    give_handle(curl, call.easy);
    curl_slist_free_all(headers);
    gg_buf_done(&call.head);
    gg_buf_done(&call.body);
    if (!call.done)
        return err->code != 0 ? rc : gg_fail(err, rc, "%s was not answered in time", request->url);
    rc = status_of(&call, out->connected);
    if (rc == GG_E_FORBIDDEN)
        return gg_fail(err, rc, "%s is at an address that must not be asked", request->url);
    return rc == 0 ? 0 : gg_fail(err, rc, "%s: %s", request->url, curl_easy_strerror(call.result));
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
