/* storage/accounts.h: what the database keeps of users, tokens, devices, profiles, filters (facts database 3.12, 4.1).
 *
 * Functions named after what they do for Matrix; each one is one statement or one transaction. Text in results lives
 * in the arena that is given. */
#ifndef MX_STORAGE_ACCOUNTS_H
#define MX_STORAGE_ACCOUNTS_H

#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/server.h>

/* ---- users (accounts_users.c) ---- */

struct mx_user {
    struct gg_str id, password_hash; /* password_hash s NULL: none */
    bool admin, guest, deactivated, locked, suspended, shadow_banned;
    struct gg_str consent_version;   /* s NULL: none */
};
/* *out.id.s NULL: no such user. */
GG_YIELDS GG_CHECKED int mx_users_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                      struct mx_user *out, struct gg_error *err);
/* Users whose ids differ from user_id in nothing but case (reads the whole table: for names that were not found). */
GG_YIELDS GG_CHECKED int mx_users_like(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                       struct mx_user *out, size_t *n_out, struct gg_error *err);
enum { MX_USERS_LIKE_MAX = 4 };
/* The user that an e-mail address (or another third-party address) belongs to; s NULL: nobody. */
GG_YIELDS GG_CHECKED int mx_users_by_address(struct mx_server *server, struct gg_str medium, struct gg_str address,
                                             struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
/* Are two local users joined to one room? */
GG_YIELDS GG_CHECKED int mx_users_share_room(struct mx_server *server, struct gg_str a, struct gg_str b, bool *out,
                                             struct gg_error *err);
/* Guests and nameless users: the next number. */
GG_YIELDS GG_CHECKED int mx_users_next_number(struct mx_server *server, struct gg_arena *arena, int64_t *out,
                                              struct gg_error *err);

struct mx_new_user {
    struct gg_str user_id, password_hash; /* password_hash s NULL: none */
    struct gg_str display_name;           /* s NULL: no profile row */
    struct gg_str user_type;              /* s NULL: an ordinary user */
    struct gg_str app_service;            /* s NULL: none */
    bool admin, guest, shadow_banned, approved;
    bool unlisted; /* no entry in the user directory is made */
};
/* The user, the profile and the statistics row; then the directory entry (not for application services). 400
 * M_USER_IN_USE if the id is taken. */
GG_YIELDS GG_CHECKED int mx_users_create(struct mx_server *server, const struct mx_new_user *user,
                                         struct gg_error *err);

/* ---- access tokens (accounts_tokens.c) ---- */

struct mx_token_row {
    int64_t id, valid_until_ms;              /* id 0: no such token; valid_until_ms 0: for ever */
    struct gg_str owner, user_id, device_id; /* owner: whose token it is; user_id: whom it speaks for */
    struct mx_user user;                     /* of user_id, without its password */
    bool used, limited, unlimited;           /* a rate-limit override exists: with rates, without any */
    int64_t per_second, burst;               /* of the override */
};
GG_YIELDS GG_CHECKED int mx_tokens_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena,
                                        struct mx_token_row *out, struct gg_error *err);
/* What a token of the user would be found with, but for the token itself; user_id s NULL: no such user. */
GG_YIELDS GG_CHECKED int mx_tokens_standing(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                            struct mx_token_row *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_tokens_mark_used(struct mx_server *server, int64_t id, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_tokens_max_id(struct mx_server *server, int64_t *out, struct gg_error *err);
/* When the token's owner last proved who they are (ms; 0: never), and that they did just now. */
GG_YIELDS GG_CHECKED int mx_tokens_validated(struct mx_server *server, int64_t id, int64_t *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_tokens_set_validated(struct mx_server *server, int64_t id, struct gg_error *err);
struct mx_new_token {
    int64_t id, valid_until_ms; /* valid_until_ms 0: for ever */
    int64_t refresh_id;         /* the refresh token that it comes with; 0: none */
    struct gg_str token, user_id, device_id;
    struct gg_str puppets; /* the user that an administrator (user_id) acts as; s NULL: none */
};
/* GG_E_CONFLICT: the id is taken (somebody else inserts into the table). */
GG_YIELDS GG_CHECKED int mx_tokens_insert(struct mx_server *server, const struct mx_new_token *token,
                                          struct gg_error *err);
/* The access tokens in the first column are no longer known to any process. */
void mx_tokens_forget(struct mx_forget *forget, const struct gg_rows *rows);
/* Uses a short-lived m.login.token; *user_out s NULL: unknown, used or expired. */
GG_YIELDS GG_CHECKED int mx_login_tokens_use(struct mx_server *server, struct gg_str token, struct gg_arena *arena,
                                             struct gg_str *user_out, struct gg_error *err);

/* ---- refresh tokens, and tokens to log in with (accounts_refresh.c) ---- */

struct mx_refresh_row {
    int64_t id; /* 0: no such token */
    struct gg_str user_id, device_id;
    int64_t expiry_ms, session_end_ms; /* 0: never */
    bool superseded;                   /* the one that came after it was used: this one is spent */
};
GG_YIELDS GG_CHECKED int mx_refresh_max_id(struct mx_server *server, int64_t *out, struct gg_error *err);
/* GG_E_CONFLICT: the id is taken. */
GG_YIELDS GG_CHECKED int mx_refresh_insert(struct mx_server *server, const struct mx_refresh_row *row,
                                           struct gg_str token, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_refresh_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena,
                                         struct mx_refresh_row *out, struct gg_error *err);
/* new_id is the successor of old_id from now on; the predecessors of old_id go, with their access tokens. */
GG_YIELDS GG_CHECKED int mx_refresh_replace(struct mx_server *server, int64_t old_id, int64_t new_id,
                                            struct gg_error *err);
/* A token for one m.login.token until expiry_ms. */
GG_YIELDS GG_CHECKED int mx_login_tokens_add(struct mx_server *server, struct gg_str token, struct gg_str user_id,
                                             int64_t expiry_ms, struct gg_error *err);

/* ---- devices (accounts_devices.c) ---- */

struct mx_device {
    struct gg_str device_id, display_name, ip, agent; /* s NULL: unset */
    int64_t last_seen;                         /* ms; 0: never */
};
GG_YIELDS GG_CHECKED int mx_devices_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                         struct mx_device **out, size_t *n_out, struct gg_error *err);
/* out->device_id s NULL: no such device. */
GG_YIELDS GG_CHECKED int mx_devices_get(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                        struct gg_arena *arena, struct mx_device *out, struct gg_error *err);
/* *new_out false: it was there, and stays as it is. 400 M_FORBIDDEN: the id is a cross-signing key's. */
GG_YIELDS GG_CHECKED int mx_devices_register(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                             struct gg_str display_name, bool *new_out, struct gg_error *err);
/* 404 M_NOT_FOUND. */
GG_YIELDS GG_CHECKED int mx_devices_rename(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                           struct gg_str display_name, struct gg_error *err);
/* Writes the change into the device list streams; only on a device_lists writer. Of users of other servers, too. */
GG_YIELDS GG_CHECKED int mx_devices_write_change(struct mx_server *server, struct gg_str user_id,
                                                 const struct gg_str *device_ids, size_t n, struct gg_error *err);

/* ---- logging out (accounts_logout.c) ---- */

struct mx_logout {
    struct gg_str user_id;
    const struct gg_str *devices; /* NULL: all of them */
    size_t n_devices;
    struct gg_str token; /* a token without device, or s NULL */
    /* out: what was deleted, in the arena */
    struct gg_arena *arena;
    struct gg_str *gone_devices;
    size_t n_gone;
};
/* Deletes devices, their keys, messages, pushers and tokens (facts database 4.1, "Logout") in one transaction. The
 * device list change is the caller's. */
GG_YIELDS GG_CHECKED int mx_logout_write(struct mx_server *server, struct mx_logout *logout, struct gg_error *err);

/* ---- profiles (accounts_profiles.c) ---- */

struct mx_profile_row {
    bool found;
    struct gg_str display_name, avatar_url; /* s NULL: unset */
    struct gg_str fields;                   /* JSON object text, or s NULL */
};
GG_YIELDS GG_CHECKED int mx_profiles_read(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                          struct mx_profile_row *out, struct gg_error *err);
enum mx_profile_field { MX_PROFILE_NAME, MX_PROFILE_AVATAR, MX_PROFILE_CUSTOM };
/* value: text for the first two (s NULL unsets), JSON text for a custom field (s NULL deletes). The directory entry is
 * renewed with it. *changed_out: was there another value before? 404 M_NOT_FOUND: no such user; 400
 * M_PROFILE_TOO_LARGE. */
GG_YIELDS GG_CHECKED int mx_profiles_write(struct mx_server *server, struct gg_str user_id, enum mx_profile_field field,
                                           struct gg_str key, struct gg_str value, bool *changed_out,
                                           struct gg_error *err);

/* ---- filters (accounts_filters.c) ---- */

/* canonical: canonical JSON. An equal filter of the user is reused. */
GG_YIELDS GG_CHECKED int mx_filters_add(struct mx_server *server, struct gg_str user_id, struct gg_str canonical,
                                        int64_t *id_out, struct gg_error *err);
/* 404 M_NOT_FOUND. */
GG_YIELDS GG_CHECKED int mx_filters_get(struct mx_server *server, struct gg_str user_id, int64_t id,
                                        struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err);

/* ---- interactive authentication (accounts_uia.c) ---- */

struct mx_uia_row {
    struct gg_str session_id; /* s NULL: no such session */
    struct gg_str uri, method, description;
    struct gg_str client, server; /* JSON object texts */
    struct gg_str *stages, *results; /* completed ones, and a JSON value for each */
    size_t n_stages;
};
GG_YIELDS GG_CHECKED int mx_uia_read(struct mx_server *server, struct gg_str session_id, struct gg_arena *arena,
                                     struct mx_uia_row *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_uia_create(struct mx_server *server, const struct mx_uia_row *row, const char *address,
                                       const char *user_agent, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_uia_touch(struct mx_server *server, struct gg_str session_id, const char *address,
                                      const char *user_agent, struct gg_error *err);
/* result: a JSON value ("true"). */
GG_YIELDS GG_CHECKED int mx_uia_complete(struct mx_server *server, struct gg_str session_id, struct gg_str stage,
                                         struct gg_str result, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_uia_set_client(struct mx_server *server, struct gg_str session_id, struct gg_str json,
                                           struct gg_error *err);
/* Sets one member of the server's notes; value: JSON text. */
GG_YIELDS GG_CHECKED int mx_uia_note(struct mx_server *server, struct gg_str session_id, const char *key,
                                     struct gg_str value, struct gg_error *err);
/* Forgets sessions begun before a time (ms). */
GG_YIELDS GG_CHECKED int mx_uia_sweep(struct mx_server *server, int64_t before_ms, struct gg_error *err);

/* ---- last seen (accounts_seen.c) ---- */

struct mx_sighting {
    struct gg_str user_id, token, device_id, ip, user_agent; /* device_id s NULL: none */
    int64_t at;                                              /* ms */
};
/* Keys (user, token, ip) are distinct. */
GG_YIELDS GG_CHECKED int mx_seen_write(struct mx_server *server, const struct mx_sighting *seen, size_t n,
                                       struct gg_error *err);
/* Forgets addresses that were last used before a time (ms), some thousands at once; *n_out: how many. */
GG_YIELDS GG_CHECKED int mx_seen_prune(struct mx_server *server, int64_t before_ms, int64_t *n_out,
                                       struct gg_error *err);

#endif
