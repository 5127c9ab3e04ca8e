/* calls.c: what voice calls and other services are given: credentials for TURN servers (client-server API, "VoIP") and
 * OpenID tokens ("OpenID"), transports of group calls. */
#include <ganglion/config.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "api/accounts.h"
#include "config/as_json.h"
#include "storage/accounts_openid.h"

/* base64(HMAC-SHA1(secret, name)), as coturn's use-auth-secret wants it, with padding. */
static void turn_password(const char *secret, const char *name, char out[29])
{
    unsigned char mac[20];
    unsigned size = sizeof mac;
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)name, strlen(name), mac, &size);
    EVP_EncodeBlock((unsigned char *)out, mac, (int)size);
}

int mx_api_turn(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct gg_config *config = mx_server_of_request(rq)->config;
    const struct mx_requester *who = mx_requester_of(rq);
    const char *secret = gg_config_text(config, "turn_shared_secret"), *user = gg_config_text(config, "turn_username");
    const char *password = gg_config_text(config, "turn_password");
    int64_t life = gg_config_int(config, "turn_user_lifetime");
    char made[29];
    size_t n;
    const char *const *uris = gg_config_texts(config, "turn_uris", &n);
    if (who->guest && !gg_config_bool(config, "turn_allow_guests"))
        return gg_refuse(err, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access not allowed");
    if (n && secret && life > 0) {
        user = gg_arena_printf(gg_request_arena(rq), "%lld:%s", (long long)((gg_wall_ms() + life) / 1000), who->user_id);
        turn_password(secret, user, made);
        password = made;
    }
    if (!n || !user || !password || life <= 0)
        return gg_reply_empty_object(rq);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(uris[i]));
    return gg_reply_json(rq, 200, json_pack("{ss ss sI so}", "username", user, "password", password, "ttl",
                                            (json_int_t)(life / 1000), "uris", list));
}

/* MSC4143: where clients find a service that carries group calls. */
int mx_api_call_transports(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct gg_config *config = mx_server_of_request(rq)->config;
    const struct gg_node *list = gg_config_node(config, "matrix_rtc.transports");
    if (!gg_config_bool(config, "experimental_features.msc4143_enabled"))
        return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
    json_t *transports = list ? mx_config_json(list) : json_array();
    return gg_reply_json(rq, 200, json_pack("{so}", "rtc_transports", transports));
}

/* ---- OpenID ---- */

enum { OPENID_LETTERS = 24, OPENID_SECONDS = 3600 };

int mx_api_openid_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *user_id = mx_requester_of(rq)->user_id;
    char token[OPENID_LETTERS + 1];
    if (strcmp(gg_request_param(rq, "user_id"), user_id) != 0)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Cannot request tokens for other users.");
    gg_random_text(token, OPENID_LETTERS, GG_LETTERS);
    int status = mx_openid_add(server, gg_str(token), gg_str(user_id), gg_wall_ms() + OPENID_SECONDS * 1000, err);
    return status ? status
                  : gg_reply_json(rq, 200, json_pack("{ss ss ss si}", "access_token", token, "token_type", "Bearer",
                                                     "matrix_server_name", server->name, "expires_in", OPENID_SECONDS));
}

/* Asked by services of anybody's, with nothing but the token. */
int mx_api_openid_userinfo(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *token = gg_request_query(rq, "access_token");
    struct gg_str user_id;
    if (!token)
        return gg_refuse(err, 401, "M_MISSING_TOKEN", "Access Token required");
    int status = mx_openid_find(mx_server_of_request(rq), gg_str(token), gg_request_arena(rq), &user_id, err);
    if (!status && !user_id.s)
        return gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "Access Token unknown or expired");
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss#}", "sub", user_id.s, (int)user_id.n));
}
