/* admin_rooms.c: lists and facts of rooms, and which are blocked (admin API, "Room API"). */
#include "api/admin_rooms.h"

#include <ganglion/matrix/id.h>

#include "rooms/blocked.h"
#include "storage/admin/rooms.h"
#include "storage/directory.h"

#define UNKNOWN "Room not found"

int mx_admin_room_id(const struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    *out = gg_str(gg_request_param(rq, "room_id"));
    return mx_room_id_valid(*out) ? 0 : gg_refuse(err, 400, "M_UNKNOWN", "%.*s is not a legal room ID", GG_FMT(*out));
}

int mx_admin_room_named(struct gg_request *rq, const char *param, struct gg_str *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str name = gg_str(gg_request_param(rq, param));
    *out = name;
    if (mx_room_id_valid(name))
        return 0;
    if (!mx_room_alias_valid(name))
        return gg_refuse(err, 400, "M_UNKNOWN", "%.*s was not legal room ID or room alias", GG_FMT(name));
    int status = mx_directory_find_alias(server, name, gg_request_arena(rq), out, err);
    return status || out->s ? status : gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(name));
}

static int read_query(struct gg_request *rq, struct mx_admin_rooms_query *q, struct gg_error *err)
{
    const char *order = gg_request_query(rq, "order_by");
    q->order_by = order ? order : "name";
    q->search = mx_admin_query(rq, "search_term");
    int status = mx_admin_page(rq, &q->from, &q->limit, err);
    if (!status && !mx_admin_rooms_order(q->order_by))
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'order_by' is unknown");
    if (!status && q->search.s && !q->search.n)
        status = gg_refuse(err, 400, "M_INVALID_PARAM", "search_term cannot be an empty string");
    if (!status)
        status = mx_admin_query_flag(rq, "public_rooms", -1, &q->is_public, err);
    if (!status)
        status = mx_admin_query_flag(rq, "empty_rooms", -1, &q->empty, err);
    return status ? status : mx_admin_direction(rq, false, &q->backwards, err);
}

int mx_admin_api_rooms(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_admin_rooms_query q = {0};
    struct gg_str rooms;
    int64_t total;
    int status = read_query(rq, &q, err);
    if (!status)
        status = mx_admin_rooms_list(mx_server_of_request(rq), &q, gg_request_arena(rq), &rooms, &total, err);
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_printf(&out, "{\"offset\":%lld,\"rooms\":%.*s,\"total_rooms\":%lld", (long long)q.from, GG_FMT(rooms), (long long)total);
    if (q.from + q.limit < total)
        gg_buf_printf(&out, ",\"next_batch\":%lld", (long long)(q.from + q.limit));
    if (q.from > 0)
        gg_buf_printf(&out, ",\"prev_batch\":%lld", (long long)(q.from > q.limit ? q.from - q.limit : 0));
    gg_buf_char(&out, '}');
    return gg_reply_buf(rq, 200, &out);
}

static int about(struct gg_request *rq, const struct gg_stmt *stmt, struct gg_error *err)
{
    return mx_admin_answer(rq, stmt, GG_PARAMS(gg_p_text(gg_request_param(rq, "room_id"))), UNKNOWN, err);
}

int mx_admin_api_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about(rq, &mx_admin_room_details, err);
}

int mx_admin_api_room_members(void *self, struct gg_request *rq, struct gg_error *err)
{
    return about(rq, &mx_admin_room_members, err);
}

int mx_admin_api_rooms_sizes(void *self, struct gg_request *rq, struct gg_error *err)
{
    enum { LARGEST = 10 };
    return mx_admin_answer(rq, &mx_admin_rooms_sizes, GG_PARAMS(gg_p_i64(LARGEST)), UNKNOWN, err);
}

/* ---- blocking ---- */

int mx_admin_api_room_block(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id, by;
    int status = mx_admin_room_id(rq, &room_id, err);
    if (!status)
        status = mx_room_blocked_by(mx_server_of_request(rq), room_id, gg_request_arena(rq), &by, err);
    if (status)
        return status;
    json_t *answer = json_pack("{sb}", "block", by.s != NULL);
    if (by.s)
        json_object_set_new(answer, "user_id", json_stringn(by.s, by.n));
    return gg_reply_json(rq, 200, answer);
}

int mx_admin_api_put_room_block(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const json_t *block = json_object_get(gg_request_json(rq, err), "block");
    struct gg_str room_id;
    int status = mx_admin_room_id(rq, &room_id, err);
    if (!status && !block)
        status = gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['block']");
    if (!status && !json_is_boolean(block))
        status = gg_refuse(err, 400, "M_BAD_JSON", "Param 'block' must be a boolean.");
    if (!status)
        status = json_is_true(block) ? mx_room_block(server, room_id, gg_str(mx_requester_of(rq)->user_id), err)
                                     : mx_room_unblock(server, room_id, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sb}", "block", json_is_true(block)));
}

/* ---- forward extremities ---- */

int mx_admin_api_extremities(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id;
    int status = mx_admin_room_named(rq, "room_id", &room_id, err);
    return status ? status : mx_admin_answer(rq, &mx_admin_room_extremities, GG_PARAMS(gg_p_str(room_id)), UNKNOWN, err);
}

int mx_admin_api_one_extremity(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id;
    int64_t n;
    int status = mx_admin_room_named(rq, "room_id", &room_id, err);
    if (!status)
        status = mx_admin_room_one_extremity(mx_server_of_request(rq), room_id, &n, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{sI}", "deleted", (json_int_t)n));
}
