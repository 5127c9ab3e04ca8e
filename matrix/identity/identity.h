/* matrix/identity/identity.h: what this server asks of identity servers (identity service API v2). */
#ifndef MX_IDENTITY_IDENTITY_H
#define MX_IDENTITY_IDENTITY_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

struct mx_identity {
    struct gg_str server;       /* host and port */
    struct gg_str access_token; /* of the user, for that server */
    const char *header;         /* a further header ("Authorization: X-Matrix ..."), or NULL */
};
/* Does the text name a server that can be asked? No path, no scheme. Pure. */
bool mx_identity_name_valid(struct gg_str server);

/* One call: body s NULL: GET. *out: the answer, a JSON object in the arena. Answers that are no success come as the
 * server's own error (its status and errcode); 403 for an address that is closed, 502 when it cannot be reached. */
GG_YIELDS GG_CHECKED int mx_identity_call(struct mx_server *server, const struct mx_identity *identity, const char *path,
                                          struct gg_str body, struct gg_arena *arena, struct mx_json **out,
                                          struct gg_error *err);
/* The user whom an address belongs to; s NULL: nobody, or the server will not say. */
GG_YIELDS GG_CHECKED int mx_identity_lookup(struct mx_server *server, const struct mx_identity *identity, struct gg_str medium,
                                            struct gg_str address, struct gg_arena *arena, struct gg_str *user_id_out,
                                            struct gg_error *err);
/* Does the key still hold, by the URL that came with it? */
GG_YIELDS GG_CHECKED int mx_identity_key_valid(struct mx_server *server, struct gg_str url, struct gg_str public_key,
                                               struct gg_arena *arena, bool *valid, struct gg_error *err);
/* "address medium pepper" as the lookup sends it: SHA-256 in url-safe base64. Pure. */
struct gg_str mx_identity_hash(struct gg_str medium, struct gg_str address, struct gg_str pepper, struct gg_arena *arena);

#endif
