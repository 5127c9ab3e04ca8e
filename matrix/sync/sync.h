/* matrix/sync/sync.h: the answer of /sync, from what changed since the client's token. */
#ifndef MX_SYNC_SYNC_H
#define MX_SYNC_SYNC_H

#include "filter/filter.h"
#include "push/counts.h"
#include "rooms/show.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/token.h>

struct mx_notifier *mx_notifier_new(void);
void mx_notifier_free(struct mx_notifier *notifier);
/* The process (a struct mx_server *) ends: whoever waits is told that time is up, and so is whoever comes. */
void mx_notifier_end(void *self);

/* Which rooms changed since a position; fed by follow.c. */
struct mx_changes *mx_sync_room_changes(struct mx_server *server);

/* Which state a client wants: that before the timeline, which it then plays through, or that after it, under the name of
 * the specification or of the proposal. */
enum mx_state_wanted { MX_STATE_BEFORE, MX_STATE_AFTER, MX_STATE_AFTER_MSC4222 };

struct mx_sync_query {
    const struct mx_requester *requester;
    bool has_since, full_state;
    struct mx_token since;
    int64_t timeout_ms;
    bool include_leave;
    uint8_t state_after;                    /* enum mx_state_wanted */
    struct gg_str event_format;             /* "federation", or the default */
    const struct gg_str *event_fields;
    size_t n_event_fields;
    struct mx_filter rooms;                 /* room.rooms, room.not_rooms */
    struct mx_filter timeline, state, ephemeral, room_data, global_data, presence;
    uint8_t set_presence;                   /* enum mx_presence_kind: what the sync says of its device */
};

/* One room's part of an answer. */
enum mx_sync_kind { MX_SYNC_JOIN, MX_SYNC_INVITE, MX_SYNC_KNOCK, MX_SYNC_LEAVE };
struct mx_sync_room {
    const struct mx_user_room *room;
    const struct mx_head *head;             /* joined rooms */
    uint8_t kind;
    bool full;                              /* the client knows nothing of the room: all state */
    bool changed;                           /* there may be events after since */
    bool newly_joined;                      /* since the client's token; its timeline is called limited, as Synapse does */
    bool newly_left;                        /* joined at the client's token, not now */
    bool stays_out;                         /* neither joined then nor since (a ban after a kick): only that is told */
    bool limited;
    bool alone;                             /* a leave outside the room's history, and nothing else */
    bool more;                              /* the range holds more events than were read */
    int64_t after, upto;                    /* stream orderings: timeline lies in (after, upto] */
    const struct mx_event **all;            /* every event of the range that was read, oldest first */
    size_t n_all;
    const struct mx_event **timeline;       /* those that are shown */
    size_t n_timeline;
    const struct mx_event **state;
    size_t n_state;
    size_t shown_at;                        /* of sync->show: the timeline, then the state */
    int64_t prev_stream;                    /* prev_batch: before the first shown event */
    struct gg_str receipts;                 /* content of m.receipt, or s NULL */
    bool typing;
    const struct mx_data_row *data;         /* account data of the room */
    size_t n_data;
    bool summed;                            /* with a summary */
    const struct gg_str *heroes;            /* of the summary: who gives an unnamed room its name */
    size_t n_heroes;
    struct mx_push_room unread;             /* of joined rooms */
    const struct mx_event *membership;      /* invites and knocks: the user's own member event */
};

struct mx_sync_names { /* user or room ids; a name may stand in it more than once */
    struct gg_str *v;
    size_t n;
};

enum { MX_SYNC_MAX_PARTS = 16 };
struct mx_sync {
    struct mx_server *server;
    const struct mx_sync_query *query;
    struct gg_arena *arena;
    struct mx_token now;
    struct mx_user_rooms user_rooms;        /* as they are at `now` */
    struct gg_str device;                   /* under which lazily loaded members are remembered */
    struct mx_sync_room *rooms;             /* by room id */
    size_t n;
    struct mx_show show;                    /* of the events of all rooms */
    const struct mx_data_row *data;         /* global account data */
    size_t n_data;
    const struct mx_data_row *room_data;    /* that of rooms, by room */
    size_t n_room_data;
    /* Since the client's token (people.c); all empty without one: rooms that the user joined and left; those who joined
     * or were invited to a room of the user's, and those who left one. */
    struct mx_sync_names joined_rooms, left_rooms, came, went;
    void *gathered[MX_SYNC_MAX_PARTS];                     /* of parts.h: one for each entry of the table */
};

/* Reads the query parameters of /sync (and the stored filter). */
GG_YIELDS GG_CHECKED int mx_sync_read_query(struct gg_request *rq, struct mx_sync_query *out, struct gg_error *err);
/* Everything between since and now. */
GG_YIELDS GG_CHECKED int mx_sync_compute(struct mx_sync *sync, struct gg_error *err);
/* room.c: timelines and state of all rooms of sync->rooms, with a fixed number of reads. */
GG_YIELDS GG_CHECKED int mx_sync_fill_rooms(struct mx_sync *sync, struct gg_error *err);
/* state.c: state, and the summary that goes with it. */
GG_YIELDS GG_CHECKED int mx_sync_make_state(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err);
/* summary.c: whether the room gets a summary, and who is in it. */
GG_YIELDS GG_CHECKED int mx_sync_summarise(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err);
void mx_sync_write_summary(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_buf *out);
/* people.c: after the rooms are filled. */
void mx_sync_find_people(struct mx_sync *sync);
/* unread.c: how much of the joined rooms is unread. */
GG_YIELDS GG_CHECKED int mx_sync_count_unread(struct mx_sync *sync, struct gg_error *err);
bool mx_sync_empty(const struct mx_sync *sync);
void mx_sync_write(struct mx_sync *sync, struct gg_buf *out);

#endif
