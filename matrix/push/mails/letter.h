/* push/mails/letter.h: one mail of notifications. */
#ifndef MX_PUSH_MAILS_LETTER_H
#define MX_PUSH_MAILS_LETTER_H

#include "push/mails/due.h"

/* Writes and sends it: everything in news (newest first, n > 0); reason: the place of that for which it is sent. *sent_out
 * false: nothing of it is the user's to see any more. */
GG_YIELDS GG_CHECKED int mx_mail_letter(struct mx_server *server, const struct mx_pusher *pusher,
                                        const struct mx_mail_news *news, size_t n, size_t reason, bool *sent_out,
                                        struct gg_error *err);

#endif
