/* matrix/federation/keyring.h: what other servers have signed, checked.
 *
 * Keys come from memory, the database, the server itself and the trusted key servers, in that order; many are asked for
 * at once, each server by one at a time. */
#ifndef MX_FEDERATION_KEYRING_H
#define MX_FEDERATION_KEYRING_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

/* Has signer signed the object, with a key that is valid at that time? valid_at_ms 0: any time will do. 0, or 400
 * M_UNAUTHORIZED (not signed by it at all), 401 M_UNAUTHORIZED (no key found, or a signature is wrong). */
GG_YIELDS GG_CHECKED int mx_fed_verify_json(struct mx_server *server, const struct mx_json *object,
                                            struct gg_str signer, int64_t valid_at_ms, struct gg_arena *arena,
                                            struct gg_error *err);

/* PDUs as they were received (JSON texts, any number, any wickedness): format, event id, signatures (of the sender's
 * server, of the event id's in formats of old, of the one that authorised a restricted join; server-server API,
 * "Validating hashes and signatures on received events"), content hash: where that does not match, the event as redaction
 * leaves it is taken. out[i]: one reference held by the arena, or NULL and why[i] says in words why not. Of unsigned only
 * what other servers may say is left. The checks run on threads; keys of all servers are fetched at once. 0, or what
 * concerns all of them (the database is away, the fiber was cancelled). */
GG_YIELDS GG_CHECKED int mx_fed_check_pdus(struct mx_server *server, const struct mx_room_version *version,
                                           const struct gg_str *json, size_t n, struct gg_arena *arena,
                                           const struct mx_event **out, const char **why, struct gg_error *err);

#endif
