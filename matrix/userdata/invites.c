/* matrix/userdata/invites.c: who does not want to be invited. */
#include "userdata/invites.h"

#include "userdata/account_data.h"

#include <ganglion/matrix/json.h>

int mx_invites_check(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str content = {0};
    int rc = mx_account_data_get(server, user_id, (struct gg_str){0}, GG_STR("m.invite_permission_config"), arena, &content, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc == 0 && gg_str_is(mx_json_string(mx_json_get(content, "default_action"), arena), "block"))
        rc = gg_refuse(err, 403, "M_INVITE_BLOCKED", "You are not permitted to invite this user.");
    return rc;
}
