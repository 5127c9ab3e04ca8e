/* text.c: the Prometheus text form 0.0.4. */
#include "metrics/registry.h"

#include "metrics/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The shortest of two that reads back as the same number. */
static void add_number(struct gg_buf *out, double value)
{
    char text[40];
    if (isnan(value)) {
        gg_buf_lit(out, "NaN");
        return;
    }
    if (isinf(value)) {
        gg_buf_text(out, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof(text), "%.17g", value);
    gg_buf_text(out, text);
}

static void add_escaped(struct gg_buf *out, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\n')
            gg_buf_lit(out, "\\n");
        else if (*text == '\\' || (quotes && *text == '"'))
            gg_buf_add(out, (char[]){'\\', *text}, 2);
        else
            gg_buf_char(out, *text);
    }
}

static void add_head(struct gg_buf *out, const char *name, const char *help, int type)
{
    static const char *const types[] = {[GG_COUNTER] = "counter", [GG_GAUGE] = "gauge", [GG_HISTOGRAM] = "histogram"};
    gg_buf_printf(out, "# HELP %s ", name);
    add_escaped(out, help ? help : "", false);
    gg_buf_printf(out, "\n# TYPE %s %s\n", name, types[type]);
}

/* le NULL: no bucket bound among the labels. */
static void add_labels(struct gg_buf *out, const struct metric_impl *impl, const struct metric_series *s, const double *le)
{
    if (impl->n_labels == 0 && !le)
        return;
    const char *before = "{";
    for (size_t i = 0; i < impl->n_labels; i++, before = ",") {
        gg_buf_printf(out, "%s%s=\"", before, impl->metric->label[i]);
        add_escaped(out, s->label[i], true);
        gg_buf_char(out, '"');
    }
    if (le) {
        gg_buf_printf(out, "%sle=\"", before);
        add_number(out, *le);
        gg_buf_char(out, '"');
    }
    gg_buf_char(out, '}');
}

static void add_line(struct gg_buf *out, const struct metric_impl *impl, const struct metric_series *s,
                     const char *suffix, const double *le, double value)
{
    gg_buf_text(out, impl->metric->name);
    gg_buf_text(out, suffix);
    add_labels(out, impl, s, le);
    gg_buf_char(out, ' ');
    add_number(out, value);
    gg_buf_char(out, '\n');
}

static void add_histogram(struct gg_buf *out, const struct metric_impl *impl, const struct metric_series *s)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= impl->n_bounds; i++) {
        double le = i < impl->n_bounds ? impl->bounds[i] : INFINITY;
        below += s->buckets[i];
        add_line(out, impl, s, "_bucket", &le, (double)below);
    }
    add_line(out, impl, s, "_count", NULL, (double)s->count);
    add_line(out, impl, s, "_sum", NULL, s->value);
}

void metrics_write_impl(struct gg_buf *out, const struct metric_impl *impl)
{
    add_head(out, impl->metric->name, impl->metric->help, impl->metric->type);
    GG_LIST_EACH (it, &impl->series) {
        const struct metric_series *s = GG_CONTAINER(it, struct metric_series, link);
        if (impl->metric->type == GG_HISTOGRAM)
            add_histogram(out, impl, s);
        else
            add_line(out, impl, s, "", NULL, s->value);
    }
}

void gg_metrics_write_plain(struct gg_buf *out, const char *name, const char *help, int type, double value)
{
    add_head(out, name, help, type);
    gg_buf_printf(out, "%s ", name);
    add_number(out, value);
    gg_buf_char(out, '\n');
}
