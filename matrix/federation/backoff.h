/* matrix/federation/backoff.h: servers that did not answer are left alone for a while (table destinations). */
#ifndef MX_FEDERATION_BACKOFF_H
#define MX_FEDERATION_BACKOFF_H

#include <ganglion/matrix/server.h>

struct mx_fed_timings {
    int64_t failure_ts; /* when it began to fail; 0: it does not */
    int64_t last_ts;    /* when it was last tried; 0: all is well */
    int64_t interval;   /* ms to wait from then */
};

/* Cached (get_destination_retry_timings); zeros for an unknown server. */
GG_YIELDS GG_CHECKED int mx_fed_timings_of(struct mx_server *server, struct gg_str name, struct mx_fed_timings *out,
                                           struct gg_error *err);
/* Is it too early to ask it again? Of a database that fails: no. */
GG_YIELDS bool mx_fed_in_backoff(struct mx_server *server, const char *name);
/* The same of many at once: out[i] is whether names[i] is to be left alone for more than within_ms from now. */
GG_YIELDS GG_CHECKED int mx_fed_in_backoff_many(struct mx_server *server, const char *const *names, size_t n,
                                                int64_t within_ms, bool *out, struct gg_error *err);

/* It answered: its backoff ends, and if it had failed, everybody is told that it is up. known: what was true before. */
GG_YIELDS void mx_fed_worked(struct mx_server *server, const char *name, const struct mx_fed_timings *known);
/* It did not: the next interval begins (federation.destination_* keys). */
GG_YIELDS void mx_fed_failed(struct mx_server *server, const char *name, const struct mx_fed_timings *known);

/* It asked us something, signed: it is there. Forgets its backoff, if there is one, tells all processes
 * (REMOTE_SERVER_UP) and wakes who waits for it. Cheap for a server that is well; does not yield. */
void mx_fed_server_up(struct mx_server *server, const char *name);

/* fn(self, name) when a server came back, wherever that was noticed. May not yield. Register inside load(). */
typedef void mx_fed_up_fn(void *self, struct gg_str name);
void mx_fed_on_server_up(struct mx_server *server, mx_fed_up_fn *fn, void *self);
/* Sleeps, but not beyond the moment at which that server is known to be back. */
GG_YIELDS int mx_fed_sleep(struct mx_server *server, const char *name, int64_t ms);

/* Pure: the interval after another failure. spread: 0..1, drawn evenly. */
struct mx_fed_backoff_rules {
    int64_t least_ms, most_ms;
    double multiplier;
};
int64_t mx_fed_next_interval(const struct mx_fed_backoff_rules *rules, int64_t interval, double spread);

#endif
