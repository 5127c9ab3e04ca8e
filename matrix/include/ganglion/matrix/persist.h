/* ganglion/matrix/persist.h: the event writer. Durable before acknowledged.
 *
 * One queue for each room, group commit over rooms: everything that waits is
 * written in one transaction with array statements and then announced. A failed
 * transaction is split down to one room, so that a bad event fails alone. */
#ifndef GANGLION_MATRIX_PERSIST_H
#define GANGLION_MATRIX_PERSIST_H

#include <ganglion/matrix/server.h>
#include <ganglion/matrix/state.h>

/* A state group whose rows are written together with the event that made it: the parent's state and one entry more, that
 * of the event; without an entry: a room's empty first group. Its id was drawn beforehand. */
struct mx_new_group {
    int64_t id, parent;                  /* parent 0: none */
    bool has_entry;
};

/* What an event is to one user (facts database 4.9): evaluated before it is handed over (push/evaluate.h). */
struct mx_push_action {
    struct gg_str user_id;
    struct gg_str actions; /* JSON; n 0: the default of its class */
    bool notify, highlight, unread;
    struct gg_str thread_id; /* "main" or the root's id */
};

/* An event and where it stands: what Synapse calls its context. */
struct mx_persist_item {
    const struct mx_event *event;        /* borrowed */
    int64_t group;                       /* state group after it (of a rejected state event: before it); 0: outlier */
    int64_t group_before;                /* 0: unknown */
    const struct mx_state *delta;        /* group_before -> group when known (one entry for a state event), or NULL */
    bool backfilled;                     /* history: takes a negative stream ordering */
    const struct mx_new_group *new_groups; /* in order; only for a writer that takes drafts, else they must be stored before */
    size_t n_new_groups;
    const struct mx_requester *requester; /* who made it, if not who calls; for what other processes are told */
    const struct mx_push_action *push;   /* stored with the event by a writer that takes drafts */
    size_t n_push;
    bool push_known;                     /* else the writer takes what is staged for the event */
    bool drafted;                        /* new_groups and push are for the writer, in whatever process */
};

/* Writes events of one room, in order. Only on the process that mx_persist_writer names. On success
 * stream_orderings[i] are set; an event that was there already keeps its own. With txn ids already used,
 * event_ids_out[i] (borrowed from the arena) is the earlier event's id and nothing is written for it.
 * GG_E_IN_DOUBT is never returned: the outcome is looked up. */
GG_API GG_YIELDS GG_CHECKED int mx_persist(struct mx_server *server, struct gg_str room_id,
                                           const struct mx_persist_item *items, size_t n, struct gg_arena *arena,
                                           int64_t *stream_orderings, struct gg_str *event_ids_out, struct gg_error *err);
/* The same from any process: hands the items to the room's writer (send_events of this requester; requester NULL:
 * fed_send_events) and returns when this process has seen them, or is mx_persist when we are the writer. After a
 * remote send_events only the last event's position is known: the other stream_orderings are 0. The ids of the others
 * are known if mx_persist_tells_all, else they are taken to be the events' own. */
GG_API GG_YIELDS GG_CHECKED int mx_persist_remote(struct mx_server *server, const struct mx_requester *requester,
                                                  struct gg_str room_id, const struct mx_persist_item *items, size_t n,
                                                  struct gg_arena *arena, int64_t *stream_orderings,
                                                  struct gg_str *event_ids_out, struct gg_error *err);
/* Does the room's writer tell of each event of a run whether its transaction id was used before? We do; a process of
 * Ganglion elsewhere does, and is known for it once it has answered; Synapse tells of the last event only. */
GG_API bool mx_persist_tells_all(const struct mx_server *server, struct gg_str room_id);
/* Does the room's writer take drafts: state groups and notifications that it stores together with the event? We do; a
 * process of Ganglion elsewhere does, and is known for it as above. One that no longer does answers 409 (GG_E_CONFLICT). */
GG_API bool mx_persist_takes_drafts(const struct mx_server *server, struct gg_str room_id);
/* Current state of the room from its forward extremities anew, on the writer (update_current_state). */
GG_API GG_YIELDS GG_CHECKED int mx_persist_current_state(struct mx_server *server, struct gg_str room_id,
                                                         struct gg_error *err);
/* The process that persists events of the room; compare with gg_host_instance(). */
GG_API const char *mx_persist_writer(const struct mx_server *server, struct gg_str room_id);

#endif
