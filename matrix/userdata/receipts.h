/* matrix/userdata/receipts.h: who has read up to where. */
#ifndef MX_RECEIPTS_H
#define MX_RECEIPTS_H

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/token.h>

struct mx_room_receipts {
    struct gg_str room_id;
    struct gg_str content; /* of one m.receipt event, JSON object text; s NULL: none */
};

/* Receipts of the rooms that came in (from, to] (from NULL: all that stand); other users' private ones are left out. */
GG_YIELDS GG_CHECKED int mx_receipts_since(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms,
                                           size_t n, const struct mx_position *from, const struct mx_position *to,
                                           struct gg_arena *arena, struct mx_room_receipts *out, struct gg_error *err);
/* Of the rooms: who has read up to one of these events, and all of the user's own; others' private ones are left out. */
GG_YIELDS GG_CHECKED int mx_receipts_at_events(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms,
                                               size_t n, const struct gg_str *events, size_t n_events,
                                               const struct mx_position *to, struct gg_arena *arena,
                                               struct mx_room_receipts *out, struct gg_error *err);
/* Rooms of a user with new receipts, as mx_changes_mark does. */
void mx_receipts_mark(struct mx_server *server, const struct mx_user_rooms *rooms, int64_t from, bool *marks, uint32_t *at,
                      size_t *n);
bool mx_receipts_changed(struct mx_server *server, struct gg_str room_id, int64_t from);

struct mx_receipt {
    struct gg_str room_id, type, user_id, event_id;
    struct gg_str thread_id; /* s NULL: unthreaded */
    int64_t ts;
};
/* On a receipts writer. A receipt that would go backwards changes nothing. */
GG_YIELDS GG_CHECKED int mx_receipt_set(struct mx_server *server, const struct mx_receipt *receipt, struct gg_error *err);
/* The same of several, in their order, in one transaction. */
GG_YIELDS GG_CHECKED int mx_receipts_set(struct mx_server *server, const struct mx_receipt *receipts, size_t n,
                                         struct gg_error *err);

#endif
