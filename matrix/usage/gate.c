/* usage/gate.c: is there a place on the server for who asks? */
#include "usage/internal.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>

static int refuse(struct mx_server *server, const char *message, const char *type, struct gg_error *err)
{
    const char *contact = gg_config_text(server->config, "admin_contact");
    struct gg_buf json = GG_BUF_INIT;
    int rc = gg_refuse(err, 403, "M_RESOURCE_LIMIT_EXCEEDED", "%s", message);
    if (contact != NULL)
        gg_buf_json_string(&json, gg_str(contact));
    gg_error_extra(err, "admin_contact", contact != NULL ? json.data : "null");
    gg_buf_clear(&json);
    gg_buf_json_string(&json, gg_str(type));
    gg_error_extra(err, "limit_type", json.data);
    gg_buf_done(&json);
    return rc;
}

static int refuse_when_full(struct mx_server *server, struct gg_error *err)
{
    bool full;
    int rc = mx_usage_full(server, &full, err);
    return rc != 0 || !full ? rc : refuse(server, MX_USAGE_FULL, MX_USAGE_FULL_TYPE, err);
}

static int refuse_disabled(struct mx_server *server, struct gg_error *err)
{
    const char *message = gg_config_text(server->config, "hs_disabled_message");
    return refuse(server, message != NULL ? message : "", "hs_disabled", err);
}

int mx_usage_check_login(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    struct mx_member member;
    int64_t seen = 0;
    if ((!usage->disabled && !usage->capped) || (usage->speaker.s != NULL && gg_str_eq(user_id, usage->speaker)))
        return 0;
    int rc = mx_member_get(server, user_id, &member, err);
    if (rc != 0 || member.support)
        return rc;
    if (usage->disabled)
        return refuse_disabled(server, err);
    rc = mx_usage_last_seen(server, user_id, &seen, err);
    if (rc != 0 || seen != 0 || (member.exists && gg_wall_ms() < member.trial_end_ms))
        return rc;
    return refuse_when_full(server, err);
}

/* Users of application services are under the cap where they are seen: else they would never be counted. */
int mx_usage_check(struct mx_server *server, const struct mx_requester *requester, struct gg_error *err)
{
    if (requester->access_token == NULL || (requester->app_service != NULL && !server->usage->services_count))
        return 0;
    return mx_usage_check_login(server, gg_str(requester->puppeted_by != NULL ? requester->puppeted_by : requester->user_id), err);
}

int mx_usage_check_new(struct mx_server *server, struct gg_str medium, struct gg_str address, struct gg_error *err)
{
    const struct mx_usage *usage = server->usage;
    if (usage->disabled)
        return refuse_disabled(server, err);
    return !usage->capped || mx_usage_is_reserved(usage, medium, address) ? 0 : refuse_when_full(server, err);
}
