/* accounts/accounts.h: the accounts part of a process, private to matrix/accounts and matrix/api. */
#ifndef MX_ACCOUNTS_ACCOUNTS_H
#define MX_ACCOUNTS_ACCOUNTS_H

#include <ganglion/matrix/accounts.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/server.h>
#include <jansson.h>

#include "accounts/bucket.h"
#include "storage/accounts.h"

struct mx_seen;
struct mx_nonces;
struct mx_pages;

struct mx_accounts {
    struct mx_cache *tokens;    /* token -> struct token (authenticate.c) */
    struct mx_cache *users;     /* user id -> struct user flags (authenticate.c) */
    struct mx_cache *ends;      /* user id -> int64_t, when the account expires (validity.c); NULL: accounts do not */
    struct mx_buckets *buckets; /* limits.c */
    struct mx_seen *seen;       /* seen.c */
    struct mx_nonces *nonces;   /* shared_secret.c; used on the main process only */
    int64_t last_token_id;      /* access_tokens.id: main process only */
    int64_t last_refresh_id;    /* refresh_tokens.id: main process only */
    struct gg_str guest_secret; /* signs guests' tokens (guests.c); owned */
    struct mx_pages *pages;     /* templates of pages and mails */
    struct gg_map *consent_pages; /* consent.h */
    struct gg_scope *scope;     /* fibers in the background */
};

/* ---- who asks (authenticate.c) ---- */

/* What the authenticator hands out: the requester that everybody sees, and what limits need. */
struct mx_principal {
    struct mx_requester requester; /* first: gg_request_principal() is read as one */
    const char *token_owner;       /* differs from user_id for an admin's token that speaks for a user */
    bool limited, unlimited;       /* see struct mx_token_row; unlimited: also users of a service that is not limited */
    bool service_sender;           /* an application service itself: may send as much as it likes */
    struct mx_rate rate;
};
enum mx_authenticate_flags {
    MX_AUTH_GUESTS = 1,
    MX_AUTH_LOCKED = 2,  /* a locked account may */
    MX_AUTH_EXPIRED = 4, /* an expired token, and an expired account, may */
};
/* For handlers that need other rules than gg_route.auth can say (logout). Sets the principal. */
GG_YIELDS GG_CHECKED int mx_authenticate(struct mx_server *server, struct gg_request *rq, uint32_t flags,
                                         struct gg_error *err);
/* Whose token it is, without judging whether it still opens anything; s NULL: nobody's. Cached. */
GG_YIELDS GG_CHECKED int mx_token_user(struct mx_server *server, struct gg_str token, struct gg_arena *arena,
                                       struct gg_str *out, struct gg_error *err);
void mx_authenticate_make(struct mx_server *server);

/* ---- rate limits (limits.c) ---- */

/* May key (an address, a user id) do what the class ("rc_login.address") limits? update: then count it. 429
 * M_LIMIT_EXCEEDED. principal NULL: nobody is exempt. */
GG_CHECKED int mx_limit(struct mx_server *server, const char *class, struct gg_str key,
                        const struct mx_principal *principal, bool update, struct gg_error *err);
/* The same for what no configuration limits: the rate is the caller's. */
GG_CHECKED int mx_limit_rate(struct mx_server *server, const char *class, struct mx_rate rate, struct gg_str key,
                             bool update, struct gg_error *err);
void mx_limits_make(struct mx_server *server);

/* ---- last seen (seen.c) ---- */

void mx_seen_make(struct mx_server *server);
GG_YIELDS void mx_seen_flush(struct mx_server *server);
void mx_seen_free(struct mx_seen *seen);

/* ---- registering and logging in (register.c, session.c) ---- */

/* A guest's token, in the arena; whose token it is (s NULL: no guest's). guests.c */
#define MX_GUEST_DEVICE "guest_device"
struct gg_str mx_guest_token(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena);
struct gg_str mx_guest_of_token(struct mx_server *server, struct gg_str token, struct gg_arena *arena);
void mx_guests_make(struct mx_server *server);
void mx_guests_free(struct mx_server *server);

struct mx_registration {
    struct gg_str localpart;
    struct gg_str password_hash; /* s NULL: none */
    struct gg_str display_name;  /* s NULL: the localpart */
    struct gg_str user_type;     /* s NULL: an ordinary user */
    bool admin, guest;
};
/* Is the name free and allowed? 400 M_INVALID_USERNAME, M_USER_IN_USE. inhibit: do not tell that it is taken. */
GG_YIELDS GG_CHECKED int mx_username_available(struct mx_server *server, struct gg_str localpart, bool inhibit,
                                               struct gg_arena *arena, struct gg_error *err);
/* Creates the account. *user_id_out in the arena. */
GG_YIELDS GG_CHECKED int mx_register(struct mx_server *server, const struct mx_registration *registration,
                                     struct gg_arena *arena, struct gg_str *user_id_out, struct gg_error *err);

/* Creates the account of an application service's user (type m.login.application_service): any name that its namespaces
 * allow. *user_id_out in the arena. 400 M_EXCLUSIVE, M_USER_IN_USE, M_INVALID_USERNAME. register.c */
struct mx_appservice;
GG_YIELDS GG_CHECKED int mx_register_ghost(struct mx_server *server, const struct mx_appservice *service,
                                           struct gg_str localpart, struct gg_arena *arena, struct gg_str *user_id_out,
                                           struct gg_error *err);
/* The token of the header or of the query; s NULL and 0 when there is none. authenticate.c */
GG_CHECKED int mx_request_token(struct gg_request *rq, struct gg_str *out, struct gg_error *err);

/* May a device be called so? s NULL: not given. 400 M_INVALID_PARAM, M_TOO_LARGE. Pure. */
GG_CHECKED int mx_device_check(struct gg_str device_id, struct gg_str display_name, struct gg_error *err);
struct mx_session {
    struct gg_str device_id, access_token, refresh_token; /* in the arena; refresh_token s NULL: none */
    int64_t valid_until_ms;                               /* 0: for ever */
};
struct mx_session_wish {
    struct gg_str user_id, device_id, display_name; /* the last two s NULL: none given */
    bool refresh;                                   /* the client can use refresh tokens */
    bool guest;
    bool ghost;                                     /* a user whom an application service registers */
};
/* A device (new, or the one named) and a token for it: here if we are the main process, else asked of it. */
GG_YIELDS GG_CHECKED int mx_session_begin(struct mx_server *server, const struct mx_session_wish *wish,
                                          struct gg_arena *arena, struct mx_session *out, struct gg_error *err);
/* New tokens for a refresh token; main process only. 401 M_UNKNOWN_TOKEN, 403 M_FORBIDDEN. */
GG_YIELDS GG_CHECKED int mx_session_refresh(struct mx_server *server, struct gg_str refresh_token,
                                            struct gg_arena *arena, struct mx_session *out, struct gg_error *err);
/* mx_session_begin of an ordinary user without refresh tokens. */
GG_YIELDS GG_CHECKED int mx_session_new(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                        struct gg_str display_name, struct gg_arena *arena, struct mx_session *out,
                                        struct gg_error *err);
/* Does the configuration give out refresh tokens? */
bool mx_refreshable(const struct gg_config *config);
/* Does what follows a registration, on the main process: results are those of interactive authentication, by stage
 * (an address is bound, a consent is written down). register.c */
GG_YIELDS GG_CHECKED int mx_registered(struct mx_server *server, struct gg_str user_id, const json_t *results,
                                       const char *access_token, struct gg_error *err);
/* The user that a login (or a password stage) names by `identifier` or by the members of old; a whole id, whether or
 * not there is such a user. 400 when it names none. */
GG_YIELDS GG_CHECKED int mx_login_name(struct mx_server *server, const json_t *body, struct gg_arena *arena,
                                       struct gg_str *out, struct gg_error *err);
/* Is it the user's password? *user_id_out is the account's own spelling. 403 M_FORBIDDEN, M_USER_DEACTIVATED; 429. */
GG_YIELDS GG_CHECKED int mx_login_password(struct mx_server *server, struct gg_request *rq, struct gg_str user_id,
                                           struct gg_str password, struct gg_str *user_id_out, struct gg_error *err);
/* May an account that is proved otherwise be logged in? 403 M_FORBIDDEN (there is none), M_USER_DEACTIVATED; 401
 * M_USER_LOCKED. login.c */
GG_YIELDS GG_CHECKED int mx_login_check(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                        struct gg_error *err);
/* The account of that name, or the only one that differs from it in case; s NULL: there is none. 403 M_USER_DEACTIVATED, 401
 * M_USER_LOCKED. login.c */
GG_YIELDS GG_CHECKED int mx_login_find(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                       struct gg_str *out, struct gg_error *err);
/* Logs out: devices NULL: all of the user; token: one without device, or s NULL. */
GG_YIELDS GG_CHECKED int mx_logout(struct mx_server *server, struct gg_str user_id, const struct gg_str *devices,
                                   size_t n, struct gg_str token, struct gg_error *err);
/* Logs out all devices of the user but the one that asks, if it is the user who asks (who NULL: nobody does). */
GG_YIELDS GG_CHECKED int mx_logout_others(struct mx_server *server, struct gg_str user_id, const struct mx_requester *who,
                                          struct gg_error *err);
/* Something about the devices changed: has the device_lists writer tell those who share rooms. */
GG_YIELDS GG_CHECKED int mx_devices_changed(struct mx_server *server, struct gg_str user_id,
                                            const struct gg_str *device_ids, size_t n, struct gg_error *err);
/* The same for a device that was just made: not of users whom dont_notify_new_devices_for names. */
GG_YIELDS GG_CHECKED int mx_device_made(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                        struct gg_error *err);

/* ---- nonces of the shared-secret registration (shared_secret.c) ---- */

void mx_nonces_make(struct mx_server *server);
void mx_nonces_free(struct mx_nonces *nonces);
const char *mx_nonce_new(struct mx_server *server, struct gg_arena *arena);
bool mx_nonce_use(struct mx_server *server, struct gg_str nonce); /* known and fresh? it is spent either way */

/* ---- profiles (profile.c) ---- */

/* Changes a field of a local user's profile and has the rooms told of it (propagate). */
GG_YIELDS GG_CHECKED int mx_profile_set(struct mx_server *server, struct gg_str user_id, enum mx_profile_field field,
                                        struct gg_str key, struct gg_str value, bool propagate, struct gg_error *err);
/* Runs due profile tasks (tasks.c). */
void mx_tasks_make(struct mx_server *server);
GG_YIELDS GG_CHECKED int mx_tasks_add_profile(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

/* gg_str of a text member of an object; s NULL: absent or no string. */
static inline struct gg_str mx_text(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? gg_strn(json_string_value(v), json_string_length(v)) : (struct gg_str){0};
}
/* The device that who registers or logs in wishes for; s NULL: one is to be made, as also for clients that send an empty text. */
static inline struct gg_str mx_device_wish(const json_t *body)
{
    struct gg_str id = mx_text(body, "device_id");
    return id.n ? id : (struct gg_str){0};
}

#endif
