/* matrix/e2ee/key_rows.h: what is stored of the keys of users, as rows, and their JSON with the signatures of their owners (facts database 3.8). Private to the library. */
#ifndef MX_E2EE_KEY_ROWS_H
#define MX_E2EE_KEY_ROWS_H

#include "e2ee/cross_signing.h"
#include "e2ee/keys.h"
#include "e2ee/known_keys.h"

#include <ganglion/map.h>

struct mx_key_rows {
    struct gg_arena *arena;
    const struct gg_rows *devices;    /* user, device, display name, key JSON (NULL: none uploaded); sorted by the first two */
    const struct gg_rows *cross;      /* key type, user, key JSON; the newest of each */
    const struct gg_rows *signatures; /* signer, who is the target user as well, target, key id, signature */
    struct gg_map *first_signature;   /* user, sep, target -> 1 + row; rows of one target follow `next` */
    size_t *next;
};
/* Three reads, whatever the number: of `queries` (local users) the devices, of `users` cross-signing keys, and what users
 * signed of their own. Ended by the arena. */
GG_YIELDS GG_CHECKED int mx_key_rows_read(struct mx_server *server, const struct gg_str *users, size_t n_users,
                                          const struct mx_key_query *queries, size_t n_queries, struct gg_arena *arena,
                                          struct mx_key_rows *out, struct gg_error *err);
/* A device's keys with the signatures of its owner; s NULL: it has none. */
struct gg_str mx_key_rows_device(const struct mx_key_rows *rows, size_t row);
/* Adds a signature to a key, which is taken apart with the first one (*key NULL). False: the text is no key. */
bool mx_key_sign(struct mx_json **key, struct gg_str text, struct gg_str signer, struct gg_str key_id, struct gg_str signature,
                 struct gg_arena *arena);
/* The stored cross-signing key of a user; s NULL: none. */
struct gg_str mx_key_rows_find_cross(const struct mx_key_rows *rows, struct gg_str user_id, enum mx_cross_kind kind);

#endif
