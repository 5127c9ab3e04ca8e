/* matrix/search/search.h: messages, names and topics found by their words. */
#ifndef MX_SEARCH_H
#define MX_SEARCH_H

#include "filter/filter.h"
#include "rooms/access.h"

struct mx_search_query {
    struct gg_str user_id, term;
    const struct gg_str *keys;
    size_t n_keys;
    struct mx_filter filter;
    size_t limit;                 /* hits, at most */
    bool recent;                  /* newest first; else best first */
    struct gg_str only_room;      /* s NULL: all that the filter lets in */
    int64_t before_ts, before_stream; /* recent: where the page begins; INT64_MAX: the newest */
};
/* A room that was searched, and what the user may see of it. */
struct mx_search_room {
    struct gg_str room_id;
    struct mx_access access;
};
struct mx_search_hit {
    const struct mx_event *event; /* held by the arena */
    struct mx_search_room *room;
    struct gg_str rank;           /* a JSON number */
    int64_t ts, stream;
};
struct mx_search_result {
    struct mx_search_hit *hits;
    size_t n;
    int64_t count;                /* in the index, before filters */
    const struct gg_str *words;   /* to highlight */
    size_t n_words;
};
/* In the rooms that the user is joined to. */
GG_YIELDS GG_CHECKED int mx_search(struct mx_server *server, const struct mx_search_query *query, struct gg_arena *arena,
                                   struct mx_search_result *out, struct gg_error *err);

/* rooms.c: where to look: joined rooms that pass the filter. Where the filter names rooms, what these have replaced
 * (tombstones, "predecessor") is searched too, and filter->rooms is made longer by it. */
GG_YIELDS GG_CHECKED int mx_search_rooms(struct mx_server *server, struct gg_str user_id, struct mx_filter *filter,
                                         struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
