/* last_seen.c: gauges of the servers that the operator watches; the list bounds their number. */
#include "federation/last_seen.h"

#include <ganglion/config.h>
#include <ganglion/matrix/json.h>
#include <ganglion/metrics.h>

static struct gg_metric sent = {.name = "synapse_federation_last_sent_pdu_time",
                                .help = "The timestamp of the last PDU which was successfully sent to the given domain",
                                .type = GG_GAUGE, .label = {"destination_server_name"}};
static struct gg_metric received = {.name = "synapse_federation_last_received_pdu_time",
                                    .help = "The timestamp of the last PDU which was successfully received from the given domain",
                                    .type = GG_GAUGE, .label = {"origin_server_name"}};

static bool is_watched(const struct mx_server *server, const char *name)
{
    size_t n;
    const char *const *watched = gg_config_texts(server->config, "federation_metrics_domains", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(watched[i], name) == 0)
            return true;
    return false;
}

static void note(struct gg_metric *metric, const struct mx_server *server, const char *name, struct gg_str transaction)
{
    int64_t newest = 0, ts;
    if (!is_watched(server, name))
        return;
    for (struct mx_json_iter it = mx_json_iter(mx_json_get(transaction, "pdus")); mx_json_next(&it);)
        if (mx_json_i64(mx_json_get(it.value, "origin_server_ts"), &ts) && ts > newest)
            newest = ts;
    if (newest)
        gg_metric_set(metric, (double)newest / 1000, GG_LABELS(name));
}

void mx_fed_sent(const struct mx_server *server, const char *destination, struct gg_str transaction)
{
    note(&sent, server, destination, transaction);
}

void mx_fed_received(const struct mx_server *server, const char *origin, struct gg_str transaction)
{
    note(&received, server, origin, transaction);
}
