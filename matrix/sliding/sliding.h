/* matrix/sliding/sliding.h: one answer of sliding sync (MSC4186) in the making.
 *
 * view.c says which rooms the user has, lists.c which of them the answer is about, timeline.c, state.c and summary.c
 * fill those, extensions.c adds what is beside rooms, answer.c writes JSON. Each reads for all rooms at once, a fixed
 * number of statements however many rooms; rooms without news cost a look into memory. */
#ifndef MX_SLIDING_SLIDING_H
#define MX_SLIDING_SLIDING_H

#include "rooms/show.h"
#include "sliding/connection.h"
#include "sliding/facts.h"
#include "sliding/roster.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/token.h>

struct mx_sliding_room;
/* A room that the user has: joined, invited to, kicked from, ... */
struct mx_sliding_entry {
    const struct mx_user_room *room;
    struct mx_room_facts facts;           /* without the name */
    const struct mx_sliding_known *known; /* what was sent before; NULL: nothing */
    bool newly_joined, newly_left;        /* since the client's token */
    bool listed;                          /* passed some list's filters, or is subscribed to */
    bool in_sight;                        /* in some window, or subscribed to */
    uint64_t lists[2];                    /* in whose windows it is: a bit for each list of the request */
    const struct mx_room_config *config;  /* if in sight: what is asked for, of all lists and of the subscription */
    struct mx_sliding_room *answer;       /* NULL: there is nothing to tell */
};

/* A room in sight that has (perhaps) something to tell. */
struct mx_sliding_room {
    struct mx_sliding_entry *entry;
    const struct mx_room_config *config; /* the entry's */
    const struct mx_sliding_known *known;
    bool initial, expanded;
    bool shown;              /* stands in the answer */
    struct mx_position from; /* unless initial: what happened up to here was sent */
    /* timeline.c */
    bool has_timeline, limited;
    const struct mx_event **events; /* that were read, oldest first */
    size_t n_events;
    const struct mx_event **timeline; /* that are shown */
    size_t n_timeline, num_live;
    struct mx_room_token prev; /* where history goes on backwards */
    /* state.c */
    const struct mx_head *head;   /* NULL: the room is not known here */
    const struct mx_state *state; /* now, or when the user left; NULL: none */
    struct mx_pair *changed;      /* state that changed since `from` */
    struct gg_str *changed_ids;   /* and to what; s NULL: gone */
    size_t n_changed;
    bool members_changed, name_changed, avatar_changed;
    bool lazy; /* "$LAZY" is among what is asked for */
    struct mx_wish wish;
    struct gg_map *lazy_users; /* members that the timeline needs */
    const struct mx_event **required;
    size_t n_required;
    /* summary.c */
    struct gg_str name, avatar; /* s NULL: not told */
    const struct mx_event **heroes;
    size_t n_heroes;
    bool counted;                      /* joined and invited members are told */
    int64_t bump_stamp;                /* -1: not told */
    const struct mx_event *membership; /* invites and knocks: the user's own member event */
    int64_t notifications, highlights;
    size_t timeline_at, required_at; /* of sliding->show */
};

struct mx_sliding_window {
    int64_t first, last;
    struct mx_sliding_entry **entries;
    size_t n;
};
struct mx_sliding_list_answer {
    const struct mx_sliding_list *list;
    size_t count;
    struct mx_sliding_window *windows;
    size_t n_windows;
};

/* What extensions tell. */
struct mx_sliding_room_data {
    struct gg_str room_id;
    const struct mx_data_row *rows;
    size_t n;
};
struct mx_sliding_extensions {
    struct gg_str *to_device; /* messages */
    size_t n_to_device;
    int64_t to_device_next;
    bool has_device_lists;
    const struct gg_str *changed, *left;
    size_t n_changed, n_left;
    struct gg_str key_counts, fallback_types; /* JSON; s NULL: none */
    const struct mx_data_row *global;
    size_t n_global;
    struct gg_str push_rules; /* content of m.push_rules; s NULL: not told */
    struct mx_sliding_room_data *data;
    size_t n_data;
    struct mx_room_receipts *receipts;
    size_t n_receipts;
    struct gg_str *typing; /* room ids */
    size_t n_typing;
};

struct mx_sliding {
    struct mx_server *server;
    const struct mx_requester *requester;
    struct gg_str user_id;
    const struct mx_sliding_request *request;
    struct gg_arena *arena;
    bool has_from;
    struct mx_token from, now;
    int64_t position; /* of the connection; 0: none */
    const struct mx_connection *connection;
    bool computed; /* false: there is nothing but a position */
    const struct mx_roster *roster;
    struct mx_sliding_entry *entries; /* all rooms that may stand in a list, newest activity first */
    size_t n_entries;
    struct mx_sliding_entry **by_place; /* of roster->base->rooms; NULL: may not */
    struct mx_sliding_list_answer *lists;
    struct mx_sliding_entry **in_sight;
    size_t n_in_sight, cap_in_sight;
    struct mx_sliding_room **rooms; /* of those in sight, the ones that have something to tell */
    size_t n_rooms;
    struct mx_show show;
    struct mx_sliding_extensions ext;
    struct mx_connection_news news;
    struct gg_map *news_by_id;
};

static inline bool mx_sliding_is(const struct mx_sliding_entry *entry, const char *membership)
{
    return gg_str_is(entry->room->membership, membership);
}
static inline bool mx_sliding_left(const struct mx_sliding_entry *entry)
{
    return mx_sliding_is(entry, "leave") || mx_sliding_is(entry, "ban");
}

/* view.c: the moment that the answer speaks of, entries, and what changed of the user's memberships. */
GG_YIELDS GG_CHECKED int mx_sliding_view(struct mx_sliding *s, struct gg_error *err);
struct mx_sliding_entry *mx_sliding_find(const struct mx_sliding *s,
                                         struct gg_str room_id); /* NULL: may not be shown */
/* filters.c: which entries pass; pass[i] is set. */
GG_YIELDS GG_CHECKED int mx_sliding_filter(struct mx_sliding *s, const struct mx_sliding_filters *filters, bool *pass,
                                           struct gg_error *err);
/* lists.c: windows, subscriptions, and which of their rooms have something to tell. 400 M_UNKNOWN_POS when so many have
 * that it is cheaper to begin anew. */
GG_YIELDS GG_CHECKED int mx_sliding_lists(struct mx_sliding *s, struct gg_error *err);
/* Did something happen in the room after this position of the events stream? */
static inline bool mx_sliding_moved(const struct mx_sliding_entry *entry, int64_t after)
{
    return entry->facts.activity > after;
}
/* timeline.c, state.c, summary.c: of all wanted rooms. */
GG_YIELDS GG_CHECKED int mx_sliding_timelines(struct mx_sliding *s, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_sliding_changes(struct mx_sliding *s, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_sliding_state(struct mx_sliding *s, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_sliding_summaries(struct mx_sliding *s, struct gg_error *err);
/* extensions.c */
GG_YIELDS GG_CHECKED int mx_sliding_extend(struct mx_sliding *s, struct gg_error *err);
bool mx_sliding_extended(const struct mx_sliding *s); /* is there anything to tell? */

/* sliding.c: all of it, up to s->now, which is set; nothing is remembered yet. s: server, requester, request, arena,
 * from, position and connection are given. */
GG_YIELDS GG_CHECKED int mx_sliding_compute(struct mx_sliding *s, struct gg_error *err);
bool mx_sliding_empty(const struct mx_sliding *s); /* no reason to answer before the client's time is up */
/* Remembers for the connection what the answer tells; s->position is the new one. */
GG_YIELDS GG_CHECKED int mx_sliding_remember(struct mx_sliding *s, const struct mx_connection_name *name,
                                             struct gg_error *err);
void mx_sliding_write(struct mx_sliding *s, struct gg_buf *out);

/* token text of a part of a position, for rows of the connection; and back. */
struct gg_str mx_sliding_token_text(const struct mx_sliding *s, enum mx_sliding_stream stream);
GG_YIELDS GG_CHECKED int mx_sliding_token_read(const struct mx_sliding *s, enum mx_sliding_stream stream,
                                               struct gg_str text, struct mx_position *out, struct gg_error *err);

#endif
