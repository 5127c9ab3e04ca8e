/* matrix/rooms/relations.h: what is aggregated of the events that relate to one and shown with it (spec "Aggregations of
 * child events"): the edit that stands, references, the summary of a thread. */
#ifndef MX_ROOMS_RELATIONS_H
#define MX_ROOMS_RELATIONS_H

#include "filter/filter.h"

#include <ganglion/matrix/store.h>

/* Of one event; all lives in the arena. */
struct mx_bundle {
    const struct gg_str *references;   /* event ids */
    size_t n_references;
    const struct mx_event *edit;       /* NULL: none */
    const struct mx_event *latest;     /* of its thread; NULL: no thread */
    const struct mx_bundle *of_latest; /* what is shown with that one (never a thread); NULL: nothing */
    int64_t count;                     /* events in the thread */
    bool participated;
};

/* What the user is shown with each event; out[i] NULL: nothing. State events, reactions and edits have nothing; whom the
 * user ignores does not count. Entries of events may be NULL. At most one statement where nothing relates to any of them. */
GG_YIELDS GG_CHECKED int mx_relations_bundle(struct mx_server *server, struct gg_str user_id, const struct mx_event *const *events,
                                             size_t n, struct gg_arena *arena, const struct mx_bundle **out, struct gg_error *err);
/* Appends "m.relations":{...}, a member of unsigned; format is that of the event itself. */
void mx_bundle_write(struct gg_buf *out, const struct mx_bundle *bundle, const struct mx_client_format *format);

/* Takes out (sets NULL) the events to which nothing relates that the filter's related_by_rel_types and related_by_senders
 * ask for (spec "Filtering by relations"). No statement where the filter asks for nothing. */
GG_YIELDS GG_CHECKED int mx_relations_filter(struct mx_server *server, const struct mx_filter *filter, const struct mx_event **events,
                                             size_t n, struct gg_arena *arena, struct gg_error *err);

/* m.relates_to.rel_type; s NULL: it relates to nothing. */
struct gg_str mx_relation_type(const struct mx_event *event, struct gg_arena *arena);

#endif
