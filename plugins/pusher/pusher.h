/* One pusher as this process has it. */
#ifndef PUSHER_PUSHER_H
#define PUSHER_PUSHER_H

#include <ganglion/fiber.h>
#include <ganglion/matrix/pushers.h>

struct pool;

struct pusher {
    struct gg_list of_user, ready; /* in the pool's lists */
    struct pool *pool;
    struct gg_arena *arena;        /* holds row's texts */
    struct mx_pusher row;
    json_t *device;                /* app_id, pushkey, pushkey_ts, data without what is for us */
    const char *url, *host;        /* of the gateway; host is what is counted against its share */
    bool ids_only;                 /* "format": "event_id_only" */
    bool mails;                    /* kind "email": url and device are not used */
    bool running, news, badge, gone; /* news: events may wait; badge: the number on the app may have changed */
    int64_t badge_told;            /* -1: nothing yet */
    int64_t backoff_ms;            /* how long to wait before it works again; 0: until something happens */
    int64_t mail_backoff_ms;       /* the last wait for a mail server that failed; 0: all is well */
    struct gg_timer *retry;        /* NULL: not waiting */
};

/* Makes one of a row (texts are copied); NULL: a kind that this process does not serve, or data that nobody can use. */
struct pusher *pusher_new(struct pool *pool, const struct mx_pusher *row);
void pusher_free(struct pusher *pusher);

/* deliver.c: tells what is new and what the number on the app is, until nothing is left or the gateway fails: then
 * backoff_ms says how long to wait. Cancellable. */
GG_YIELDS void pusher_deliver(struct pusher *pusher);

/* mails.c: the same for a pusher of kind "email"; backoff_ms says when something will be due. Cancellable. */
GG_YIELDS void pusher_mail(struct pusher *pusher);

/* payload.c: bodies for the gateway, JSON text in the arena. badge: unread for counts. */
GG_YIELDS GG_CHECKED int pusher_event_payload(struct pusher *pusher, const struct mx_push_news *news,
                                              const struct mx_event *event, int64_t badge, struct gg_arena *arena,
                                              struct gg_str *out, struct gg_error *err);
struct gg_str pusher_badge_payload(struct pusher *pusher, int64_t badge, struct gg_arena *arena);

/* gateway.c: 0 when the gateway took it; *rejected: it does not know the key any more. */
GG_YIELDS GG_CHECKED int pusher_tell(struct pusher *pusher, struct gg_str body, struct gg_arena *arena, bool *rejected,
                                     struct gg_error *err);

#endif
