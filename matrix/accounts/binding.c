/* binding.c: binding addresses at identity servers, and taking them back. */
#include "accounts/binding.h"

#include <ganglion/log.h>
#include <ganglion/matrix/json.h>

#include "storage/accounts_threepids.h"

static struct gg_logger logger = {"ganglion.accounts"};

static void set_text(struct mx_json *object, struct gg_arena *arena, const char *key, struct gg_str text)
{
    mx_json_set(object, arena, key, mx_json_new_string(arena, text));
}

static struct gg_str write(const struct mx_json *json, struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, json);
    struct gg_str copy = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return copy;
}

int mx_binding_make(struct mx_server *server, struct gg_str user_id, const struct mx_identity *identity,
                    struct gg_str sid, struct gg_str secret, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_json *body = mx_json_object(arena), *answer;
    set_text(body, arena, "sid", sid);
    set_text(body, arena, "client_secret", secret);
    set_text(body, arena, "mxid", user_id);
    int status =
        mx_identity_call(server, identity, "/_matrix/identity/v2/3pid/bind", write(body, arena), arena, &answer, err);
    struct gg_str medium = status ? (struct gg_str){0} : mx_json_text(mx_json_member(answer, "medium"));
    struct gg_str address = status ? (struct gg_str){0} : mx_json_text(mx_json_member(answer, "address"));
    if (status || !medium.s || !address.s)
        return status;
    return mx_bindings_add(server, user_id, medium, address, identity->server, err);
}

/* This server signs that it asks (identity service API, "POST /3pid/unbind"): nobody's token is needed. */
static const char *signature(struct mx_server *server, struct gg_str id_server, const char *path,
                             struct mx_json *content, struct gg_arena *arena)
{
    struct mx_json *request = mx_json_object(arena);
    set_text(request, arena, "method", GG_STR("POST"));
    set_text(request, arena, "uri", gg_str(path));
    set_text(request, arena, "origin", gg_str(server->name));
    set_text(request, arena, "destination_is", id_server);
    mx_json_set(request, arena, "content", content);
    mx_json_sign(request, server->name, &server->keys[0], arena);
    const struct mx_json *own = mx_json_member(mx_json_member(request, "signatures"), server->name);
    struct gg_str value = mx_json_text(mx_json_member(own, server->keys[0].id));
    return gg_arena_printf(arena, "Authorization: X-Matrix origin=\"%s\",key=\"%s\",sig=\"%.*s\"", server->name,
                           server->keys[0].id, GG_FMT(value));
}

static int undo_at(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                   struct gg_str id_server, struct gg_arena *arena, bool *supported_out, struct gg_error *err)
{
    static const char path[] = "/_matrix/identity/v2/3pid/unbind";
    struct mx_json *body = mx_json_object(arena), *threepid = mx_json_object(arena), *answer;
    set_text(threepid, arena, "medium", medium);
    set_text(threepid, arena, "address", address);
    set_text(body, arena, "mxid", user_id);
    mx_json_set(body, arena, "threepid", threepid);
    const struct mx_identity identity = {.server = id_server, .header = signature(server, id_server, path, body, arena)};
    int status = mx_identity_call(server, &identity, path, write(body, arena), arena, &answer, err);
    *supported_out = status == 0;
    if (status && (err->http_status == 400 || err->http_status == 404 || err->http_status == 501)) {
        *err = (struct gg_error){0}; /* it cannot: there is nothing that we could do about it */
        status = 0;
    }
    return status ? status : mx_bindings_delete(server, user_id, medium, address, id_server, err);
}

int mx_binding_undo(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                    struct gg_str id_server, struct gg_arena *arena, bool *supported_out, struct gg_error *err)
{
    struct gg_str *servers;
    size_t n = 0;
    if (id_server.s)
        return undo_at(server, user_id, medium, address, id_server, arena, supported_out, err);
    int status = mx_bindings_list(server, user_id, medium, address, arena, &servers, &n, err);
    *supported_out = n != 0;
    for (size_t i = 0; !status && i < n; i++) {
        bool supported;
        status = undo_at(server, user_id, medium, address, servers[i], arena, &supported, err);
        *supported_out = *supported_out && supported;
    }
    return status;
}

int mx_binding_undo_all(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, bool *supported_out,
                        struct gg_error *err)
{
    struct mx_binding *bindings;
    size_t n = 0;
    int status = mx_bindings_of_user(server, user_id, arena, &bindings, &n, err);
    *supported_out = true;
    for (size_t i = 0; !status && i < n; i++) {
        struct gg_error one = GG_ERROR_INIT;
        bool supported = false;
        if (undo_at(server, user_id, bindings[i].medium, bindings[i].address, bindings[i].id_server, arena, &supported,
                    &one))
            gg_info(&logger, "an address of %.*s stays at %.*s: %s", GG_FMT(user_id), GG_FMT(bindings[i].id_server),
                    one.message);
        *supported_out = *supported_out && supported;
    }
    return status;
}
