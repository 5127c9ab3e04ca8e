/* storage/federation/server_keys.h: the tables server_signature_keys and server_keys_json (facts database 3.17, 4.19). */
#ifndef MX_STORAGE_SERVER_KEYS_H
#define MX_STORAGE_SERVER_KEYS_H

#include "federation/key_answer.h"

#include <ganglion/matrix/server.h>

/* Columns of the rows: 0 server name, 1 key id, 2 public key, 3 valid until (ms). Pairs that are not held have none. */
GG_YIELDS GG_CHECKED int mx_server_keys_read(struct mx_server *server, const struct gg_str *names,
                                             const struct gg_str *key_ids, size_t n, struct gg_arena *arena,
                                             struct gg_rows **rows_out, struct gg_error *err);
/* Keeps what `from` said about a server's keys, and makes every process forget what it held. */
GG_YIELDS GG_CHECKED int mx_server_keys_store(struct mx_server *server, struct gg_str from, int64_t added_ms,
                                              const struct mx_key_answer *answer, struct gg_arena *arena,
                                              struct gg_error *err);

/* Signed answers as they are handed on. */
struct mx_kept_answer {
    struct gg_str key_id, text;
    int64_t added_ms, valid_until_ms;
};
/* The newest answer for each key id that is held; key_ids NULL: of all. */
GG_YIELDS GG_CHECKED int mx_server_keys_answers(struct mx_server *server, struct gg_str name,
                                                const struct gg_str *key_ids, size_t n, struct gg_arena *arena,
                                                struct mx_kept_answer **out, size_t *n_out, struct gg_error *err);

#endif
