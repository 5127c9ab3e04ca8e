/* matrix/storage/events/rows.h: the rows of the events stream as they travel (facts replication 5.1, 5.2). */
#ifndef MATRIX_STORAGE_EVENTS_ROWS_H
#define MATRIX_STORAGE_EVENTS_ROWS_H

#include <ganglion/matrix/event.h>

enum mx_event_row_kind { MX_ROW_EV = 1, MX_ROW_STATE, MX_ROW_STATE_ALL };

/* A parsed row. Strings are borrowed from the row or live in the arena; s NULL stands for null. */
struct mx_event_row {
    int kind;
    struct gg_str event_id, room_id, type, state_key;
    struct gg_str redacts, relates_to, membership; /* EV */
    bool rejected, outlier;                        /* EV */
};
/* False for a row that is not of a known kind or shape. */
bool mx_event_row_parse(struct gg_str row, struct gg_arena *arena, struct mx_event_row *out);
/* A row of the backfill stream, as an EV row that nobody is woken for. */
bool mx_backfill_row_parse(struct gg_str row, struct gg_arena *arena, struct mx_event_row *out);

void mx_event_row_ev(struct gg_buf *out, const struct mx_event *event, struct gg_str relates_to);
void mx_event_row_state(struct gg_buf *out, struct gg_str room_id, struct gg_str type, struct gg_str state_key,
                        struct gg_str event_id);
void mx_event_row_backfill(struct gg_buf *out, const struct mx_event *event, struct gg_str relates_to);

#endif
