/* matrix/rooms/chain.h: a run of new events of one room, each built on the one before.
 *
 * One message and the whole of createRoom take the same path: begin at the room's head (or at nothing), add events,
 * commit. Nothing is written before commit. */
#ifndef MX_ROOMS_CHAIN_H
#define MX_ROOMS_CHAIN_H

#include <ganglion/list.h>
#include <ganglion/matrix/rooms.h>

enum { MX_CHAIN_MAX = 400 }; /* events that one request may make */

struct mx_chain {
    struct mx_server *server;
    struct gg_arena *arena;
    const struct mx_requester *requester;
    const struct mx_room_version *version;
    struct gg_str room_id;              /* s NULL until the create event of a version 12 room is built */
    struct mx_state *state;             /* after the last event */
    const struct mx_state *before;      /* that the run starts from; NULL: a new room */
    int64_t base_group;                 /* state group that the run starts from; 0: an empty room */
    const struct mx_event *create;      /* NULL until known */
    const struct gg_str *prev;          /* of the next event */
    size_t n_prev;
    int64_t depth;                      /* of the last event */
    int64_t now_ms;
    const struct mx_event *events[MX_CHAIN_MAX];
    const struct mx_requester *makers[MX_CHAIN_MAX]; /* of each event; NULL: requester */
    size_t n;
};

struct mx_chain_event {
    struct gg_str type, sender;
    struct gg_str state_key;            /* s NULL: none */
    struct gg_str content;              /* JSON object text */
    struct gg_str redacts;
    const char *txn_id, *device_id, *delay_id;
    int64_t origin_server_ts;           /* 0: now */
    struct gg_str stripped;             /* JSON array for unsigned.invite_room_state (of a knock: knock_room_state), or s NULL */
    const struct mx_requester *requester; /* NULL: the chain's */
    bool not_proactively_send;          /* other servers get it only as what later events follow */
};

/* Starts at nothing: the first event must be m.room.create. room_id s NULL for version 12. */
void mx_chain_begin_empty(struct mx_chain *chain, struct mx_server *server, const struct mx_requester *requester,
                          const struct mx_room_version *version, struct gg_str room_id, struct gg_arena *arena);
/* Starts at the room's head; 403 when the room is not known here. Hold the room's lock (mx_room_lock) from before
 * this until after commit, or two events of one process fork the room. */
GG_YIELDS GG_CHECKED int mx_chain_begin(struct mx_chain *chain, struct mx_server *server,
                                        const struct mx_requester *requester, struct gg_str room_id,
                                        struct gg_arena *arena, struct gg_error *err);
/* Builds, signs and authorises one more event; 403 M_FORBIDDEN with the rule in words. */
GG_YIELDS GG_CHECKED int mx_chain_add(struct mx_chain *chain, const struct mx_chain_event *event, struct gg_error *err);
/* Stores the state groups and persists the run, here or at the room's writer. ids_out (n of them; may be NULL) in the
 * arena: for an event whose txn id was used before, the earlier event's. */
GG_YIELDS GG_CHECKED int mx_chain_commit(struct mx_chain *chain, struct gg_str *ids_out, int64_t *last_stream,
                                         struct gg_error *err);
void mx_chain_done(struct mx_chain *chain); /* drops references; safe on a zeroed chain */

/* The event of a state entry as of the end of the chain; NULL: none. */
GG_YIELDS GG_CHECKED int mx_chain_state_event(struct mx_chain *chain, struct gg_str type, struct gg_str state_key,
                                              const struct mx_event **out, struct gg_error *err);

/* Do two contents say the same, whatever the order of their keys? */
GG_CHECKED int mx_chain_same_content(struct mx_chain *chain, struct gg_str a, struct gg_str b, bool *same,
                                     struct gg_error *err);

/* One maker of events for each room and process at a time. */
struct mx_room_lock;
GG_YIELDS GG_CHECKED int mx_room_lock(struct mx_server *server, struct gg_str room_id, struct mx_room_lock **out,
                                      struct gg_error *err);
void mx_room_unlock(struct mx_server *server, struct mx_room_lock *lock); /* NULL is fine */

/* A message that waits to be sent. Those that wait for one room's lock together are written as one run. */
struct mx_room_send {
    struct gg_list in_room;
    const struct mx_requester *requester;
    const struct mx_new_event *event;
    struct gg_arena *arena;             /* of the answer */
    bool taken;                         /* by the holder of the lock: no longer in the list */
    bool done;                          /* the rest is set */
    int status;
    struct gg_error err;
    struct gg_str event_id;
    int64_t stream;
};
/* As mx_room_lock; send stands in the room's list from now until somebody has taken it. It may be done on return. */
GG_YIELDS GG_CHECKED int mx_room_lock_to_send(struct mx_server *server, struct mx_room_send *send,
                                              struct mx_room_lock **out, struct gg_error *err);
/* Walks the list; NULL: the end. */
struct mx_room_send *mx_room_next_send(struct mx_room_lock *lock, const struct mx_room_send *after);

/* Milliseconds, never twice the same: from version 12 on a room's id is the hash of its create event, so two rooms that
 * one user makes alike within a millisecond would be one. */
int64_t mx_room_creation_time(struct mx_server *server);

struct mx_rooms *mx_rooms_new(void);
void mx_rooms_free(struct mx_rooms *rooms);

#endif
