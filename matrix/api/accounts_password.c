/* accounts_password.c: a new password, and the end of an account (client-server API, "Account management"). */
#include <ganglion/config.h>

#include "accounts/deactivate.h"
#include "accounts/password.h"
#include "accounts/threepid.h"
#include "accounts/uia.h"
#include "api/accounts.h"
#include "storage/admin/users.h"

static const char hash_note[] = "password_hash";

/* Whoever has proved an address may set the password of its owner. */
static int owner_of_address(struct gg_request *rq, const struct mx_uia *uia, struct gg_str *out, struct gg_error *err)
{
    const json_t *proof = json_object_get(uia->results, "m.login.email.identity");
    int status = mx_users_by_address(mx_server_of_request(rq), mx_text(proof, "medium"), mx_text(proof, "address"),
                                     gg_request_arena(rq), out, err);
    if (!status && !out->s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Email address not found");
    return status;
}

/* With a token the owner is asked for the old password, without one for a mail. */
static int run_stages(struct gg_request *rq, struct mx_uia *uia, struct gg_str *user_out, struct gg_error *err)
{
    static const struct mx_uia_flow by_mail = {{"m.login.email.identity", NULL}};
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *who = mx_requester_of(rq);
    json_t *body = gg_request_json(rq, err);
    if (who) {
        *user_out = gg_str(who->user_id);
        return mx_uia_confirm(server, rq, body, false, uia, err);
    }
    uia->flows = &by_mail;
    uia->n_flows = 1;
    int status = mx_uia_run(server, rq, body, uia, err);
    return status || !uia->done ? status : owner_of_address(rq, uia, user_out, err);
}

static int check_new_password(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    const struct gg_config *config = mx_server_of_request(rq)->config;
    const json_t *body = gg_request_json(rq, err), *value = json_object_get(body, "new_password");
    const json_t *logout = json_object_get(body, "logout_devices");
    *out = mx_text(body, "new_password");
    if (value && !json_is_null(value) && !mx_password_fits(*out))
        return gg_refuse(err, 400, "M_BAD_JSON", "Invalid password");
    if (logout && !json_is_boolean(logout))
        return gg_refuse(err, 400, "M_BAD_JSON", "logout_devices must be true or false");
    return out->s ? mx_password_policy(config, *out, err) : 0;
}

/* A client need not send the new password with the last stage: its hash waits with the session. */
static int hash_of(struct gg_request *rq, struct mx_uia *uia, struct gg_str password, struct gg_str *out,
                   struct gg_error *err)
{
    const char *hash = NULL;
    *out = mx_uia_noted(uia, hash_note);
    if (out->s || !password.s)
        return 0;
    int status = mx_password_hash(mx_server_of_request(rq)->config, password, gg_request_arena(rq), &hash, err);
    *out = gg_str(hash);
    return status ? status : uia->done ? 0 : mx_uia_note_text(mx_server_of_request(rq), uia, hash_note, *out, err);
}

int mx_api_change_password(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_uia uia = {.description = "modify your account password", .secret = "new_password"};
    struct gg_str password, hash, user_id = {0};
    int64_t n;
    if (mx_requester_of(rq) && mx_requester_of(rq)->guest)
        return gg_refuse(err, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access not allowed");
    int status = check_new_password(rq, &password, err);
    if (!status)
        status = run_stages(rq, &uia, &user_id, err);
    if (!status)
        status = hash_of(rq, &uia, password, &hash, err);
    if (status || !uia.done)
        return status ? status : mx_uia_answer(rq, &uia);
    if (!hash.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: password");
    status = mx_admin_user_set_hash(mx_server_of_request(rq), user_id, hash, &n, err);
    if (!status && !json_is_false(json_object_get(uia.params, "logout_devices")))
        status = mx_logout_others(mx_server_of_request(rq), user_id, mx_requester_of(rq), err);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_api_deactivate(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    json_t *body = gg_request_json(rq, err);
    const json_t *erase = json_object_get(body, "erase");
    struct mx_uia uia = {.description = "deactivate your account"};
    bool unbound;
    if (erase && !json_is_boolean(erase))
        return gg_refuse(err, 400, "M_BAD_JSON", "Param 'erase' must be a boolean, if given");
    int status = mx_uia_unless_service(server, rq, body, false, &uia, err);
    if (status || !uia.done)
        return status ? status : mx_uia_answer(rq, &uia);
    status = mx_deactivate(server, uia.user_id, json_is_true(erase), &unbound, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{ss}", "id_server_unbind_result", unbound ? "success" : "no-support"));
}
