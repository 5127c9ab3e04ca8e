/* admin_user_end.c: passwords that administrators set, accounts that they end or bring back. */
#include <ganglion/matrix/id.h>

#include "accounts/deactivate.h"
#include "accounts/password.h"
#include "api/admin.h"
#include "storage/admin/users.h"

#define UNKNOWN "User not found"

int mx_admin_set_password(struct gg_request *rq, struct gg_str user_id, struct gg_str password, bool logout,
                          struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *hash;
    int64_t n;
    int status = mx_password_hash(server->config, password, gg_request_arena(rq), &hash, err);
    if (!status)
        status = mx_admin_user_set_hash(server, user_id, gg_str(hash), &n, err);
    if (!status && !n)
        return gg_refuse(err, 404, "M_NOT_FOUND", UNKNOWN);
    return status || !logout ? status : mx_logout_others(mx_server_of_request(rq), user_id, mx_requester_of(rq), err);
}

int mx_admin_api_reset_password(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id, password = mx_text(body, "new_password");
    bool logout;
    if (!json_object_get(body, "new_password"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['new_password']");
    if (!mx_password_fits(password))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid password");
    int status = mx_admin_target(rq, "user_id", "Can only reset passwords of local users", UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_bool(body, "logout_devices", true, &logout, err);
    if (!status)
        status = mx_admin_set_password(rq, user_id, password, logout, err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_admin_set_deactivated(struct gg_request *rq, struct gg_str user_id, bool deactivated, struct gg_error *err)
{
    if (!deactivated)
        return mx_admin_user_revive(mx_server_of_request(rq), user_id, err);
    const json_t *body = gg_request_json(rq, err);
    return mx_deactivate(mx_server_of_request(rq), user_id, json_is_true(json_object_get(body, "erase")), NULL,
                         err);
}

int mx_admin_api_deactivate(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id;
    bool erase, unbound;
    int status = mx_admin_target(rq, "user_id", "Can only deactivate local users", UNKNOWN, &user_id, err);
    if (!status)
        status = mx_admin_bool(gg_request_json(rq, err), "erase", false, &erase, err);
    if (!status)
        status = mx_deactivate(mx_server_of_request(rq), user_id, erase, &unbound, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{ss}", "id_server_unbind_result", unbound ? "success" : "no-support"));
}
