/* mails.c: one e-mail pusher: a mail when something has waited for long enough; patience with a mail server that fails. */
#include "pool.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.pusher.mail"};

enum { FIRST_BACKOFF_MS = 60000, MAX_BACKOFF_MS = 3600000, GIVE_UP_MS = 24 * 3600 * 1000, TIMEOUT_MS = 60000 };

static int begin_failing(struct pusher *pusher, int64_t now, struct gg_error *err)
{
    if (pusher->row.failing_since != 0)
        return 0;
    pusher->row.failing_since = now;
    return mx_pusher_failing(pool_server(pusher->pool), &pusher->row, now, err);
}

/* The mail server is given time, each time more; after a day what waits is given up. */
static int put_off(struct pusher *pusher, int64_t upto, struct gg_error *err)
{
    int64_t now = gg_wall_ms(), *wait = &pusher->mail_backoff_ms;
    bool there = true;
    int rc = begin_failing(pusher, now, err);
    *wait = *wait == 0 ? FIRST_BACKOFF_MS : *wait * 2 > MAX_BACKOFF_MS ? MAX_BACKOFF_MS : *wait * 2;
    pusher->backoff_ms = *wait;
    if (rc == 0 && pusher->row.failing_since < now - GIVE_UP_MS) {
        gg_warn(&logger, "mails to %.*s are refused for a day: what waits is given up", GG_FMT(pusher->row.user_id));
        rc = mx_push_mail_skip(pool_server(pusher->pool), &pusher->row, upto, &there, err);
        pusher->gone |= rc == 0 && !there;
    }
    return rc;
}

static int succeed(struct pusher *pusher, struct gg_error *err)
{
    pusher->mail_backoff_ms = 0;
    if (pusher->row.failing_since == 0)
        return 0;
    pusher->row.failing_since = 0;
    return mx_pusher_failing(pool_server(pusher->pool), &pusher->row, 0, err);
}

static int one_turn(struct pusher *pusher, int64_t upto, int64_t *next_ms, struct gg_error *err)
{
    int64_t was = pusher->row.last_stream_ordering;
    bool there;
    int64_t before = gg_set_deadline(gg_deadline(TIMEOUT_MS));
    int rc = mx_push_mail_turn(pool_server(pusher->pool), &pusher->row, upto, next_ms, &there, err);
    (void)gg_set_deadline(before);
    if (rc < 0)
        return rc;
    pusher->gone |= !there;
    return pusher->row.last_stream_ordering > was ? succeed(pusher, err) : 0;
}

void pusher_mail(struct pusher *pusher)
{
    int64_t next_ms = 0;
    pusher->backoff_ms = 0;
    while (next_ms == 0 && !pusher->gone && !gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT, other = GG_ERROR_INIT;
        int64_t upto = gg_stream_upto(pool_server(pusher->pool)->events), now;
        pusher->news = false;
        if (one_turn(pusher, upto, &next_ms, &err) < 0) {
            if (gg_cancelled())
                return;
            gg_warn(&logger, "mail to %.*s: %s", GG_FMT(pusher->row.user_id), err.message);
            (void)put_off(pusher, upto, &other); /* what the database does not take now is told again */
            return;
        }
        now = gg_wall_ms();
        if (next_ms != 0 && next_ms != INT64_MAX)
            pusher->backoff_ms = next_ms > now ? next_ms - now : 1;
    }
}
