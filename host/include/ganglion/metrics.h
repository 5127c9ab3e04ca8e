/* ganglion/metrics.h: counters, gauges and histograms for Prometheus.
 *
 * Declared as statics and registered on first use; names as Synapse has them
 * where they mean the same. Labels are few and bounded: never a user or room. */
#ifndef GANGLION_METRICS_H
#define GANGLION_METRICS_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gg_metric_type { GG_COUNTER, GG_GAUGE, GG_HISTOGRAM };

struct gg_metric {
    const char *name, *help;
    int type;
    const char *label[4]; /* label names, NULL-ended */
    void *impl;           /* private */
    const double *buckets; /* of a histogram: upper bounds, ascending, 0-ended;
                              NULL: the usual ones from 5 ms to 10 s */
};

/* Values of the labels in order; missing ones are "", long ones are cut at 127
 * bytes, labels may be NULL. A metric keeps at most 1000 combinations; further
 * ones are dropped with an error line. From any thread. */
GG_API void gg_metric_add(struct gg_metric *m, double by, const char *const *labels);
GG_API void gg_metric_set(struct gg_metric *m, double value, const char *const *labels);
GG_API void gg_metric_observe(struct gg_metric *m, double seconds, const char *const *labels);
/* Calls fn(arg) before the metrics are written out: to set gauges that nobody
 * wants to keep up to date all the time. */
GG_API void gg_metrics_collect(void (*fn)(void *arg), void *arg);
#define GG_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

#ifdef __cplusplus
}
#endif
#endif
