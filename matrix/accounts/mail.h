/* accounts/mail.h: mails to users: a text and an HTML part from templates. */
#ifndef MX_ACCOUNTS_MAIL_H
#define MX_ACCOUNTS_MAIL_H

#include "accounts/accounts.h"
#include "pages/pages.h"

/* The whole mail (RFC 5322, multipart/alternative) in out, lines ended by CR LF. from, subject: UTF-8 without line
 * breaks. headers: further lines, each ended by CR LF, or NULL. Pure but for boundary and message id. */
void mx_mail_write(struct gg_buf *out, const char *server_name, const char *from, struct gg_str to, const char *subject,
                   const char *headers, struct gg_str text, struct gg_str html, int64_t now_ms);
/* The address in "Name <address>", or all of it. In the arena. Pure. */
const char *mx_mail_address(const char *from, struct gg_arena *arena);
/* Puts values in the places of %(name)s. In the arena. Pure. */
const char *mx_mail_fill_in(const char *text, const struct mx_page_value *values, size_t n, struct gg_arena *arena);

/* Sends the templates <name>.txt and <name>.html; subject_key: where the configuration has the subject. 500 M_UNKNOWN
 * when the mail server does not take it. app_name and server_name need not be among the values. */
GG_YIELDS GG_CHECKED int mx_mail_send(struct mx_server *server, const char *name, const char *subject_key,
                                      struct gg_str to, const struct mx_page_value *values, size_t n,
                                      struct gg_error *err);

/* The same with a subject that is ready and values of any shape (mx_page_render_values); headers as for mx_mail_write.
 * GG_E_FORBIDDEN: the mail server does not take this mail; GG_E_INVALID: an operator's template cannot show the values. */
GG_YIELDS GG_CHECKED int mx_mail_send_values(struct mx_server *server, const char *name, const char *subject,
                                             const char *headers, struct gg_str to, json_t *values, struct gg_error *err);

#endif
