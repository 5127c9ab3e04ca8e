/* matrix/e2ee/remote_keys.h: keys of users of other servers, for our clients (server-server API, "End-to-End Encryption"). */
#ifndef MX_E2EE_REMOTE_KEYS_H
#define MX_E2EE_REMOTE_KEYS_H

#include "e2ee/keys.h"

struct mx_remote_user {
    struct gg_str user_id;
    struct gg_str devices;              /* JSON object, device id -> keys, as /keys/query answers it; s NULL: not known */
    struct gg_str master, self_signing; /* JSON objects; s NULL: none */
};
/* What is asked of other servers' users, each in users once: from our copy if their server keeps us informed, else their
 * servers are asked, all at once. out: one for each user. Appends members of "failures" for servers that did not answer. */
GG_YIELDS GG_CHECKED int mx_remote_keys_query(struct mx_server *server, const struct gg_str *users, size_t n_users,
                                              const struct mx_key_query *queries, size_t n_queries, int64_t timeout_ms,
                                              struct gg_arena *arena, struct mx_remote_user *out, struct gg_buf *failures,
                                              struct gg_error *err);
/* Claims keys of other servers' devices, likewise: appends members of "one_time_keys" and of "failures". */
GG_YIELDS GG_CHECKED int mx_remote_keys_claim(struct mx_server *server, const struct mx_key_claim *claims, size_t n,
                                              int64_t timeout_ms, struct gg_arena *arena, struct gg_buf *keys,
                                              struct gg_buf *failures, struct gg_error *err);

/* Appends a member of "device_keys" for a device as we keep it, with a comma where something stands before it; nothing, if it
 * has no keys. Pure. */
void mx_remote_device_write(struct gg_buf *out, struct gg_str device_id, struct gg_str content);

#endif
