/* matrix/api/rooms_routes.c: the room endpoints of the client-server API, in every spelling that Synapse and the seed
 * know (facts http-api.md, section 1). */
#include "api/rooms.h"

#include <ganglion/matrix/api.h>

#define CLIENT "/_matrix/client/(api/v1|r0|v3|unstable)"
#define CLIENT_NEW "/_matrix/client/(r0|v3)"
#define ROOM CLIENT "/rooms/{room_id}"
#define RELATIONS "/_matrix/client/(v1|unstable)/rooms/{room_id}/relations/{parent_id}"

#define LISTED CLIENT "/directory/list/room/{room_id}"
#define NETWORK CLIENT "/directory/list/appservice/{network_id}/{room_id}"

#define READ(path_, handler_, ...) \
    {.method = "GET", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_GUEST, \
     .flags = GG_ROUTE_CANCELLABLE, __VA_ARGS__}
/* Not for guests. */
#define MEMBER_READ(path_, handler_, ...) \
    {.method = "GET", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER, \
     .flags = GG_ROUTE_CANCELLABLE, __VA_ARGS__}
#define SUMMARY(path_, ...) \
    {.method = "GET", .path = path_, .handler = mx_api_room_summary, .resource = "client", .auth = GG_AUTH_OPTIONAL, \
     .flags = GG_ROUTE_CANCELLABLE, __VA_ARGS__}
#define WRITE_BY(auth_, method_, path_, handler_, ...) \
    {.method = method_, .path = path_, .handler = handler_, .resource = "client", .auth = auth_, \
     .max_body = 128 * 1024, .pool = "events", .balance = "room", __VA_ARGS__}
#define WRITE(method_, path_, handler_, ...) WRITE_BY(GG_AUTH_GUEST, method_, path_, handler_, __VA_ARGS__)
/* Not for guests. */
#define MEMBER_WRITE(method_, path_, handler_, ...) WRITE_BY(GG_AUTH_USER, method_, path_, handler_, __VA_ARGS__)
/* Servers that have the room, or the user, are asked, perhaps one after the other. */
#define OTHERS_MS 900000
#define REPORT(path_, handler_, ...) \
    {.method = "POST", .path = path_, .handler = handler_, .resource = "client", .auth = GG_AUTH_USER, \
     .writer = GG_WRITER_MAIN, __VA_ARGS__}

const struct gg_route mx_routes_rooms[] = {
    {.method = "POST", .path = CLIENT "/createRoom", .handler = mx_api_create_room, .resource = "client",
     .auth = GG_AUTH_USER, .max_body = 1024 * 1024, .limiter = "rc_room_creation", .deadline_ms = OTHERS_MS,
     .doc = "a new room"},
    {.method = "PUT", .path = CLIENT "/createRoom/{txn_id}", .handler = mx_api_create_room, .resource = "client",
     .auth = GG_AUTH_USER, .max_body = 1024 * 1024, .limiter = "rc_room_creation", .deadline_ms = OTHERS_MS,
     .doc = "a new room (old form)"},

    WRITE("POST", CLIENT "/join/{room_identifier}", mx_api_join, .deadline_ms = OTHERS_MS, .doc = "join by id or alias"),
    WRITE("PUT", CLIENT "/join/{room_identifier}/{txn_id}", mx_api_join, .deadline_ms = OTHERS_MS, .doc = "join (old form)"),
    WRITE("POST", ROOM "/join", mx_api_join_room, .deadline_ms = OTHERS_MS, .doc = "join"),
    WRITE("POST", ROOM "/leave", mx_api_leave, .deadline_ms = OTHERS_MS, .doc = "leave, or reject an invite"),
    WRITE("POST", ROOM "/invite", mx_api_invite, .deadline_ms = OTHERS_MS, .doc = "invite a user"),
    WRITE("POST", ROOM "/kick", mx_api_kick, .doc = "remove a user"),
    WRITE("POST", ROOM "/ban", mx_api_ban, .doc = "ban a user"),
    WRITE("POST", ROOM "/unban", mx_api_unban, .doc = "lift a ban"),
    {.method = "POST", .path = "/_matrix/client/(r0|v3|unstable)/knock/{room_identifier}", .handler = mx_api_knock,
     .resource = "client", .auth = GG_AUTH_USER, .max_body = 128 * 1024, .pool = "events", .limiter = "rc_message",
     .deadline_ms = OTHERS_MS, .doc = "ask to be let in"},
    {.method = "POST", .path = "/_matrix/client/(r0|v3|unstable)/rooms/{room_id}/upgrade", .handler = mx_api_upgrade,
     .resource = "client", .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN, .deadline_ms = 300000,
     .doc = "replace a room by one of another version"},
    WRITE("PUT", ROOM "/join/{txn_id}", mx_api_join_room, .deadline_ms = OTHERS_MS, .doc = "join (old form)"),
    WRITE("PUT", ROOM "/leave/{txn_id}", mx_api_leave, .deadline_ms = OTHERS_MS, .doc = "leave (old form)"),
    WRITE("PUT", ROOM "/invite/{txn_id}", mx_api_invite, .deadline_ms = OTHERS_MS, .doc = "invite (old form)"),
    WRITE("PUT", ROOM "/kick/{txn_id}", mx_api_kick, .doc = "remove (old form)"),
    WRITE("PUT", ROOM "/ban/{txn_id}", mx_api_ban, .doc = "ban (old form)"),
    WRITE("PUT", ROOM "/unban/{txn_id}", mx_api_unban, .doc = "lift a ban (old form)"),
    {.method = "POST", .path = ROOM "/forget", .handler = mx_api_forget, .resource = "client", .auth = GG_AUTH_USER,
     .pool = "events", .balance = "room", .doc = "forget a room"},
    {.method = "PUT", .path = ROOM "/forget/{txn_id}", .handler = mx_api_forget, .resource = "client", .auth = GG_AUTH_USER,
     .pool = "events", .balance = "room", .doc = "forget (old form)"},

    WRITE("PUT", ROOM "/send/{event_type}/{txn_id}", mx_api_send, .limiter = "rc_message", .doc = "send a message event"),
    WRITE("POST", ROOM "/send/{event_type}", mx_api_send, .limiter = "rc_message", .doc = "send without transaction id"),
    WRITE("PUT", ROOM "/state/{event_type}/{state_key}", mx_api_put_state, .limiter = "rc_message", .doc = "send a state event"),
    WRITE("PUT", ROOM "/state/{event_type}/", mx_api_put_state, .limiter = "rc_message", .doc = "with an empty state key"),
    WRITE("PUT", ROOM "/state/{event_type}", mx_api_put_state, .limiter = "rc_message", .doc = "with an empty state key"),
    MEMBER_WRITE("PUT", ROOM "/redact/{event_id}/{txn_id}", mx_api_redact, .doc = "redact an event"),
    MEMBER_WRITE("POST", ROOM "/redact/{event_id}", mx_api_redact, .doc = "redact without transaction id"),

    READ(ROOM "/state", mx_api_get_state_all, .doc = "current state"),
    READ(ROOM "/state/{event_type}/{state_key}", mx_api_get_state, .doc = "one state event's content"),
    READ(ROOM "/state/{event_type}/", mx_api_get_state, .doc = "with an empty state key"),
    READ(ROOM "/state/{event_type}", mx_api_get_state, .doc = "with an empty state key"),
    READ(ROOM "/members", mx_api_members, .doc = "member events"),
    MEMBER_READ(ROOM "/joined_members", mx_api_joined_members, .doc = "who is joined, with profiles"),
    READ(ROOM "/messages", mx_api_messages, .pool = "events", .balance = "room", .doc = "pages of history"),
    READ(ROOM "/context/{event_id}", mx_api_context, .doc = "an event and what is around it"),
    READ(ROOM "/event/{event_id}", mx_api_event, .doc = "one event"),
    READ(RELATIONS, mx_api_relations, .pool = "events", .balance = "room", .doc = "events that relate to one"),
    READ(RELATIONS "/{relation_type}", mx_api_relations, .pool = "events", .balance = "room", .doc = "of one kind"),
    READ(RELATIONS "/{relation_type}/{event_type}", mx_api_relations, .pool = "events", .balance = "room", .doc = "of one kind and type"),
    {.method = "GET", .path = "/_matrix/client/v1/rooms/{room_id}/threads", .handler = mx_api_threads, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .pool = "events", .balance = "room", .doc = "threads of a room"},
    {.method = "GET", .path = "/_matrix/client/v1/rooms/{room_id}/timestamp_to_event", .handler = mx_api_timestamp_to_event,
     .resource = "client", .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .doc = "the event nearest to a moment"},
    {.method = "POST", .path = CLIENT "/search", .handler = mx_api_search, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_CANCELLABLE, .doc = "messages, names and topics by their words"},
    REPORT("/_matrix/client/(r0|v3|unstable)/rooms/{room_id}/report/{event_id}", mx_api_report_event, .doc = "report an event"),
    REPORT("/_matrix/client/v3/rooms/{room_id}/report", mx_api_report_room, .limiter = "rc_reports", .doc = "report a room"),
    REPORT("/_matrix/client/v3/users/{target_user_id}/report", mx_api_report_user, .limiter = "rc_reports", .doc = "report a user"),
    MEMBER_READ(CLIENT_NEW "/rooms/{room_id}/aliases", mx_api_room_aliases, .doc = "aliases of a room"),
    MEMBER_READ("/_matrix/client/unstable/org.matrix.msc2432/rooms/{room_id}/aliases", mx_api_room_aliases, .doc = "aliases (MSC2432)"),
    {.method = "GET", .path = CLIENT "/directory/room/{room_alias}", .handler = mx_api_get_alias, .resource = "client",
     .flags = GG_ROUTE_CANCELLABLE, .doc = "the room of an alias"},
    {.method = "PUT", .path = CLIENT "/directory/room/{room_alias}", .handler = mx_api_put_alias, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_JSON, .doc = "name a room"},
    {.method = "DELETE", .path = CLIENT "/directory/room/{room_alias}", .handler = mx_api_delete_alias, .resource = "client",
     .auth = GG_AUTH_USER, .doc = "take a room's alias away"},
    {.method = "GET", .path = CLIENT "/publicRooms", .handler = mx_api_public_rooms, .resource = "client",
     .auth = GG_AUTH_OPTIONAL, .flags = GG_ROUTE_CANCELLABLE, .doc = "the public list of rooms"},
    {.method = "POST", .path = CLIENT "/publicRooms", .handler = mx_api_search_public_rooms, .resource = "client",
     .auth = GG_AUTH_GUEST, .doc = "search in the public list"},
    {.method = "GET", .path = LISTED, .handler = mx_api_get_listed, .resource = "client", .writer = GG_WRITER_MAIN,
     .doc = "is a room on the public list?"},
    {.method = "PUT", .path = LISTED, .handler = mx_api_put_listed, .resource = "client", .auth = GG_AUTH_USER,
     .writer = GG_WRITER_MAIN, .doc = "put a room on the public list"},
    {.method = "PUT", .path = NETWORK, .handler = mx_api_put_network_listed, .resource = "client", .auth = GG_AUTH_USER,
     .writer = GG_WRITER_MAIN, .doc = "put a room on an appservice's list"},
    {.method = "DELETE", .path = NETWORK, .handler = mx_api_delete_network_listed, .resource = "client", .auth = GG_AUTH_USER,
     .writer = GG_WRITER_MAIN, .doc = "take a room off an appservice's list"},
    READ("/_matrix/client/(v1|unstable/org.matrix.msc2946)/rooms/{room_id}/hierarchy", mx_api_hierarchy, .doc = "the rooms of a space"),
    SUMMARY("/_matrix/client/v1/room_summary/{room_identifier}", .doc = "what may be known of a room"),
    SUMMARY("/_matrix/client/unstable/im.nheko.summary/summary/{room_identifier}", .doc = "the same (MSC3266)"),
    SUMMARY("/_matrix/client/unstable/im.nheko.summary/rooms/{room_identifier}/summary", .doc = "the same, as it was first"),
    {.method = "GET", .path = "/_matrix/client/(v1|unstable)/mutual_rooms", .handler = mx_api_mutual_rooms, .resource = "client",
     .auth = GG_AUTH_USER, .flags = GG_ROUTE_CANCELLABLE, .writer = GG_WRITER_MAIN, .doc = "rooms in common with another user"},
    READ(CLIENT "/joined_rooms", mx_api_joined_rooms, .doc = "rooms that the caller is joined to"),
    {0},
};
