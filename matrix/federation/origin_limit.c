/* matrix/federation/origin_limit.c: a queue and a window for each server that asks us. */
#include "federation/origin_limit.h"

#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>
#include <stdio.h>

enum {
    MAX_IDLE = 4096,     /* origins without a request that are remembered for their window; more are swept */
    MAX_TIMES = 10000,   /* of a window: what is above counts as too many anyway */
};

static struct gg_metric slept = {.name = "synapse_rate_limit_sleep",
                                 .help = "Number of requests slept by the rate limiter",
                                 .type = GG_COUNTER,
                                 .label = {"rate_limiter_name"}};
static struct gg_metric rejected = {.name = "synapse_rate_limit_reject",
                                    .help = "Number of requests rejected by the rate limiter",
                                    .type = GG_COUNTER,
                                    .label = {"rate_limiter_name"}};
#define LIMITER_LABEL GG_LABELS("federation_servlets")

struct mx_origin_limits {
    struct mx_origin_rules rules;
    struct gg_map *origins; /* name -> struct origin */
};

/* times: a ring of the latest sleep_limit + 1 arrivals: when its oldest is still in the window, there were too many. */
struct origin {
    struct mx_origin_limits *limits;
    size_t active, waiting;
    struct gg_cond leaves;
    size_t at;
    int64_t last;
    int64_t times[];
};

struct mx_origin_limits *mx_origin_limits_new(const struct mx_origin_rules *rules)
{
    struct mx_origin_limits *l = gg_xcalloc(1, sizeof(*l));
    l->rules = *rules;
    if (l->rules.concurrent < 1)
        l->rules.concurrent = 1;
    if (l->rules.sleep_limit < 0)
        l->rules.sleep_limit = 0;
    if (l->rules.sleep_limit >= MAX_TIMES)
        l->rules.sleep_limit = MAX_TIMES - 1;
    l->origins = gg_map_new(free);
    return l;
}

void mx_origin_limits_free(struct mx_origin_limits *limits)
{
    if (!limits)
        return;
    gg_map_free(limits->origins);
    free(limits);
}

size_t mx_origin_limits_count(const struct mx_origin_limits *limits)
{
    return gg_map_count(limits->origins);
}

static void sweep(struct mx_origin_limits *l, int64_t now)
{
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(l->origins, &i, &key, &value);) {
        const struct origin *o = value;
        if (!o->active && !o->waiting && now - o->last >= l->rules.window_ms)
            gg_map_delete(l->origins, key);
    }
}

static struct origin *find(struct mx_origin_limits *l, struct gg_str name, int64_t now)
{
    struct origin *o = gg_map_get(l->origins, name);
    size_t n = (size_t)l->rules.sleep_limit + 1;
    if (o)
        return o;
    if (gg_map_count(l->origins) >= MAX_IDLE)
        sweep(l, now);
    o = gg_xcalloc(1, sizeof(*o) + n * sizeof(o->times[0]));
    o->limits = l;
    gg_cond_init(&o->leaves);
    for (size_t i = 0; i < n; i++)
        o->times[i] = INT64_MIN;
    gg_map_put(l->origins, name, o);
    return o;
}

/* Notes an arrival; is it one too many within the window? */
static bool arrive(struct origin *o, int64_t now)
{
    const struct mx_origin_rules *rules = &o->limits->rules;
    int64_t oldest = o->times[o->at];
    o->times[o->at] = o->last = now;
    o->at = (o->at + 1) % ((size_t)rules->sleep_limit + 1);
    return oldest != INT64_MIN && now - oldest < rules->window_ms;
}

static void leave(void *arg)
{
    struct origin *o = arg;
    o->active--;
    gg_cond_signal(&o->leaves);
}

static int refuse(const struct mx_origin_rules *rules, struct gg_error *err)
{
    char text[32];
    gg_metric_add(&rejected, 1, LIMITER_LABEL);
    int status = gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Too Many Requests");
    snprintf(text, sizeof text, "%lld", (long long)(rules->window_ms / (rules->sleep_limit ? rules->sleep_limit : 1)));
    gg_error_extra(err, "retry_after_ms", text);
    return status;
}

int mx_origin_limits_enter(struct mx_origin_limits *limits, struct gg_str name, struct gg_arena *arena,
                           struct gg_error *err)
{
    const struct mx_origin_rules *rules = &limits->rules;
    struct origin *o = find(limits, name, gg_now_ms());
    int status = 0;
    if ((int64_t)o->waiting > rules->reject_limit)
        return refuse(rules, err);
    o->waiting++;
    if (arrive(o, gg_now_ms())) {
        gg_metric_add(&slept, 1, LIMITER_LABEL);
        status = gg_sleep(rules->sleep_delay_ms);
    }
    while (!status && (int64_t)o->active >= rules->concurrent)
        status = gg_cond_wait(&o->leaves, GG_FOREVER);
    o->waiting--;
    if (status) { /* a place that was offered to us is the next one's */
        gg_cond_signal(&o->leaves);
        return gg_fail(err, status, "waiting for a place among the requests of %.*s", GG_FMT(name));
    }
    o->active++;
    gg_arena_defer(arena, leave, o);
    return 0;
}
