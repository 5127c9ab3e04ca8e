/* What the server answers by itself: OPTIONS, /health, /ready, the metrics. */
#include "http/conn.h"
#include "http/forward.h"
#include "metrics/metrics.h"

static void reply_metrics(struct gg_request *rq)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_metrics_write(&out);
    gg_reply_text(rq, 200, GG_METRICS_CONTENT_TYPE, gg_buf_view(&out));
    gg_buf_done(&out);
}

static void reply_ready(struct gg_request *rq)
{
    struct gg_server *server = rq->server;
    struct gg_buf out = GG_BUF_INIT;
    bool ready = !server->draining;
    if (server->ready != NULL)
        ready = server->ready(server->ready_self, &out) && ready;
    else
        gg_buf_printf(&out, "{\"ready\":%s}", ready ? "true" : "false");
    gg_reply_buf(rq, ready ? 200 : 503, &out);
}

static void reply_forward(struct gg_request *rq)
{
    gg_reply_text(rq, 200, "application/json", GG_STR("{\"ganglion\":true}"));
}

static const struct {
    const char *path;
    uint32_t resources; /* the listener must have one of them */
    void (*answer)(struct gg_request *rq);
} pages[] = {
    {"/ready", GG_RES_HEALTH, reply_ready},
    {"/metrics", GG_RES_METRICS, reply_metrics},
    {"/_synapse/metrics", GG_RES_METRICS, reply_metrics},
    {GG_FORWARD_PATH, GG_RES_REPLICATION, reply_forward},
};

bool gg_builtin_path(struct gg_str path, uint32_t resources)
{
    for (size_t i = 0; i < GG_COUNT(pages); i++)
        if ((pages[i].resources & resources) != 0 && gg_str_is(path, pages[i].path))
            return true;
    return gg_str_is(path, "/health");
}

bool gg_builtin(struct gg_request *rq)
{
    if (rq->match.entry != NULL)
        return false;
    struct gg_str path = gg_strn(gg_request_target(rq), rq->n_path);
    if (strcmp(rq->method, "OPTIONS") == 0) {
        gg_reply_text(rq, 204, NULL, GG_STR(""));
        return true;
    }
    if (gg_str_is(path, "/health")) {
        gg_reply_text(rq, 200, "text/plain; charset=utf-8", GG_STR("OK"));
        return true;
    }
    for (size_t i = 0; i < GG_COUNT(pages); i++) {
        if ((pages[i].resources & rq->port->resources) != 0 && gg_str_is(path, pages[i].path)) {
            pages[i].answer(rq);
            return true;
        }
    }
    reply_metrics(rq); /* a listener of the type metrics answers every path */
    return true;
}
