/* matrix/storage/federation/outgoing.h: what is owed to other servers: tables destinations, destination_rooms,
 * device_federation_outbox, federation_stream_position (facts database 3.17, 4.19, replication 10.5). */
#ifndef MX_STORAGE_FEDERATION_OUTGOING_H
#define MX_STORAGE_FEDERATION_OUTGOING_H

#include <ganglion/matrix/server.h>

/* ---- events to be sent ---- */

struct mx_own_event {
    int64_t stream_ordering;
    struct gg_str event_id, room_id;
};
/* Events of our users, and those that we send for another server, in (from, to], at most limit, in order: neither
 * outliers nor rejected. In the arena. */
GG_YIELDS GG_CHECKED int mx_own_events_read(struct mx_server *server, int64_t from, int64_t to, size_t limit,
                                            struct gg_arena *arena, struct mx_own_event **out, size_t *n_out,
                                            struct gg_error *err);

/* The same of one room. */
GG_YIELDS GG_CHECKED int mx_own_events_in_room(struct mx_server *server, struct gg_str room_id, int64_t from, int64_t to,
                                               size_t limit, struct gg_arena *arena, struct mx_own_event **out,
                                               size_t *n_out, struct gg_error *err);

/* In one statement: in these rooms these events are owed to these destinations (a later one is never replaced by an
 * earlier), and the sender's position moves. *held false: the sender has no row any more; nothing is owed then. */
GG_YIELDS GG_CHECKED int mx_owe(struct mx_server *server, const char *sender, int64_t position,
                                const struct gg_str *destinations, const struct gg_str *rooms, const int64_t *orderings,
                                size_t n, bool *held, struct gg_error *err);

/* ---- destinations ---- */

struct mx_owed {
    struct gg_str name;
    int64_t last;     /* newest event known to be delivered; 0: none */
    int64_t retry_at; /* gg_wall_ms() until which it is left alone; 0: it is well */
    bool events, to_device, lists; /* something is owed */
};
/* In the order of names; what is not in the tables is owed nothing. In the arena. */
GG_YIELDS GG_CHECKED int mx_owed_read(struct mx_server *server, const struct gg_str *names, size_t n,
                                      struct gg_arena *arena, struct mx_owed *out, struct gg_error *err);
/* Destinations to which something is owed and that may be tried at `now` (gg_wall_ms()), by name, those after `after`. */
GG_YIELDS GG_CHECKED int mx_owed_list(struct mx_server *server, struct gg_str after, int64_t now, size_t limit,
                                      struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err);
/* Events up to these were delivered. */
GG_YIELDS GG_CHECKED int mx_owed_delivered(struct mx_server *server, const struct gg_str *destinations,
                                           const int64_t *orderings, size_t n, struct gg_error *err);

struct mx_missed {
    struct gg_str room_id, event_id; /* event_id s NULL: it was purged */
    int64_t stream_ordering;
};
/* The newest event owed in each room, those after `after`, in order. */
GG_YIELDS GG_CHECKED int mx_owed_missed(struct mx_server *server, struct gg_str destination, int64_t after, size_t limit,
                                        struct gg_arena *arena, struct mx_missed **out, size_t *n_out,
                                        struct gg_error *err);

/* ---- messages to devices ---- */

struct mx_outbox_row {
    int64_t stream_id;
    struct gg_str content; /* JSON text of the EDU's content */
};
GG_YIELDS GG_CHECKED int mx_outbox_read(struct mx_server *server, struct gg_str destination, size_t limit,
                                        struct gg_arena *arena, struct mx_outbox_row **out, size_t *n_out,
                                        struct gg_error *err);
/* They were delivered. By their ids: one with a lower id may have been committed meanwhile. */
GG_YIELDS GG_CHECKED int mx_outbox_delete(struct mx_server *server, struct gg_str destination, const int64_t *ids,
                                          size_t n, struct gg_error *err);

/* ---- who sends ---- */

struct mx_sender_claim {
    const char *own;               /* this instance */
    const struct gg_str *senders;  /* all that are configured, in their order */
    size_t n;
    int64_t events, federation;    /* out: from where this one goes on */
    bool reset;                    /* out: the list is another than before */
};
/* At start: the position of each sender. When the list is another than the one that wrote the positions, all begin at the
 * least of them: what one has handled and another has not is looked at again. */
GG_YIELDS GG_CHECKED int mx_sender_claim(struct mx_server *server, struct mx_sender_claim *claim, struct gg_error *err);
/* We are here, with this list; away: we are gone. Names a sender that is here with another list: *other_out and its list
 * as text, in the arena; s NULL: all agree. */
GG_YIELDS GG_CHECKED int mx_sender_say(struct mx_server *server, const struct mx_sender_claim *claim, bool away,
                                       struct gg_arena *arena, struct gg_str *other_out, struct gg_str *list_out,
                                       struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_sender_federation_position(struct mx_server *server, const char *own, int64_t position,
                                                       struct gg_error *err);

#endif
