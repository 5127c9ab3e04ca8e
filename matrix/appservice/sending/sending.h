/* matrix/appservice/sending/sending.h: what is sent to application services, private to this folder. */
#ifndef MX_APPSERVICE_SENDING_H
#define MX_APPSERVICE_SENDING_H

#include "storage/appservice.h"

#include <ganglion/buf.h>
#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/matrix/appservice.h>

enum {
    MX_AS_EVENTS = 100,       /* of a transaction */
    MX_AS_TOLD = 100,         /* ephemeral events, and messages to devices, of a transaction */
    MX_AS_TOLD_WAITING = 1000, /* ephemeral events that wait for one service: the oldest go */
};

/* What a transaction carries beside its events. Kept while it is tried again: the same id says the same. */
struct mx_as_extras {
    int64_t txn_id;                  /* 0: none is kept */
    struct gg_buf told;              /* ephemeral events, JSON with commas between */
    struct gg_buf messages;          /* messages to devices, likewise */
    struct gg_buf lists;             /* user ids, likewise */
    struct gg_map *users;            /* who got messages */
    struct gg_map *rooms;            /* of ephemeral events */
    size_t n_told, n_messages, n_lists;
    int64_t to_device, device_lists; /* positions that they reach; -1: they move nothing */
};

/* One service. */
struct mx_as_queue {
    struct mx_as_sending *sending;
    const struct mx_appservice *service;
    struct gg_cond news;
    bool rows;                 /* transactions may wait */
    unsigned commits;          /* how many were begun */
    bool committing;           /* one of them is being written: what is read now may be old */
    int64_t open_id;           /* the newest one, which was never sent and may grow; 0: there is none */
    size_t open_n;
    struct gg_buf open_ids;    /* its event ids, JSON with commas between */
    int64_t picked;            /* the newest one that was begun with */
    int64_t frozen;            /* those up to here were there before us: they may have been sent, with nothing but events */
    bool known;                /* the state below was read */
    bool down, again;          /* again: it need not wait longer */
    unsigned backoff;          /* the next wait is 2^backoff seconds */
    int64_t retry_at;
    int64_t failed_at;         /* by the wall clock */
    int64_t positions[MX_AS_STREAMS]; /* up to which it was told; written[..]: what the table holds */
    int64_t written[MX_AS_STREAMS];
    char **told;               /* ephemeral events, JSON, oldest first */
    struct gg_str *told_rooms; /* of each, in its memory; s NULL: none */
    size_t n_told;
    bool to_device_news, lists_news;
    struct mx_as_extras extras;
};

struct mx_as_sending {
    struct mx_server *server;
    struct gg_duty *duty;
    struct mx_as_queue *queues; /* by the services' index */
    size_t n;
    struct gg_cond events;      /* the stream moved */
    struct gg_cond told;        /* something ephemeral happened */
    struct gg_map *typing;      /* rooms */
    struct gg_map *presence;    /* user id -> row of the stream (malloc) */
    bool receipts, working;
    bool draining;              /* no turn begins any more */
    size_t n_turns;             /* services that are sent something now */
    struct gg_cond turned;      /* one of them was, or was not */
    int64_t position, written;  /* of events */
    int64_t written_at;         /* gg_now_ms() */
};

static inline bool mx_as_hears_ephemeral(const struct mx_appservice *s)
{
    return s->url != NULL && (s->ephemeral || s->unstable_ephemeral);
}
bool mx_as_messages_on(const struct mx_as_sending *sending, const struct mx_appservice *s);
bool mx_as_lists_on(const struct mx_as_sending *sending, const struct mx_appservice *s);

/* The fibers; arg of the first two: the sending, of the third: a queue. */
gg_fiber_fn mx_as_follow, mx_as_tell, mx_as_deliver;

/* told.c: what the streams say, at once; may not yield. */
gg_stream_apply_fn mx_as_hear_typing, mx_as_hear_receipts, mx_as_hear_presence;
/* An ephemeral event for a service that is up; json and room_id are copied. */
void mx_as_tell_one(struct mx_as_queue *queue, struct gg_str json, struct gg_str room_id);
void mx_as_told_drop(struct mx_as_queue *queue, size_t n);

/* sending.c: was the service reached by any process since then (gg_wall_ms())? */
GG_YIELDS bool mx_as_reached_since(struct mx_as_queue *queue, int64_t wall_ms);

/* owed.c */
GG_YIELDS GG_CHECKED int mx_as_gather(struct mx_as_queue *queue, struct mx_as_extras *out, struct gg_error *err);
bool mx_as_extras_any(const struct mx_as_extras *extras);
void mx_as_extras_clear(struct mx_as_extras *extras);

/* body.c: the transaction as JSON, in the arena. events may hold NULL. */
GG_YIELDS GG_CHECKED int mx_as_body(struct mx_as_queue *queue, const struct mx_event *const *events, size_t n,
                                    struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
/* counts.c: appends members, each with a comma in front. */
GG_YIELDS GG_CHECKED int mx_as_write_counts(struct mx_as_queue *queue, const struct mx_event *const *events, size_t n,
                                            struct gg_arena *arena, struct gg_buf *out, struct gg_error *err);

#endif
