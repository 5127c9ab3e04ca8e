/* profile_change.c: changing profiles of local users, and having their rooms told. */
#include "accounts/accounts.h"

int mx_profile_set(struct mx_server *server, struct gg_str user_id, enum mx_profile_field field, struct gg_str key,
                   struct gg_str value, bool propagate, struct gg_error *err)
{
    bool changed;
    int status = mx_profiles_write(server, user_id, field, key, value, &changed, err);
    if (status || !changed || !propagate || field == MX_PROFILE_CUSTOM)
        return status;
    return mx_tasks_add_profile(server, user_id, err);
}
