/* usage/terms.c: who has not agreed to the terms of use (config user_consent): sends nothing, and is sent a notice. */
#include "usage/internal.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

#include "accounts/consent.h"
#include "config/as_json.h"
#include "pages/pages.h"
#include "rooms/notices.h"
#include "storage/usage.h"

/* The form that only this user can fill in; NULL: there is no form_secret. */
static const char *form_of(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena)
{
    struct gg_str localpart = mx_id_localpart(user_id);
    struct gg_buf encoded = GG_BUF_INIT;
    char mac[65];
    if (!mx_consent_mac(server->config, localpart, mac))
        return NULL;
    gg_buf_urlencode(&encoded, localpart);
    const char *url = gg_arena_printf(arena, "%s_matrix/consent?u=%s&h=%s", mx_public_baseurl(server, arena), encoded.data, mac);
    gg_buf_done(&encoded);
    return url;
}

static int refuse(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const char *url = form_of(server, user_id, arena);
    const struct mx_page_value values[] = {{"consent_uri", gg_str(url != NULL ? url : "")}};
    struct gg_buf json = GG_BUF_INIT;
    int rc = gg_refuse(err, 403, "M_CONSENT_NOT_GIVEN", "%s",
                       mx_page_fill_in(server->usage->terms_refusal, values, GG_COUNT(values), arena));
    gg_buf_json_string(&json, values[0].text);
    gg_error_extra(err, "consent_uri", json.data);
    gg_buf_done(&json);
    gg_arena_free(arena);
    return rc;
}

static int check(struct mx_server *server, const struct mx_requester *requester, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    struct gg_str user_id = gg_str(requester->puppeted_by != NULL ? requester->puppeted_by : requester->user_id);
    struct mx_member member;
    if (usage->terms_refusal == NULL || requester->access_token == NULL || requester->app_service != NULL)
        return 0;
    int rc = mx_member_get(server, user_id, &member, err);
    return rc != 0 || member.excused || member.agreed ? rc : refuse(server, user_id, err);
}

int mx_usage_check_sender(struct mx_server *server, const struct mx_requester *requester, struct gg_error *err)
{
    int rc = mx_usage_check(server, requester, err);
    return rc != 0 ? rc : check(server, requester, err);
}

/* *out: is it a room in which the server speaks to a user? */
static int is_notice_room(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *out, struct gg_error *err)
{
    const struct gg_str speaker = server->usage->speaker;
    const struct mx_head *head;
    struct gg_str membership = {0};
    int rc = speaker.s != NULL ? mx_heads_get(server, room_id, arena, &head, err) : GG_E_NOT_FOUND;
    if (rc == 0)
        rc = mx_heads_membership(server, head, speaker, arena, &membership, err);
    *out = rc == 0 && gg_str_is(membership, "join");
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        rc = 0;
    }
    return rc;
}

int mx_usage_check_change(struct mx_server *server, const struct mx_requester *requester, const struct mx_membership_change *change,
                          struct gg_arena *arena, struct gg_error *err)
{
    bool exempt = gg_str_is(change->membership, "leave") && gg_str_is(change->target, requester->user_id);
    int rc = mx_usage_check(server, requester, err);
    if (rc == 0 && server->usage->terms_refusal != NULL && gg_str_is(change->membership, "join"))
        rc = is_notice_room(server, change->room_id, arena, &exempt, err);
    return rc != 0 || exempt ? rc : check(server, requester, err);
}

/* ---- the notice ---- */

static int send_notice(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    const char *url = form_of(server, user_id, arena);
    const struct mx_page_value values[] = {{"consent_uri", gg_str(url != NULL ? url : "")}};
    json_t *json = mx_config_json(gg_config_node(server->config, "user_consent.server_notice_content"));
    char *text = json_dumps(json, JSON_COMPACT);
    struct mx_new_event event = {.type = GG_STR("m.room.message"),
                                 .content = gg_str(mx_page_fill_in(text, values, GG_COUNT(values), arena))};
    struct gg_str event_id;
    free(text);
    json_decref(json);
    return mx_notice_send(server, user_id, &event, arena, &event_id, err);
}

int mx_terms_tell(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    struct mx_member member;
    if (!usage->tells_terms)
        return 0;
    int rc = mx_member_get(server, user_id, &member, err);
    if (rc != 0 || !member.exists || member.agreed || member.told ||
        (member.guest && !gg_config_bool(server->config, "user_consent.send_server_notice_to_guests")))
        return rc;
    struct gg_arena *arena = gg_arena_new();
    rc = send_notice(server, user_id, arena, err);
    if (rc == 0)
        rc = mx_usage_terms_told(server, user_id, gg_str(usage->terms), err);
    gg_arena_free(arena);
    return rc;
}
