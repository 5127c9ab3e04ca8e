/* matrix/federation/key_answer.h: what a server says its signing keys are (server-server API, "Retrieving server
 * keys"). Pure: foreign JSON in, keys or a reason out. */
#ifndef MX_FEDERATION_KEY_ANSWER_H
#define MX_FEDERATION_KEY_ANSWER_H

#include <ganglion/matrix/crypto.h>

struct mx_server_key {
    struct gg_str id;       /* "ed25519:abc" */
    uint8_t public_key[32];
    int64_t valid_until_ms; /* of an old key: when it expired */
};

struct mx_key_answer {
    struct gg_str server;
    struct mx_server_key *keys; /* present ones, then old ones; ids distinct */
    size_t n;
    struct gg_str text;         /* the object in canonical form, as it is kept */
};

enum { MX_KEY_ANSWER_KEYS_MAX = 128 };

/* Reads one Server Keys object and holds it against its own signature: one by a present key of it at least, and none by
 * such a key that is wrong. Keys of algorithms that we do not know are left out. 0, or 401 M_UNAUTHORIZED, 400
 * M_BAD_JSON. Everything is in the arena. */
GG_CHECKED int mx_key_answer_read(const struct mx_json *object, struct gg_arena *arena, struct mx_key_answer *out,
                                  struct gg_error *err);
/* The id of a signing key that we can use, as peers may send it; false for everything else. */
bool mx_key_id_usable(struct gg_str id);

#endif
