/* metrics.h: all metrics of the process as Prometheus text, for the listener that serves them. */
#ifndef HOST_METRICS_METRICS_H
#define HOST_METRICS_METRICS_H

#include <ganglion/buf.h>
#include <ganglion/metrics.h>

#define GG_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends the text form 0.0.4, metrics in the order of their first use, then those of the process itself (memory,
 * processor time, descriptors, fibers). Reads /proc: some tens of microseconds. */
void gg_metrics_write(struct gg_buf *out);
/* Forgets every metric and collector: for tests that look for leaks. */
void gg_metrics_reset(void);

/* process.c: what the kernel and the loop know. */
void gg_metrics_write_process(struct gg_buf *out);
/* text.c: one metric without labels, whole. */
void gg_metrics_write_plain(struct gg_buf *out, const char *name, const char *help, int type, double value);

#endif
