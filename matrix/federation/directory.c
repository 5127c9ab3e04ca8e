/* matrix/federation/directory.c: which room an alias of another server names. */
#include "federation/directory.h"

#include "federation/client.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

enum { MAX_SERVERS = 500, MAX_ANSWER = 1 << 20, PATIENCE_MS = 30 * 1000 };

bool mx_fed_directory_read(struct gg_str answer, struct gg_arena *arena, struct gg_str *room_id_out,
                           struct gg_str **servers_out)
{
    struct gg_str room_id = mx_json_string(mx_json_get(answer, "room_id"), arena), list = mx_json_get(answer, "servers");
    if (!mx_json_is_object(answer) || room_id.s == NULL || !mx_room_id_valid(room_id) || !mx_json_is_array(list))
        return false;
    struct gg_str *servers = GG_NEW_ARRAY(arena, struct gg_str, MAX_SERVERS + 1);
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(list);
    while (n < MAX_SERVERS && mx_json_next(&it)) {
        struct gg_str name = mx_json_string(it.value, arena);
        if (name.s != NULL && mx_server_name_valid(name))
            servers[n++] = gg_arena_str(arena, name);
    }
    *room_id_out = gg_arena_str(arena, room_id);
    *servers_out = servers;
    return true;
}

static int no_such_alias(struct gg_str alias, struct gg_error *err)
{
    *err = (struct gg_error)GG_ERROR_INIT;
    return gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(alias));
}

int mx_fed_directory(struct mx_server *server, struct gg_str alias, struct gg_arena *arena, struct gg_str *room_id_out,
                     struct gg_str **servers_out, struct gg_error *err)
{
    struct gg_str domain = mx_id_domain(alias), body;
    const struct mx_fed_request question = {
        .destination = gg_arena_strndup(arena, domain.s, domain.n), .method = "GET",
        .path = mx_fed_path(arena, "/_matrix/federation/v1/query/directory?room_alias=%s",
                            gg_arena_strndup(arena, alias.s, alias.n)),
        .ignore_backoff = true, .timeout_ms = PATIENCE_MS, .max_answer = MAX_ANSWER};
    int rc = mx_fed_call(server, &question, arena, &body, err);
    if (rc != 0 && err->http_status == 404)
        return no_such_alias(alias, err);
    if (rc != 0) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return gg_refuse(err, 502, "M_UNKNOWN", "Failed to fetch alias");
    }
    return mx_fed_directory_read(body, arena, room_id_out, servers_out) ? 0 : no_such_alias(alias, err);
}
