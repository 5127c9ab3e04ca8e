/* matrix/e2ee/known_keys.h: keys of our users as they were last read, ready to be answered.
 *
 * What changes them is announced by the device_lists stream and by caches rows (facts replication 5.10, 6.3), which is when
 * they are forgotten. Private to the library. */
#ifndef MX_E2EE_KNOWN_KEYS_H
#define MX_E2EE_KNOWN_KEYS_H

#include "e2ee/cross_signing.h"

struct mx_known_device {
    struct gg_str id, name; /* name s NULL: none */
    struct gg_str keys;     /* JSON with the signatures of the owner; s NULL: none were uploaded */
};
struct mx_known_keys {
    struct mx_known_device *devices; /* by id, bytewise */
    size_t n;
    struct gg_str cross[MX_CROSS_KINDS]; /* JSON as uploaded; s NULL: none */
};
/* Of local users; out: one for each, held by the arena. */
GG_YIELDS GG_CHECKED int mx_known_keys_get(struct mx_server *server, const struct gg_str *users, size_t n,
                                           struct gg_arena *arena, const struct mx_known_keys **out, struct gg_error *err);
/* The place of a device, or -1. */
long mx_known_device_find(const struct mx_known_keys *keys, struct gg_str device_id);
/* Keys of a device with "unsigned" behind, as /keys/query answers them; the name in it, if names is set. */
void mx_known_device_write(const struct mx_known_device *device, bool names, struct gg_buf *out);

/* What somebody signed, their own and others' keys alike. */
struct mx_signed;
GG_YIELDS GG_CHECKED int mx_signed_by(struct mx_server *server, struct gg_str signer, struct gg_arena *arena,
                                      const struct mx_signed **out, struct gg_error *err);
/* The public key that a cross-signing key is: its targets are named by it. s NULL: it is none. */
struct gg_str mx_cross_public_part(struct gg_str keydata, struct gg_arena *arena);
/* A cross-signing key of user_id with what was signed of it; signed NULL: nothing. In the arena, or text itself. */
struct gg_str mx_signed_key(const struct mx_signed *by, struct gg_str user_id, struct gg_str text, struct gg_arena *arena);

/* Makes the caches of a process; drops what the stream says has changed. */
void mx_known_keys_make(struct mx_server *server);
void mx_known_keys_drop(struct mx_server *server, struct gg_str user_id);

#endif
