/* matrix/api/e2ee_routes.c: routes of devices and their keys in all their spellings (facts http-api 1), and what other
 * processes ask of us about them (facts replication 8.4). */
#include "api/e2ee.h"
#include "e2ee/device_lists.h"
#include "e2ee/outbound.h"
#include "e2ee/remote_devices.h"

#include <ganglion/matrix/id.h>

enum { LARGE = 200 * 65536, SIGNATURES = 1 << 20, UPLOAD = 2 << 20 }; /* a message for each of many devices, the keys of many sessions: Synapse's bound */

#define CLIENT "/_matrix/client/(r0|v3|unstable)"
#define KEYS "/_matrix/client/(api/v1|r0|v3|unstable)/keys"
#define CROSS "/_matrix/client/(v3|unstable)/keys"
#define BACKUP CLIENT "/room_keys"
#define DEHYDRATED "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
#define READ(path_, handler_, doc_)                                                                                   \
    {                                                                                                                 \
        .method = "GET", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER,              \
        .flags = GG_ROUTE_CANCELLABLE, .doc = doc_                                                                    \
    }
#define DELETE(path_, handler_, doc_)                                                                                 \
    {                                                                                                                 \
        .method = "DELETE", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER,           \
        .doc = doc_                                                                                                   \
    }
#define WRITE(method_, path_, handler_, max_, auth_, doc_)                                                            \
    {                                                                                                                 \
        .method = method_, .path = path_, .handler = handler_, .resource = "client", .auth = auth_,                   \
        .flags = GG_ROUTE_JSON, .max_body = max_, .doc = doc_                                                         \
    }

int mx_api_own_device(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    *out = gg_str(mx_requester_of(rq)->device_id);
    return out->s != NULL ? 0 : gg_refuse(err, 400, "M_MISSING_PARAM", "The access token belongs to no device");
}

const struct gg_route mx_routes_e2ee[] = {
    {.method = "PUT", .path = CLIENT "/sendToDevice/{type}/{txn_id}", .handler = mx_api_send_to_device, .resource = "client",
     .auth = GG_AUTH_GUEST, .flags = GG_ROUTE_JSON, .max_body = LARGE, .writer = "to_device",
     .doc = "messages to devices"},
    WRITE("POST", KEYS "/upload", mx_api_keys_upload, UPLOAD, GG_AUTH_GUEST, "publish the device's keys"),
    WRITE("POST", KEYS "/upload/{device_id}", mx_api_keys_upload, UPLOAD, GG_AUTH_GUEST, "publish the device's keys"),
    WRITE("POST", KEYS "/query", mx_api_keys_query, LARGE, GG_AUTH_GUEST, "keys of devices and users"),
    WRITE("POST", KEYS "/claim", mx_api_keys_claim, LARGE, GG_AUTH_GUEST, "take a one-time key of each device"),
    {.method = "GET", .path = KEYS "/changes", .handler = mx_api_keys_changes, .resource = "client", .auth = GG_AUTH_GUEST,
     .flags = GG_ROUTE_CANCELLABLE, .doc = "whose devices changed between two tokens"},
    WRITE("POST", CROSS "/device_signing/upload", mx_api_cross_signing_upload, 0, GG_AUTH_USER, "publish cross-signing keys"),
    WRITE("POST", CLIENT "/keys/signatures/upload", mx_api_signatures_upload, SIGNATURES, GG_AUTH_GUEST, "sign devices and users"),

    WRITE("POST", BACKUP "/version", mx_api_backup_version_new, 0, GG_AUTH_USER, "begin a backup of room keys"),
    READ(BACKUP "/version", mx_api_backup_version, "the newest backup"),
    READ(BACKUP "/version/{version}", mx_api_backup_version, "one backup"),
    WRITE("PUT", BACKUP "/version/{version}", mx_api_backup_version_update, 0, GG_AUTH_USER, "change a backup's data"),
    DELETE(BACKUP "/version/{version}", mx_api_backup_version_delete, "delete a backup"),
    READ(BACKUP "/keys", mx_api_backup_get, "all keys of a backup"),
    READ(BACKUP "/keys/{room_id}", mx_api_backup_get, "a room's keys of a backup"),
    READ(BACKUP "/keys/{room_id}/{session_id}", mx_api_backup_get, "one key of a backup"),
    WRITE("PUT", BACKUP "/keys", mx_api_backup_put, LARGE, GG_AUTH_USER, "back up keys of many rooms"),
    WRITE("PUT", BACKUP "/keys/{room_id}", mx_api_backup_put, LARGE, GG_AUTH_USER, "back up a room's keys"),
    WRITE("PUT", BACKUP "/keys/{room_id}/{session_id}", mx_api_backup_put, LARGE, GG_AUTH_USER, "back up one key"),
    DELETE(BACKUP "/keys", mx_api_backup_delete, "delete all keys of a backup"),
    DELETE(BACKUP "/keys/{room_id}", mx_api_backup_delete, "delete a room's keys of a backup"),
    DELETE(BACKUP "/keys/{room_id}/{session_id}", mx_api_backup_delete, "delete one key of a backup"),

    READ(DEHYDRATED, mx_api_dehydrated_get, "the own dehydrated device"),
    {.method = "PUT", .path = DEHYDRATED, .handler = mx_api_dehydrated_put, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .max_body = UPLOAD, .writer = GG_WRITER_MAIN, .doc = "leave a dehydrated device behind"},
    {.method = "DELETE", .path = DEHYDRATED, .handler = mx_api_dehydrated_delete, .resource = "client", .auth = GG_AUTH_USER,
     .writer = GG_WRITER_MAIN, .doc = "delete the own dehydrated device"},
    READ(DEHYDRATED "/{device_id}/events", mx_api_dehydrated_events, "what a dehydrated device received"),
    WRITE("POST", DEHYDRATED "/{device_id}/events", mx_api_dehydrated_events, 0, GG_AUTH_USER, "what a dehydrated device received"),
    {0},
};

/* ---- methods ---- */

static int signature_update(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    const json_t *list = json_object_get(call->body, "user_ids");
    size_t n = json_array_size(list);
    struct gg_str *ids = GG_NEW_ARRAY(call->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id))
            return gg_refuse(err, 400, "M_BAD_JSON", "user_ids must hold strings");
        ids[i] = gg_strn(json_string_value(id), json_string_length(id));
    }
    int rc = mx_signatures_changed(self, gg_str(call->args[0]), ids, n, err);
    if (rc == 0)
        *answer_out = json_object();
    return rc;
}

/* Whoever wrote a change of a device list says so, that it may be told to other servers. */
static int new_update(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    mx_pokes_soon(self);
    *answer_out = json_object();
    return 0;
}

/* A stored list is JSON that another server made: what cannot be held as JSON here is told as absent, and is stored. */
static int tell_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, json_t *answer, struct gg_error *err)
{
    struct gg_str text;
    int rc = mx_remote_list_json(server, user_id, arena, &text, err);
    json_t *list = rc == 0 && text.s != NULL ? json_loadb(text.s, text.n, JSON_ALLOW_NUL, NULL) : NULL;
    json_object_setn_new(answer, user_id.s, user_id.n, list != NULL ? list : json_object());
    return rc;
}

/* Device lists of remote users, fetched anew: null for those that could not be. */
static int resync(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    const json_t *list = json_object_get(call->body, "user_ids");
    size_t n = 0, given = json_array_size(list);
    struct gg_str *users = GG_NEW_ARRAY(call->arena, struct gg_str, given + 1);
    bool *done = GG_NEW_ARRAY(call->arena, bool, given + 1);
    for (size_t i = 0; i < given; i++) {
        const json_t *id = json_array_get(list, i);
        struct gg_str text = gg_strn(json_string_value(id), json_string_length(id));
        if (json_is_string(id) && mx_user_id_valid(text) && !mx_is_mine(self, text))
            users[n++] = text;
    }
    int rc = mx_remote_is_keeper(self) ? mx_remote_resync(self, users, n, true, done, err)
                                       : gg_refuse(err, 400, "M_UNKNOWN", "Another process keeps the device lists");
    *answer_out = rc == 0 ? json_object() : NULL;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (done[i])
            rc = tell_list(self, users[i], call->arena, *answer_out, err);
        else
            json_object_setn_new(*answer_out, users[i].s, users[i].n, json_null());
    }
    if (rc != 0) {
        json_decref(*answer_out);
        *answer_out = NULL;
    }
    return rc;
}

const struct gg_method mx_methods_e2ee[] = {
    {"notify_user_signature_update", 1, 0, signature_update, "device_lists", "a user signed keys of others"},
    {"handle_new_device_update", 0, 0, new_update, "device_lists", "a device list has changed"},
    {"multi_user_device_resync", 0, GG_METHOD_TXN, resync, "device_lists", "fetch the devices of remote users"},
    {"device_handle_room_un_partial_stated", 1, GG_METHOD_TXN, new_update, "device_lists", "the state of a room is complete"},
    {0},
};
