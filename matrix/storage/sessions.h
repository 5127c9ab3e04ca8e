/* matrix/storage/sessions.h: what a server remembers for a client between two requests, for some minutes and in every
 * process (table sessions). */
#ifndef MX_STORAGE_SESSIONS_H
#define MX_STORAGE_SESSIONS_H

#include <ganglion/matrix/server.h>

/* Keeps a JSON text under a random id (in the arena). */
GG_YIELDS GG_CHECKED int mx_session_keep(struct mx_server *server, const char *type, struct gg_str json, int64_t lifetime_ms,
                                         struct gg_arena *arena, struct gg_str *id_out, struct gg_error *err);
/* s NULL: unknown or expired. */
GG_YIELDS GG_CHECKED int mx_session_find(struct mx_server *server, const char *type, struct gg_str id, struct gg_arena *arena,
                                         struct gg_str *json_out, struct gg_error *err);

#endif
