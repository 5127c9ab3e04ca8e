/* matrix/e2ee/key_counts.h: what a device still has to hand out (client-server API, "One-time and fallback keys"). */
#ifndef MX_E2EE_KEY_COUNTS_H
#define MX_E2EE_KEY_COUNTS_H

#include <ganglion/matrix/server.h>

/* Unclaimed one-time keys by algorithm as a JSON object, {"signed_curve25519":50}, that algorithm always among them; and
 * the algorithms whose fallback key was not handed out yet, as a JSON list. Either out may be NULL. From the cache, or one
 * read each. In the arena. */
GG_YIELDS GG_CHECKED int mx_key_counts(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                       struct gg_arena *arena, struct gg_str *counts, struct gg_str *unused_fallbacks,
                                       struct gg_error *err);

#endif
