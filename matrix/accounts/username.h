/* accounts/username.h: what a new user may be called. Pure. */
#ifndef MX_ACCOUNTS_USERNAME_H
#define MX_ACCOUNTS_USERNAME_H

#include <ganglion/error.h>

/* 0, or 400 M_INVALID_USERNAME with the rule in words. allow_underscore: a leading one (configuration). numeric: names
 * of digits only (guests and application services). */
GG_CHECKED int mx_username_check(struct gg_str localpart, struct gg_str server_name, bool allow_underscore,
                                 bool numeric, struct gg_error *err);

#endif
