/* The /ready document: whether this process can do its work now, and if not, what is missing. */
#include "main/duties.h"
#include "main/host.h"
#include "main/peers.h"
#include "plugin/plugins.h"
#include "repl/ids.h"

#include <ganglion/db.h>
#include <ganglion/repl.h>

static void member(struct gg_buf *buf, const char *name, bool value)
{
    gg_buf_printf(buf, ",\"%s\":%s", name, value ? "true" : "false");
}

static void text_member(struct gg_buf *buf, const char *name, const char *value)
{
    gg_buf_printf(buf, ",\"%s\":", name);
    gg_buf_json_string(buf, gg_str(value));
}

static void roles(const struct gg_plugins *plugins, struct gg_buf *buf)
{
    gg_buf_lit(buf, ",\"roles\":[");
    for (size_t i = 0; i < plugins->n; i++) {
        gg_buf_text(buf, i > 0 ? "," : "");
        gg_buf_json_string(buf, gg_str(plugins->roles[i]->desc.name));
    }
    gg_buf_lit(buf, "],\"missing_roles\":[");
    for (size_t i = 0; i < plugins->n_missing; i++) {
        const struct gg_missing *missing = &plugins->missing[i];
        gg_buf_text(buf, i > 0 ? ",{\"role\":" : "{\"role\":");
        gg_buf_json_string(buf, gg_str(missing->role));
        text_member(buf, "package", missing->package);
        text_member(buf, "why", missing->why);
        gg_buf_char(buf, '}');
    }
    gg_buf_char(buf, ']');
}

/* Of each stream: up to where its rows are known here, and how far behind what others announced that is. */
static void streams(struct gg_host *host, struct gg_buf *buf)
{
    struct gg_streams *all = gg_streams_of(host);
    gg_buf_lit(buf, ",\"streams\":{");
    for (size_t i = 0; i < gg_streams_count(all); i++) {
        const struct gg_stream *stream = gg_streams_at(all, i);
        int64_t upto = gg_stream_upto(stream);
        gg_buf_printf(buf, "%s\"%s\":{\"position\":%lld,\"behind\":%lld}", i > 0 ? "," : "",
                      gg_stream_def(stream)->name, (long long)upto, (long long)(gg_stream_max_seen(stream) - upto));
    }
    gg_buf_char(buf, '}');
}

bool gg_host_ready(struct gg_host *host, struct gg_buf *buf)
{
    static const char *const phases[] = {[GG_PHASE_LOADING] = "starting",
                                         [GG_PHASE_STARTING] = "starting",
                                         [GG_PHASE_RUNNING] = "running",
                                         [GG_PHASE_STOPPING] = "stopping"};
    struct gg_buf rest = GG_BUF_INIT;
    bool database = host->db != NULL && gg_db_healthy(host->db);
    bool redis = !host->redis || gg_repl_connected(host);
    bool ready = host->phase == GG_PHASE_RUNNING && database && redis;
    text_member(&rest, "instance", host->instance);
    text_member(&rest, "worker_app", host->worker_app);
    text_member(&rest, "phase", phases[host->phase]);
    member(&rest, "database", database);
    if (host->redis)
        member(&rest, "redis", redis);
    if (host->plugins != NULL)
        roles(host->plugins, &rest);
    streams(host, &rest);
    gg_peers_ready(host, &rest);
    gg_duties_ready(host, &rest);
    GG_LIST_EACH (link, &host->services) {
        struct gg_attached *attached = GG_CONTAINER(link, struct gg_attached, link);
        if (attached->started && attached->service->ready != NULL)
            ready = attached->service->ready(attached->self, &rest) && ready;
    }
    gg_buf_printf(buf, "{\"ready\":%s", ready ? "true" : "false");
    gg_buf_add(buf, rest.data, rest.n);
    gg_buf_char(buf, '}');
    gg_buf_done(&rest);
    return ready;
}
