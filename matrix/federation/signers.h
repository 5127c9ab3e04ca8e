/* matrix/federation/signers.h: who must have signed an event, and what they have. Pure. */
#ifndef MX_FEDERATION_SIGNERS_H
#define MX_FEDERATION_SIGNERS_H

#include <ganglion/matrix/event.h>

enum {
    MX_SIGNERS_MAX = 3,         /* of one event */
    MX_SIGNER_KEYS_MAX = 10,    /* of one signer that are looked at: no server signs with more */
    MX_SIGNER_KEY_ID_MAX = 255,
};

struct mx_signer {
    struct gg_str server;
    const char *role; /* "sender domain", ... */
};
struct mx_signature {
    struct gg_str key_id, base64;
};

/* The servers whose signature an event needs (room versions, "Signing Events"; server-server API, "Validating hashes and
 * signatures"): the sender's, but for invites made of a third party's; in formats of old the event id's; that of the
 * user who authorised a restricted join. GG_E_INVALID: it names somebody who is nobody. */
GG_CHECKED int mx_signers_of(const struct mx_event *event, struct gg_arena *arena, struct mx_signer out[MX_SIGNERS_MAX],
                             size_t *n_out, struct gg_error *err);
/* The signatures of a server that we can judge; returns how many. */
size_t mx_signatures_of(const struct mx_json *signatures, const char *server, struct mx_signature out[MX_SIGNER_KEYS_MAX]);

#endif
