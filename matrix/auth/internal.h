/* internal.h: what the rules of this folder share. */
#ifndef MX_AUTH_INTERNAL_H
#define MX_AUTH_INTERNAL_H

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/state.h>

/* Everything that a rule may look at. */
struct auth {
    const struct mx_event *event, *create;
    const struct mx_room_version *version;
    mx_auth_lookup_fn *state;
    void *arg;
    struct mx_power power;
    struct gg_arena *arena;
    struct gg_error *err;
};

#define DENY(auth_, ...) gg_refuse((auth_)->err, 403, "M_FORBIDDEN", __VA_ARGS__)

int mx_auth_create(const struct mx_event *event, struct gg_error *err);
int mx_auth_member(struct auth *a);
int mx_auth_third_party_invite(struct auth *a, struct gg_str invite);
int mx_auth_power_levels(struct auth *a);

/* The member event's membership in the state; s NULL: none. */
struct gg_str mx_auth_membership(const struct auth *a, struct gg_str user_id);
/* The value of a power level: an integer, a float (cut) or a string of an integer. */
bool mx_power_value(struct gg_str value, int64_t *out);

/* Is the proof of a third-party invite (`signed`) signed with this key, by whatever server? */
bool mx_auth_proof_signed_by(const struct mx_json *proof, struct gg_str public_key, struct gg_arena *arena);

#endif
