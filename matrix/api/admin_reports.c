/* admin_reports.c: what users have reported (admin API, "Show reported events"). */
#include <stdlib.h>

#include "api/admin_server.h"
#include "storage/admin/reports.h"

static int list(struct gg_request *rq, const struct gg_stmt *stmt, const char *second, const char *third, struct gg_error *err)
{
    int64_t from, limit;
    bool backwards;
    int status = mx_admin_page(rq, &from, &limit, err);
    if (!status)
        status = mx_admin_direction(rq, true, &backwards, err);
    return status ? status
                  : mx_admin_answer(rq, stmt,
                                    GG_PARAMS(gg_p_str(mx_admin_query(rq, "user_id")), gg_p_str(mx_admin_query(rq, second)),
                                              third ? gg_p_str(mx_admin_query(rq, third)) : gg_p_null(),
                                              gg_p_bool(backwards), gg_p_i64(from), gg_p_i64(limit)),
                                    "", err);
}

int mx_admin_api_event_reports(void *self, struct gg_request *rq, struct gg_error *err)
{
    return list(rq, &mx_admin_event_reports, "room_id", "event_sender_user_id", err);
}

int mx_admin_api_user_reports(void *self, struct gg_request *rq, struct gg_error *err)
{
    return list(rq, &mx_admin_user_reports, "target_user_id", NULL, err);
}

static int read_id(struct gg_request *rq, int64_t *id, struct gg_error *err)
{
    const char *text = gg_request_param(rq, "report_id");
    char *end;
    *id = strtoll(text, &end, 10);
    return *text && !*end && *id >= 0 && strlen(text) < 19
               ? 0
               : gg_refuse(err, 400, "M_INVALID_PARAM",
                           "The report_id parameter must be a string representing a positive integer.");
}

static int show(struct gg_request *rq, const struct gg_stmt *stmt, const char *unknown, struct gg_error *err)
{
    int64_t id;
    int status = read_id(rq, &id, err);
    return status ? status : mx_admin_answer(rq, stmt, GG_PARAMS(gg_p_i64(id)), unknown, err);
}

static int delete(struct gg_request *rq, const struct gg_stmt *stmt, const char *unknown, struct gg_error *err)
{
    int64_t id, n;
    int status = read_id(rq, &id, err);
    if (!status)
        status = mx_admin_do(mx_server_of_request(rq), stmt, GG_PARAMS(gg_p_i64(id)), &n, err);
    if (!status && !n)
        status = gg_refuse(err, 404, "M_NOT_FOUND", "%s", unknown);
    return status ? status : gg_reply_empty_object(rq);
}

int mx_admin_api_event_report(void *self, struct gg_request *rq, struct gg_error *err)
{
    return show(rq, &mx_admin_event_report, "Event report not found", err);
}

int mx_admin_api_delete_event_report(void *self, struct gg_request *rq, struct gg_error *err)
{
    return delete(rq, &mx_admin_delete_event_report, "Event report not found", err);
}

int mx_admin_api_user_report(void *self, struct gg_request *rq, struct gg_error *err)
{
    return show(rq, &mx_admin_user_report, "User report not found", err);
}

int mx_admin_api_delete_user_report(void *self, struct gg_request *rq, struct gg_error *err)
{
    return delete(rq, &mx_admin_delete_user_report, "User report not found", err);
}
