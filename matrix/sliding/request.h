/* matrix/sliding/request.h: the body of a sliding sync request (MSC4186) and the position that it continues from. Pure.
 */
#ifndef MX_SLIDING_REQUEST_H
#define MX_SLIDING_REQUEST_H

#include "sliding/required.h"

#include <ganglion/error.h>

/* The most of a request; what is beyond is refused. An answer repeats the rooms of each range. */
enum {
    MX_SLIDING_MAX_LISTS = 100,
    MX_SLIDING_MAX_LIST_NAME = 64,
    MX_SLIDING_MAX_RANGES = 20,
    MX_SLIDING_MAX_TIMELINE = 1000
};

struct mx_texts {
    const struct gg_str *v; /* NULL: not given; an element may be s NULL where null is allowed */
    size_t n;
};
bool mx_texts_have(const struct mx_texts *texts, struct gg_str text); /* s NULL is found as s NULL */

/* How much of a room is wanted. Equal ones of a request are one object, so that they compare by address first. */
struct mx_room_config {
    int64_t timeline_limit;
    struct mx_required required;
};
struct mx_sliding_filters {
    int is_dm, is_encrypted, is_invite; /* -1: any, else 0 or 1 */
    struct mx_texts spaces, room_types, not_room_types, tags, not_tags;
    struct gg_str room_name_like; /* s NULL: any */
};
struct mx_sliding_range {
    int64_t first, last; /* both inclusive */
};
struct mx_sliding_list {
    struct gg_str name;
    const struct mx_room_config *config;
    const struct mx_sliding_range *ranges;
    size_t n_ranges;
    struct mx_sliding_filters filters;
};
struct mx_sliding_subscription {
    struct gg_str room_id;
    const struct mx_room_config *config;
};
/* Of which rooms an extension tells. v NULL: of none; "*": of all that are in a window, or subscribed to. */
struct mx_sliding_scope {
    bool enabled;
    struct mx_texts lists, rooms;
};
struct mx_sliding_request {
    struct gg_str conn_id; /* "" if none was given */
    const struct mx_sliding_list *lists;
    size_t n_lists;
    const struct mx_sliding_subscription *subscriptions;
    size_t n_subscriptions;
    struct mx_sliding_scope account_data, receipts, typing;
    bool e2ee, to_device;
    int64_t to_device_since, to_device_limit; /* since 0: from the start */
};
/* body: any bytes. Everything lives in the arena, or is borrowed from body. 400 M_NOT_JSON, M_BAD_JSON,
 * M_MISSING_PARAM. */
GG_CHECKED int mx_sliding_request_read(struct gg_str body, struct gg_arena *arena, struct mx_sliding_request *out,
                                       struct gg_error *err);

/* "<connection position>/<stream token>": *token_out is the rest of pos. 400 M_UNKNOWN "Invalid stream token". */
GG_CHECKED int mx_sliding_pos_read(const char *pos, int64_t *position_out, const char **token_out,
                                   struct gg_error *err);

#endif
