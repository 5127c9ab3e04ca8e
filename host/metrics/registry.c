/* registry.c: counting.
 *
 * A lock, since offloaded work counts too. The number of series of one metric is bounded: a label that takes foreign
 * values would else eat the memory. */
#include "metrics/registry.h"

#include <ganglion/memory.h>
#include "metrics/metrics.h"

#include <pthread.h>

#define MAX_SERIES 1000
#define MAX_LABEL_BYTES 127
/* The bounds that Prometheus clients use for seconds when nobody says otherwise. */
static const double default_bounds[] = {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 0};

static struct gg_logger logger = {"ganglion.metrics"};

struct collector {
    struct gg_list link;
    void (*fn)(void *arg);
    void *arg;
};

/* The registry of the process: statics of any library register themselves in it on first use. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gg_list metrics = {&metrics, &metrics};
static struct gg_list collectors = {&collectors, &collectors};

static struct metric_impl *register_metric(struct gg_metric *m)
{
    struct metric_impl *impl = gg_xcalloc(1, sizeof(*impl));
    impl->metric = m;
    gg_list_init(&impl->series);
    impl->by_labels = gg_map_new(NULL);
    while (impl->n_labels < METRIC_LABELS && m->label[impl->n_labels])
        impl->n_labels++;
    if (m->type == GG_HISTOGRAM) {
        impl->bounds = m->buckets ? m->buckets : default_bounds;
        while (impl->bounds[impl->n_bounds] > 0)
            impl->n_bounds++;
    }
    gg_list_push(&metrics, &impl->link);
    m->impl = impl;
    return impl;
}

static struct metric_series *add_series(struct metric_impl *impl, struct gg_str key, char *const *values)
{
    size_t buckets = impl->metric->type == GG_HISTOGRAM ? impl->n_bounds + 1 : 0;
    struct metric_series *s = gg_xcalloc(1, sizeof(*s) + buckets * sizeof(s->buckets[0]));
    for (size_t i = 0; i < impl->n_labels; i++) {
        size_t n = strlen(values[i]);
        s->label[i] = gg_xmalloc(n + 1);
        memcpy(s->label[i], values[i], n + 1);
    }
    gg_list_push(&impl->series, &s->link);
    gg_map_put(impl->by_labels, key, s);
    return s;
}

/* The values one behind the other, each with its NUL, which also is the key. */
static struct gg_str join_labels(const struct metric_impl *impl, const char *const *labels, char *room, char **values)
{
    char *at = room;
    for (size_t i = 0; i < impl->n_labels; i++) {
        const char *value = labels && *labels ? *labels++ : "";
        size_t n = strnlen(value, MAX_LABEL_BYTES);
        values[i] = at;
        memcpy(at, value, n);
        at[n] = '\0';
        at += n + 1;
    }
    return gg_strn(room, (size_t)(at - room));
}

/* NULL when there are too many. */
static struct metric_series *series_of(struct gg_metric *m, const char *const *labels)
{
    struct metric_impl *impl = m->impl ? m->impl : register_metric(m);
    char room[METRIC_LABELS * (MAX_LABEL_BYTES + 1)], *values[METRIC_LABELS];
    struct gg_str key = join_labels(impl, labels, room, values);
    struct metric_series *s = gg_map_get(impl->by_labels, key);
    if (s)
        return s;
    return gg_map_count(impl->by_labels) < MAX_SERIES ? add_series(impl, key, values) : NULL;
}

static void say_full(const struct gg_metric *m)
{
    static bool said; /* one line for the life of a process is enough to find it */
    if (!said)
        gg_err(&logger, "metric %s has more than %d combinations of labels; further ones are not counted", m->name,
               MAX_SERIES);
    said = true;
}

static void change(struct gg_metric *m, double value, const char *const *labels, bool add)
{
    pthread_mutex_lock(&lock);
    struct metric_series *s = series_of(m, labels);
    if (s)
        s->value = add ? s->value + value : value;
    pthread_mutex_unlock(&lock);
    if (!s)
        say_full(m);
}

void gg_metric_add(struct gg_metric *m, double by, const char *const *labels)
{
    GG_ASSERT(m->type == GG_GAUGE || (m->type == GG_COUNTER && by >= 0));
    change(m, by, labels, true);
}

void gg_metric_set(struct gg_metric *m, double value, const char *const *labels)
{
    GG_ASSERT(m->type != GG_HISTOGRAM);
    change(m, value, labels, false);
}

void gg_metric_observe(struct gg_metric *m, double seconds, const char *const *labels)
{
    GG_ASSERT(m->type == GG_HISTOGRAM);
    pthread_mutex_lock(&lock);
    struct metric_series *s = series_of(m, labels);
    if (s) {
        const struct metric_impl *impl = m->impl;
        size_t i = 0;
        while (i < impl->n_bounds && seconds > impl->bounds[i])
            i++;
        s->buckets[i]++;
        s->value += seconds;
        s->count++;
    }
    pthread_mutex_unlock(&lock);
    if (!s)
        say_full(m);
}

void gg_metrics_collect(void (*fn)(void *arg), void *arg)
{
    struct collector *c = gg_xmalloc(sizeof(*c));
    *c = (struct collector){.fn = fn, .arg = arg};
    gg_list_push(&collectors, &c->link);
}

void gg_metrics_write(struct gg_buf *out)
{
    GG_LIST_EACH (it, &collectors) {
        struct collector *c = GG_CONTAINER(it, struct collector, link);
        c->fn(c->arg);
    }
    pthread_mutex_lock(&lock);
    GG_LIST_EACH (it, &metrics)
        metrics_write_impl(out, GG_CONTAINER(it, struct metric_impl, link));
    pthread_mutex_unlock(&lock);
    gg_metrics_write_process(out);
}

static void free_impl(struct metric_impl *impl)
{
    for (struct gg_list *l; (l = gg_list_pop(&impl->series)) != NULL;) {
        struct metric_series *s = GG_CONTAINER(l, struct metric_series, link);
        for (size_t i = 0; i < METRIC_LABELS; i++)
            free(s->label[i]);
        free(s);
    }
    gg_map_free(impl->by_labels);
    ((struct gg_metric *)impl->metric)->impl = NULL;
    free(impl);
}

void gg_metrics_reset(void)
{
    pthread_mutex_lock(&lock);
    for (struct gg_list *l; (l = gg_list_pop(&metrics)) != NULL;)
        free_impl(GG_CONTAINER(l, struct metric_impl, link));
    for (struct gg_list *l; (l = gg_list_pop(&collectors)) != NULL;)
        free(GG_CONTAINER(l, struct collector, link));
    pthread_mutex_unlock(&lock);
}
