/* matrix/federation/own_keys.h: what we say our signing keys are, and what we say about those of others. */
#ifndef MX_FEDERATION_OWN_KEYS_H
#define MX_FEDERATION_OWN_KEYS_H

#include <ganglion/matrix/server.h>

/* Our Server Keys object, signed with all present keys, valid for key_refresh_interval from now. */
struct mx_json *mx_own_keys(struct mx_server *server, int64_t now_ms, struct gg_arena *arena);

/* A question of another server to us as notary. ids NULL: all that we know of. */
struct mx_notary_ask {
    struct gg_str server;
    const struct mx_notary_id {
        struct gg_str id;
        int64_t valid_until_ms; /* at least; < 0: whatever is fresh enough by itself */
    } *ids;
    size_t n;
};
enum { MX_NOTARY_SERVERS_MAX = 1000, MX_NOTARY_IDS_MAX = 64 };

/* The body of POST /_matrix/key/v2/query. 0, or 400, 413. */
GG_CHECKED int mx_notary_read(const struct mx_json *body, struct gg_arena *arena, struct mx_notary_ask **out,
                              size_t *n_out, struct gg_error *err);
/* {"server_keys": [..]}: what is held, or fetched where that is nothing or too old; signed by us besides. */
GG_YIELDS GG_CHECKED int mx_notary_answer(struct mx_server *server, const struct mx_notary_ask *asks, size_t n,
                                          struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);

#endif
