/* matrix/federation/exchange_invite.c: an invite by address, taken up by a user of ours, of a room of other servers
 * (server-server API, "Third-party invites"). */
#include "federation/exchange_invite.h"

#include "federation/candidates.h"
#include "federation/client.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/id.h>

struct asking {
    struct mx_server *server;
    const char *path;
    struct gg_str body;
    struct gg_arena *arena;
};

static int ask_one(void *arg, const char *name, struct gg_error *err)
{
    const struct asking *a = arg;
    struct gg_str answer;
    struct mx_fed_request request = {
        .destination = name, .method = "PUT", .path = a->path, .body = a->body, .max_answer = 64 * 1024};
    return mx_fed_call(a->server, &request, a->arena, &answer, err);
}

static void write_body(struct gg_buf *out, struct gg_str room_id, struct gg_str sender, struct gg_str mxid,
                       struct gg_str proof)
{
    gg_buf_lit(out, "{\"type\":\"m.room.member\",\"room_id\":");
    gg_buf_json_string(out, room_id);
    gg_buf_lit(out, ",\"sender\":");
    gg_buf_json_string(out, sender);
    gg_buf_lit(out, ",\"state_key\":");
    gg_buf_json_string(out, mxid);
    gg_buf_lit(out, ",\"content\":{\"membership\":\"invite\",\"third_party_invite\":{\"signed\":");
    gg_buf_str(out, proof);
    gg_buf_lit(out, "}}}");
}

int mx_fed_exchange_invite(struct mx_server *server, struct gg_str room_id, struct gg_str sender, struct gg_str mxid,
                           struct gg_str proof, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_candidates servers = {0};
    struct gg_buf body = GG_BUF_INIT;
    struct asking a = {.server = server, .arena = arena};
    mx_candidates_add(server, &servers, mx_id_domain(sender), arena);
    mx_candidates_add(server, &servers, mx_id_domain(room_id), arena);
    if (servers.n == 0)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not a known room");
    write_body(&body, room_id, sender, mxid, proof);
    a.body = gg_buf_view(&body);
    a.path = mx_fed_path(arena, "/_matrix/federation/v1/exchange_third_party_invite/%s",
                         gg_arena_strndup(arena, room_id.s, room_id.n));
    int rc = mx_candidates_ask(&servers, "exchange_third_party_invite", NULL, ask_one, &a, err);
    gg_buf_done(&body);
    return rc;
}
