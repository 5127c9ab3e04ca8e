/* matrix/api/search.h: what a client asks POST /search for. */
#ifndef MX_API_SEARCH_H
#define MX_API_SEARCH_H

#include "search/search.h"

#include <ganglion/http.h>

struct mx_api_search {
    struct mx_search_query query;
    bool by_room, by_sender;       /* groupings */
    bool include_state, context, profiles;
    size_t before, after;          /* of the context */
    struct gg_str batch_room;      /* the page belongs to this room's group; s NULL: to all */
};
/* search_out.c: the answer. Returns what the handler returns. */
GG_YIELDS int mx_api_search_answer(struct gg_request *rq, const struct mx_api_search *search, const struct mx_search_result *result,
                                   struct gg_error *err);

#endif
