/* matrix/storage/push_mails.h: rows behind mails of notifications (pusher_throttle; facts database 3.10). */
#ifndef MX_STORAGE_PUSH_MAILS_H
#define MX_STORAGE_PUSH_MAILS_H

#include "push/mails/due.h"

enum { MX_MAIL_NEWS = 20 }; /* a mail tells of the newest ones */

/* What notifies the user of the pusher, is not read and was not told in (last_stream_ordering, upto]: newest first. */
GG_YIELDS GG_CHECKED int mx_push_mail_news(struct mx_server *server, const struct mx_pusher *pusher, int64_t upto,
                                           struct gg_arena *arena, struct mx_mail_news **out, size_t *n_out,
                                           struct gg_error *err);
/* Fills in the throttle of each one's room. */
GG_YIELDS GG_CHECKED int mx_push_throttles(struct mx_server *server, int64_t pusher, struct mx_mail_news *news, size_t n,
                                           struct gg_arena *arena, struct gg_error *err);
/* Writes the throttles of rooms, each once. */
GG_YIELDS GG_CHECKED int mx_push_throttles_set(struct mx_server *server, int64_t pusher, const struct mx_mail_news *rooms,
                                               size_t n, struct gg_arena *arena, struct gg_error *err);
/* When the user was notified in that room the last time before (ms); 0: not known any more. */
GG_YIELDS GG_CHECKED int mx_push_notified_before(struct mx_server *server, struct gg_str user_id,
                                                 const struct mx_mail_news *news, struct gg_arena *arena, int64_t *out,
                                                 struct gg_error *err);

#endif
