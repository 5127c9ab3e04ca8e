/* matrix/api/directory.c: room aliases (client-server API, "Room aliases"). */
#include "api/rooms.h"

#include "rooms/access.h"
#include "rooms/alias.h"
#include "storage/directory.h"

#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

static struct gg_str alias_of(struct gg_request *rq)
{
    return gg_str(gg_request_param(rq, "room_alias"));
}

static int check_alias(struct gg_request *rq, struct gg_error *err)
{
    return mx_room_alias_valid(alias_of(rq)) ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Room alias invalid");
}

/* Servers by which the room can be joined, this one first. */
static int write_servers(struct gg_request *rq, struct gg_str room_id, struct gg_buf *out, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_head *head;
    const struct gg_str *users;
    size_t n = 0;
    int rc = mx_heads_get(server, room_id, gg_request_arena(rq), &head, err);
    if (rc == 0)
        rc = mx_heads_joined(server, head, gg_request_arena(rq), &users, &n, err);
    if (rc != 0)
        return rc;
    struct gg_map *seen = gg_map_new(NULL);
    gg_map_put(seen, gg_str(server->name), NULL);
    gg_buf_char(out, '[');
    gg_buf_json_string(out, gg_str(server->name));
    for (size_t i = 0; i < n; i++) {
        struct gg_str name = mx_id_domain(users[i]);
        if (name.s == NULL || gg_map_has(seen, name))
            continue;
        gg_map_put(seen, name, NULL);
        gg_buf_char(out, ',');
        gg_buf_json_string(out, name);
    }
    gg_buf_char(out, ']');
    gg_map_free(seen);
    return 0;
}

int mx_api_get_alias(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id = {0};
    struct gg_buf buf = GG_BUF_INIT;
    int rc = check_alias(rq, err);
    if (rc == 0)
        rc = mx_directory_find_alias(mx_server_of_request(rq), alias_of(rq), gg_request_arena(rq), &room_id, err);
    if (rc == 0 && room_id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(alias_of(rq)));
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"room_id\":");
    gg_buf_json_string(&buf, room_id);
    gg_buf_lit(&buf, ",\"servers\":");
    rc = write_servers(rq, room_id, &buf, err);
    if (rc != 0) {
        gg_buf_done(&buf);
        return rc;
    }
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

int mx_api_put_alias(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *body = gg_request_json(rq, err);
    if (body == NULL)
        return err->code;
    const json_t *room_id = json_object_get(body, "room_id");
    if (room_id == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "room_id is missing");
    if (!json_is_string(room_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_id must be a string");
    int rc = mx_alias_add(mx_server_of_request(rq), mx_requester_of(rq), alias_of(rq), gg_str(json_string_value(room_id)),
                          gg_request_arena(rq), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_delete_alias(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = check_alias(rq, err);
    if (rc == 0)
        rc = mx_alias_remove(mx_server_of_request(rq), mx_requester_of(rq), alias_of(rq), gg_request_arena(rq), err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_room_aliases(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str room_id = gg_str(gg_request_param(rq, "room_id")), *aliases;
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_access access;
    size_t n = 0;
    int rc = mx_room_access(server, gg_str(mx_requester_of(rq)->user_id), room_id, arena, &access, err);
    if (rc == 0 && !access.joined && !access.peeking)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %s not in room %.*s, and room previews are disabled",
                       mx_requester_of(rq)->user_id, GG_FMT(room_id));
    if (rc == 0)
        rc = mx_directory_aliases_of(server, room_id, arena, &aliases, &n, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"aliases\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(&buf, i > 0 ? "," : "");
        gg_buf_json_string(&buf, aliases[i]);
    }
    gg_buf_lit(&buf, "]}");
    return gg_reply_buf(rq, 200, &buf);
}
