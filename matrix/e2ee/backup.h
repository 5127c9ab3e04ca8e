/* matrix/e2ee/backup.h: the server-side backup of room keys (client-server API, "Server-side key backups"). */
#ifndef MX_E2EE_BACKUP_H
#define MX_E2EE_BACKUP_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

/* ---- versions (backup_versions.c) ---- */

struct mx_backup_version {
    int64_t version, etag, count;     /* version 0: there is none */
    struct gg_str algorithm, auth_data; /* auth_data: JSON text */
};
/* A version as clients write it: a decimal number; 0: it is none. Pure. */
int64_t mx_backup_version_read(const char *text);
/* version 0: the newest. */
GG_YIELDS GG_CHECKED int mx_backup_version_get(struct mx_server *server, struct gg_str user_id, int64_t version,
                                               struct gg_arena *arena, struct mx_backup_version *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_backup_version_new(struct mx_server *server, struct gg_str user_id, struct gg_str algorithm,
                                               struct gg_str auth_data, int64_t *version_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_backup_version_update(struct mx_server *server, struct gg_str user_id, int64_t version,
                                                  struct gg_str auth_data, struct gg_error *err);
/* With its keys; a version that is gone already is fine. 404 M_NOT_FOUND: there never was one. */
GG_YIELDS GG_CHECKED int mx_backup_version_delete(struct mx_server *server, struct gg_str user_id, int64_t version,
                                                  struct gg_error *err);

/* ---- keys (backup.c) ---- */

struct mx_backup_key {
    struct gg_str room_id, session_id, session_data; /* session_data: JSON text */
    int64_t first_message_index, forwarded_count;
    bool verified;
};
/* A request's body: of all rooms ({"rooms":..}); room_id given: of one room ({"sessions":..}); session_id too: of one
 * session. s NULL: not given. 400 M_BAD_JSON, M_INVALID_PARAM. Pure. */
GG_CHECKED int mx_backup_read(struct gg_str body, struct gg_str room_id, struct gg_str session_id, struct gg_arena *arena,
                              struct mx_backup_key **out, size_t *n_out, struct gg_error *err);
struct mx_backup_state {
    int64_t etag, count;
};
/* Keeps of each session the better key: a verified one, one that starts earlier, or one that was forwarded less often (any
 * of these, as Synapse judges). 404 M_NOT_FOUND, 403 M_WRONG_ROOM_KEYS_VERSION: not the newest version. */
GG_YIELDS GG_CHECKED int mx_backup_put(struct mx_server *server, struct gg_str user_id, int64_t version, const char *named,
                                       const struct mx_backup_key *keys, size_t n, struct mx_backup_state *out,
                                       struct gg_error *err);
/* Appends what a GET answers. 404 M_NOT_FOUND: no such version, or not that session. */
GG_YIELDS GG_CHECKED int mx_backup_get(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_str room_id,
                                       struct gg_str session_id, struct gg_arena *arena, struct gg_buf *out,
                                       struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_backup_delete(struct mx_server *server, struct gg_str user_id, int64_t version,
                                          struct gg_str room_id, struct gg_str session_id, struct mx_backup_state *out,
                                          struct gg_error *err);

#endif
