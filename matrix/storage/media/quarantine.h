/* storage/media/quarantine.h: files that nobody may see, and the stream that tells of them (quarantined_media_changes). */
#ifndef MX_STORAGE_QUARANTINE_H
#define MX_STORAGE_QUARANTINE_H

#include <ganglion/matrix/server.h>

/* Files by id: local_ids are ours; origins[i] and remote_ids[i] name others'. */
struct mx_media_set {
    const struct gg_str *local_ids, *origins, *remote_ids;
    size_t n_local, n_remote;
};
/* Puts them, and all that has the same content, into quarantine (by: the administrator), but for what is protected; or, by.s NULL, takes
 * them out. *n_out: rows that were written. On the writer of the stream quarantined_media_changes alone. */
GG_YIELDS GG_CHECKED int mx_quarantine_write(struct mx_server *server, const struct mx_media_set *set, struct gg_str by,
                                             int64_t *n_out, struct gg_error *err);

/* What was put there or taken out after that token, up to *reached_out (at most limit), as JSON: [{"origin":..,"media_id":..,
 * "quarantined":..}], in the arena. */
GG_YIELDS GG_CHECKED int mx_quarantine_changes(struct mx_server *server, int64_t from, int64_t to, int64_t limit,
                                               struct gg_arena *arena, struct gg_str *json_out, int64_t *reached_out,
                                               struct gg_error *err);
/* Rows of the stream: [origin or null, media id, quarantined?]. */
gg_stream_fetch_fn mx_quarantine_fetch;

#endif
