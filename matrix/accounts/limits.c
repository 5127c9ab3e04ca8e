/* limits.c: who may do how much: leaky buckets by address and by user. Each process counts for itself, as Synapse's do.
 */
#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/metrics.h>
#include <stdio.h>

#include "accounts/accounts.h"

/* MAX_KEY: no id and no address is longer; what a client makes up (the name in a failed login) may be. */
enum { MAX_BUCKETS = 50000, MAX_KEY = 256 };

static struct gg_metric refused = {.name = "synapse_rate_limit_reject_total",
                                   .help = "Requests refused by rate limits",
                                   .type = GG_COUNTER,
                                   .label = {"class"}};

static struct mx_rate rate_of(struct mx_server *server, const char *class)
{
    char path[96];
    struct mx_rate rate;
    snprintf(path, sizeof path, "%s.per_second", class);
    rate.per_second = gg_config_number(server->config, path);
    snprintf(path, sizeof path, "%s.burst_count", class);
    rate.burst = gg_config_number(server->config, path);
    return rate;
}

/* The server makes the Retry-After header of retry_after_ms. */
static int refuse(const char *class, int64_t retry_ms, struct gg_error *err)
{
    char text[32];
    gg_metric_add(&refused, 1, GG_LABELS(class));
    int status = gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too Many Requests");
    snprintf(text, sizeof text, "%lld", (long long)retry_ms);
    gg_error_extra(err, "retry_after_ms", text);
    return status;
}

int mx_limit(struct mx_server *server, const char *class, struct gg_str key, const struct mx_principal *principal,
             bool update, struct gg_error *err)
{
    bool message = strcmp(class, "rc_message") == 0;
    if (principal && (principal->unlimited || (message && principal->service_sender)))
        return 0;
    bool own = principal && principal->limited && message;
    return mx_limit_rate(server, class, own ? principal->rate : rate_of(server, class), key, update, err);
}

int mx_limit_rate(struct mx_server *server, const char *class, struct mx_rate rate, struct gg_str key, bool update,
                  struct gg_error *err)
{
    struct gg_buf name = GG_BUF_INIT;
    gg_buf_printf(&name, "%s\x1f%.*s", class, (int)(key.n < MAX_KEY ? key.n : MAX_KEY), key.s);
    int64_t retry_ms;
    bool allowed = mx_bucket_take(server->accounts->buckets, gg_buf_view(&name), rate, update, gg_now_ms(), &retry_ms);
    gg_buf_done(&name);
    return allowed ? 0 : refuse(class, retry_ms, err);
}

/* gg_route.limiter: the class; counted by user where somebody is logged in, by address else. */
static int limit_request(void *self, struct gg_request *rq, const char *limiter, struct gg_error *err)
{
    const struct mx_principal *principal = gg_request_principal(rq);
    const char *key = principal ? principal->requester.user_id : gg_request_address(rq);
    return mx_limit(self, limiter, gg_str(key), principal, true, err);
}

void mx_limits_make(struct mx_server *server)
{
    server->accounts->buckets = mx_buckets_new(MAX_BUCKETS);
    gg_host_set_limiter(server->host, limit_request, server);
}
