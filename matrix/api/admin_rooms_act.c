/* admin_rooms_act.c: administrators bring users into rooms and give them power there. */
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>

#include "api/admin_rooms.h"

static struct mx_requester speak_for(struct gg_request *rq, struct gg_str user_id)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str localpart = mx_id_localpart(user_id);
    return (struct mx_requester){.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                 .localpart = gg_arena_strndup(arena, localpart.s, localpart.n),
                                 .puppeted_by = mx_requester_of(rq)->user_id};
}

static int set_membership(struct gg_request *rq, const struct mx_requester *requester, struct gg_str room_id,
                          struct gg_str target, const char *membership, struct gg_error *err)
{
    struct gg_str event_id;
    struct mx_membership_change change = {
        .room_id = room_id, .target = target, .membership = gg_str(membership), .action = membership};
    return mx_room_membership(mx_server_of_request(rq), requester, &change, gg_request_arena(rq), &event_id, err);
}

/* The content of a piece of current state, as JSON text; s NULL: there is none. */
static int content_of(struct gg_request *rq, const struct mx_head *head, const char *type, struct gg_str key,
                      struct gg_str *out, struct gg_error *err)
{
    const struct mx_event *event;
    int status = mx_heads_state_event(mx_server_of_request(rq), head, type, key, gg_request_arena(rq), &event, err);
    *out = !status && event ? event->content : (struct gg_str){0};
    return status;
}

static int is_public(struct gg_request *rq, const struct mx_head *head, bool *out, struct gg_error *err)
{
    struct gg_str content;
    int status = content_of(rq, head, "m.room.join_rules", GG_STR(""), &content, err);
    *out = !status && content.s &&
           gg_str_is(mx_json_string(mx_json_get(content, "join_rule"), gg_request_arena(rq)), "public");
    return status;
}

static int head_of(struct gg_request *rq, struct gg_str room_id, const struct mx_head **head, struct gg_error *err)
{
    int status = mx_heads_get(mx_server_of_request(rq), room_id, gg_request_arena(rq), head, err);
    return status == GG_E_NOT_FOUND ? gg_refuse(err, 400, "M_UNKNOWN", "Server not in room") : status;
}

/* ---- joining ---- */

int mx_admin_api_join(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = mx_text(gg_request_json(rq, err), "user_id"), room_id;
    const struct mx_head *head;
    struct mx_user user;
    bool open;
    if (!user_id.s)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['user_id']");
    if (!mx_user_id_valid(user_id) || !mx_is_mine(server, user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "This endpoint can only be used with local users");
    int status = mx_users_get(server, user_id, gg_request_arena(rq), &user, err);
    if (!status && !user.id.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "User not found");
    if (!status)
        status = mx_admin_room_named(rq, "room_identifier", &room_id, err);
    if (!status)
        status = head_of(rq, room_id, &head, err);
    if (!status)
        status = is_public(rq, head, &open, err);
    struct mx_requester joiner = speak_for(rq, user_id);
    if (!status && !open)
        status = set_membership(rq, mx_requester_of(rq), room_id, user_id, "invite", err);
    if (!status)
        status = set_membership(rq, &joiner, room_id, user_id, "join", err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss%}", "room_id", room_id.s, room_id.n));
}

/* ---- power ---- */

struct candidate {
    struct gg_str user_id; /* s NULL: nobody of this server has power there */
    int64_t level;
};

static int consider(struct gg_request *rq, const struct mx_head *head, struct gg_str user_id, int64_t level,
                    struct candidate *best, struct gg_error *err)
{
    struct gg_str membership;
    if (!mx_user_id_valid(user_id) || !mx_is_mine(mx_server_of_request(rq), user_id) || (best->user_id.s && level <= best->level))
        return 0;
    int status = mx_heads_membership(mx_server_of_request(rq), head, user_id, gg_request_arena(rq), &membership, err);
    if (!status && gg_str_is(membership, "join"))
        *best = (struct candidate){gg_arena_str(gg_request_arena(rq), user_id), level};
    return status;
}

/* The joined user of this server with the most power: whoever the power levels name, and creators. */
static int find_powerful(struct gg_request *rq, const struct mx_head *head, struct gg_str levels, struct candidate *best,
                         struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    const struct mx_event *create;
    int64_t level;
    int status = mx_heads_state_event(mx_server_of_request(rq), head, "m.room.create", GG_STR(""), arena, &create, err);
    struct mx_json_iter it = mx_json_iter(levels.s ? mx_json_get(levels, "users") : GG_STR("{}"));
    while (!status && levels.s && mx_json_next(&it)) {
        struct gg_str quoted = gg_strn(it.key.s - 1, it.key.n + 2);
        if (mx_json_i64(it.value, &level))
            status = consider(rq, head, mx_json_string(quoted, arena), level, best, err);
    }
    bool creators = !levels.s || head->version->creators_privileged;
    if (status || !creators || !create)
        return status;
    status = consider(rq, head, create->sender, MX_POWER_INFINITE, best, err);
    struct mx_json_iter more = mx_json_iter(mx_json_get(create->content, "additional_creators"));
    while (!status && head->version->creators_privileged && mx_json_next(&more))
        status = consider(rq, head, mx_json_string(more.value, arena), MX_POWER_INFINITE, best, err);
    return status;
}

/* The levels with the user as high as whoever gives them that; a creator's power cannot be given: 100 then. */
static int raised(struct gg_request *rq, struct gg_str levels, struct gg_str user_id, int64_t level, struct gg_str *out,
                  struct gg_error *err)
{
    enum { FULL = 100 };
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_json *content, *users;
    int status = mx_json_parse(levels.s ? levels : GG_STR("{}"), 100, arena, &content, err);
    if (status)
        return status;
    users = mx_json_member(content, "users");
    users = users && users->kind == MX_JSON_OBJECT ? mx_json_copy_level(users, arena) : mx_json_object(arena);
    mx_json_set(users, arena, gg_arena_strndup(arena, user_id.s, user_id.n),
                mx_json_new_i64(arena, level == MX_POWER_INFINITE ? FULL : level));
    content = mx_json_copy_level(content, arena);
    mx_json_set(content, arena, "users", users);
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, content);
    *out = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

static int send_levels(struct gg_request *rq, const struct mx_requester *giver, struct gg_str room_id, struct gg_str content,
                       struct gg_error *err)
{
    struct gg_str event_id;
    struct mx_new_event event = {
        .room_id = room_id, .type = GG_STR("m.room.power_levels"), .state_key = GG_STR(""), .content = content};
    int status = mx_room_send(mx_server_of_request(rq), giver, &event, gg_request_arena(rq), &event_id, NULL, err);
    return status == GG_E_FORBIDDEN
               ? gg_refuse(err, 400, "M_UNKNOWN", "No local admin user in room with power to update power levels.")
               : status;
}

static int give_power(struct gg_request *rq, const struct mx_head *head, struct gg_str room_id, struct gg_str user_id,
                      struct gg_error *err)
{
    struct candidate best = {0};
    struct gg_str levels, content, membership;
    bool open;
    int status = content_of(rq, head, "m.room.power_levels", GG_STR(""), &levels, err);
    if (!status)
        status = find_powerful(rq, head, levels, &best, err);
    if (!status && !best.user_id.s)
        return gg_refuse(err, 400, "M_UNKNOWN", "No local admin user in room");
    struct mx_requester giver = speak_for(rq, best.user_id.s ? best.user_id : user_id);
    if (!status)
        status = raised(rq, levels, user_id, best.level, &content, err);
    if (!status)
        status = send_levels(rq, &giver, room_id, content, err);
    if (!status)
        status = mx_heads_membership(mx_server_of_request(rq), head, user_id, gg_request_arena(rq), &membership, err);
    if (!status)
        status = is_public(rq, head, &open, err);
    bool there = gg_str_is(membership, "join") || gg_str_is(membership, "invite");
    return status || there || open ? status : set_membership(rq, &giver, room_id, user_id, "invite", err);
}

int mx_admin_api_make_room_admin(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str user_id = mx_text(body, "user_id"), room_id;
    const struct mx_head *head;
    if (json_object_get(body, "user_id") && !mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "user_id is no user id");
    if (!user_id.s)
        user_id = gg_str(mx_requester_of(rq)->user_id);
    int status = mx_admin_room_named(rq, "room_id", &room_id, err);
    if (!status)
        status = head_of(rq, room_id, &head, err);
    if (!status)
        status = give_power(rq, head, room_id, user_id, err);
    return status ? status : gg_reply_empty_object(rq);
}
