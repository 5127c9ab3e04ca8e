/* libcurl multi, driven by the loop's events and timers: what every transfer shares, whatever its protocol. */
#include "client/curl.h"

#include "fiber/loop.h"
#include "main/host.h"

#include <event2/event.h>
#include <ganglion/config.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.client"};

enum { KEEP_CONNECTIONS = 256 };

/* ---- curl's wishes: sockets and a timer ---- */

static void finish_calls(struct gg_curl *curl)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(curl->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct gg_curl_call *call = NULL;
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

/* ---- handles ---- */

static CURL *take_handle(struct gg_curl *curl)
{
    CURL *easy = curl->n_spare > 0 ? curl->spare[--curl->n_spare] : curl_easy_init();
    GG_ASSERT(easy != NULL);
    return easy;
}

static void give_handle(struct gg_curl *curl, CURL *easy)
{
    if (curl->n_spare == GG_KEEP_HANDLES) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    curl->spare[curl->n_spare++] = easy;
}

void gg_curl_begin(struct gg_host *host, bool checked, struct gg_curl_call *call)
{
    call->curl = curl_of(gg_client_of(host), checked);
    call->easy = take_handle(call->curl);
    call->done = false;
    gg_cond_init(&call->done_cond);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
}

int gg_curl_wait(struct gg_curl_call *call, struct gg_error *err)
{
    int rc = 0;
    if (curl_multi_add_handle(call->curl->multi, call->easy) != CURLM_OK)
        rc = gg_fail(err, GG_E_INTERNAL, "curl takes no more requests");
    while (rc == 0 && !call->done)
        rc = gg_cond_wait(&call->done_cond, GG_FOREVER);
    return rc;
}

void gg_curl_end(struct gg_curl_call *call)
{
    curl_multi_remove_handle(call->curl->multi, call->easy);
    give_handle(call->curl, call->easy);
}
