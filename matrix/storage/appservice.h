/* matrix/storage/appservice.h: what application services are owed (tables application_services_txns, application_services_state,
 * appservice_stream_position, and what is read for them of others). */
#ifndef MX_STORAGE_APPSERVICE_H
#define MX_STORAGE_APPSERVICE_H

#include <ganglion/matrix/server.h>

/* ---- events (application_services_txns, appservice_stream_position) ---- */

/* Up to where events were handed out. */
GG_YIELDS GG_CHECKED int mx_as_position(struct mx_server *server, int64_t *out, struct gg_error *err);
/* Ids of events in (from, upto], oldest first; *reached: up to where that is all of them. */
GG_YIELDS GG_CHECKED int mx_as_events_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit,
                                            struct gg_arena *arena, struct gg_str **ids, size_t *n, int64_t *reached,
                                            struct gg_error *err);

/* A service's share of a batch. */
struct mx_as_owed {
    const char *id;          /* the service's */
    struct gg_str event_ids; /* JSON list, all of the transaction's */
    int64_t txn_id;          /* in: 0 for a new transaction, else one that nobody was sent yet and that grows; out: which one */
};
/* Writes transactions and moves the position from `from` to `to`, all or nothing. GG_E_CONFLICT: the position is another
 * one, or a transaction that should grow is gone: somebody else does this, too. */
GG_YIELDS GG_CHECKED int mx_as_owe(struct mx_server *server, int64_t from, int64_t to, struct mx_as_owed *owed, size_t n,
                                   struct gg_error *err);
/* A transaction without events. */
GG_YIELDS GG_CHECKED int mx_as_owe_nothing(struct mx_server *server, const char *id, int64_t *txn_id, struct gg_error *err);
/* The oldest transaction that was not taken; *txn_id 0: there is none. */
GG_YIELDS GG_CHECKED int mx_as_oldest(struct mx_server *server, const char *id, struct gg_arena *arena, int64_t *txn_id,
                                      struct gg_str *event_ids, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_as_taken(struct mx_server *server, const char *id, int64_t txn_id, struct gg_error *err);

/* ---- state (application_services_state) ---- */

enum mx_as_stream { MX_AS_RECEIPTS, MX_AS_PRESENCE, MX_AS_TO_DEVICE, MX_AS_LISTS, MX_AS_STREAMS };
struct mx_as_state {
    bool down;
    int64_t positions[MX_AS_STREAMS]; /* -1: none is kept */
    int64_t newest_txn;               /* 0: none waits */
};
GG_YIELDS GG_CHECKED int mx_as_state_get(struct mx_server *server, const char *id, struct mx_as_state *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_as_state_set(struct mx_server *server, const char *id, bool down, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_as_position_set(struct mx_server *server, const char *id, enum mx_as_stream stream, int64_t position,
                                            struct gg_error *err);

/* ---- what else services are told ---- */

struct mx_as_receipt {
    int64_t stream_id;
    struct gg_str room_id, type, user_id, event_id, data, thread_id; /* thread_id s NULL: none */
};
GG_YIELDS GG_CHECKED int mx_as_receipts_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit,
                                              struct gg_arena *arena, struct mx_as_receipt **out, size_t *n,
                                              struct gg_error *err);
struct mx_as_message {
    int64_t stream_id;
    struct gg_str user_id, device_id, json;
};
/* Messages to all devices, oldest first; more than limit where the last stream id has more: half of one cannot be passed. So it is
 * with receipts. */
GG_YIELDS GG_CHECKED int mx_as_messages_after(struct mx_server *server, int64_t from, int64_t upto, size_t limit,
                                              struct gg_arena *arena, struct mx_as_message **out, size_t *n,
                                              struct gg_error *err);
/* Users whose devices changed in (from, upto], each once. */
GG_YIELDS GG_CHECKED int mx_as_lists_after(struct mx_server *server, int64_t from, int64_t upto, struct gg_arena *arena,
                                           struct gg_str **users, size_t *n, struct gg_error *err);
/* Rooms that users are joined to, as pairs. */
GG_YIELDS GG_CHECKED int mx_as_rooms_of(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                                        struct gg_str **of, struct gg_str **rooms, size_t *n_out, struct gg_error *err);
/* Rows (user, device, algorithm, count) ordered by them; algorithm s NULL: the device has no keys. And (user, device,
 * algorithm) of fallback keys that were not used, devices without any with s NULL. */
struct mx_as_keys {
    struct gg_str user_id, device_id, algorithm;
    int64_t count;
};
GG_YIELDS GG_CHECKED int mx_as_key_counts(struct mx_server *server, const struct gg_str *users, size_t n, bool fallback,
                                          struct gg_arena *arena, struct mx_as_keys **out, size_t *n_out,
                                          struct gg_error *err);

#endif
