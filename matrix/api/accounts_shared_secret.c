/* accounts_shared_secret.c: registration by who knows registration_shared_secret (admin API, "register"). */
#include <ctype.h>
#include <ganglion/config.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "accounts/password.h"
#include "accounts/user_type.h"
#include "api/accounts.h"

static int check_enabled(const struct mx_server *server, struct gg_error *err)
{
    return gg_config_text(server->config, "registration_shared_secret")
               ? 0
               : gg_refuse(err, 400, "M_UNKNOWN", "Shared secret registration is not enabled");
}

int mx_api_shared_secret_nonce(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    int status = check_enabled(server, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{ss}", "nonce", mx_nonce_new(server, gg_request_arena(rq))));
}

/* HMAC-SHA1 over nonce, user, password, the admin word and the user type if there is one, with NULs between; in hex. */
static void make_mac(const char *secret, const struct gg_str *parts, size_t n, char out[41])
{
    struct gg_buf text = GG_BUF_INIT;
    unsigned char mac[20];
    unsigned size = sizeof mac;
    for (size_t i = 0; i < n; i++) {
        if (i)
            gg_buf_char(&text, '\0');
        gg_buf_str(&text, parts[i]);
    }
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)text.data, text.n, mac, &size);
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
    gg_buf_done(&text);
}

struct secret_request {
    struct gg_str nonce, username, password, mac, user_type, display_name;
    bool admin;
};

static int read_text(const json_t *body, const char *key, bool needed, struct gg_str *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    *out = mx_text(body, key);
    if (needed ? !v : !v || json_is_null(v))
        return needed ? gg_refuse(err, 400, "M_BAD_JSON", "%s must be specified", key) : 0;
    if (!mx_password_fits(*out))
        return gg_refuse(err, 400, "M_BAD_JSON", "Invalid %s", key);
    return 0;
}

static int read_request(struct mx_server *server, const json_t *body, struct secret_request *r, struct gg_error *err)
{
    int status = read_text(body, "nonce", true, &r->nonce, err);
    if (!status && !mx_nonce_use(server, r->nonce))
        return gg_refuse(err, 400, "M_UNKNOWN", "unrecognised nonce");
    if (!status)
        status = read_text(body, "username", true, &r->username, err);
    if (!status)
        status = read_text(body, "password", true, &r->password, err);
    if (!status)
        status = read_text(body, "mac", true, &r->mac, err);
    if (!status)
        status = read_text(body, "user_type", false, &r->user_type, err);
    if (!status && r->user_type.s && !mx_user_type_known(server->config, r->user_type))
        status = gg_refuse(err, 400, "M_UNKNOWN", "Invalid user type");
    if (!status)
        status = read_text(body, "displayname", false, &r->display_name, err);
    r->admin = json_is_true(json_object_get(body, "admin"));
    return status;
}

static int check_mac(const struct mx_server *server, const struct secret_request *r, struct gg_error *err)
{
    const struct gg_str parts[] = {r->nonce, r->username, r->password, r->admin ? GG_STR("admin") : GG_STR("notadmin"),
                                   r->user_type};
    char mac[41];
    make_mac(gg_config_text(server->config, "registration_shared_secret"), parts, r->user_type.s ? 5 : 4, mac);
    return r->mac.n == 40 && CRYPTO_memcmp(mac, r->mac.s, 40) == 0 ? 0
                                                                   : gg_refuse(err, 403, "M_UNKNOWN", "HMAC incorrect");
}

int mx_api_shared_secret_register(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    json_t *body = gg_request_json(rq, err);
    struct secret_request r = {0};
    const char *hash = NULL;
    int status = check_enabled(server, err);
    if (!status)
        status = read_request(server, body, &r, err);
    if (!status)
        status = check_mac(server, &r, err);
    if (!status)
        status = mx_password_hash(server->config, r.password, arena, &hash, err);
    if (status)
        return status;
    char *localpart = gg_arena_strndup(arena, r.username.s, r.username.n);
    for (char *p = localpart; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    struct mx_registration registration = {.localpart = gg_str(localpart),
                                           .password_hash = gg_str(hash),
                                           .display_name = r.display_name,
                                           .user_type = r.user_type,
                                           .admin = r.admin};
    struct gg_str user_id;
    struct mx_session session;
    bool inhibit = json_is_true(json_object_get(body, "inhibit_login"));
    status = mx_register(server, &registration, arena, &user_id, err);
    if (!status && !inhibit)
        status = mx_session_new(server, user_id, mx_text(body, "device_id"),
                                mx_text(body, "initial_device_display_name"), arena, &session, err);
    return status ? status : mx_reply_session(rq, user_id, inhibit ? NULL : &session);
}
