/* matrix/push/remove.c: a pusher goes, from whatever process: only main removes rows. */
#include "storage/pushers.h"

#include <ganglion/matrix/api.h>
#include <ganglion/topology.h>
#include <stdlib.h>

static int remove_here(struct mx_server *server, struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey,
                       struct gg_error *err)
{
    return mx_pushers_delete(server, user_id, app_id, pushkey, NULL, err);
}

int mx_pusher_remove(struct mx_server *server, struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey,
                     struct gg_error *err)
{
    if (gg_host_is_main(server->host))
        return remove_here(server, user_id, app_id, pushkey, err);
    json_t *answer = NULL, *body = json_pack("{s:s%, s:s%}", "app_id", app_id.s, app_id.n, "pushkey", pushkey.s, pushkey.n);
    char *user = strndup(user_id.s, user_id.n);
    int rc = gg_repl_call(server->host, GG_MASTER, "remove_pusher", (const char *const[]){user, NULL}, body, &answer, err);
    free(user);
    json_decref(body);
    json_decref(answer);
    return rc;
}

int mx_pushers_remove_all(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    return mx_pushers_delete(server, user_id, gg_strn(NULL, 0), gg_strn(NULL, 0), NULL, err);
}

/* ---- served to the others ---- */

static int serve_remove(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    const char *app_id, *pushkey;
    if (json_unpack(call->body, "{s:s, s:s}", "app_id", &app_id, "pushkey", &pushkey) != 0)
        return gg_refuse(err, 400, "M_BAD_JSON", "app_id and pushkey are needed");
    *answer_out = json_object();
    return remove_here(self, gg_str(call->args[0]), gg_str(app_id), gg_str(pushkey), err);
}

static int serve_remove_all(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    *answer_out = json_object();
    return mx_pushers_remove_all(self, gg_str(call->args[0]), err);
}

const struct gg_method mx_methods_pushers[] = {
    {"remove_pusher", 1, GG_METHOD_MAIN_ONLY, serve_remove, NULL, "A pusher's gateway does not know its key any more."},
    {"delete_all_pushers_for_user", 1, GG_METHOD_MAIN_ONLY, serve_remove_all, NULL, "An account ends."},
    {0},
};
