/* accounts/validity.h: accounts that expire unless they are renewed (config account_validity; no part of the specification). */
#ifndef MX_ACCOUNTS_VALIDITY_H
#define MX_ACCOUNTS_VALIDITY_H

#include "accounts/accounts.h"

bool mx_validity_enabled(const struct gg_config *config);
/* Are users mailed a link before the end? */
bool mx_validity_by_mail(const struct gg_config *config);
/* When an account that is made or renewed now ends; 0: accounts do not expire. */
int64_t mx_validity_end(const struct gg_config *config);
/* 403 ORG_MATRIX_EXPIRED_ACCOUNT. */
GG_YIELDS GG_CHECKED int mx_validity_check(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
/* Mails a link by which the account is renewed to each address of the user; without an address nothing happens. 403: users
 * are not mailed; 400: this user's account does not expire; 500: no mail was taken. */
GG_YIELDS GG_CHECKED int mx_validity_mail(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
void mx_validity_make(struct mx_server *server);

#endif
