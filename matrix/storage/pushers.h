/* matrix/storage/pushers.h: rows of pushers and deleted_pushers (facts database 3.10); see ganglion/matrix/pushers.h. */
#ifndef MX_STORAGE_PUSHERS_H
#define MX_STORAGE_PUSHERS_H

#include <ganglion/matrix/pushers.h>

/* Removes those of the user with this app and key (s NULL: all), on the main process; *n_out (may be NULL) of them. */
GG_YIELDS GG_CHECKED int mx_pushers_delete(struct mx_server *server, struct gg_str user_id, struct gg_str app_id,
                                           struct gg_str pushkey, size_t *n_out, struct gg_error *err);
gg_stream_fetch_fn mx_pushers_fetch;
/* A row of the stream, in the arena. */
struct gg_fetched mx_pusher_row(int64_t id, struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey, bool deleted,
                                struct gg_arena *arena);

#endif
