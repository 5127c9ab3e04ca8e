/* matrix/api/rooms_write.c: the client-server endpoints that make events (routes are in rooms_routes.c). */
#include "api/delayed.h"
#include "api/params.h"
#include "api/rooms.h"

#include "presence/presence.h"
#include "accounts/accounts.h"
#include "appservice/sent.h"
#include "json/text.h"
#include "rooms/access.h"
#include "rooms/create.h"
#include "rooms/upgrade.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>

/* ---- answers ---- */

int mx_api_reply_id(struct gg_request *rq, const char *key, struct gg_str id)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_printf(&buf, "{\"%s\":", key);
    gg_buf_json_string(&buf, id);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

/* ---- createRoom ---- */

/* Inviting by making rooms is inviting. */
static int limit_invites(struct gg_request *rq, struct gg_str body, struct gg_error *err)
{
    static const struct {
        const char *member, *class;
    } kinds[] = {{"invite", "rc_invites.per_issuer"}, {"invite_3pid", "rc_third_party_invite"}};
    int rc = 0;
    for (size_t k = 0; k < GG_COUNT(kinds); k++) {
        struct gg_str list = mx_json_get(body, kinds[k].member);
        size_t n = mx_json_is_array(list) ? mx_json_length(list) : 0;
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = mx_limit(mx_server_of_request(rq), kinds[k].class, gg_str(mx_requester_of(rq)->user_id), gg_request_principal(rq),
                          true, err);
    }
    return rc;
}

int mx_api_create_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body, room_id, alias;
    int rc = mx_api_content_body(rq, &body, err);
    if (rc == 0)
        rc = limit_invites(rq, body, err);
    if (rc == 0)
        rc = mx_room_create(mx_server_of_request(rq), mx_requester_of(rq), body, gg_request_arena(rq), &room_id, &alias, err);
    if (rc != 0)
        return rc;
    return mx_api_reply_id(rq, "room_id", room_id);
}

/* ---- sending ---- */

/* Bridges tell of what happened elsewhere, at another time (application service API, "Timestamp massaging"). */
static int read_time(struct gg_request *rq, int64_t *out, struct gg_error *err)
{
    if (mx_requester_of(rq)->app_service == NULL)
        return 0;
    return mx_api_query_natural(rq, "ts", 0, out, err);
}

int mx_api_send(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "event_type"),
                             .txn_id = gg_request_param(rq, "txn_id"), .ratelimit = true};
    struct gg_str event_id;
    bool delayed = false;
    int rc = mx_api_content_body(rq, &e.content, err);
    if (rc == 0)
        rc = read_time(rq, &e.origin_server_ts, err);
    bool redaction = gg_str_is(e.type, "m.room.redaction");
    if (rc == 0 && redaction)
        e.redacts = mx_json_string(mx_json_get(e.content, "redacts"), gg_request_arena(rq));
    if (rc == 0 && redaction && e.redacts.s == NULL)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "'redacts' must be the id of an event");
    if (rc == 0)
        rc = mx_api_delay(rq, &e, &delayed, err);
    if (rc != 0 || delayed)
        return rc;
    rc = mx_send_once(rq, &e, &event_id, err);
    if (rc == 0 && gg_str_is(e.type, "m.room.message"))
        mx_presence_bump_requester(mx_server_of_request(rq), mx_requester_of(rq));
    return rc != 0 ? rc : mx_api_reply_id(rq, "event_id", event_id);
}

int mx_api_put_state(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = mx_api_param(rq, "event_type"),
                             .state_key = mx_api_param(rq, "state_key"), .ratelimit = true};
    struct gg_str event_id;
    bool delayed = false;
    if (e.state_key.s == NULL)
        e.state_key = GG_STR("");
    int rc = mx_api_content_body(rq, &e.content, err);
    if (rc == 0)
        rc = read_time(rq, &e.origin_server_ts, err);
    if (rc == 0)
        rc = mx_api_delay(rq, &e, &delayed, err);
    if (rc != 0 || delayed)
        return rc;
    if (gg_str_is(e.type, "m.room.member"))
        rc = mx_api_put_member(rq, &e, &event_id, err);
    else
        rc = mx_room_send(mx_server_of_request(rq), mx_requester_of(rq), &e, gg_request_arena(rq), &event_id, NULL, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "event_id", event_id);
}

/* Moderators who clean up may be given another rate than people who talk (config rc_admin_redaction). */
static int limit_redaction(struct gg_request *rq, struct gg_str redacts, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str user_id = gg_str(mx_requester_of(rq)->user_id);
    const struct mx_event *event = NULL;
    int rc = 0;
    bool apart = gg_config_set(server->config, "rc_admin_redaction.per_second") ||
                 gg_config_set(server->config, "rc_admin_redaction.burst_count");
    if (apart && mx_storable(redacts).s != NULL)
        rc = mx_store_events(server, &redacts, 1, false, gg_request_arena(rq), &event, err);
    bool others = event != NULL && !gg_str_eq(event->sender, user_id);
    return rc ? rc : mx_limit(server, others ? "rc_admin_redaction" : "rc_message", user_id, gg_request_principal(rq), true, err);
}

/* Version 11 moved redacts into the content; both places are filled in where the version wants them (mx_event_build). */
int mx_api_redact(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_new_event e = {.room_id = mx_api_param(rq, "room_id"), .type = GG_STR("m.room.redaction"),
                             .redacts = mx_api_param(rq, "event_id"), .txn_id = gg_request_param(rq, "txn_id"), .ratelimit = true};
    struct gg_str event_id;
    int rc = limit_redaction(rq, e.redacts, err);
    if (rc == 0)
        rc = mx_api_content_body(rq, &e.content, err);
    if (rc == 0)
        rc = mx_send_once(rq, &e, &event_id, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "event_id", event_id);
}

/* ---- upgrade ---- */

static int read_creators(struct gg_request *rq, struct gg_str body, struct mx_room_upgrade *upgrade, struct gg_error *err)
{
    struct gg_str list = mx_json_get(body, "additional_creators");
    struct mx_json *creators;
    if (list.s == NULL || gg_str_is(list, "null"))
        return 0;
    int rc = mx_json_parse(list, 4, gg_request_arena(rq), &creators, err);
    bool good = rc == 0 && creators->kind == MX_JSON_ARRAY;
    for (uint32_t i = 0; good && i < creators->n; i++)
        good = mx_json_text(creators->items[i]).s != NULL && mx_user_id_valid(creators->items[i]->text);
    if (rc == 0 && !good)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "additional_creators must be a list of user ids");
    upgrade->additional_creators = creators;
    return rc;
}

int mx_api_upgrade(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_room_upgrade upgrade = {.room_id = mx_api_param(rq, "room_id")};
    struct gg_str body, new_room;
    int rc = mx_api_content_body(rq, &body, err);
    if (rc != 0)
        return rc;
    struct gg_str version = mx_json_get(body, "new_version");
    if (version.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['new_version']");
    upgrade.version = mx_room_version_find(mx_json_string(version, gg_request_arena(rq)));
    if (upgrade.version == NULL)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Your homeserver does not support this room version");
    rc = read_creators(rq, body, &upgrade, err);
    if (rc == 0)
        rc = mx_room_upgrade(mx_server_of_request(rq), mx_requester_of(rq), &upgrade, gg_request_arena(rq), &new_room, err);
    return rc != 0 ? rc : mx_api_reply_id(rq, "replacement_room", new_room);
}
