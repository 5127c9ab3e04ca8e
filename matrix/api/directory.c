/* matrix/api/directory.c: room aliases (client-server API, "Room aliases"). */
#include "api/params.h"
#include "api/rooms.h"

#include "federation/directory.h"
#include "federation/hosts.h"
#include "rooms/access.h"
#include "rooms/alias.h"
#include "storage/directory.h"

#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

static struct gg_str alias_of(struct gg_request *rq)
{
    return gg_str(gg_request_param(rq, "room_alias"));
}

static int check_alias(struct gg_request *rq, struct gg_error *err)
{
    return mx_room_alias_valid(alias_of(rq)) ? 0 : gg_refuse(err, 400, "M_INVALID_PARAM", "Room alias invalid");
}

static void add_name(struct gg_buf *out, struct gg_str name, bool *first)
{
    gg_buf_text(out, *first ? "" : ",");
    gg_buf_json_string(out, name);
    *first = false;
}

/* Servers by which the room can be reached: those in it, this one first if it is among them; then those that another
 * server told of (an array ended by an entry without text, or NULL). */
static int write_servers(struct gg_request *rq, struct gg_str room_id, const struct gg_str *told, struct gg_buf *out,
                         struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_fed_hosts hosts = {0};
    bool first = true;
    int rc = mx_fed_hosts_in_room(server, room_id, gg_request_arena(rq), &hosts, err);
    if (rc == GG_E_NOT_FOUND && told != NULL) {
        *err = (struct gg_error)GG_ERROR_INIT;
        hosts.n = 0;
    } else if (rc != 0) {
        return rc;
    }
    gg_buf_char(out, '[');
    if (told == NULL || mx_fed_hosts_has(&hosts, gg_str(server->name))) {
        gg_buf_json_string(out, gg_str(server->name));
        first = false;
    }
    for (size_t i = 0; i < hosts.n; i++)
        if (!gg_str_is(hosts.names[i], server->name))
            add_name(out, hosts.names[i], &first);
    for (; told != NULL && told->s != NULL; told++)
        if (!mx_fed_hosts_has(&hosts, *told) && !gg_str_is(*told, server->name))
            add_name(out, *told, &first);
    gg_buf_char(out, ']');
    return 0;
}

/* Of ours from the database; of others from their server. *told NULL: ours. */
static int find_alias(struct gg_request *rq, struct gg_str *room_id, struct gg_str **told, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    *told = NULL;
    int rc = mx_appservices_find_alias(server, alias_of(rq), gg_request_arena(rq), room_id, err);
    if (rc != 0 || room_id->s != NULL)
        return rc;
    if (mx_is_mine(server, alias_of(rq)))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(alias_of(rq)));
    return mx_fed_directory(server, alias_of(rq), gg_request_arena(rq), room_id, told, err);
}

int mx_api_get_alias(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id = {0}, *told = NULL;
    struct gg_buf buf = GG_BUF_INIT;
    int rc = check_alias(rq, err);
    if (rc == 0)
        rc = find_alias(rq, &room_id, &told, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&buf, "{\"room_id\":");
    gg_buf_json_string(&buf, room_id);
    gg_buf_lit(&buf, ",\"servers\":");
    rc = write_servers(rq, room_id, told, &buf, err);
    if (rc != 0) {
        gg_buf_done(&buf);
        return rc;
    }
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

static bool all_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_is_array(list);
}

int mx_api_put_alias(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *body = mx_api_json(rq, err);
    if (body == NULL)
        return err->code;
    const json_t *room_id = json_object_get(body, "room_id"), *servers = json_object_get(body, "servers");
    if (room_id == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "room_id is missing");
    if (!json_is_string(room_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "room_id must be a string");
    if (servers != NULL && !json_is_null(servers) && !all_texts(servers))
        return gg_refuse(err, 400, "M_BAD_JSON", "servers must be a list of strings");
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
