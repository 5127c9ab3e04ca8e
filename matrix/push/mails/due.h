/* push/mails/due.h: when a mail is due, and how long a room then waits for the next one. Pure. */
#ifndef MX_PUSH_MAILS_DUE_H
#define MX_PUSH_MAILS_DUE_H

#include <ganglion/matrix/pushers.h>

struct mx_mail_throttle {
    int64_t last_sent_ts, throttle_ms; /* 0, 0: no mail yet */
};
struct mx_mail_news {
    struct gg_str event_id, room_id;
    int64_t stream_ordering, received_ts; /* ms */
    struct mx_mail_throttle throttle;     /* of the room */
};

/* The first one that may be told now (its place), or n: then *next_ms is when the next one may be. n > 0. */
size_t mx_mail_due(const struct mx_mail_news *news, size_t n, int64_t delay_ms, int64_t now_ms, int64_t *next_ms);
/* The throttle after a mail that told of an event: it begins with the delay and jumps to a day, and falls back to the
 * delay when the room had been quiet for 12 hours. before_ts: of the notification before it; 0: not known. */
struct mx_mail_throttle mx_mail_throttled(struct mx_mail_throttle now, int64_t received_ts, int64_t before_ts,
                                          int64_t delay_ms, int64_t now_ms);

#endif
