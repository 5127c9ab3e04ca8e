/* storage/accounts_validity.h: account_validity: until when an account is good (facts database 3.12). */
#ifndef MX_STORAGE_ACCOUNTS_VALIDITY_H
#define MX_STORAGE_ACCOUNTS_VALIDITY_H

#include <ganglion/matrix/server.h>

/* *expires_out in ms; 0: the user has no row. */
GG_YIELDS GG_CHECKED int mx_validity_get(struct mx_server *server, struct gg_str user_id, int64_t *expires_out,
                                         struct gg_error *err);
/* A new date, as of now; the token of the last mail is void. mailed: no mail will be sent. Users that do not exist get none. */
GG_YIELDS GG_CHECKED int mx_validity_set(struct mx_server *server, struct gg_str user_id, int64_t expires, bool mailed,
                                         struct gg_error *err);
/* The token that the next mail holds, in place of the last one. */
GG_YIELDS GG_CHECKED int mx_validity_set_token(struct mx_server *server, struct gg_str user_id, struct gg_str token,
                                               struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_validity_mailed(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

enum mx_renewal { MX_RENEWED, MX_RENEWED_BEFORE, MX_RENEWAL_UNKNOWN };
/* Whoever has the token gets the new date, once. *expires_out: the date that counts now; 0: the token is not known. */
GG_YIELDS GG_CHECKED int mx_validity_renew(struct mx_server *server, struct gg_str token, int64_t expires, int *outcome_out,
                                           int64_t *expires_out, struct gg_error *err);

/* Of users without a row, `most` get one: a date of the `spread` ms before latest, so that they do not all end on one day.
 * *n_out: how many. */
GG_YIELDS GG_CHECKED int mx_validity_fill(struct mx_server *server, int64_t latest, int64_t spread, int64_t most,
                                          int64_t *n_out, struct gg_error *err);
/* Users with a mail address who were not mailed and end before `before`, in order of their ids from after `after` on. */
GG_YIELDS GG_CHECKED int mx_validity_due(struct mx_server *server, int64_t before, struct gg_str after, int64_t most,
                                         struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
