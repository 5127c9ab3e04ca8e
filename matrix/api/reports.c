/* matrix/api/reports.c: the client-server endpoints that report events, rooms and users to the administrators
 * (client-server API, "Reporting Content"). */
#include "api/events_out.h"
#include "api/params.h"
#include "api/rooms.h"

#include "storage/reports.h"

enum { LONGEST_REASON = 1000 };

/* The text of a JSON object without what PostgreSQL's text cannot hold. */
static int read_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    json_t *body = mx_api_json(rq, err); /* refuses NUL and surrogates */
    if (body == NULL)
        return err->code;
    if (!json_is_object(body))
        return gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    *out = gg_request_body(rq);
    return 0;
}

/* ---- events ---- */

static int check_event_report(struct gg_request *rq, struct mx_report *report, struct gg_error *err)
{
    int64_t score;
    struct gg_str body = {0};
    int rc = read_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str reason = mx_json_get(body, "reason"), given = mx_json_get(body, "score");
    if (reason.s != NULL && !mx_json_is_string(reason))
        return gg_refuse(err, 400, "M_BAD_JSON", "Param 'reason' must be a string");
    if (given.s != NULL && !mx_json_i64(given, &score))
        return gg_refuse(err, 400, "M_BAD_JSON", "Param 'score' must be an integer");
    report->reason = mx_json_string(reason, gg_request_arena(rq));
    report->body = body;
    return 0;
}

static int not_to_be_seen(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Unable to report event: it does not exist or you aren't able to see it.");
}

static int check_seen(struct gg_request *rq, const struct mx_report *report, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_access access;
    const struct mx_event *event;
    bool visible = false;
    int rc = mx_store_events(server, &report->event_id, 1, false, gg_request_arena(rq), &event, err);
    if (rc != 0)
        return rc;
    if (event == NULL || !gg_str_eq(event->room_id, report->room_id))
        return not_to_be_seen(err);
    rc = mx_api_access(rq, &access, err);
    if (rc == 0)
        rc = mx_events_visible(server, report->reporter, &access, &event, 1, gg_request_arena(rq), &visible, err);
    return rc == GG_E_FORBIDDEN || (rc == 0 && !visible) ? not_to_be_seen(err) : rc;
}

int mx_api_report_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_report report = {.reporter = gg_str(mx_requester_of(rq)->user_id), .room_id = mx_api_param(rq, "room_id"),
                               .event_id = mx_api_param(rq, "event_id")};
    int rc = check_event_report(rq, &report, err);
    if (rc == 0)
        rc = check_seen(rq, &report, err);
    if (rc == 0)
        rc = mx_report_event(mx_server_of_request(rq), &report, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- rooms and users ---- */

static int read_reason(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    struct gg_str body = {0};
    int rc = read_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str reason = mx_json_get(body, "reason");
    if (reason.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing required key: reason");
    if (!mx_json_is_string(reason))
        return gg_refuse(err, 400, "M_BAD_JSON", "Param 'reason' must be a string");
    *out = mx_json_string(reason, gg_request_arena(rq));
    return 0;
}

int mx_api_report_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_report report = {.reporter = gg_str(mx_requester_of(rq)->user_id), .room_id = mx_api_param(rq, "room_id")};
    int rc = read_reason(rq, &report.reason, err);
    if (rc == 0)
        rc = mx_report_room(mx_server_of_request(rq), &report, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

static size_t code_points(struct gg_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.s[i] & 0xC0) != 0x80;
    return n;
}

int mx_api_report_user(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_report report = {.reporter = gg_str(mx_requester_of(rq)->user_id), .user_id = mx_api_param(rq, "target_user_id")};
    int rc = read_reason(rq, &report.reason, err);
    if (rc == 0 && code_points(report.reason) > LONGEST_REASON)
        return gg_refuse(err, 400, "M_BAD_JSON", "Reason must be less than %d characters", LONGEST_REASON);
    if (rc == 0)
        rc = mx_report_user(mx_server_of_request(rq), &report, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}
