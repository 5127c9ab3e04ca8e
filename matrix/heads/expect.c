/* matrix/heads/expect.c: events that we made and another process persists.
 *
 * A row of the events stream does not tell an event's prev_events, so without this each of our own messages would make
 * us ask the database for the forward extremities. */
#include <ganglion/memory.h>
#include <stdlib.h>

#include "heads.h"

struct expected {
    int64_t depth, group;
    size_t n_prev;
    struct gg_str event_id;
    struct gg_str prev[]; /* texts follow */
};

void mx_heads_free_expected(void *value)
{
    free(value);
}

void mx_heads_expect(struct mx_server *server, const struct mx_event *event, int64_t group)
{
    size_t bytes = sizeof(struct expected) + event->n_prev * sizeof(struct gg_str) + event->event_id.n;
    for (size_t i = 0; i < event->n_prev; i++)
        bytes += event->prev_events[i].n;
    struct expected *e = gg_xmalloc(bytes);
    char *text = (char *)(e->prev + event->n_prev);
    e->depth = event->depth;
    e->group = group;
    e->n_prev = event->n_prev;
    for (size_t i = 0; i < event->n_prev; i++) {
        e->prev[i] = gg_strn(text, event->prev_events[i].n);
        memcpy(text, event->prev_events[i].s, e->prev[i].n);
        text += e->prev[i].n;
    }
    e->event_id = gg_strn(text, event->event_id.n);
    memcpy(text, event->event_id.s, event->event_id.n);
    struct mx_cache *cache = server->heads->expected;
    mx_cache_put(cache, event->event_id, e, bytes, mx_cache_tick(cache));
}

static bool cites(const struct expected *e, struct gg_str event_id)
{
    for (size_t i = 0; i < e->n_prev; i++)
        if (gg_str_eq(e->prev[i], event_id))
            return true;
    return false;
}

bool mx_heads_expected(struct mx_heads *heads, const struct mx_held_head *head, struct gg_str event_id,
                       struct mx_extremity *ends, size_t *n_out)
{
    struct expected *e = mx_cache_get(heads->expected, event_id);
    size_t n = 0;
    if (!e || !head->head.n_extremities)
        return false;
    for (size_t i = 0; i < head->head.n_extremities; i++)
        if (!cites(e, head->ends[i].event_id))
            ends[n++] = head->ends[i];
    ends[n++] = (struct mx_extremity){event_id, e->depth, e->group};
    *n_out = n;
    return true;
}
