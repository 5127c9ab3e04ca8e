/* matrix/api/admin_server.h: handlers of the admin API about the server itself. */
#ifndef MX_API_ADMIN_SERVER_H
#define MX_API_ADMIN_SERVER_H

#include "api/admin.h"

/* admin_server.c */
gg_handler_fn mx_admin_api_version, mx_admin_api_tasks, mx_admin_api_updates, mx_admin_api_updates_enabled,
    mx_admin_api_enable_updates, mx_admin_api_start_job;
/* admin_reports.c */
gg_handler_fn mx_admin_api_event_reports, mx_admin_api_event_report, mx_admin_api_delete_event_report,
    mx_admin_api_user_reports, mx_admin_api_user_report, mx_admin_api_delete_user_report;
/* admin_notices.c */
gg_handler_fn mx_admin_api_send_notice;
/* admin_redact.c */
gg_handler_fn mx_admin_api_redact_user, mx_admin_api_redact_status;

#endif
