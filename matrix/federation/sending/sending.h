/* matrix/federation/sending/sending.h: what the files of this folder share. One struct mx_sending in each process that has
 * the duty `federation_sender`; all of it runs on the loop's thread. */
#ifndef MX_SENDING_SENDING_H
#define MX_SENDING_SENDING_H

#include "federation/hosts.h"
#include "federation/sending/edus.h"
#include "federation/sending/pdus.h"
#include "storage/federation/outgoing.h"

#include <ganglion/fiber.h>
#include <ganglion/list.h>
#include <ganglion/map.h>

enum {
    MX_PDUS_MAX = 50,  /* of one transaction (server-server API, "Transactions") */
    MX_EDUS_MAX = 100,
};

enum mx_dest_place { MX_DEST_IDLE, MX_DEST_READY, MX_DEST_RUNNING };

/* A destination of ours that has something to do, or had of late. */
struct mx_dest {
    struct mx_sending *sending;
    struct gg_list link;       /* in sending->idle, ->ready[..] or ->running */
    uint8_t place;             /* enum mx_dest_place */
    bool slow;                 /* running: it does not count among the quick ones */
    bool again;                /* running: news came meanwhile */
    bool behind;               /* events are owed that are not in pdus: the tables name them */
    bool to_device, lists;     /* the tables may hold some for it */
    bool proven;               /* it was heard of since the last try: whatever the tables still say, it is there */
    unsigned failures;         /* since the last success */
    int64_t not_before;        /* gg_now_ms(): left alone until then */
    int64_t started;           /* gg_now_ms() of the transmission that runs */
    int64_t last;              /* stream ordering of the newest event delivered */
    int64_t skipped;           /* the same of the newest event that was not queued, as it is behind */
    int64_t *ahead;            /* the same of events after `last` that it was sent before their turn: ends of rooms */
    size_t n_ahead;
    struct gg_list mark;       /* in sending->marks.due while last is not written */
    struct mx_out_pdu **pdus;  /* a queue: [first, first + n) */
    size_t first, n_pdus, cap;
    struct mx_out_queue edus;
    size_t name_n;
    char name[];
};

/* ---- marks.c: what was delivered, written for many destinations at once ---- */

struct mx_marks {
    struct gg_list due; /* of dest.mark */
    size_t n;
    bool asked;         /* a fiber will write */
    bool writing;
};

/* ---- jobs.c: what must be read before it can be told, one after the other ---- */

enum mx_job_kind { MX_JOB_TYPING, MX_JOB_RECEIPTS, MX_JOB_PRESENCE, MX_JOB_PRESENCE_TO, MX_JOB_MESSAGES, MX_JOB_LISTS,
                   MX_JOB_UP };

struct mx_job {
    struct gg_list link;
    int kind;
    struct gg_str what; /* a room, a user or a destination: as the kind has it */
    struct gg_str who;  /* a user; s NULL: none */
    bool on;            /* TYPING */
    struct mx_presence_state state; /* PRESENCE */
};

struct mx_sending {
    struct mx_server *server;
    struct gg_scope *scope;            /* NULL: not begun, or ended */
    struct mx_sender_claim claim;
    const struct gg_str *senders;
    bool draining;

    /* the events stream (events.c, position.c) */
    struct gg_cond news;
    int64_t position, written;         /* handled; and in the table */
    int64_t written_at;                /* gg_now_ms() */
    int64_t interesting;               /* newest token that may concern others */
    int64_t follows_from;              /* tokens after it were seen by the follower */
    bool disputed;                     /* another sender has another list */
    char dispute[400];

    /* destinations (dest.c, slots.c) */
    struct gg_map *dests;              /* name -> struct mx_dest */
    struct gg_list idle;               /* used longest ago first */
    struct gg_list ready[2];           /* well; doubtful */
    struct gg_list running;
    size_t n_quick, n_slow;
    int64_t looked_at;                 /* gg_now_ms(), at those that rest */
    struct gg_cond ended;              /* a transmission has */
    uint64_t transactions;             /* for their ids */
    char id_part[24];

    struct mx_out_texts texts;
    struct mx_marks marks;

    /* where passing news comes from */
    struct gg_list jobs;
    size_t n_jobs;
    struct gg_cond jobs_cond;
    struct gg_map *typing;             /* room -> struct typing_room (typing.c) */
    int64_t typing_token;
    struct gg_map *receipts;           /* room -> struct receipt_room (receipts.c) */
    struct gg_map *told;               /* user -> struct told (presence.c) */
    int64_t lists_from;                /* device_lists position up to which destinations were read */
    bool lists_asked;

    int64_t federation_position;
    int64_t lag_ms;
};

/* ---- dest.c ---- */

/* Those of the names that are ours to serve: out[i], or NULL (another sender's, ourselves, not allowed). New ones are read
 * in one statement. Borrowed until the next yield. */
GG_YIELDS GG_CHECKED int mx_dests_get(struct mx_sending *sending, const struct gg_str *names, size_t n,
                                      struct mx_dest **out, struct gg_error *err);
struct mx_dest *mx_dest_held(const struct mx_sending *sending, struct gg_str name); /* NULL: not in memory */
bool mx_dest_mine(const struct mx_sending *sending, struct gg_str name);
static inline struct gg_str mx_dest_name(const struct mx_dest *dest)
{
    return gg_strn(dest->name, dest->name_n);
}
/* The event waits for it (not when it is known to have it). Does not wake it. */
void mx_dest_add_pdu(struct mx_dest *dest, struct mx_out_pdu *pdu);
void mx_dest_drop_pdus(struct mx_dest *dest, size_t n); /* the first n */
/* The events that wait are let go: the tables tell what is owed. */
void mx_dest_fall_behind(struct mx_dest *dest);
/* Passing news for a destination; false: it is left alone now, and this kind is not kept. */
bool mx_dest_add_edu(struct mx_dest *dest, struct mx_out_edu *edu);
/* It took the event before its turn, while it caught up: it is not sent it again when that comes. Kept within a bound; an
 * event beyond it goes out twice, which its receiver knows by the id. */
void mx_dest_note_ahead(struct mx_dest *dest, int64_t stream_ordering);
bool mx_dest_has_ahead(const struct mx_dest *dest, int64_t stream_ordering);
void mx_dest_forget_ahead(struct mx_dest *dest); /* of those that `last` has passed */
bool mx_dest_owed(const struct mx_dest *dest); /* is there anything to send, as far as memory tells? */
void mx_dests_free(struct mx_sending *sending);

/* ---- slots.c: fair shares ---- */

/* It has something to do: it is given a turn, now or later. Nothing while it is left alone (not_before). */
void mx_dest_wake(struct mx_dest *dest);
/* The destination is known to be there: it is left alone no longer. */
void mx_dest_is_up(struct mx_dest *dest);
void mx_slots_tick(struct mx_sending *sending); /* each second */
size_t mx_slots_running(const struct mx_sending *sending);

/* ---- transmit.c, catch_up.c ---- */

GG_YIELDS void mx_transmit(void *dest); /* a fiber */
/* One transaction of these events alone, at most MX_PDUS_MAX. 0: it was taken. */
GG_YIELDS GG_CHECKED int mx_transmit_events(struct mx_dest *dest, struct mx_out_pdu *const *pdus, size_t n,
                                            struct gg_error *err);
/* Sends what the tables say was missed; 0: dest->behind is false then, or the sender ends. */
GG_YIELDS GG_CHECKED int mx_catch_up(struct mx_dest *dest, struct gg_error *err);

/* ---- marks.c ---- */

void mx_mark_delivered(struct mx_dest *dest, int64_t stream_ordering);
GG_YIELDS void mx_marks_flush(struct mx_sending *sending); /* all that is due now */

/* ---- events.c, addresses.c, position.c, wake.c: fibers and what they call ---- */

void mx_sending_follow(struct mx_sending *sending);
GG_YIELDS void mx_sending_events(void *sending);
/* The servers that an event of ours goes to, but for ourselves and who has it already: in the arena. */
GG_YIELDS GG_CHECKED int mx_addresses_of(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                                         const struct gg_str **out, size_t *n_out, struct gg_error *err);
/* Is the event one that goes out by itself? */
bool mx_event_goes_out(const struct mx_server *server, const struct mx_event *event);
GG_YIELDS GG_CHECKED int mx_position_start(struct mx_sending *sending, struct gg_error *err);
GG_YIELDS void mx_position_watch(void *sending); /* that senders agree */
GG_YIELDS void mx_position_end(struct mx_sending *sending);
GG_YIELDS void mx_wake_owed(void *sending);
/* A server came back that memory does not know. */
GG_YIELDS GG_CHECKED int mx_up_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);

/* ---- news ---- */

void mx_job_add(struct mx_sending *sending, int kind, struct gg_str what, struct gg_str who, bool on,
                const struct mx_presence_state *state);
GG_YIELDS void mx_jobs_run(void *sending);
void mx_jobs_free(struct mx_sending *sending);
/* Gives news to the destinations of a room, or to those named, that are ours, and wakes them. told_out: how many; may be
 * NULL. */
GG_YIELDS GG_CHECKED int mx_tell_room(struct mx_sending *sending, struct gg_str room_id, struct mx_out_edu *const *edus,
                                      size_t n, size_t *told_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_tell(struct mx_sending *sending, const struct gg_str *hosts, size_t n_hosts,
                                 struct mx_out_edu *const *edus, size_t n, size_t *told_out, struct gg_error *err);

void mx_typing_watch(struct mx_sending *sending);
void mx_typing_tick(struct mx_sending *sending);
void mx_typing_end(struct mx_sending *sending);
GG_YIELDS GG_CHECKED int mx_typing_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);
void mx_receipts_watch(struct mx_sending *sending);
void mx_receipts_tick(struct mx_sending *sending);
void mx_receipts_end(struct mx_sending *sending);
GG_YIELDS GG_CHECKED int mx_receipts_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);
void mx_presence_watch(struct mx_sending *sending);
void mx_presence_end(struct mx_sending *sending);
GG_YIELDS GG_CHECKED int mx_presence_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_presence_tell_one(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);
void mx_devices_watch(struct mx_sending *sending);
GG_YIELDS GG_CHECKED int mx_messages_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_lists_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err);

#endif
