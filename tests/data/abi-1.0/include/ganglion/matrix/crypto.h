/* ganglion/matrix/crypto.h: base64, SHA-256 and Ed25519 as Matrix uses them; signing key files. */
#ifndef GANGLION_MATRIX_CRYPTO_H
#define GANGLION_MATRIX_CRYPTO_H

#include <ganglion/arena.h>
#include <ganglion/error.h>
#include <ganglion/matrix/json.h>

#ifdef __cplusplus
extern "C" {
#endif

GG_API void mx_sha256(struct gg_str data, uint8_t out[32]);
/* Unpadded; out holds mx_base64_size(n) bytes, NUL-terminated; returns the length. */
GG_API size_t mx_base64(const void *data, size_t n, bool url_safe, char *out);
#define mx_base64_size(n_) (((n_) * 4 + 2) / 3 + 1)
/* Either alphabet, padding optional; -1 if it is no base64, else the length. out holds in.n bytes. */
GG_API int64_t mx_unbase64(struct gg_str in, void *out);

struct mx_signing_key {
    char id[72];          /* "ed25519:a_abcd" */
    uint8_t seed[32], public_key[32];
    void *pkey;           /* EVP_PKEY */
};
/* Synapse's file format (facts database 8.4): one or more lines; the first signs. */
GG_API GG_CHECKED int mx_signing_keys_parse(struct gg_str text, struct gg_arena *arena, struct mx_signing_key **keys_out,
                                            size_t *n_out, struct gg_error *err);
GG_API struct gg_str mx_signing_key_generate(struct gg_arena *arena); /* a file's contents */
GG_API void mx_sign(const struct mx_signing_key *key, struct gg_str message, uint8_t out[64]);
GG_API bool mx_verify(const uint8_t public_key[32], struct gg_str message, const uint8_t signature[64]);

/* Adds signatures.<server>.<key id> over the canonical form without signatures and unsigned. */
GG_API void mx_json_sign(struct mx_json *object, const char *server, const struct mx_signing_key *key,
                         struct gg_arena *arena);
/* 0, or 401 M_UNAUTHORIZED / M_FORBIDDEN. */
GG_API GG_CHECKED int mx_json_verify(const struct mx_json *object, const char *server, const char *key_id,
                                     const uint8_t public_key[32], struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
