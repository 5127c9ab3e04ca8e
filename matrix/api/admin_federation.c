/* admin_federation.c: servers that we talk to (admin API, "Federation API"). What is in the tables; the sender that fills them
 * is a role of its own. */
#include "api/admin.h"
#include "federation/backoff.h"
#include "storage/admin/destinations.h"

#define UNKNOWN "Unknown destination"

int mx_admin_api_destinations(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *order = gg_request_query(rq, "order_by");
    int64_t from, limit;
    bool backwards;
    int status = mx_admin_page(rq, &from, &limit, err);
    if (!status)
        status = mx_admin_direction(rq, false, &backwards, err);
    if (!status && order && !mx_admin_destinations_order(order))
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'order_by' is unknown");
    return status ? status
                  : mx_admin_answer(rq, &mx_admin_destinations,
                                    GG_PARAMS(gg_p_str(mx_admin_query(rq, "destination")),
                                              gg_p_text(order ? order : "destination"), gg_p_bool(backwards),
                                              gg_p_i64(from), gg_p_i64(limit)),
                                    UNKNOWN, err);
}

int mx_admin_api_destination(void *self, struct gg_request *rq, struct gg_error *err)
{
    return mx_admin_answer(rq, &mx_admin_destination, GG_PARAMS(gg_p_text(gg_request_param(rq, "destination"))), UNKNOWN, err);
}

int mx_admin_api_destination_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    int64_t from, limit;
    bool backwards;
    int status = mx_admin_page(rq, &from, &limit, err);
    if (!status)
        status = mx_admin_direction(rq, false, &backwards, err);
    return status ? status
                  : mx_admin_answer(rq, &mx_admin_destination_rooms,
                                    GG_PARAMS(gg_p_text(gg_request_param(rq, "destination")), gg_p_bool(backwards),
                                              gg_p_i64(from), gg_p_i64(limit)),
                                    UNKNOWN, err);
}

int mx_admin_api_reset_destination(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *name = gg_request_param(rq, "destination");
    int status = mx_admin_destination_reset(server, gg_str(name), err);
    if (status)
        return status;
    mx_fed_worked(server, name, &(struct mx_fed_timings){1, 1, 1}); /* whoever sends to it hears that it may be tried */
    return gg_reply_empty_object(rq);
}
