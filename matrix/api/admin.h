/* matrix/api/admin.h: handlers of the admin API; admin_routes.c says which path each one serves. */
#ifndef MX_API_ADMIN_H
#define MX_API_ADMIN_H

#include <ganglion/http.h>

#include "accounts/accounts.h"
#include "storage/admin/ask.h"

/* admin_users.c */
gg_handler_fn mx_admin_api_users, mx_admin_api_user, mx_admin_api_whois, mx_admin_api_user_rooms,
    mx_admin_api_user_memberships, mx_admin_api_user_pushers, mx_admin_api_user_data, mx_admin_api_search_users,
    mx_admin_api_invites_sent, mx_admin_api_rooms_joined, mx_admin_api_by_address, mx_admin_api_by_external_id,
    mx_admin_api_username_available, mx_admin_api_users_media;
/* admin_user_put.c */
gg_handler_fn mx_admin_api_put_user;
/* admin_user_change.c */
gg_handler_fn mx_admin_api_get_admin, mx_admin_api_put_admin, mx_admin_api_shadow_ban, mx_admin_api_shadow_unban,
    mx_admin_api_suspend, mx_admin_api_get_rate, mx_admin_api_set_rate, mx_admin_api_delete_rate, mx_admin_api_login_as,
    mx_admin_api_get_features, mx_admin_api_put_features, mx_admin_api_allow_new_keys;
/* admin_user_end.c */
gg_handler_fn mx_admin_api_reset_password, mx_admin_api_deactivate;
/* admin_devices.c */
gg_handler_fn mx_admin_api_devices, mx_admin_api_add_device, mx_admin_api_device, mx_admin_api_put_device,
    mx_admin_api_delete_device, mx_admin_api_delete_devices;
/* admin_federation.c */
gg_handler_fn mx_admin_api_destinations, mx_admin_api_destination, mx_admin_api_destination_rooms,
    mx_admin_api_reset_destination;
gg_handler_fn mx_admin_api_validity; /* accounts_validity.c */
/* admin_tokens.c */
gg_handler_fn mx_admin_api_tokens, mx_admin_api_new_token, mx_admin_api_token, mx_admin_api_put_token,
    mx_admin_api_delete_token;

/* ---- the end of an account, and its password (admin_user_end.c) ---- */

/* Sets a password and, if so asked, logs the user's other devices out. 404: no such user. */
GG_YIELDS GG_CHECKED int mx_admin_set_password(struct gg_request *rq, struct gg_str user_id, struct gg_str password,
                                               bool logout, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_admin_set_deactivated(struct gg_request *rq, struct gg_str user_id, bool deactivated,
                                                  struct gg_error *err);

/* ---- shared by the files above (admin.c) ---- */

/* Answers with JSON text; s NULL: 404 M_NOT_FOUND with the words given. */
int mx_admin_reply(struct gg_request *rq, struct gg_str json, const char *not_found, struct gg_error *err);
/* Asks the database and answers with what it wrote. */
GG_YIELDS int mx_admin_answer(struct gg_request *rq, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                              const char *not_found, struct gg_error *err);
/* The user that a path member names: a valid id (400 M_INVALID_PARAM), of this server (400 M_UNKNOWN with the words of
 * `foreign`), and, if must_exist, known (404 with the words of `unknown`). */
GG_YIELDS GG_CHECKED int mx_admin_target(struct gg_request *rq, const char *param, const char *foreign, const char *unknown,
                                         struct gg_str *out, struct gg_error *err);
/* A boolean member of a body: fallback when absent; 400 M_BAD_JSON with the words that name it. */
GG_CHECKED int mx_admin_bool(const json_t *body, const char *key, bool fallback, bool *out, struct gg_error *err);
/* "f" or "b" of the query. */
GG_CHECKED int mx_admin_direction(const struct gg_request *rq, bool fallback_backwards, bool *backwards, struct gg_error *err);
/* from and limit of the query, neither negative. */
GG_CHECKED int mx_admin_page(const struct gg_request *rq, int64_t *from, int64_t *limit, struct gg_error *err);
/* A boolean of the query: -1 when absent. */
GG_CHECKED int mx_admin_query_flag(const struct gg_request *rq, const char *key, int fallback, int *out, struct gg_error *err);
/* A query text; s NULL when absent. */
static inline struct gg_str mx_admin_query(const struct gg_request *rq, const char *key)
{
    return gg_str(gg_request_query(rq, key));
}

#endif
