/* matrix/persist/payload.h: events as they travel between processes (facts replication 8.5). */
#ifndef MATRIX_PERSIST_PAYLOAD_H
#define MATRIX_PERSIST_PAYLOAD_H

#include "writer.h"

/* The body of send_events (requester not NULL) or fed_send_events. */
void mx_payload_write(struct gg_buf *out, struct mx_server *server, const struct mx_requester *requester,
                      struct gg_str room_id, const struct mx_persist_item *items, size_t n);

/* The items of a body; events are references that the arena drops. room_id is that of the first event. 400 when it is
 * not what it should be. */
GG_CHECKED int mx_payload_read(struct mx_server *server, struct gg_str body, struct gg_arena *arena,
                               struct gg_str *room_id, struct mx_persist_item **items_out, size_t *n_out,
                               struct gg_error *err);

/* What of items only a writer of our own kind understands, as a further member of the body. Reading leaves the items alone if
 * the body has none of it; 400 M_BAD_JSON. */
void mx_payload_add_drafts(struct gg_buf *out, const struct mx_persist_item *items, size_t n);
GG_CHECKED int mx_payload_read_drafts(struct gg_str body, struct gg_arena *arena, struct mx_persist_item *items, size_t n,
                                      struct gg_error *err);

#endif
