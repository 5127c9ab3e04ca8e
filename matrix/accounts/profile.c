/* profile.c: profiles of local users. Nothing announces a change of them between processes, so they are read anew. */
#include "accounts/accounts.h"

int mx_profile_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                   const char **display_name_out, const char **avatar_url_out, struct gg_error *err)
{
    struct mx_profile_row row;
    *display_name_out = *avatar_url_out = NULL;
    int status = mx_profiles_read(server, user_id, arena, &row, err);
    if (status)
        return status;
    if (!row.found)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Profile was not found");
    *display_name_out = row.display_name.s;
    *avatar_url_out = row.avatar_url.s;
    return 0;
}
