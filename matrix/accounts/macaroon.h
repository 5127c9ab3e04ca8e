/* accounts/macaroon.h: macaroons: the tokens of guests, and of links in mails, which no table holds (facts database 8.3). */
#ifndef MX_ACCOUNTS_MACAROON_H
#define MX_ACCOUNTS_MACAROON_H

#include <ganglion/arena.h>

/* A macaroon over the caveats, in version 1 of the binary format, URL-safe base64 without padding. Pure. */
const char *mx_macaroon_make(struct gg_arena *arena, struct gg_str secret, struct gg_str location,
                             const struct gg_str *caveats, size_t n);
/* Reads one that was made with the secret: its caveats, in the arena. False: no macaroon, or another secret's. Pure. */
bool mx_macaroon_open(struct gg_arena *arena, struct gg_str secret, struct gg_str text, struct gg_str **caveats_out,
                      size_t *n_out);

/* The token of a guest, and whose it is (s NULL: it is none). Pure. */
const char *mx_guest_token_make(struct gg_arena *arena, struct gg_str secret, const char *server_name,
                                struct gg_str user_id);
struct gg_str mx_guest_token_user(struct gg_arena *arena, struct gg_str secret, struct gg_str token);

/* The token of the link that ends an e-mail pusher; whose it is, for this app and key (s NULL: it is not for them). Pure. */
const char *mx_unsubscribe_token_make(struct gg_arena *arena, struct gg_str secret, const char *server_name,
                                      struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey);
struct gg_str mx_unsubscribe_token_user(struct gg_arena *arena, struct gg_str secret, struct gg_str token,
                                        struct gg_str app_id, struct gg_str pushkey);

#endif
