/* turn.c: what an e-mail pusher has to do now: wait, or write one mail of everything that waits. */
#include "push/mails/letter.h"
#include "storage/push_mails.h"

#include <ganglion/config.h>

/* Every event that was told counts, as in Synapse: two in a room make it wait for a day. */
static int throttle(struct mx_server *server, const struct mx_pusher *pusher, struct mx_mail_news *news, size_t n,
                    int64_t delay_ms, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_mail_news *rooms = GG_NEW_ARRAY(arena, struct mx_mail_news, n);
    size_t n_rooms = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        int64_t before;
        size_t k = 0;
        while (k < n_rooms && !gg_str_eq(rooms[k].room_id, news[i].room_id))
            k++;
        if (k == n_rooms)
            rooms[n_rooms++] = news[i];
        rc = mx_push_notified_before(server, pusher->user_id, &news[i], arena, &before, err);
        rooms[k].throttle = mx_mail_throttled(rooms[k].throttle, news[i].received_ts, before, delay_ms, gg_wall_ms());
    }
    return rc == 0 ? mx_push_throttles_set(server, pusher->id, rooms, n_rooms, arena, err) : rc;
}

int mx_push_mail_turn(struct mx_server *server, struct mx_pusher *pusher, int64_t upto, int64_t *next_ms_out, bool *there_out,
                      struct gg_error *err)
{
    int64_t delay_ms = gg_config_int(server->config, "email.notif_delay_before_mail");
    struct gg_arena *arena = gg_arena_new();
    struct mx_mail_news *news;
    size_t n, due = 0;
    bool sent = false;
    *next_ms_out = INT64_MAX;
    *there_out = true;
    int rc = mx_push_mail_news(server, pusher, upto, arena, &news, &n, err);
    if (rc == 0 && n > 0)
        rc = mx_push_throttles(server, pusher->id, news, n, arena, err);
    if (rc == 0 && n > 0)
        due = mx_mail_due(news, n, delay_ms, gg_wall_ms(), next_ms_out);
    if (rc == 0 && due < n)
        rc = mx_mail_letter(server, pusher, news, n, due, &sent, err);
    if (rc == 0 && due < n) {
        rc = mx_pusher_delivered(server, pusher, news[0].stream_ordering, true, there_out, err);
        if (rc == 0)
            pusher->last_stream_ordering = news[0].stream_ordering;
        *next_ms_out = 0; /* what came meanwhile */
    }
    if (rc == 0 && sent)
        rc = throttle(server, pusher, news, n, delay_ms, arena, err);
    if (rc == 0 && n == 0 && pusher->last_stream_ordering < upto)
        pusher->last_stream_ordering = upto; /* for this process: the row moves with what is told */
    gg_arena_free(arena);
    return rc;
}

int mx_push_mail_skip(struct mx_server *server, struct mx_pusher *pusher, int64_t upto, bool *there_out, struct gg_error *err)
{
    int rc = mx_pusher_delivered(server, pusher, upto, false, there_out, err);
    if (rc == 0)
        pusher->last_stream_ordering = upto;
    return rc;
}
