/* What is noted of each request: the access log's line and the metrics. */
#include "http/conn.h"

#include "base/clock.h"

#include <ganglion/metrics.h>
#include <stdlib.h>
#include <strings.h>

static struct gg_metric responses = {
    .name = "synapse_http_server_response_count_total",
    .help = "Requests answered, by method and route",
    .type = GG_COUNTER,
    .label = {"method", "servlet", "tag", "code"},
};
static struct gg_metric seconds = {
    .name = "synapse_http_server_response_time_seconds",
    .help = "Time from the last byte of the request to the answer",
    .type = GG_HISTOGRAM,
    .label = {"method", "servlet", "tag", "code"},
};

/* The target with the values of access_token hidden: the log must not hold what lets others in. */
static const char *hide_token(struct gg_request *rq)
{
    const char *target = rq->head.n != 0 ? gg_request_target(rq) : "";
    if (rq->n_path >= rq->target.n || strcasestr(target + rq->n_path, "access_token") == NULL)
        return target;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_add(&out, target, rq->n_path);
    for (const char *at = target + rq->n_path; *at != '\0';) {
        size_t n = 1 + strcspn(at + 1, "&");
        const char *equals = memchr(at, '=', n);
        /* any key that could decode to it, however it was spelled */
        bool token = equals != NULL &&
                     (strncasecmp(at + 1, "access_token", 12) == 0 || memchr(at, '%', (size_t)(equals - at)) != NULL);
        gg_buf_add(&out, at, token ? (size_t)(equals - at) + 1 : n);
        if (token)
            gg_buf_lit(&out, "<redacted>");
        at += n;
    }
    const char *hidden = gg_arena_strndup(gg_request_arena(rq), out.data, out.n);
    gg_buf_done(&out);
    return hidden;
}

static void log_line(struct gg_request *rq, int64_t took_us)
{
    char target[512];
    size_t n = 0;
    for (const char *s = hide_token(rq); *s != '\0' && n < sizeof(target) - 1; s++)
        target[n++] = *s;
    target[n] = '\0';
    /* Health checks come every few seconds from everybody and say nothing: DEBUG, as in Synapse. */
    int level = strcmp(target, "/health") == 0 ? GG_DEBUG : GG_INFO;
    gg_log(&rq->port->access, level,
           "%s - %s - {%s} Processed request: %.3fsec %lldB %d \"%s %s HTTP/1.%d\" \"%.200s\"%s", rq->address,
           rq->port->tag, rq->user != NULL ? rq->user : "None", (double)took_us / 1e6, (long long)rq->reply_sent,
           rq->status, rq->method != NULL ? rq->method : "-", target,
           rq->conn != NULL ? rq->conn->parser.http_minor : 1, gg_request_user_agent(rq),
           rq->conn == NULL ? " (client gone)" : "");
}

void gg_access_note(struct gg_request *rq)
{
    int64_t took_us = rq->began_us != 0 ? gg_clock_us() - rq->began_us : 0;
    const struct gg_router_entry *entry = rq->match.entry;
    char code[16];
    if (rq->status == 200)
        memcpy(code, "200", 4);
    else
        snprintf(code, sizeof(code), "%d", rq->status);
    const char *const labels[] = {rq->method != NULL ? rq->method : "-", entry != NULL ? entry->route->path : "-",
                                  rq->port->tag, code, NULL};
    gg_metric_add(&responses, 1, labels);
    gg_metric_observe(&seconds, (double)took_us / 1e6, labels);
    if (gg_log_enabled(&rq->port->access, GG_INFO))
        log_line(rq, took_us);
}
