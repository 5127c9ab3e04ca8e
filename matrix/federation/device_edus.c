/* matrix/federation/device_edus.c: EDUs about devices and for devices (server-server API, "Device Management",
 * "Send-to-device messaging"). */
#include "federation/device_edus.h"

#include "accounts/accounts.h"
#include "e2ee/remote_devices.h"
#include "e2ee/text.h"
#include "e2ee/to_device.h"
#include "federation/edu_room.h"

enum { MAX_PREVIOUS = 100 };

static struct gg_str dumped(const json_t *value, struct gg_arena *arena)
{
    size_t size = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text = gg_arena_alloc(arena, size + 1);
    json_dumpb(value, text, size, JSON_COMPACT | JSON_ENCODE_ANY);
    text[size] = '\0';
    return gg_strn(text, size);
}

static struct gg_str dumped_object(const json_t *content, const char *key, struct gg_arena *arena)
{
    const json_t *value = json_object_get(content, key);
    return json_is_object(value) ? dumped(value, arena) : (struct gg_str){0};
}

/* ---- device lists ---- */

static struct gg_str position(const json_t *value, struct gg_arena *arena)
{
    return value != NULL ? mx_remote_position(dumped(value, arena), arena) : (struct gg_str){0};
}

/* Positions that it follows on; more than anybody has, or none that can be read: it follows on nothing that we hold. */
static int read_previous(const json_t *list, struct gg_arena *arena, struct mx_remote_update *out, struct gg_error *err)
{
    size_t n = json_array_size(list);
    if (list != NULL && !json_is_array(list))
        return gg_refuse(err, 400, "M_BAD_JSON", "prev_id must be a list");
    if (n > MAX_PREVIOUS)
        return 0;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = position(json_array_get(list, i), arena);
        if (ids[i].s == NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "prev_id must hold positions");
    }
    out->prev_ids = ids;
    out->n_prev = n;
    return 0;
}

static struct gg_str device_content(const json_t *content, struct gg_str device_id, struct gg_arena *arena)
{
    struct gg_str keys = dumped_object(content, "keys", arena), name = mx_edu_text(content, "device_display_name");
    struct gg_buf out = GG_BUF_INIT;
    if (json_is_true(json_object_get(content, "deleted")))
        return (struct gg_str){0};
    gg_buf_lit(&out, "{\"device_id\":");
    gg_buf_json_string(&out, device_id);
    if (keys.s != NULL) {
        gg_buf_lit(&out, ",\"keys\":");
        gg_buf_str(&out, keys);
    }
    if (name.s != NULL) {
        gg_buf_lit(&out, ",\"device_display_name\":");
        gg_buf_json_string(&out, name);
    }
    gg_buf_char(&out, '}');
    return mx_e2ee_moved(&out, arena);
}

static bool usable_name(struct gg_str name)
{
    return name.n <= MX_REMOTE_NAME_MAX && mx_storable(name).s != NULL;
}

int mx_fed_read_device_update(const char *origin, const json_t *content, struct gg_arena *arena, struct mx_remote_update *out,
                              struct gg_error *err)
{
    struct gg_str user_id = mx_edu_text(content, "user_id");
    *out = (struct mx_remote_update){.device_id = mx_edu_text(content, "device_id"),
                                     .stream_id = position(json_object_get(content, "stream_id"), arena)};
    if (!usable_name(out->device_id) || out->stream_id.s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_id and stream_id are needed");
    out->user_id = mx_edu_user(origin, user_id) ? user_id : (struct gg_str){0};
    out->content = device_content(content, out->device_id, arena);
    return read_previous(json_object_get(content, "prev_id"), arena, out, err);
}

/* Another writer of device_lists got it: the first one keeps the lists. */
static int hand_on(struct mx_server *server, const char *type, const char *origin, const json_t *content, struct gg_error *err)
{
    size_t n;
    const char *const *writers = gg_stream_writers(server->device_lists, &n), *const args[] = {type, NULL};
    json_t *answer = NULL, *body = json_pack("{s:s, s:O}", "origin", origin, "content", content);
    int rc = gg_repl_call(server->host, writers[0], "fed_send_edu", args, body, &answer, err);
    json_decref(body);
    json_decref(answer);
    return rc;
}

int mx_fed_edu_device_list_update(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    struct mx_remote_update update;
    if (!mx_remote_is_keeper(server))
        return hand_on(server, "m.device_list_update", origin, content, err);
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_fed_read_device_update(origin, content, arena, &update, err);
    if (rc == 0 && update.user_id.s != NULL)
        rc = mx_remote_update(server, &update, err);
    gg_arena_free(arena);
    return rc;
}

int mx_fed_edu_signing_key_update(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    if (!mx_remote_is_keeper(server))
        return hand_on(server, "m.signing_key_update", origin, content, err);
    struct gg_arena *arena = gg_arena_new();
    struct gg_str user_id = mx_edu_text(content, "user_id");
    int rc = 0;
    if (mx_edu_user(origin, user_id))
        rc = mx_remote_cross_update(server, user_id, dumped_object(content, "master_key", arena),
                                    dumped_object(content, "self_signing_key", arena), err);
    gg_arena_free(arena);
    return rc;
}

/* ---- messages ---- */

/* Requests for keys in floods are lost, as those of our own users are; and who asks must be a device that we know. */
static int key_request(struct mx_server *server, struct gg_str sender, const struct mx_to_device_message *message,
                       struct gg_arena *arena, bool *drop, struct gg_error *err)
{
    struct gg_error limited = GG_ERROR_INIT;
    struct gg_str device_id = mx_json_string(mx_json_get(message->content, "requesting_device_id"), arena);
    *drop = false;
    if (!usable_name(device_id))
        return 0;
    struct gg_str key = gg_str(gg_arena_printf(arena, "%.*s%c%.*s", GG_FMT(sender), MX_KEY_SEP, GG_FMT(device_id)));
    *drop = mx_limit(server, "rc_key_requests", key, NULL, true, &limited) != 0;
    return *drop ? 0 : mx_remote_device_seen(server, sender, device_id, (struct gg_str){0}, err);
}

static int take_requests(struct mx_server *server, struct gg_str sender, struct mx_to_device_message *list, size_t *n,
                         struct gg_arena *arena, struct gg_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        bool drop;
        int rc = key_request(server, sender, &list[i], arena, &drop, err);
        if (rc != 0)
            return rc;
        if (!drop)
            list[kept++] = list[i];
    }
    *n = kept;
    return 0;
}

static int receive(struct mx_server *server, const char *origin, const json_t *content, struct gg_arena *arena,
                   struct gg_error *err)
{
    struct gg_str sender = mx_edu_text(content, "sender"), type = mx_edu_text(content, "type");
    struct gg_str message_id = mx_edu_text(content, "message_id"), messages = dumped_object(content, "messages", arena);
    struct mx_to_device_message *list;
    size_t n;
    if (type.s == NULL || !usable_name(message_id) || messages.s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "type, message_id and messages are needed");
    if (!mx_edu_user(origin, sender))
        return 0;
    int rc = mx_to_device_read(messages, arena, &list, &n, err);
    if (rc == 0 && gg_str_is(type, "m.room_key_request"))
        rc = take_requests(server, sender, list, &n, arena, err);
    return rc == 0 ? mx_to_device_receive(server, gg_str(origin), message_id, sender, type, list, n, err) : rc;
}

int mx_fed_edu_direct_to_device(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int rc = receive(server, origin, content, arena, err);
    gg_arena_free(arena);
    return rc;
}
