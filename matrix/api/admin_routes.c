/* admin_routes.c: the routes of the admin API (facts http-api 5). All are served by the main process, as in Synapse. */
#include <ganglion/matrix/api.h>

#include "api/admin.h"
#include "api/admin_rooms.h"
#include "api/admin_server.h"
#include "api/rooms.h"

#define V1 "/_synapse/admin/v1"
#define V2 "/_synapse/admin/v2"
#define USER V1 "/users/{user_id}"
#define USER2 V2 "/users/{user_id}"
#define ROOM V1 "/rooms/{room_id}"
#define ROUTE(method_, path_, handler_, ...)                                                                           \
    {                                                                                                                  \
        .method = method_, .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_ADMIN,            \
        .writer = GG_WRITER_MAIN, __VA_ARGS__                                                                          \
    }
#define READ(path_, handler_, doc_) ROUTE("GET", path_, handler_, .flags = GG_ROUTE_CANCELLABLE, .doc = doc_)
#define WRITE(method_, path_, handler_, doc_) ROUTE(method_, path_, handler_, .flags = GG_ROUTE_JSON, .doc = doc_)

const struct gg_route mx_routes_admin[] = {
    READ("/_synapse/admin/(v2|v3)/users", mx_admin_api_users, "list accounts"),
    READ(USER2, mx_admin_api_user, "an account"),
    WRITE("PUT", USER2, mx_admin_api_put_user, "create or modify an account"),
    READ(USER "/admin", mx_admin_api_get_admin, "is a user a server administrator?"),
    WRITE("PUT", USER "/admin", mx_admin_api_put_admin, "make or unmake a server administrator"),
    READ(USER "/joined_rooms", mx_admin_api_user_rooms, "rooms of a user"),
    READ(USER "/memberships", mx_admin_api_user_memberships, "memberships of a user"),
    READ(USER "/pushers", mx_admin_api_user_pushers, "pushers of a user"),
    READ(USER "/accountdata", mx_admin_api_user_data, "account data of a user"),
    READ(USER "/sent_invite_count", mx_admin_api_invites_sent, "invitations that a user sent"),
    READ(USER "/cumulative_joined_room_count", mx_admin_api_rooms_joined, "rooms that a user has joined"),
    WRITE("POST", USER "/login", mx_admin_api_login_as, "a token to act as a user"),
    WRITE("POST", USER "/shadow_ban", mx_admin_api_shadow_ban, "shadow-ban a user"),
    ROUTE("DELETE", USER "/shadow_ban", mx_admin_api_shadow_unban, .doc = "end a shadow ban"),
    READ(USER "/override_ratelimit", mx_admin_api_get_rate, "rate limits of a user"),
    WRITE("POST", USER "/override_ratelimit", mx_admin_api_set_rate, "set rate limits of a user"),
    ROUTE("DELETE", USER "/override_ratelimit", mx_admin_api_delete_rate, .doc = "the usual rate limits again"),
    READ(USER2 "/devices", mx_admin_api_devices, "devices of a user"),
    WRITE("POST", USER2 "/devices", mx_admin_api_add_device, "add a device"),
    READ(USER2 "/devices/{device_id}", mx_admin_api_device, "a device of a user"),
    WRITE("PUT", USER2 "/devices/{device_id}", mx_admin_api_put_device, "rename a device"),
    WRITE("DELETE", USER2 "/devices/{device_id}", mx_admin_api_delete_device, "delete a device"),
    WRITE("POST", USER2 "/delete_devices", mx_admin_api_delete_devices, "delete devices"),
    WRITE("POST", V1 "/send_server_notice", mx_admin_api_send_notice, "a message of the server to a user"),
    WRITE("PUT", V1 "/send_server_notice/{txn_id}", mx_admin_api_send_notice, "the same, once for each transaction"),
    WRITE("POST", V1 "/reset_password/{user_id}", mx_admin_api_reset_password, "set a password"),
    WRITE("POST", V1 "/deactivate/{user_id}", mx_admin_api_deactivate, "end an account"),
    WRITE("PUT", V1 "/suspend/{user_id}", mx_admin_api_suspend, "suspend an account"),
    WRITE("POST", V1 "/account_validity/validity", mx_admin_api_validity, "until when an account is good"),
    READ(V1 "/search_users/{user_id}", mx_admin_api_search_users, "accounts by a part of their id"),
    READ(V1 "/threepid/{medium}/users/{address}", mx_admin_api_by_address, "the account of an address"),
    READ(V1 "/auth_providers/{provider}/users/{external_id}", mx_admin_api_by_external_id, "the account of another provider's id"),
    READ(V1 "/username_available", mx_admin_api_username_available, "is a name free?"),
    READ(V1 "/experimental_features/{user_id}", mx_admin_api_get_features, "features switched for a user"),
    WRITE("PUT", V1 "/experimental_features/{user_id}", mx_admin_api_put_features, "switch features for a user"),
    READ(V1 "/statistics/users/media", mx_admin_api_users_media, "media by user"),
    {.method = "GET", .path = V1 "/whois/{user_id}", .handler = mx_admin_api_whois, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .writer = GG_WRITER_MAIN, .doc = "connections of a user"},
    {.method = "GET", .path = "/_matrix/client/(api/v1|r0|v3|unstable)/admin/whois/{user_id}",
     .handler = mx_admin_api_whois, .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE,
     .writer = GG_WRITER_MAIN, .doc = "connections of a user"},

    WRITE("POST", USER "/_allow_cross_signing_replacement_without_uia", mx_admin_api_allow_new_keys, "new cross-signing keys without a password"),

    READ(V1 "/federation/destinations", mx_admin_api_destinations, "servers that we talk to"),
    READ(V1 "/federation/destinations/{destination}", mx_admin_api_destination, "a server that we talk to"),
    READ(V1 "/federation/destinations/{destination}/rooms", mx_admin_api_destination_rooms, "rooms shared with a server"),
    WRITE("POST", V1 "/federation/destinations/{destination}/reset_connection", mx_admin_api_reset_destination, "try a server again"),

    READ(V1 "/registration_tokens", mx_admin_api_tokens, "registration tokens"),
    WRITE("POST", V1 "/registration_tokens/new", mx_admin_api_new_token, "make a registration token"),
    READ(V1 "/registration_tokens/{token}", mx_admin_api_token, "a registration token"),
    WRITE("PUT", V1 "/registration_tokens/{token}", mx_admin_api_put_token, "change a registration token"),
    ROUTE("DELETE", V1 "/registration_tokens/{token}", mx_admin_api_delete_token, .doc = "delete a registration token"),

    READ(V1 "/rooms", mx_admin_api_rooms, "list rooms"),
    READ(ROOM, mx_admin_api_room, "facts about a room"),
    READ(ROOM "/members", mx_admin_api_room_members, "members of a room"),
    READ(ROOM "/state", mx_admin_api_room_state, "state of a room"),
    READ(ROOM "/messages", mx_api_messages, "pages of a room's history"),
    READ(ROOM "/context/{event_id}", mx_api_context, "an event and what is around it"),
    READ(ROOM "/timestamp_to_event", mx_api_timestamp_to_event, "the event next to a moment"),
    READ(ROOM "/hierarchy", mx_api_hierarchy, "the rooms of a space"),
    READ(ROOM "/block", mx_admin_api_room_block, "is a room blocked?"),
    WRITE("PUT", ROOM "/block", mx_admin_api_put_room_block, "block or unblock a room"),
    READ(ROOM "/forward_extremities", mx_admin_api_extremities, "ends of a room's graph"),
    ROUTE("DELETE", ROOM "/forward_extremities", mx_admin_api_one_extremity, .doc = "leave one end of a room's graph"),
    WRITE("POST", ROOM "/make_room_admin", mx_admin_api_make_room_admin, "give a user power in a room"),
    WRITE("POST", V1 "/join/{room_identifier}", mx_admin_api_join, "bring a user into a room"),
    READ(V1 "/statistics/database/rooms", mx_admin_api_rooms_sizes, "largest rooms"),
    READ(V1 "/fetch_event/{event_id}", mx_admin_api_fetch_event, "any event"),
    WRITE("POST", V1 "/purge_history/{room_id}", mx_admin_api_purge_history, "purge old history"),
    WRITE("POST", V1 "/purge_history/{room_id}/{event_id}", mx_admin_api_purge_history, "purge history before an event"),
    READ(V1 "/purge_history_status/{purge_id}", mx_admin_api_purge_status, "how far a purge is"),
    ROUTE("DELETE", ROOM, mx_admin_api_delete_room_now, .flags = GG_ROUTE_JSON, .deadline_ms = 3600000, .doc = "delete a room, and wait for it"),
    WRITE("DELETE", V2 "/rooms/{room_id}", mx_admin_api_delete_room, "delete a room in the background"),
    READ(V2 "/rooms/{room_id}/delete_status", mx_admin_api_delete_status_of_room, "deletions of a room"),
    READ(V2 "/rooms/delete_status/{delete_id}", mx_admin_api_delete_status, "how far a deletion is"),

    {.method = "GET", .path = V1 "/server_version", .handler = mx_admin_api_version, .resource = "client",
     .flags = GG_ROUTE_CANCELLABLE, .writer = GG_WRITER_MAIN, .doc = "version of the server"},
    READ(V1 "/event_reports", mx_admin_api_event_reports, "reported events"),
    READ(V1 "/event_reports/{report_id}", mx_admin_api_event_report, "a reported event"),
    ROUTE("DELETE", V1 "/event_reports/{report_id}", mx_admin_api_delete_event_report, .doc = "delete a report"),
    READ(V1 "/user_reports", mx_admin_api_user_reports, "reported users"),
    READ(V1 "/user_reports/{report_id}", mx_admin_api_user_report, "a reported user"),
    ROUTE("DELETE", V1 "/user_reports/{report_id}", mx_admin_api_delete_user_report, .doc = "delete a report"),
    READ(V1 "/scheduled_tasks", mx_admin_api_tasks, "tasks of the database"),
    READ(V1 "/background_updates/status", mx_admin_api_updates, "what of the schema is being worked on"),
    READ(V1 "/background_updates/enabled", mx_admin_api_updates_enabled, "is the schema worked on?"),
    WRITE("POST", V1 "/background_updates/enabled", mx_admin_api_enable_updates, "work on the schema or pause"),
    WRITE("POST", V1 "/background_updates/start_job", mx_admin_api_start_job, "make the user directory or statistics anew"),
    WRITE("POST", V1 "/user/{user_id}/redact", mx_admin_api_redact_user, "redact what a user sent"),
    READ(V1 "/user/redact_status/{redact_id}", mx_admin_api_redact_status, "how far a redaction is"),
    {0},
};
