/* due.c: see due.h. The figures are Synapse's, so that either process goes on with the rows of the other. */
#include "push/mails/due.h"

#define HOUR_MS ((int64_t)3600 * 1000)
enum { GROWTH = 144 }; /* ten minutes, then a day */
static const int64_t longest_ms = 24 * HOUR_MS, quiet_ms = 12 * HOUR_MS;

size_t mx_mail_due(const struct mx_mail_news *news, size_t n, int64_t delay_ms, int64_t now_ms, int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        int64_t ready = news[i].received_ts + delay_ms;
        int64_t room_ready = news[i].throttle.last_sent_ts + news[i].throttle.throttle_ms;
        ready = room_ready > ready ? room_ready : ready;
        if (ready <= now_ms)
            return i;
        *next_ms = ready < *next_ms ? ready : *next_ms;
    }
    return n;
}

struct mx_mail_throttle mx_mail_throttled(struct mx_mail_throttle now, int64_t received_ts, int64_t before_ts,
                                          int64_t delay_ms, int64_t now_ms)
{
    bool quiet = before_ts != 0 && received_ts - before_ts > quiet_ms;
    int64_t grown = now.throttle_ms > longest_ms / GROWTH ? longest_ms : now.throttle_ms * GROWTH;
    return (struct mx_mail_throttle){now_ms, quiet || now.throttle_ms == 0 ? delay_ms : grown};
}
