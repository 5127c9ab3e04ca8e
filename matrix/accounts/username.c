/* username.c: the rules for names of new users (client-server API, "POST /register"; identifier grammar). */
#include "accounts/username.h"

#include <ganglion/matrix/id.h>

static bool all_digits(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] < '0' || s.s[i] > '9')
            return false;
    return true;
}

#define BAD(...) gg_refuse(err, 400, "M_INVALID_USERNAME", __VA_ARGS__)

int mx_username_check(struct gg_str localpart, struct gg_str server_name, bool allow_underscore, bool numeric,
                      struct gg_error *err)
{
    if (!localpart.n)
        return BAD("User ID cannot be empty");
    if (!mx_localpart_strict(localpart))
        return BAD("User ID can only contain characters a-z, 0-9, or '=_-./+'");
    if (localpart.s[0] == '_' && !allow_underscore)
        return BAD("User ID may not begin with _");
    if (localpart.n + server_name.n + 2 > MX_ID_MAX)
        return BAD("User ID may not be longer than %d characters", MX_ID_MAX);
    if (!numeric && all_digits(localpart))
        return BAD("Numeric user IDs are reserved for guest users.");
    return 0;
}
