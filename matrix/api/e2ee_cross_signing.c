/* matrix/api/e2ee_cross_signing.c: keys/device_signing/upload and keys/signatures/upload (client-server API,
 * "Cross-signing"). */
#include "accounts/uia.h"
#include "api/e2ee.h"
#include "e2ee/cross_signing.h"

#include <stdlib.h>

/* Keys that are there may only be replaced by who proves who they are (and not by an older proof); the first ones need
 * no proof, and the same ones again are no change. */
static bool needs_proof(const struct mx_cross_upload *upload, const struct mx_cross_keys *stored, const json_t *body,
                        struct gg_arena *arena)
{
    const struct mx_cross_key *master = &stored->of[MX_CROSS_MASTER];
    if (master->json.s == NULL || master->replace_before > gg_wall_ms())
        return false;
    bool given = false;
    for (int k = 0; k < MX_CROSS_KINDS; k++)
        given = given || upload->json[k].s != NULL;
    /* Without keys a client goes on with a session that holds them. */
    return given ? mx_cross_differs(upload, stored, arena) : json_object_get(body, "auth") != NULL;
}

int mx_api_cross_signing_upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    json_t *body = gg_request_json(rq, err);
    struct mx_cross_upload upload;
    struct mx_cross_keys stored;
    int rc = mx_cross_read_upload(gg_request_body(rq), arena, &upload, err);
    if (rc == 0)
        rc = mx_cross_keys_get(server, user_id, arena, &stored, err);
    if (rc == 0 && mx_requester_of(rq)->app_service == NULL && needs_proof(&upload, &stored, body, arena)) {
        struct mx_uia uia = {.description = "add a device signing key to your account"};
        rc = mx_uia_confirm(server, rq, body, false, &uia, err);
        if (rc != 0 || !uia.done)
            return rc != 0 ? rc : mx_uia_answer(rq, &uia);
        char *asked = json_dumps(uia.params, JSON_COMPACT);
        rc = mx_cross_read_upload(gg_str(asked), arena, &upload, err);
        free(asked);
    }
    if (rc == 0 && mx_cross_differs(&upload, &stored, arena))
        rc = mx_cross_upload(server, user_id, &upload, &stored, arena, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_signatures_upload(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    int rc = mx_signatures_upload(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_request_body(rq),
                                  gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}
