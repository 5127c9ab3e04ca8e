/* new_users.c: the pusher that new users get with their mail address. */
#include <ganglion/config.h>
#include <ganglion/matrix/pushers.h>

bool mx_push_mails_enabled(const struct gg_config *config)
{
    return gg_config_bool(config, "email.enable_notifs") && gg_config_text(config, "email.notif_from") != NULL;
}

int mx_push_mails_begin(struct mx_server *server, struct gg_str user_id, struct gg_str address, struct gg_error *err)
{
    if (!mx_push_mails_enabled(server->config) || !gg_config_bool(server->config, "email.notif_for_new_users"))
        return 0;
    const struct mx_pusher pusher = {.user_id = user_id,
                                     .kind = GG_STR("email"),
                                     .app_id = GG_STR(MX_MAIL_APP_ID),
                                     .pushkey = address,
                                     .app_display_name = GG_STR("Email Notifications"),
                                     .device_display_name = address,
                                     .profile_tag = GG_STR(""),
                                     .data = GG_STR("{}"),
                                     .ts = gg_wall_ms(),
                                     .last_stream_ordering = gg_stream_upto(server->events)};
    return mx_pusher_set(server, &pusher, false, err);
}
