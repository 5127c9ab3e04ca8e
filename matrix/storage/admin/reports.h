/* storage/admin/reports.h: what users have reported. */
#ifndef MX_STORAGE_ADMIN_REPORTS_H
#define MX_STORAGE_ADMIN_REPORTS_H

#include "storage/admin/ask.h"

/* Of events: (reporter or NULL, room or NULL, sender or NULL, newest first?, from, limit), each text a part; the answer with
 * next_token. Of users: (reporter, reported, -, newest first?, from, limit). */
extern const struct gg_stmt mx_admin_event_reports, mx_admin_user_reports;
extern const struct gg_stmt mx_admin_event_report, mx_admin_user_report;                 /* (id) */
extern const struct gg_stmt mx_admin_delete_event_report, mx_admin_delete_user_report;   /* (id) */

#endif
