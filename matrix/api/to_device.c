/* matrix/api/to_device.c: PUT /sendToDevice (client-server API, "Send-to-Device messaging"). */
#include "api/e2ee.h"
#include "api/params.h"
#include "e2ee/to_device.h"

#include <ganglion/matrix/json.h>

/* Requests for keys go out in floods when a client misbehaves; those above the limit are lost without a word, as Synapse
 * does: a refusal would be retried. */
static bool flood(struct mx_server *server, const struct mx_requester *who, struct gg_str type, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str key = gg_str(gg_arena_printf(arena, "%s%c%s", who->user_id, MX_KEY_SEP, who->device_id ? who->device_id : ""));
    return gg_str_is(type, "m.room_key_request") && mx_limit(server, "rc_key_requests", key, NULL, true, &err) != 0;
}

static int send(struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *who = mx_requester_of(rq);
    struct gg_str type = mx_api_param(rq, "type"), messages = mx_json_get(gg_request_body(rq), "messages");
    struct mx_to_device_message *list;
    size_t n;
    if (messages.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['messages']");
    int rc = mx_to_device_read(messages, gg_request_arena(rq), &list, &n, err);
    if (rc != 0 || flood(server, who, type, gg_request_arena(rq)))
        return rc;
    return mx_to_device_send(server, gg_str(who->user_id), type, list, n, err);
}

int mx_api_send_to_device(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *who = mx_requester_of(rq);
    struct mx_sent *sent;
    bool first;
    struct gg_str key = gg_str(gg_arena_printf(gg_request_arena(rq), "%s%c%s%c%lld%c%s%c%s", who->user_id, MX_KEY_SEP,
                                               who->device_id ? who->device_id : "", MX_KEY_SEP,
                                               who->device_id ? 0LL : (long long)who->access_token_id, MX_KEY_SEP,
                                               mx_api_param(rq, "type").s, MX_KEY_SEP, mx_api_param(rq, "txn_id").s));
    int rc = mx_sent_begin(server, key, &sent, &first, err);
    if (rc == 0 && first) {
        rc = send(rq, err);
        mx_sent_end(server, sent, rc == 0);
    }
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}
