/* accounts_threepids.c: the addresses of an account (client-server API, "Adding Account Administrative Contact
 * Information"). */
#include <ganglion/config.h>

#include "accounts/binding.h"
#include <ganglion/matrix/pushers.h>

#include "accounts/threepid.h"
#include "accounts/uia.h"
#include "api/accounts.h"

int mx_api_threepids(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_threepid *list;
    size_t n;
    int status = mx_threepids_list(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_arena(rq),
                                   &list, &n, err);
    if (status)
        return status;
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, json_pack("{ss# ss# sI sI}", "medium", list[i].medium.s, (int)list[i].medium.n,
                                             "address", list[i].address.s, (int)list[i].address.n, "validated_at",
                                             (json_int_t)list[i].validated_at, "added_at",
                                             (json_int_t)list[i].added_at));
    return gg_reply_json(rq, 200, json_pack("{so}", "threepids", all));
}

static int check_changes(struct gg_request *rq, struct gg_error *err)
{
    return gg_config_bool(mx_server_of_request(rq)->config, "enable_3pid_changes")
               ? 0
               : gg_refuse(err, 403, "M_FORBIDDEN", "3PID changes are disabled on this server");
}

static int read_proof(const json_t *body, struct gg_str *sid_out, struct gg_str *secret_out, struct gg_error *err)
{
    static const char *const keys[] = {"sid", "client_secret"};
    for (size_t i = 0; i < GG_COUNT(keys); i++) {
        if (!json_object_get(body, keys[i]))
            return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: %s", keys[i]);
        if (!mx_text(body, keys[i]).s)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a string", keys[i]);
    }
    *sid_out = mx_text(body, "sid");
    *secret_out = mx_text(body, "client_secret");
    return mx_client_secret_check(*secret_out, err);
}

/* The address that (sid, secret) prove becomes the requester's. */
static int add_proved(struct gg_request *rq, struct gg_str sid, struct gg_str secret, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_validation v;
    struct gg_str owner, user_id = gg_str(mx_requester_of(rq)->user_id);
    int status = mx_validation_result(server, sid, secret, gg_request_arena(rq), &v, err);
    if (!status && !v.session_id.s)
        return gg_refuse(err, 400, "M_THREEPID_AUTH_FAILED", "No validated 3pid session found");
    if (!status)
        status = mx_users_by_address(server, v.medium, v.address, gg_request_arena(rq), &owner, err);
    if (!status && owner.s && !gg_str_eq(owner, user_id))
        return gg_refuse(err, 400, "M_THREEPID_IN_USE", "Email is already in use");
    if (!status)
        status = mx_threepids_add(server, user_id, v.medium, v.address, v.validated_at, err);
    return status ? status : gg_reply_empty_object(rq);
}

/* The form of old: without a further proof of who asks. */
int mx_api_post_threepid(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err), *creds = json_object_get(body, "threePidCreds");
    struct gg_str sid, secret;
    int status = check_changes(rq, err);
    if (!creds)
        creds = json_object_get(body, "three_pid_creds");
    if (!status && !json_is_object(creds))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing param three_pid_creds");
    if (!status)
        status = read_proof(creds, &sid, &secret, err);
    return status ? status : add_proved(rq, sid, secret, err);
}

int mx_api_add_threepid(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *body = gg_request_json(rq, err);
    struct mx_uia uia = {.description = "add a third-party identifier to your account"};
    struct gg_str sid, secret;
    int status = check_changes(rq, err);
    if (!status)
        status = read_proof(body, &sid, &secret, err);
    if (!status)
        status = mx_uia_confirm(mx_server_of_request(rq), rq, body, false, &uia, err);
    if (status || !uia.done)
        return status ? status : mx_uia_answer(rq, &uia);
    return add_proved(rq, sid, secret, err);
}

static int read_address(struct gg_request *rq, struct gg_str *medium_out, struct gg_str *address_out,
                        struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    static const char *const keys[] = {"medium", "address"};
    for (size_t i = 0; i < GG_COUNT(keys); i++) {
        if (!json_object_get(body, keys[i]))
            return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: %s", keys[i]);
        if (!mx_text(body, keys[i]).s)
            return gg_refuse(err, 400, "M_BAD_JSON", "%s must be a string", keys[i]);
    }
    *medium_out = mx_text(body, "medium");
    *address_out = mx_text(body, "address");
    if (gg_str_is(*medium_out, "email"))
        return mx_mail_canonical(*address_out, gg_request_arena(rq), address_out, err);
    return gg_str_is(*medium_out, "msisdn") ? 0 : gg_refuse(err, 400, "M_BAD_JSON", "medium must be email or msisdn");
}

/* ---- identity servers ---- */

int mx_api_bind_threepid(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    const struct mx_identity identity = {.server = mx_text(body, "id_server"),
                                         .access_token = mx_text(body, "id_access_token")};
    struct gg_str sid, secret;
    int status = read_proof(body, &sid, &secret, err);
    if (!status && (!json_object_get(body, "id_server") || !json_object_get(body, "id_access_token")))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: id_server and id_access_token");
    if (!status && (!mx_identity_name_valid(identity.server) || !identity.access_token.s))
        return gg_refuse(err, 400, "M_BAD_JSON", "id_server must be a hostname, id_access_token a string");
    if (!status)
        status = mx_binding_make(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), &identity, sid, secret,
                                 gg_request_arena(rq), err);
    return status ? status : gg_reply_empty_object(rq);
}

static int undo(struct gg_request *rq, struct gg_str medium, struct gg_str address, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err), *value = json_object_get(body, "id_server");
    struct gg_str id_server = mx_text(body, "id_server"), none = {0};
    bool supported = false;
    if (value && !json_is_null(value) && (!id_server.s || (id_server.n && !mx_identity_name_valid(id_server))))
        return gg_refuse(err, 400, "M_BAD_JSON", "id_server must be a hostname");
    int status = mx_binding_undo(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), medium, address,
                                 id_server.n ? id_server : none, gg_request_arena(rq), &supported, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{ss}", "id_server_unbind_result", supported ? "success" : "no-support"));
}

int mx_api_delete_threepid(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str medium, address;
    int status = check_changes(rq, err);
    if (!status)
        status = read_address(rq, &medium, &address, err);
    if (!status)
        status = mx_threepids_delete(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), medium, address, err);
    if (!status && gg_str_is(medium, "email"))
        status = mx_pusher_remove(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), GG_STR(MX_MAIL_APP_ID),
                                  address, err);
    return status ? status : undo(rq, medium, address, err);
}

int mx_api_unbind_threepid(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str medium, address;
    int status = read_address(rq, &medium, &address, err);
    return status ? status : undo(rq, medium, address, err);
}
