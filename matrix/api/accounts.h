/* api/accounts.h: the handlers behind the tables of accounts_routes.c. */
#ifndef MX_API_ACCOUNTS_H
#define MX_API_ACCOUNTS_H

#include <ganglion/config.h>
#include <ganglion/http.h>

#include "accounts/accounts.h"

#define MX_HANDLER(name_) GG_YIELDS int name_(void *self, struct gg_request *rq, struct gg_error *err)

/* The ids of a `devices` array, borrowed from it, the list in the request's arena. 400 M_BAD_JSON: one is no string. */
GG_CHECKED int mx_api_device_ids(struct gg_request *rq, const json_t *list, struct gg_str **out, struct gg_error *err);

MX_HANDLER(mx_api_versions); /* client_info.c */
MX_HANDLER(mx_api_capabilities);
MX_HANDLER(mx_api_password_policy);

MX_HANDLER(mx_api_register); /* accounts_register.c */
MX_HANDLER(mx_api_register_available);
MX_HANDLER(mx_api_registration_token);

MX_HANDLER(mx_api_shared_secret_nonce); /* accounts_shared_secret.c */
MX_HANDLER(mx_api_shared_secret_register);

MX_HANDLER(mx_api_login_flows); /* accounts_login.c */
MX_HANDLER(mx_api_login);
MX_HANDLER(mx_api_refresh);
MX_HANDLER(mx_api_token_refresh);
MX_HANDLER(mx_api_get_login_token);
MX_HANDLER(mx_api_logout);
MX_HANDLER(mx_api_logout_all);
MX_HANDLER(mx_api_whoami);

MX_HANDLER(mx_api_devices); /* accounts_devices.c */
MX_HANDLER(mx_api_device);
MX_HANDLER(mx_api_rename_device);
MX_HANDLER(mx_api_delete_device);
MX_HANDLER(mx_api_delete_devices);

MX_HANDLER(mx_api_profile); /* profile.c */
MX_HANDLER(mx_api_profile_name);
MX_HANDLER(mx_api_profile_avatar);
MX_HANDLER(mx_api_profile_field);
MX_HANDLER(mx_api_set_name);
MX_HANDLER(mx_api_set_avatar);
MX_HANDLER(mx_api_set_field);
MX_HANDLER(mx_api_delete_name);
MX_HANDLER(mx_api_delete_avatar);
MX_HANDLER(mx_api_delete_field);

MX_HANDLER(mx_api_register_mail); /* accounts_mail.c */
MX_HANDLER(mx_api_password_mail);
MX_HANDLER(mx_api_threepid_mail);
MX_HANDLER(mx_api_no_phone);
MX_HANDLER(mx_api_register_link);
MX_HANDLER(mx_api_threepid_link);
MX_HANDLER(mx_api_password_link);
MX_HANDLER(mx_api_password_confirm);

MX_HANDLER(mx_api_send_renewal); /* accounts_validity.c */
MX_HANDLER(mx_api_renew);

MX_HANDLER(mx_api_threepids); /* accounts_threepids.c */
MX_HANDLER(mx_api_post_threepid);
MX_HANDLER(mx_api_add_threepid);
MX_HANDLER(mx_api_delete_threepid);
MX_HANDLER(mx_api_bind_threepid);
MX_HANDLER(mx_api_unbind_threepid);

MX_HANDLER(mx_api_change_password); /* accounts_password.c */
MX_HANDLER(mx_api_deactivate);

MX_HANDLER(mx_api_fallback); /* accounts_fallback.c */
MX_HANDLER(mx_api_submit_fallback);

MX_HANDLER(mx_api_consent); /* consent.c */
MX_HANDLER(mx_api_give_consent);

MX_HANDLER(mx_api_welcome); /* well_known.c */

MX_HANDLER(mx_api_turn); /* calls.c */
MX_HANDLER(mx_api_call_transports);
MX_HANDLER(mx_api_openid_token);
MX_HANDLER(mx_api_openid_userinfo);

/* What /.well-known/matrix/client says: a new reference; NULL: nothing. */
json_t *mx_well_known_client(struct mx_server *server);
MX_HANDLER(mx_api_well_known_client); /* well_known.c */
MX_HANDLER(mx_api_well_known_server);

MX_HANDLER(mx_api_add_filter); /* filters.c */
MX_HANDLER(mx_api_get_filter);

/* The answer to a login: user, server, and the session's device and token; session NULL: only the first two. */

int mx_reply_session(struct gg_request *rq, struct gg_str user_id, const struct mx_session *session);

#endif
