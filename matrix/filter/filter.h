/* matrix/filter/filter.h: RoomEventFilter and EventFilter, compiled (client-server API, "Filtering"). */
#ifndef MX_FILTER_H
#define MX_FILTER_H

#include <ganglion/matrix/event.h>
#include <jansson.h>

struct mx_filter_list {
    const struct gg_str *v; /* NULL: the filter does not say */
    size_t n;
};

struct mx_filter {
    struct mx_filter_list types, not_types, senders, not_senders, rooms, not_rooms;
    struct mx_filter_list labels, not_labels; /* org.matrix.labels (MSC2326) */
    struct mx_filter_list related_types, related_senders; /* related_by_rel_types, related_by_senders: what relates to the
                                                             event; not for mx_filter_event, which cannot know it, but for
                                                             mx_relations_filter */
    int64_t limit;          /* -1: not given */
    int contains_url;       /* -1: any, else 0 or 1 */
    bool lazy_members, redundant_members, unread_threads;
};

/* A filter that lets everything pass. */
#define MX_FILTER_ALL {.limit = -1, .contains_url = -1}

/* Is it a filter as clients define them (event_fields, presence, room, ...)? 400 M_BAD_JSON. */
GG_CHECKED int mx_filter_check_shape(const json_t *filter, struct gg_error *err);
/* json: an object, or s NULL for MX_FILTER_ALL. 400 M_BAD_JSON where a member has the wrong type. Lists live in the arena. */
GG_CHECKED int mx_filter_parse(struct gg_str json, struct gg_arena *arena, struct mx_filter *out, struct gg_error *err);
/* Do type, sender, room and url pass? */
bool mx_filter_event(const struct mx_filter *filter, const struct mx_event *event);
bool mx_filter_type(const struct mx_filter *filter, struct gg_str type);
bool mx_filter_sender(const struct mx_filter *filter, struct gg_str user_id);
bool mx_filter_room(const struct mx_filter *filter, struct gg_str room_id);

#endif
