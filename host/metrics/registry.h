/* registry.h: the metrics' memory; private to this folder. */
#ifndef HOST_METRICS_REGISTRY_H
#define HOST_METRICS_REGISTRY_H

#include <ganglion/buf.h>
#include <ganglion/list.h>
#include <ganglion/map.h>
#include <ganglion/metrics.h>

#define METRIC_LABELS 4

struct metric_series {
    struct gg_list link;
    char *label[METRIC_LABELS]; /* values, NULL after the last */
    double value;               /* of a histogram: the sum */
    uint64_t count;             /* of a histogram */
    uint64_t buckets[];         /* of a histogram: not cumulative; the last is +Inf */
};

struct metric_impl {
    struct gg_list link, series;
    const struct gg_metric *metric;
    struct gg_map *by_labels;
    const double *bounds;
    size_t n_labels, n_bounds;
};

void metrics_write_impl(struct gg_buf *out, const struct metric_impl *impl);

#endif
