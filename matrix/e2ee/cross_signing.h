/* matrix/e2ee/cross_signing.h: keys by which users vouch for their devices and for each other (client-server API,
 * "Cross-signing"). */
#ifndef MX_E2EE_CROSS_SIGNING_H
#define MX_E2EE_CROSS_SIGNING_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

enum mx_cross_kind { MX_CROSS_MASTER, MX_CROSS_SELF, MX_CROSS_USER, MX_CROSS_KINDS };
extern const char *const mx_cross_names[MX_CROSS_KINDS]; /* "master", "self_signing", "user_signing" */

/* ---- reading what is stored (cross_signing.c) ---- */

struct mx_cross_key {
    struct gg_str json;      /* as it was uploaded; s NULL: none */
    struct gg_str id;        /* "ed25519:<public key>" */
    struct gg_str public_id; /* the part after the colon: by it signatures name their target */
    uint8_t public_key[32];
    bool usable;             /* id and public_key are set */
    int64_t replace_before;  /* ms: until then the key may be replaced without a proof of who asks; 0: never */
};
struct mx_cross_keys {
    struct mx_cross_key of[MX_CROSS_KINDS];
};
GG_YIELDS GG_CHECKED int mx_cross_keys_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                           struct mx_cross_keys *out, struct gg_error *err);
/* The one key of a cross-signing key's JSON, or false. Pure. */
bool mx_cross_key_read(struct gg_str json, struct gg_arena *arena, struct mx_cross_key *out);

/* ---- uploading ---- */

struct mx_cross_upload {
    struct gg_str json[MX_CROSS_KINDS]; /* s NULL: not given */
};
/* A request's body. 400 M_BAD_JSON. Pure. */
GG_CHECKED int mx_cross_read_upload(struct gg_str body, struct gg_arena *arena, struct mx_cross_upload *out,
                                    struct gg_error *err);
/* Is anything of it another key than what is stored? */
bool mx_cross_differs(const struct mx_cross_upload *upload, const struct mx_cross_keys *stored, struct gg_arena *arena);
/* Checks, stores and tells. 400 M_INVALID_PARAM, M_INVALID_SIGNATURE, M_MISSING_PARAM (no master key). */
GG_YIELDS GG_CHECKED int mx_cross_upload(struct mx_server *server, struct gg_str user_id, const struct mx_cross_upload *upload,
                                         const struct mx_cross_keys *stored, struct gg_arena *arena, struct gg_error *err);

/* ---- signing (signatures.c) ---- */

/* Takes signatures that a user made of own devices, the own master key, or others' master keys: the body of
 * /keys/signatures/upload. Appends {"failures":{user:{key:error}}}. 400 M_BAD_JSON, M_INVALID_PARAM: nothing was done. */
GG_YIELDS GG_CHECKED int mx_signatures_upload(struct mx_server *server, struct gg_str user_id, struct gg_str body,
                                              struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);

/* Is the signature under signatures.<user>.<key id> of this object (a tree) made by the key? Pure. */
bool mx_signature_good(const struct mx_json *object, struct gg_str user_id, struct gg_str key_id, const uint8_t public_key[32]);

#endif
