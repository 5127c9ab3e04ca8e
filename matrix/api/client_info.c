/* client_info.c: what a client asks before anything else: versions, capabilities, the password policy. */
#include <ganglion/config.h>
#include <ganglion/matrix/api.h>

#include "accounts/password.h"
#include "api/accounts.h"
#include "delayed/delayed.h"
#include "presence/presence.h"

static const char *const versions[] = {
    "r0.0.1", "r0.1.0", "r0.2.0", "r0.3.0", "r0.4.0", "r0.5.0", "r0.6.0", "r0.6.1", "v1.1",  "v1.2",  "v1.3",  "v1.4",
    "v1.5",   "v1.6",   "v1.7",   "v1.8",   "v1.9",   "v1.10",  "v1.11",  "v1.12",  "v1.13", "v1.14", "v1.15",
};

/* Names that clients look for, as Synapse lists them; true only for what is built. */
static const struct {
    const char *name;
    bool on;
} features[] = {
    {"org.matrix.label_based_filtering", true},
    {"org.matrix.e2e_cross_signing", true},
    {"org.matrix.msc2432", true},
    {"uk.half-shot.msc2666.query_mutual_rooms.stable", true},
    {"org.matrix.msc3026.busy_presence", false},
    {"org.matrix.msc2285.stable", true},
    {"org.matrix.msc3827.stable", true},
    {"org.matrix.msc3440.stable", true},
    {"org.matrix.msc3771", true},
    {"fi.mau.msc2815", false},
    {"fi.mau.msc2659.stable", true},
    {"org.matrix.msc3882", false},
    {"org.matrix.msc3981", true},
    {"org.matrix.msc3391", false},
    {"org.matrix.msc4140", false},
    {"org.matrix.simplified_msc3575", true},
    {"uk.tcpip.msc4133", false},
    {"uk.tcpip.msc4133.stable", true},
    {"org.matrix.msc4380.stable", true},
    {"org.matrix.msc4306", false},
    {"org.matrix.msc3773", false},
    {"org.matrix.msc3874", false},
    {"com.beeper.msc4169", false},
    {"com.beeper.msc4446", false},
    {"io.element.msc4502", false},
};

/* Caches may keep what is told to those who do not say who they are (facts http-api: versions). */
int mx_api_versions(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *list = json_array(), *map = json_object();
    for (size_t i = 0; i < GG_COUNT(versions); i++)
        json_array_append_new(list, json_string(versions[i]));
    for (size_t i = 0; i < GG_COUNT(features); i++)
        json_object_set_new(map, features[i].name, json_boolean(features[i].on));
    if (mx_presence_busy_known(mx_server_of_request(rq)))
        json_object_set_new(map, "org.matrix.msc3026.busy_presence", json_true());
    if (gg_config_bool(mx_server_of_request(rq)->config, "login_via_existing_session.enabled"))
        json_object_set_new(map, "org.matrix.msc3882", json_true());
    if (gg_request_header(rq, "Authorization") == NULL)
        gg_reply_header(rq, "Cache-Control", "public, max-age=600, s-maxage=3600, stale-while-revalidate=600");
    gg_reply_header(rq, "Vary", "Authorization");
    return gg_reply_json(rq, 200, json_pack("{so so}", "versions", list, "unstable_features", map));
}

static json_t *room_versions(const struct mx_server *server)
{
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n);
    json_t *available = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(available, all[i].id, json_string(all[i].stable ? "stable" : "unstable"));
    return json_pack("{ss so}", "default", server->default_version->id, "available", available);
}

static void capability(json_t *map, const char *name, bool enabled)
{
    json_object_set_new(map, name, json_pack("{sb}", "enabled", enabled));
}

/* Fields that users may not set are told by name (client-server API, "m.profile_fields capability"). */
static json_t *profile_fields(const struct gg_config *config)
{
    static const char *const fields[][2] = {{"displayname", "enable_set_displayname"}, {"avatar_url", "enable_set_avatar_url"}};
    json_t *capability = json_pack("{sb}", "enabled", 1), *not_allowed = json_array();
    for (size_t i = 0; i < GG_COUNT(fields); i++)
        if (!gg_config_bool(config, fields[i][1]))
            json_array_append_new(not_allowed, json_string(fields[i][0]));
    if (json_array_size(not_allowed))
        json_object_set(capability, "disallowed", not_allowed);
    json_decref(not_allowed);
    return capability;
}

int mx_api_capabilities(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_server *server = mx_server_of_request(rq);
    json_t *map = json_object();
    json_object_set_new(map, "m.room_versions", room_versions(server));
    capability(map, "m.change_password", strcmp(gg_config_text(server->config, "password_config.enabled"), "false") != 0 &&
                                             gg_config_bool(server->config, "password_config.localdb_enabled"));
    capability(map, "m.set_displayname", gg_config_bool(server->config, "enable_set_displayname"));
    capability(map, "m.set_avatar_url", gg_config_bool(server->config, "enable_set_avatar_url"));
    capability(map, "m.3pid_changes", gg_config_bool(server->config, "enable_3pid_changes"));
    capability(map, "m.get_login_token", gg_config_bool(server->config, "login_via_existing_session.enabled"));
    json_object_set_new(map, "m.profile_fields", profile_fields(server->config));
    json_object_set_new(map, "org.matrix.msc4140.delayed_events",
                        json_pack("{sI sI}", "max_delay_ms", (json_int_t)mx_delay_most_ms(server->config), "max_scheduled",
                                  (json_int_t)gg_config_int(server->config, "experimental_features.msc4140_max_delayed_events_per_user")));
    return gg_reply_json(rq, 200, json_pack("{so}", "capabilities", map));
}

int mx_api_password_policy(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_reply_json(rq, 200, mx_password_policy_json(mx_server_of_request(rq)->config));
}
