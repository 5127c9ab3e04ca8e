/* accounts/consent.h: the terms of use that new users agree to (configuration user_consent). */
#ifndef MX_ACCOUNTS_CONSENT_H
#define MX_ACCOUNTS_CONSENT_H

#include "accounts/accounts.h"

#include <ganglion/map.h>

/* The current version; NULL: there are no terms. */
const char *mx_consent_version(const struct gg_config *config);
const char *mx_consent_name(const struct gg_config *config);
/* The operator's pages (<template_dir>/en/<name>.html), read once; NULL: there are none. */
struct gg_map *mx_consent_load(const struct gg_config *config);
/* The page of a version, or "success": text, borrowed; NULL: there is none. */
const char *mx_consent_page(const struct mx_server *server, const char *name);
/* HMAC-SHA256 of the user id under form_secret, in hex: what links to the form of a user carry. False: no secret. */
bool mx_consent_mac(const struct gg_config *config, struct gg_str user_id, char out[65]);
/* public_baseurl with a slash at its end, or the default. */
const char *mx_public_baseurl(const struct mx_server *server, struct gg_arena *arena);

#endif
