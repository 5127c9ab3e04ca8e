/* ganglion/matrix/pushers.h: where users want to be notified (client-server API, "Push Notifications"), and what is to be
 * told there. Rows of `pushers` are made and removed by the main process alone (facts replication 9). */
#ifndef GANGLION_MATRIX_PUSHERS_H
#define GANGLION_MATRIX_PUSHERS_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

struct mx_pusher {
    int64_t id, ts;      /* ts: ms, when it was set */
    struct gg_str user_id, kind, app_id, pushkey;
    struct gg_str app_display_name, device_display_name, profile_tag, lang, device_id; /* the last two: s NULL if unknown */
    struct gg_str data;  /* JSON object text */
    bool disabled;
    int64_t last_stream_ordering, failing_since; /* the latter in ms, 0: all is well */
};

/* A user's pushers; user_id s NULL: of everybody, in order of id, after after_id, at most limit. In the arena. */
GG_API GG_YIELDS GG_CHECKED int mx_pushers_list(struct mx_server *server, struct gg_str user_id, int64_t after_id,
                                                size_t limit, struct gg_arena *arena, struct mx_pusher **out, size_t *n_out,
                                                struct gg_error *err);
/* Main process only. Adds or replaces (by user, app and key). alone: nobody else keeps one of this app and key. */
GG_YIELDS GG_CHECKED int mx_pusher_set(struct mx_server *server, const struct mx_pusher *pusher, bool alone,
                                       struct gg_error *err);
/* From any process: main is asked. No such pusher is no error. */
GG_API GG_YIELDS GG_CHECKED int mx_pusher_remove(struct mx_server *server, struct gg_str user_id, struct gg_str app_id,
                                                 struct gg_str pushkey, struct gg_error *err);
/* Main process only: all of a user. */
GG_YIELDS GG_CHECKED int mx_pushers_remove_all(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

/* ---- for the role pusher ---- */

/* Up to there everything was told. *there_out false: the pusher is gone. */
GG_API GG_YIELDS GG_CHECKED int mx_pusher_delivered(struct mx_server *server, const struct mx_pusher *pusher,
                                                    int64_t stream_ordering, bool success, bool *there_out,
                                                    struct gg_error *err);
GG_API GG_YIELDS GG_CHECKED int mx_pusher_failing(struct mx_server *server, const struct mx_pusher *pusher, int64_t since_ms,
                                                  struct gg_error *err);

struct mx_push_news {
    struct gg_str event_id, room_id;
    struct gg_str actions; /* JSON array */
    int64_t stream_ordering;
};
/* What notifies the user in (after, upto] and is not read yet, oldest first, at most limit. */
GG_API GG_YIELDS GG_CHECKED int mx_push_unread_news(struct mx_server *server, struct gg_str user_id, int64_t after,
                                                    int64_t upto, size_t limit, struct gg_arena *arena,
                                                    struct mx_push_news **out, size_t *n_out, struct gg_error *err);
/* Users whom something in (after, upto] notifies. */
GG_API GG_YIELDS GG_CHECKED int mx_push_notified_users(struct mx_server *server, int64_t after, int64_t upto,
                                                       struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                                                       struct gg_error *err);

/* What a notification tells of an event besides itself. s NULL: there is none. */
struct mx_push_context {
    struct gg_str room_name; /* its name, alias, or those who are in it (spec "Calculating the display name for a room") */
    struct gg_str sender_name;
};
GG_API GG_YIELDS GG_CHECKED int mx_push_context(struct mx_server *server, struct gg_str user_id,
                                                const struct mx_event *event, struct gg_arena *arena,
                                                struct mx_push_context *out, struct gg_error *err);
/* The number on the app's icon, as push.group_unread_count_by_room says. */
GG_API GG_YIELDS GG_CHECKED int mx_push_badge_of(struct mx_server *server, struct gg_str user_id, int64_t *out,
                                                 struct gg_error *err);

/* ---- mails ---- */

#define MX_MAIL_APP_ID "m.email" /* of pushers that mail */

/* Does the configuration send notifications by mail (email.enable_notifs)? */
GG_API bool mx_push_mails_enabled(const struct gg_config *config);
/* What a pusher of the kind "email" has to do with the news up to `upto`: writes one mail when something has waited for
 * long enough (email.notif_delay_before_mail, and the room's throttle), and moves last_stream_ordering. *next_ms_out: when
 * to look again (wall clock), INT64_MAX: when something happens. *there_out false: the pusher is gone. An error of the mail
 * server leaves everything as it was. */
GG_API GG_YIELDS GG_CHECKED int mx_push_mail_turn(struct mx_server *server, struct mx_pusher *pusher, int64_t upto,
                                                  int64_t *next_ms_out, bool *there_out, struct gg_error *err);
/* Gives everything up to there up: the mail server has refused it for too long. */
GG_API GG_YIELDS GG_CHECKED int mx_push_mail_skip(struct mx_server *server, struct mx_pusher *pusher, int64_t upto,
                                                  bool *there_out, struct gg_error *err);
/* Main process only: mails for a new address of a user, if email.notif_for_new_users says so (no error if not). */
GG_YIELDS GG_CHECKED int mx_push_mails_begin(struct mx_server *server, struct gg_str user_id, struct gg_str address,
                                             struct gg_error *err);

#endif
