/* matrix/e2ee/keys.h: identity, one-time and fallback keys of devices (client-server API, "Key management API"). */
#ifndef MX_E2EE_KEYS_H
#define MX_E2EE_KEYS_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

/* ---- uploading: on any process (keys_upload.c: reading, keys_store.c: writing) ---- */

enum {
    MX_ONE_TIME_KEYS_MAX = 500, /* of one algorithm that a device may hold, as Synapse */
    MX_UPLOAD_KEYS_MAX = 5000,  /* in one request, of all algorithms */
};

struct mx_upload_key {
    struct gg_str algorithm, key_id; /* of "algorithm:id" */
    struct gg_str json;
    const struct mx_json *value;
};
struct mx_key_upload {
    struct gg_str device_keys; /* canonical JSON without unsigned; s NULL: none */
    struct mx_upload_key *one_time, *fallback;
    size_t n_one_time, n_fallback;
};
/* A request's body (valid JSON) for a device. 400 M_BAD_JSON, M_MISSING_PARAM, M_INVALID_PARAM, M_NOT_JSON. Pure. */
GG_CHECKED int mx_keys_read_upload(struct gg_str body, struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena,
                                   struct mx_key_upload *out, struct gg_error *err);
/* All of it in one transaction, then tells those who share rooms if the identity keys changed. 400 M_UNKNOWN: a one-time
 * key of that name is another; 400 M_TOO_LARGE: too many. */
GG_YIELDS GG_CHECKED int mx_keys_upload(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                        const struct mx_key_upload *upload, struct gg_error *err);

/* ---- querying: on any process (keys_query.c) ---- */

struct mx_key_query {
    struct gg_str user_id, device_id; /* device_id s NULL: all devices */
};
/* Appends the answer of /keys/query. users: everybody asked for, each once; queries: what of them. timeout_ms: how long
 * other servers may take, all together; those that fail are named in the answer. */
GG_YIELDS GG_CHECKED int mx_keys_query(struct mx_server *server, struct gg_str who_asks, const struct gg_str *users,
                                       size_t n_users, const struct mx_key_query *queries, size_t n_queries,
                                       int64_t timeout_ms, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);
/* The same of local users alone, as another server hears it. names: with the names of devices. */
GG_YIELDS GG_CHECKED int mx_keys_query_local(struct mx_server *server, const struct gg_str *users, size_t n_users,
                                             const struct mx_key_query *queries, size_t n_queries, bool names,
                                             struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);
/* The body of /keys/query. 400 M_BAD_JSON. User ids that are none are left out. Pure. */
GG_CHECKED int mx_keys_read_query(struct gg_str body, struct gg_arena *arena, struct gg_str **users, size_t *n_users,
                                  struct mx_key_query **queries, size_t *n_queries, struct gg_error *err);

/* ---- claiming: on any process (keys_claim.c) ---- */

struct mx_key_claim {
    struct gg_str user_id, device_id, algorithm;
};
/* The body of /keys/claim. 400 M_BAD_JSON, M_INVALID_PARAM. Pure. */
GG_CHECKED int mx_keys_read_claim(struct gg_str body, struct gg_arena *arena, struct mx_key_claim **out, size_t *n_out,
                                  struct gg_error *err);
/* Appends the answer of /keys/claim. Each one-time key is handed out exactly once, whoever claims at the same moment on
 * whatever process; a device that has none left gives its fallback key. timeout_ms: as above. */
GG_YIELDS GG_CHECKED int mx_keys_claim(struct mx_server *server, const struct mx_key_claim *claims, size_t n,
                                       int64_t timeout_ms, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);
/* Of local devices alone: appends {user: {device: {"algorithm:id": key}}}; claims of others are passed over. */
GG_YIELDS GG_CHECKED int mx_keys_claim_local(struct mx_server *server, const struct mx_key_claim *claims, size_t n,
                                             struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);

#endif
