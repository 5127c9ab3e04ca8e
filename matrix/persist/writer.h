/* matrix/persist/writer.h: private parts of the event writer.
 *
 * A job is one call of mx_persist. Each room has a queue of jobs; a fiber of the room takes what waits, makes a plan of
 * it (everything that must be known before writing), and hands the plan to a committer, which writes the plans of many
 * rooms in one transaction. */
#ifndef MATRIX_PERSIST_WRITER_H
#define MATRIX_PERSIST_WRITER_H

#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/persist.h>
#include <ganglion/matrix/store.h>

#include "../heads/heads.h"
#include "../storage/chains/chains.h"

enum {
    MX_PLAN_EVENTS = 100,   /* events of one room in one plan */
    MX_COMMIT_EVENTS = 400, /* events of one transaction */
    MX_COMMITTERS = 2,      /* transactions at the same time */
    MX_COMMIT_PLANS = 8,    /* so many do not wait for the transaction before theirs */
};

enum {
    MX_WRITER_TELLS_ALL = 1,    /* answers send_events with each event's id */
    MX_WRITER_TAKES_DRAFTS = 2, /* serves MX_SEND_DRAFTS */
};
#define MX_SEND_DRAFTS "ganglion_send_events" /* a name of our own: what Synapse does not serve it refuses */

struct mx_persister {
    struct mx_server *server;
    struct gg_scope *scope;
    struct gg_map *rooms; /* rooms with jobs: room id -> struct mx_room_queue */
    struct gg_list plans; /* waiting for a committer */
    size_t n_waiting;
    unsigned n_committers;
    bool search; /* enable_search */
    struct gg_map *kinds; /* what writers elsewhere have shown to be able to: name -> bits of MX_WRITER_* */
    struct gg_map *participants; /* member events that are marked already: their users have sent a message since */
};

struct mx_job {
    struct gg_list in_room;
    const struct mx_persist_item *items;
    size_t n, n_planned;
    int64_t *stream_orderings;
    struct gg_str *event_ids;
    struct gg_arena *arena; /* the caller's */
    bool current_state;     /* no events: work the current state out anew */
    bool done;
    int status;
    struct gg_error err;
    struct gg_cond ended;
};

struct mx_room_queue {
    struct mx_persister *persister;
    struct gg_str room_id; /* the key of the map holds another copy */
    struct gg_list jobs;
};

/* What happens to one event. */
enum mx_fate {
    MX_FATE_NEW,        /* written */
    MX_FATE_EX_OUTLIER, /* held as an outlier, becomes a full event */
    MX_FATE_HELD,       /* held already: nothing to do */
    MX_FATE_DUPLICATE,  /* its transaction id was used by another event */
};

struct mx_planned {
    const struct mx_persist_item *item;
    const struct mx_event *event;
    struct mx_job *job;
    size_t place; /* in the job */
    int fate;
    bool local; /* made here: nobody else can have sent or redacted it before */
    bool rejected, outlier, soft_failed;
    bool gap;                                    /* cites an event that we do not hold */
    bool redacted_before;                        /* a redaction of it came earlier */
    int64_t stream;                              /* the id of this try; of a held event its own */
    struct gg_str relates_to, rel_type, rel_key; /* s NULL: no relation */
    struct mx_chain_place chain;
};

struct mx_delta {
    struct gg_str type, state_key;
    struct gg_str event_id, prev_event_id; /* s NULL: removed; new */
    const struct mx_event *event;          /* of members and of what the room's summary shows; else NULL */
};

/* What the room lists show of a room's state (facts database 3.5). has_*: the state has such an event. */
struct mx_room_facts {
    bool has_type, has_name, has_encrypted, has_tombstone;
    struct gg_str room_type, name, tombstone;
    bool encrypted;
};

struct mx_unrelated { /* a redaction took a relation away */
    struct gg_str event_id, parent, rel_type;
};

struct mx_plan {
    struct gg_list in_commit;
    struct mx_persister *persister;
    struct gg_str room_id;
    struct gg_arena *arena;
    struct mx_planned *events;
    size_t n;
    bool backfilled;
    bool checked;                    /* what the database holds was looked up */
    const struct mx_held_head *head; /* NULL: backfilled */

    /* forward extremities */
    bool new_ends;
    struct mx_extremity *ends;
    size_t n_ends;
    struct gg_str *missing_prevs; /* become backward extremities */
    size_t n_missing_prevs;
    bool lower_depth; /* min_depth may sink to it */
    int64_t min_depth;

    /* current state */
    struct mx_delta *deltas;
    size_t n_deltas;
    const struct mx_state *new_state; /* NULL: unchanged */
    struct mx_head_member *members;
    size_t n_members;
    bool left; /* no local user is joined any more */
    struct mx_room_facts facts;
    bool summary_new;            /* no row in sliding_sync_joined_rooms yet */
    int64_t bump_stamp;          /* for a new summary; 0: none */
    struct gg_str *gone_remotes; /* remote users who share no room with us any more */
    size_t n_gone_remotes;

    struct mx_unrelated *unrelated;
    size_t n_unrelated;
    struct mx_chain_plan chains;

    int64_t state_id; /* an id for a change of state without an event; 0: none */
    bool wants_state_id;
    int status;
    struct gg_error err;
    char sqlstate[6];
    bool done;
    struct gg_cond ended;
};

/* plan.c: makes plan from its events; yields and reads. */
GG_YIELDS int mx_plan_prepare(struct mx_plan *plan, struct gg_error *err);
/* plan_state.c */
GG_YIELDS int mx_plan_state(struct mx_plan *plan, struct gg_error *err);
bool mx_plan_counts(const struct mx_planned *p); /* does it take part in extremities and state? */
/* plan_rooms.c: what follows from a change of current state. */
GG_YIELDS int mx_plan_summaries(struct mx_plan *plan, struct gg_error *err);

/* write.c: writes plans in one transaction; the ids of all tries are finished, and what was committed is announced.
 * sqlstate: six characters. */
GG_YIELDS int mx_write_plans(struct mx_persister *p, struct mx_plan **plans, size_t n, char *sqlstate,
                             struct gg_error *err);
/* commit.c: waits until plan is written. */
GG_YIELDS int mx_commit_plan(struct mx_plan *plan, struct gg_error *err);

/* persist.c: current state of the room from its forward extremities, here. */
GG_YIELDS int mx_persist_recalculate(struct mx_server *server, struct gg_str room_id, struct gg_error *err);

/* Events that were kept in the cache while they were written, and then were not. */
void mx_persist_forget(struct mx_server *server, const struct mx_persist_item *items, size_t n);

/* remote.c */

extern const struct gg_method mx_persist_methods[];
void mx_persist_serve(struct mx_server *server);

/* content.c: what is read out of an event's content. */
struct gg_str mx_content_text(const struct mx_event *event, const char *key, struct gg_arena *arena);
void mx_content_relation(const struct mx_event *event, struct gg_arena *arena, struct mx_planned *out);
bool mx_content_search(const struct mx_event *event, struct gg_arena *arena, const char **key, struct gg_str *text);
void mx_content_fact(const struct mx_event *event, struct gg_arena *arena, struct mx_room_facts *facts);
bool mx_is_bump(const struct mx_event *event);
/* The plain text of m.topic's m.text (MSC3765), else topic; s NULL: none. */
struct gg_str mx_content_topic(struct gg_str content, struct gg_arena *arena);
/* The event that a redaction names; s NULL: it is none, or names what no event is called. */
struct gg_str mx_content_redacts(const struct mx_event *event);

#endif
