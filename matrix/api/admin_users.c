/* admin_users.c: what administrators read about accounts (admin API, "User Admin API"). */
#include "api/admin.h"

#include <ganglion/matrix/id.h>

#include "storage/admin/users.h"

#define FOREIGN "Can only look up local users"
#define UNKNOWN "User not found"

/* ---- the list ---- */

static int read_filters(struct gg_request *rq, struct mx_admin_users_query *q, struct gg_error *err)
{
    bool v3 = strncmp(gg_request_path(rq), "/_synapse/admin/v3/", 19) == 0;
    int guests, locked, deactivated;
    int status = mx_admin_query_flag(rq, "guests", 1, &guests, err);
    if (!status)
        status = mx_admin_query_flag(rq, "locked", 0, &locked, err);
    if (!status)
        status = mx_admin_query_flag(rq, "deactivated", -1, &deactivated, err);
    if (!status)
        status = mx_admin_query_flag(rq, "admins", -1, &q->admins, err);
    if (status)
        return status;
    q->guests = guests ? -1 : 0; /* these say whether such users are listed too */
    q->locked = locked ? -1 : 0;
    /* v2: likewise; v3: true lists only them */
    q->deactivated = v3 ? deactivated : deactivated == 1 ? -1 : 0;
    return 0;
}

static void read_not_types(struct gg_request *rq, struct mx_admin_users_query *q)
{
    const char **values;
    q->n_not_types = gg_request_query_all(rq, "not_user_type", &values);
    struct gg_str *types = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, q->n_not_types + 1);
    for (size_t i = 0; i < q->n_not_types; i++)
        types[i] = gg_str(values[i]);
    q->not_types = types;
}

int mx_admin_api_users(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *order = gg_request_query(rq, "order_by");
    struct mx_admin_users_query q = {.user_id = mx_admin_query(rq, "user_id"), .name = mx_admin_query(rq, "name")};
    struct gg_str users;
    int64_t total, n;
    int status = mx_admin_page(rq, &q.from, &q.limit, err);
    if (!status)
        status = mx_admin_direction(rq, false, &q.backwards, err);
    if (!status)
        status = read_filters(rq, &q, err);
    if (!status && order && !mx_admin_users_order(order))
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'order_by' is unknown");
    if (status)
        return status;
    q.order_by = gg_str(order ? order : "name");
    read_not_types(rq, &q);
    status = mx_admin_users_list(mx_server_of_request(rq), &q, gg_request_arena(rq), &users, &total, &n, err);
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "{\"users\":%.*s,\"total\":%lld", GG_FMT(users), (long long)total);
    if (q.from + q.limit < total)
        gg_buf_printf(&out, ",\"next_token\":\"%lld\"", (long long)(q.from + n));
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

/* ---- about one ---- */

static int about(struct gg_request *rq, const struct gg_stmt *stmt, const char *foreign, struct gg_error *err)
{
    struct gg_str user_id;
    int status = mx_admin_target(rq, "user_id", foreign, UNKNOWN, &user_id, err);
    return status ? status : mx_admin_answer(rq, stmt, GG_PARAMS(gg_p_str(user_id)), UNKNOWN, err);
}

int mx_admin_api_user(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about(rq, &mx_admin_user_details, FOREIGN, err);
}

int mx_admin_api_user_pushers(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about(rq, &mx_admin_user_pushers, FOREIGN, err);
}

int mx_admin_api_user_data(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about(rq, &mx_admin_user_account_data, FOREIGN, err);
}

/* Users may ask about themselves. Nobody is told whether somebody else exists but an administrator. */
int mx_admin_api_whois(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id = gg_str(gg_request_param(rq, "user_id"));
    const struct mx_requester *who = mx_requester_of(rq);
    if (mx_user_id_valid(user_id) && !gg_str_is(user_id, who->user_id) && !who->admin)
        return gg_refuse(err, 403, "M_FORBIDDEN", "You are not a server admin");
    int status = mx_admin_target(rq, "user_id", "Can only whois a local user", NULL, &user_id, err);
    return status ? status : mx_admin_answer(rq, &mx_admin_user_whois, GG_PARAMS(gg_p_str(user_id)), UNKNOWN, err);
}

/* Of users of other servers, too: what this server knows of them. */
static int about_anybody(struct gg_request *rq, const struct gg_stmt *stmt, struct gg_error *err)
{
    return mx_admin_answer(rq, stmt, GG_PARAMS(gg_p_text(gg_request_param(rq, "user_id"))), UNKNOWN, err);
}

int mx_admin_api_user_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about_anybody(rq, &mx_admin_user_joined_rooms, err);
}

int mx_admin_api_user_memberships(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about_anybody(rq, &mx_admin_user_memberships, err);
}

static int since(struct gg_request *rq, const struct gg_stmt *stmt, struct gg_error *err)
{
    int64_t from;
    if (!gg_request_query(rq, "from_ts"))
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing integer query parameter 'from_ts'");
    int status = gg_request_query_count(rq, "from_ts", 0, &from, err);
    return status ? status
                  : mx_admin_answer(rq, stmt, GG_PARAMS(gg_p_text(gg_request_param(rq, "user_id")), gg_p_i64(from)),
                                    UNKNOWN, err);
}

int mx_admin_api_invites_sent(void *self, struct gg_request *rq, struct gg_error *err)
{
    return since(rq, &mx_admin_user_invites_sent, err);
}

int mx_admin_api_rooms_joined(void *self, struct gg_request *rq, struct gg_error *err)
{
    return since(rq, &mx_admin_user_rooms_joined, err);
}

/* ---- looking for one ---- */

int mx_admin_api_search_users(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str user_id, term = mx_admin_query(rq, "term");
    int status = mx_admin_target(rq, "user_id", "Can only search for local users", NULL, &user_id, err);
    if (!status && !term.s)
        status = gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'term'");
    return status ? status : mx_admin_answer(rq, &mx_admin_users_search, GG_PARAMS(gg_p_str(term)), UNKNOWN, err);
}

int mx_admin_api_by_address(void *self, struct gg_request *rq, struct gg_error *err)
{
    return mx_admin_answer(
        rq, &mx_admin_user_by_address,
        GG_PARAMS(gg_p_text(gg_request_param(rq, "medium")), gg_p_text(gg_request_param(rq, "address"))), UNKNOWN, err);
}

int mx_admin_api_by_external_id(void *self, struct gg_request *rq, struct gg_error *err)
{
    return mx_admin_answer(
        rq, &mx_admin_user_by_external_id,
        GG_PARAMS(gg_p_text(gg_request_param(rq, "provider")), gg_p_text(gg_request_param(rq, "external_id"))), UNKNOWN,
        err);
}

int mx_admin_api_username_available(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str name = mx_admin_query(rq, "username");
    if (!name.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'username'");
    int status = mx_username_available(mx_server_of_request(rq), name, false, gg_request_arena(rq), err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "available", 1));
}

/* ---- statistics ---- */

int mx_admin_api_users_media(void *self, struct gg_request *rq, struct gg_error *err)
{
    static const char *const orders[] = {"user_id", "displayname", "media_count", "media_length"};
    const char *order = gg_request_query(rq, "order_by");
    struct gg_str term = mx_admin_query(rq, "search_term");
    int64_t from, limit, from_ts, until_ts;
    bool backwards, known = !order;
    for (size_t i = 0; i < GG_COUNT(orders); i++)
        known = known || strcmp(order, orders[i]) == 0;
    int status = mx_admin_page(rq, &from, &limit, err);
    if (!status)
        status = mx_admin_direction(rq, false, &backwards, err);
    if (!status)
        status = gg_request_query_count(rq, "from_ts", 0, &from_ts, err);
    if (!status)
        status = gg_request_query_count(rq, "until_ts", 0, &until_ts, err);
    if (!status && until_ts && until_ts <= from_ts)
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "from_ts and until_ts must be a span of time");
    if (!status && (!known || (term.s && !term.n)))
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter %s", known ? "search_term cannot be an empty string"
                                                                                     : "'order_by' is unknown");
    return status ? status
                  : mx_admin_answer(rq, &mx_admin_users_media,
                                    GG_PARAMS(gg_p_str(term), gg_p_i64(from_ts), gg_p_i64(from), gg_p_i64(limit),
                                              gg_p_text(order ? order : "user_id"), gg_p_bool(backwards),
                                              gg_p_i64(until_ts)),
                                    UNKNOWN, err);
}
