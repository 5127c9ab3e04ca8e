/* accounts/consent.h: the terms of use that new users agree to (configuration user_consent). */
#ifndef MX_ACCOUNTS_CONSENT_H
#define MX_ACCOUNTS_CONSENT_H

#include "accounts/accounts.h"

/* The current version; NULL: there are no terms. */
const char *mx_consent_version(const struct gg_config *config);
const char *mx_consent_name(const struct gg_config *config);
/* public_baseurl with a slash at its end, or the default. */
const char *mx_public_baseurl(const struct mx_server *server, struct gg_arena *arena);

#endif
