/* accounts_routes.c: the routes of accounts in all their spellings (facts http-api 1). */
#include <ganglion/matrix/api.h>

#include "api/accounts.h"

#define CLIENT "/_matrix/client/(r0|v3|unstable)"
#define CLIENT_V1 "/_matrix/client/(api/v1|r0|v3|unstable)"
#define ROUTE(method_, path_, handler_, ...)                                                                           \
    {                                                                                                                  \
        .method = method_, .path = path_, .handler = handler_, .resource = "client", __VA_ARGS__                       \
    }
#define READ(path_, handler_, ...) ROUTE("GET", path_, handler_, .flags = GG_ROUTE_CANCELLABLE, __VA_ARGS__)
#define WRITE(method_, path_, handler_, ...) ROUTE(method_, path_, handler_, .flags = GG_ROUTE_JSON, __VA_ARGS__)
#define PROFILE CLIENT_V1 "/profile/{user_id}"

const struct gg_route mx_routes_accounts[] = {
    READ("/_matrix/client/versions", mx_api_versions, .doc = "versions and features of the server"),
    READ(CLIENT "/capabilities", mx_api_capabilities, .auth = GG_AUTH_GUEST, .doc = "what the server allows"),
    READ(CLIENT "/password_policy", mx_api_password_policy, .doc = "what passwords must look like"),

    READ(CLIENT_V1 "/login", mx_api_login_flows, .pool = "login", .doc = "ways to log in"),
    WRITE("POST", CLIENT_V1 "/login", mx_api_login, .pool = "login", .doc = "log in"),
    WRITE("POST", CLIENT "/register", mx_api_register, .pool = "login", .doc = "register an account"),
    READ(CLIENT "/register/available", mx_api_register_available, .pool = "login", .doc = "is a name free?"),
    READ("/_matrix/client/(v1|unstable)/register/m.login.registration_token/validity", mx_api_registration_token,
         .pool = "login", .doc = "is a registration token good?"),
    READ(CLIENT "/account/whoami", mx_api_whoami, .auth = GG_AUTH_GUEST, .doc = "whose token is this?"),

    READ(CLIENT "/devices", mx_api_devices, .auth = GG_AUTH_GUEST, .doc = "own devices"),
    READ(CLIENT "/devices/{device_id}", mx_api_device, .auth = GG_AUTH_GUEST, .doc = "one device"),
    WRITE("PUT", CLIENT "/devices/{device_id}", mx_api_rename_device, .auth = GG_AUTH_USER, .doc = "rename a device"),

    READ(PROFILE, mx_api_profile, .doc = "a user's profile"),
    READ(PROFILE "/displayname", mx_api_profile_name, .doc = "a user's display name"),
    WRITE("PUT", PROFILE "/displayname", mx_api_set_name, .auth = GG_AUTH_GUEST, .limiter = "rc_profile",
          .doc = "change the own display name"),
    ROUTE("DELETE", PROFILE "/displayname", mx_api_delete_name, .auth = GG_AUTH_GUEST, .limiter = "rc_profile",
          .doc = "remove the own display name"),
    READ(PROFILE "/avatar_url", mx_api_profile_avatar, .doc = "a user's avatar"),
    WRITE("PUT", PROFILE "/avatar_url", mx_api_set_avatar, .auth = GG_AUTH_USER, .limiter = "rc_profile",
          .doc = "change the own avatar"),
    ROUTE("DELETE", PROFILE "/avatar_url", mx_api_delete_avatar, .auth = GG_AUTH_USER, .limiter = "rc_profile",
          .doc = "remove the own avatar"),
    READ("/_matrix/client/v3/profile/{user_id}/{field}", mx_api_profile_field, .doc = "a field of a user's profile"),
    WRITE("PUT", "/_matrix/client/v3/profile/{user_id}/{field}", mx_api_set_field, .auth = GG_AUTH_USER,
          .limiter = "rc_profile", .max_body = 128 * 1024, .doc = "change a field of the own profile"),
    ROUTE("DELETE", "/_matrix/client/v3/profile/{user_id}/{field}", mx_api_delete_field, .auth = GG_AUTH_USER,
          .limiter = "rc_profile", .doc = "remove a field of the own profile"),

    READ(CLIENT_V1 "/account/3pid", mx_api_threepids, .auth = GG_AUTH_USER, .doc = "own addresses"),
    WRITE("POST", CLIENT "/account/3pid", mx_api_post_threepid, .auth = GG_AUTH_USER, .doc = "add an address (of old)"),
    WRITE("POST", CLIENT "/account/deactivate", mx_api_deactivate, .auth = GG_AUTH_USER, .doc = "end the own account"),
    READ(CLIENT "/auth/{stage}/fallback/web", mx_api_fallback, .doc = "a stage of authentication as a page"),
    ROUTE("POST", CLIENT "/auth/{stage}/fallback/web", mx_api_submit_fallback, .doc = "that page, filled in"),
    READ(CLIENT_V1 "/voip/turnServer", mx_api_turn, .auth = GG_AUTH_GUEST, .doc = "credentials for TURN servers"),
    READ("/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", mx_api_call_transports, .auth = GG_AUTH_USER,
         .doc = "transports of group calls"),
    READ("/.well-known/matrix/client", mx_api_well_known_client, .doc = "where this server is, for clients"),
    READ("/.well-known/matrix/server", mx_api_well_known_server, .doc = "where this server is, for servers"),
    {.method = "GET", .path = "/_matrix/federation/v1/openid/userinfo", .handler = mx_api_openid_userinfo,
     .resource = "federation|openid", .flags = GG_ROUTE_CANCELLABLE, .doc = "whose OpenID token is this?"},

    WRITE("POST", CLIENT "/user/{user_id}/filter", mx_api_add_filter, .auth = GG_AUTH_USER, .doc = "keep a filter"),
    READ(CLIENT "/user/{user_id}/filter/{filter_id}", mx_api_get_filter, .auth = GG_AUTH_USER, .doc = "a kept filter"),
    {0},
};

const struct gg_route mx_routes_accounts_main[] = {
    /* Whatever a client sends along, it is logged out. */
    ROUTE("POST", CLIENT_V1 "/logout", mx_api_logout, .writer = GG_WRITER_MAIN, .doc = "log out"),
    ROUTE("POST", CLIENT_V1 "/logout/all", mx_api_logout_all, .writer = GG_WRITER_MAIN, .doc = "log out everywhere"),
    WRITE("POST", CLIENT "/register/email/requestToken", mx_api_register_mail, .writer = GG_WRITER_MAIN,
          .doc = "mail a new user's address a token"),
    WRITE("POST", CLIENT "/account/password/email/requestToken", mx_api_password_mail, .writer = GG_WRITER_MAIN,
          .doc = "mail a token for a new password"),
    WRITE("POST", CLIENT "/account/3pid/email/requestToken", mx_api_threepid_mail, .writer = GG_WRITER_MAIN,
          .doc = "mail an address to be added a token"),
    WRITE("POST", CLIENT "/(register|account/password|account/3pid)/msisdn/requestToken", mx_api_no_phone,
          .writer = GG_WRITER_MAIN, .doc = "phone numbers are not supported"),
    ROUTE("GET", "/_matrix/client/unstable/registration/email/submit_token", mx_api_register_link,
          .writer = GG_WRITER_MAIN, .doc = "the link of that mail"),
    ROUTE("GET", "/_matrix/client/unstable/add_threepid/email/submit_token", mx_api_threepid_link,
          .writer = GG_WRITER_MAIN, .doc = "the link of that mail"),
    ROUTE("GET", "/_synapse/client/password_reset/email/submit_token", mx_api_password_link, .writer = GG_WRITER_MAIN,
          .doc = "the link of that mail: asks whether it is meant"),
    ROUTE("POST", "/_synapse/client/password_reset/email/submit_token", mx_api_password_confirm,
          .writer = GG_WRITER_MAIN, .doc = "it is meant"),
    WRITE("POST", CLIENT "/account_validity/send_mail", mx_api_send_renewal, .writer = GG_WRITER_MAIN,
          .doc = "mail a link that renews the own account, even when it has expired"),
    ROUTE("GET", CLIENT "/account_validity/renew", mx_api_renew, .writer = GG_WRITER_MAIN, .doc = "that link"),
    WRITE("POST", CLIENT "/account/3pid/add", mx_api_add_threepid, .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN,
          .doc = "add a proved address"),
    WRITE("POST", CLIENT "/account/3pid/delete", mx_api_delete_threepid, .auth = GG_AUTH_USER,
          .writer = GG_WRITER_MAIN, .doc = "remove an address"),
    WRITE("POST", CLIENT "/account/3pid/bind", mx_api_bind_threepid, .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN,
          .doc = "have an identity server publish an address"),
    WRITE("POST", CLIENT "/account/3pid/unbind", mx_api_unbind_threepid, .auth = GG_AUTH_USER,
          .writer = GG_WRITER_MAIN, .doc = "take an address back from identity servers"),
    WRITE("POST", CLIENT "/account/password", mx_api_change_password, .auth = GG_AUTH_OPTIONAL,
          .writer = GG_WRITER_MAIN, .doc = "a new password"),
    WRITE("POST", CLIENT "/user/{user_id}/openid/request_token", mx_api_openid_token, .auth = GG_AUTH_USER,
          .writer = GG_WRITER_MAIN, .doc = "a token by which other services learn who a user is"),
    WRITE("POST", CLIENT "/refresh", mx_api_refresh, .writer = GG_WRITER_MAIN, .doc = "new tokens for a refresh token"),
    WRITE("POST", CLIENT "/tokenrefresh", mx_api_token_refresh, .writer = GG_WRITER_MAIN, .doc = "no longer supported"),
    WRITE("POST", "/_matrix/client/(v1/login/get_token|unstable/org.matrix.msc3882/login/token)",
          mx_api_get_login_token, .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN, .doc = "a token for another device to log in with"),
    {.method = "GET", .path = "/_matrix/consent", .handler = mx_api_consent, .resource = "consent",
     .writer = GG_WRITER_MAIN, .doc = "the terms of use"},
    {.method = "POST", .path = "/_matrix/consent", .handler = mx_api_give_consent, .resource = "consent",
     .writer = GG_WRITER_MAIN, .doc = "agree to the terms of use"},
    ROUTE("GET", "/_synapse/admin/v1/register", mx_api_shared_secret_nonce, .writer = GG_WRITER_MAIN, .doc = "a nonce for the call below"),
    WRITE("POST", "/_synapse/admin/v1/register", mx_api_shared_secret_register,
          .writer = GG_WRITER_MAIN, .doc = "register an account with the shared secret"),
    WRITE("DELETE", CLIENT "/devices/{device_id}", mx_api_delete_device, .auth = GG_AUTH_USER,
          .writer = GG_WRITER_MAIN, .doc = "delete a device"),
    WRITE("POST", CLIENT "/delete_devices", mx_api_delete_devices, .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN, .doc = "delete devices"),
    {0},
};

const struct gg_route mx_routes_welcome[] = {
    READ("/", mx_api_welcome, .doc = "the web client, for browsers"),
    {0},
};
