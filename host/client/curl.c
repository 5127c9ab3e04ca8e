/* libcurl multi, driven by the loop's events and timers: what every transfer shares, whatever its protocol. */
#include "client/curl.h"

#include "fiber/loop.h"
#include "main/host.h"

#include <event2/event.h>
#include <ganglion/config.h>
#include <ganglion/memory.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

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

static size_t read_ranges(const struct gg_config *config, const char *key, struct gg_ip_range **out)
{
    size_t n, used = 0;
    const char *const *texts = gg_config_texts(config, key, &n);
    *out = gg_xcalloc(n + 1, sizeof(**out));
    for (size_t i = 0; i < n; i++) {
        struct gg_error err = GG_ERROR_INIT;
        if (gg_ip_range_parse(texts[i], &(*out)[used], &err) == 0)
            used++;
        else
            gg_err(&logger, "%s: %s", key, err.message);
    }
    return used;
}

static void read_deny(struct gg_client_pool *pool)
{
    const struct gg_config *config = pool->host->config;
    const struct gg_client_pool_options *o = &pool->options;
    if (pool->deny_read || config == NULL)
        return;
    pool->deny_read = true;
    pool->deny.n_denied = read_ranges(config, o->denied != NULL ? o->denied : "ip_range_blacklist", &pool->deny.denied);
    pool->deny.n_allowed =
        read_ranges(config, o->allowed != NULL ? o->allowed : "ip_range_whitelist", &pool->deny.allowed);
}

/* Idle connections hold descriptors, of which others need theirs. */
static long connections_to_keep(const struct gg_client_pool_options *options)
{
    struct rlimit files;
    long wanted = options->keep > 0 ? (long)options->keep : (long)KEEP_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY && (rlim_t)wanted > files.rlim_cur / 4)
        wanted = (long)(files.rlim_cur / 4);
    return wanted;
}

/* One for checked peers and one for the others: kept connections are shared inside each, and a connection that was
 * never checked must not serve a request that asks for it. */
static struct gg_curl *curl_of(struct gg_client_pool *pool, bool checked)
{
    struct gg_curl *curl = pool->curl[checked];
    if (curl != NULL)
        return curl;
    curl = gg_xcalloc(1, sizeof(*curl));
    curl->pool = pool;
    GG_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    curl->multi = curl_multi_init();
    GG_ASSERT(curl->multi != NULL);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS, connections_to_keep(&pool->options));
    read_deny(pool);
    return pool->curl[checked] = curl;
}

static void free_curl(struct gg_curl *curl)
{
    if (curl == NULL)
        return;
    while (curl->n_spare > 0)
        curl_easy_cleanup(curl->spare[--curl->n_spare]);
    curl_multi_cleanup(curl->multi);
    if (curl->timer != NULL)
        gg_timer_stop(curl->timer);
    free(curl);
    curl_global_cleanup();
}

/* ---- pools ---- */

static struct gg_client_pool *add_pool(struct gg_host *host, const struct gg_client_pool_options *options)
{
    struct gg_client_pool *pool = gg_xcalloc(1, sizeof(*pool));
    pool->host = host;
    pool->options = *options;
    gg_list_push(&gg_client_of(host)->curl_pools, &pool->link);
    return pool;
}

static struct gg_client_pool *own_pool(struct gg_host *host)
{
    struct gg_client *client = gg_client_of(host);
    if (client->pool == NULL)
        client->pool = add_pool(host, &(struct gg_client_pool_options){.name = "client"});
    return client->pool;
}

static int read_trusted(const struct gg_client_pool_options *options, X509_STORE **out, struct gg_error *err)
{
    X509_STORE *store = X509_STORE_new();
    GG_ASSERT(store != NULL);
    for (size_t i = 0; i < options->n_ca_files; i++)
        if (X509_STORE_load_file(store, options->ca_files[i]) != 1) {
            ERR_clear_error();
            X509_STORE_free(store);
            return gg_fail(err, GG_E_INVALID, "%s: no certificates could be read from %s", options->name, options->ca_files[i]);
        }
    *out = store;
    return 0;
}

int gg_client_pool_new(struct gg_host *host, const struct gg_client_pool_options *options, struct gg_client_pool **out,
                       struct gg_error *err)
{
    X509_STORE *trusted = NULL;
    int status = options->n_ca_files > 0 ? read_trusted(options, &trusted, err) : 0;
    if (status != 0)
        return status;
    *out = add_pool(host, options);
    (*out)->trusted = trusted;
    return 0;
}

void gg_curl_free_all(struct gg_client *client)
{
    for (struct gg_list *at; (at = gg_list_pop(&client->curl_pools)) != NULL;) {
        struct gg_client_pool *pool = GG_CONTAINER(at, struct gg_client_pool, link);
        free_curl(pool->curl[0]);
        free_curl(pool->curl[1]);
        X509_STORE_free(pool->trusted);
        free(pool->deny.denied);
        free(pool->deny.allowed);
        free(pool);
    }
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

/* curl would read its authorities from files for each connection; these were read once. */
static CURLcode on_context(CURL *easy, void *context, void *arg)
{
    SSL_CTX_set1_cert_store(context, arg);
    return CURLE_OK;
}

static void set_trust(const struct gg_client_pool *pool, CURL *easy)
{
    static const struct {
        const char *name;
        long version;
    } versions[] = {{"1", CURL_SSLVERSION_TLSv1_0}, {"1.0", CURL_SSLVERSION_TLSv1_0}, {"1.1", CURL_SSLVERSION_TLSv1_1},
                    {"1.2", CURL_SSLVERSION_TLSv1_2}, {"1.3", CURL_SSLVERSION_TLSv1_3}};
    for (size_t i = 0; pool->options.least_tls != NULL && i < GG_COUNT(versions); i++)
        if (strcmp(pool->options.least_tls, versions[i].name) == 0)
            curl_easy_setopt(easy, CURLOPT_SSLVERSION, versions[i].version);
    if (pool->trusted == NULL)
        return;
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, pool->trusted);
}

void gg_curl_begin(struct gg_host *host, struct gg_client_pool *pool, bool checked, struct gg_curl_call *call)
{
    pool = pool != NULL ? pool : own_pool(host);
    call->curl = curl_of(pool, checked);
    call->easy = take_handle(call->curl);
    call->done = false;
    gg_cond_init(&call->done_cond);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
    set_trust(pool, call->easy);
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
