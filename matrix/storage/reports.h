/* matrix/storage/reports.h: what users report to the administrators (tables event_reports, room_reports, user_reports).
 *
 * The main process alone adds rows: Synapse counts their ids in its memory. */
#ifndef MX_STORAGE_REPORTS_H
#define MX_STORAGE_REPORTS_H

#include <ganglion/matrix/store.h>

struct mx_report {
    struct gg_str reporter, reason;  /* reason s NULL: none given (of an event; rooms and users need one) */
    struct gg_str room_id, event_id; /* of an event: both; of a room: the first */
    struct gg_str user_id;           /* of a user */
    struct gg_str body;              /* of an event: the request's JSON */
};
GG_YIELDS GG_CHECKED int mx_report_event(struct mx_server *server, const struct mx_report *report, struct gg_error *err);
/* 404 M_NOT_FOUND when the room is not known here. */
GG_YIELDS GG_CHECKED int mx_report_room(struct mx_server *server, const struct mx_report *report, struct gg_error *err);
/* Of a user whom we do not know nothing is kept, and nothing is said: else it would tell who exists. */
GG_YIELDS GG_CHECKED int mx_report_user(struct mx_server *server, const struct mx_report *report, struct gg_error *err);

#endif
