/* accounts/user_type.h: kinds of accounts: "support", "bot", and those that the configuration adds. */
#ifndef MX_ACCOUNTS_USER_TYPE_H
#define MX_ACCOUNTS_USER_TYPE_H

#include <ganglion/config.h>

/* s NULL is no type and not known. */
bool mx_user_type_known(const struct gg_config *config, struct gg_str type);
/* What an account is that nobody gave a type; s NULL: an ordinary user. */
struct gg_str mx_user_type_default(const struct gg_config *config);

#endif
