/* storage/admin/users.h: accounts as administrators see and change them. */
#ifndef MX_STORAGE_ADMIN_USERS_H
#define MX_STORAGE_ADMIN_USERS_H

#include "storage/admin/ask.h"

/* Flags: -1 does not restrict. Texts: s NULL likewise. */
struct mx_admin_users_query {
    int64_t from, limit;
    struct gg_str user_id, name; /* part of an id; part of a localpart or display name */
    int guests, deactivated, locked, admins; /* 1: only such, 0: no such */
    struct gg_str order_by;
    bool backwards;
    const struct gg_str *not_types; /* "" stands for those without a type */
    size_t n_not_types;
};
/* {"users":[..],"total":n} without next_token; *total_out, *n_out: of this page. */
GG_YIELDS GG_CHECKED int mx_admin_users_list(struct mx_server *server, const struct mx_admin_users_query *query,
                                             struct gg_arena *arena, struct gg_str *users_out, int64_t *total_out,
                                             int64_t *n_out, struct gg_error *err);
bool mx_admin_users_order(const char *name); /* is it one that order_by knows? */

/* Questions about one user, each a statement with the id as its only parameter. */
extern const struct gg_stmt mx_admin_user_details, mx_admin_user_whois, mx_admin_user_joined_rooms,
    mx_admin_user_memberships, mx_admin_user_pushers, mx_admin_user_account_data, mx_admin_user_devices,
    mx_admin_user_features, mx_admin_user_rate_limit, mx_admin_users_search;
extern const struct gg_stmt mx_admin_user_invites_sent, mx_admin_user_rooms_joined; /* (id, since in ms) */
extern const struct gg_stmt mx_admin_user_by_address, mx_admin_user_by_external_id; /* (medium, address), (provider, id) */
extern const struct gg_stmt mx_admin_users_media;

enum mx_admin_flag { MX_FLAG_ADMIN, MX_FLAG_LOCKED, MX_FLAG_SUSPENDED, MX_FLAG_SHADOW_BANNED };
GG_YIELDS GG_CHECKED int mx_admin_user_set_flag(struct mx_server *server, struct gg_str user_id, enum mx_admin_flag flag,
                                                bool on, struct gg_error *err);
/* type s NULL: an ordinary user. */
GG_YIELDS GG_CHECKED int mx_admin_user_set_type(struct mx_server *server, struct gg_str user_id, struct gg_str type,
                                                struct gg_error *err);
/* Rates of 0 mean "no limit". */
GG_YIELDS GG_CHECKED int mx_admin_user_set_rate(struct mx_server *server, struct gg_str user_id, int64_t per_second,
                                                int64_t burst, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_admin_user_no_rate(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_admin_user_set_feature(struct mx_server *server, struct gg_str user_id, struct gg_str feature,
                                                   bool on, struct gg_error *err);
/* Pairs (medium, address) and (auth_provider, external_id): what is not listed goes, what is new comes. 409 M_UNKNOWN if
 * an external id is another user's. */
GG_YIELDS GG_CHECKED int mx_admin_user_set_addresses(struct mx_server *server, struct gg_str user_id,
                                                     const struct gg_str *media, const struct gg_str *addresses, size_t n,
                                                     struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_admin_user_set_external_ids(struct mx_server *server, struct gg_str user_id,
                                                        const struct gg_str *providers, const struct gg_str *ids, size_t n,
                                                        struct gg_error *err);

/* For ten minutes the user may replace their master key without authenticating; *until_out: ms, 0: they have none. */
GG_YIELDS GG_CHECKED int mx_admin_user_allow_new_keys(struct mx_server *server, struct gg_str user_id, int64_t *until_out,
                                                      struct gg_error *err);

/* ---- passwords and accounts brought back (users_end.c) ---- */

/* *n_out 0: no such user. */
GG_YIELDS GG_CHECKED int mx_admin_user_set_hash(struct mx_server *server, struct gg_str user_id, struct gg_str hash,
                                                int64_t *n_out, struct gg_error *err);
/* A deactivated account is one again; what it lost stays lost. */
GG_YIELDS GG_CHECKED int mx_admin_user_revive(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

#endif
