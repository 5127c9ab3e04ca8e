/* storage/accounts_threepids.h: user_threepids and the validation of addresses (facts database 3.12). */
#ifndef MX_STORAGE_ACCOUNTS_THREEPIDS_H
#define MX_STORAGE_ACCOUNTS_THREEPIDS_H

#include <ganglion/matrix/server.h>

struct mx_threepid {
    struct gg_str medium, address;
    int64_t validated_at, added_at; /* ms */
};
GG_YIELDS GG_CHECKED int mx_threepids_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                           struct mx_threepid **out, size_t *n_out, struct gg_error *err);
/* An address belongs to one user: another's is taken over (the caller has checked). */
GG_YIELDS GG_CHECKED int mx_threepids_add(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                          struct gg_str address, int64_t validated_at, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_threepids_delete(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                             struct gg_str address, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_threepids_delete_all(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

/* Identity servers at which a binding was made (user_threepid_id_server). */
GG_YIELDS GG_CHECKED int mx_bindings_add(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                         struct gg_str address, struct gg_str id_server, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_bindings_list(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                          struct gg_str address, struct gg_arena *arena, struct gg_str **out,
                                          size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_bindings_delete(struct mx_server *server, struct gg_str user_id, struct gg_str medium,
                                            struct gg_str address, struct gg_str id_server, struct gg_error *err);

struct mx_binding {
    struct gg_str medium, address, id_server;
};
GG_YIELDS GG_CHECKED int mx_bindings_of_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                             struct mx_binding **out, size_t *n_out, struct gg_error *err);

/* ---- validation ---- */

struct mx_validation {
    struct gg_str session_id; /* s NULL: there is none */
    struct gg_str medium, address, client_secret;
    int64_t last_attempt, validated_at; /* validated_at 0: not yet */
};
/* By (medium, address, secret), the one that is not validated yet. */
GG_YIELDS GG_CHECKED int mx_validations_find(struct mx_server *server, struct gg_str medium, struct gg_str address,
                                             struct gg_str secret, struct gg_arena *arena, struct mx_validation *out,
                                             struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_validations_get(struct mx_server *server, struct gg_str session_id, struct gg_arena *arena,
                                            struct mx_validation *out, struct gg_error *err);
/* The session (new, or its attempt renewed) and a token until expires (ms). next_link s NULL: none. */
GG_YIELDS GG_CHECKED int mx_validations_start(struct mx_server *server, const struct mx_validation *session,
                                              struct gg_str token, struct gg_str next_link, int64_t expires,
                                              struct gg_error *err);
enum mx_validation_outcome { MX_VALIDATED, MX_VALIDATION_UNKNOWN, MX_VALIDATION_EXPIRED };
/* Marks the session as proved if token and secret are its own. *next_link_out s NULL: none. */
GG_YIELDS GG_CHECKED int mx_validations_prove(struct mx_server *server, struct gg_str session_id, struct gg_str secret,
                                              struct gg_str token, struct gg_arena *arena, int *outcome_out,
                                              struct gg_str *next_link_out, struct gg_error *err);
/* A session that has done its duty, with its tokens. */
GG_YIELDS GG_CHECKED int mx_validations_delete(struct mx_server *server, struct gg_str session_id, struct gg_error *err);

#endif
