/* matrix/federation/member_in.c: member events that another server's users make through us. */
#include "federation/member_in.h"

#include "accounts/accounts.h"
#include "federation/entry.h"
#include "federation/keyring.h"
#include "federation/receive.h"
#include "federation/template.h"
#include "rooms/restricted.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/id.h>

struct arriving {
    struct mx_server *server;
    struct gg_str origin, room_id, body;
    const char *membership;
    struct gg_arena *arena;
    struct mx_fed_member *out;
};

static bool joins(const struct arriving *a)
{
    return strcmp(a->membership, "join") == 0;
}

/* ---- what it is ---- */

/* In the order in which Synapse says what is wrong. */
static int check_kind(struct arriving *a, const struct mx_event *event, struct gg_error *err)
{
    if (!mx_event_is_state(event) || !gg_str_is(event->type, "m.room.member"))
        return gg_refuse(err, 400, "M_BAD_JSON", "Not an m.room.member event");
    if (!gg_str_is(event->membership, a->membership))
        return gg_refuse(err, 400, "M_BAD_JSON", "Not a %s event", a->membership);
    return 0;
}

static int check_sender(struct arriving *a, const struct mx_event *event, struct gg_error *err)
{
    if (!gg_str_eq(mx_id_domain(event->sender), a->origin))
        return gg_refuse(err, 403, "M_FORBIDDEN", "User not from origin");
    if (!gg_str_eq(event->sender, event->state_key))
        return gg_refuse(err, 400, "M_BAD_JSON", "state_key and sender must match");
    return 0;
}

static int check_text(struct arriving *a, struct gg_error *err)
{
    struct mx_event *event;
    struct gg_str room_id = mx_json_string(mx_json_get(a->body, "room_id"), a->arena);
    if (room_id.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: ['room_id']");
    if (!gg_str_eq(room_id, a->room_id))
        return gg_refuse(err, 400, "M_BAD_JSON", "Room ID in body does not match that in request path");
    int rc = mx_event_parse(a->body, a->out->head->version, (struct gg_str){0}, &event, err);
    if (rc != 0)
        return rc;
    rc = check_kind(a, event, err);
    mx_event_unref(event);
    return rc;
}

/* ---- our word for those who are let in by another room ---- */

static int sign_as_host(struct arriving *a, struct gg_error *err)
{
    struct gg_str host = mx_json_get(mx_json_get(a->body, "content"), "join_authorised_via_users_server");
    const struct mx_room_version *version = a->out->head->version;
    struct mx_json *tree;
    if (!version->restricted || !joins(a) || host.s == NULL)
        return 0;
    host = mx_json_string(host, a->arena);
    if (host.s == NULL || !mx_is_mine(a->server, host))
        return gg_refuse(err, 400, "M_UNKNOWN", "Cannot authorise membership event for %.*s. We can only authorise requests from our own homeserver",
                         GG_FMT(host.s != NULL ? mx_id_domain(host) : host));
    int rc = mx_json_parse(a->body, 1000, a->arena, &tree, err);
    if (rc != 0)
        return rc;
    mx_event_sign(tree, version, a->server->name, &a->server->keys[0], a->arena);
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, tree);
    a->body = gg_arena_str(a->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return 0;
}

static int check_signatures(struct arriving *a, struct gg_error *err)
{
    const char *why = NULL;
    int rc = mx_fed_check_pdus(a->server, a->out->head->version, &a->body, 1, a->arena, &a->out->event, &why, err);
    if (rc == 0 && a->out->event == NULL)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "%s", why != NULL ? why : "The event's signatures are not right");
    return rc != 0 ? rc : check_kind(a, a->out->event, err); /* once more: a wrong hash has it redacted */
}

/* ---- where it stands ---- */

static int state_event(struct arriving *a, const char *type, struct gg_str key, const struct mx_event **out, struct gg_error *err)
{
    struct gg_str id = mx_state_get(a->out->before.state, gg_str(type), key);
    *out = NULL;
    return id.s != NULL ? mx_store_events(a->server, &id, 1, false, a->arena, out, err) : 0;
}

static int check_restrictions(struct arriving *a, struct gg_error *err)
{
    const struct mx_event *rule, *old;
    bool asked;
    int rc = state_event(a, "m.room.join_rules", GG_STR(""), &rule, err);
    if (rc == 0)
        rc = state_event(a, "m.room.member", a->out->event->state_key, &old, err);
    return rc != 0 ? rc : mx_restricted_check(a->server, a->out->head->version, rule, a->out->event->state_key,
                                              old != NULL ? old->membership : (struct gg_str){0}, a->arena, &asked, err);
}

/* What the room does not allow is not even stored as rejected: its server is told at once. */
static int check_place(struct arriving *a, struct gg_error *err)
{
    struct mx_fed_auth wanted;
    int rc = mx_fed_before_of_prevs(a->server, a->out->event, a->arena, &a->out->before, err);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && a->out->before.state == NULL))
        return gg_refuse(err, 400, "M_BAD_JSON", "The event's prev_events are not known here");
    if (rc == 0)
        rc = mx_fed_auth_of_state(a->server, a->out->event, a->out->before.state, a->arena, &wanted, err);
    if (rc == 0)
        rc = mx_fed_auth_check(a->out->event, &wanted, err);
    return rc == 0 && joins(a) ? check_restrictions(a, err) : rc;
}

static int take_in(struct arriving *a, struct gg_error *err)
{
    const struct mx_fed_place place = {.send_on_behalf_of = a->origin};
    struct mx_fed_verdict verdict;
    struct gg_error ignored = GG_ERROR_INIT;
    int rc = mx_fed_accept(a->server, a->origin.s, a->out->event, &place, a->arena, &verdict, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 400, "M_BAD_JSON", "The event's auth_events are not known here");
    if (rc == 0 && verdict.rejected)
        return gg_refuse(err, 403, "M_FORBIDDEN", "%s event was rejected", a->membership);
    if (rc == 0 && !verdict.known && joins(a)) /* counted, whatever the limit: it has happened */
        (void)!mx_limit(a->server, "rc_joins_per_room", a->room_id, NULL, true, &ignored);
    return rc;
}

static int arrive(struct arriving *a, struct gg_error *err)
{
    const struct mx_fed_make make = {.membership = a->membership, .any_version = true};
    struct mx_fed_member *out = a->out;
    int rc = joins(a) ? mx_limit(a->server, "rc_joins_per_room", a->room_id, NULL, false, err) : 0;
    if (rc == 0)
        rc = mx_fed_admit_stranger(a->server, a->origin, a->room_id, a->arena, &out->head, err);
    if (rc == 0)
        rc = mx_fed_check_version(&make, out->head->version, err);
    if (rc == 0)
        rc = check_text(a, err);
    if (rc == 0 && !mx_fed_is_in(a->server, out->head, gg_str(a->server->name)))
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Not an active room on this server");
    if (rc == 0)
        rc = sign_as_host(a, err);
    if (rc == 0)
        rc = check_signatures(a, err);
    if (rc == 0)
        rc = check_sender(a, out->event, err);
    if (rc == 0)
        rc = check_place(a, err);
    return rc != 0 ? rc : take_in(a, err);
}

int mx_fed_member_in(struct mx_server *server, struct gg_str origin, struct gg_str room_id, const char *membership,
                     struct gg_str body, struct gg_arena *arena, struct mx_fed_member *out, struct gg_error *err)
{
    struct arriving a = {.server = server, .origin = gg_arena_str(arena, origin), .room_id = room_id, .body = body,
                         .membership = membership, .arena = arena, .out = out};
    memset(out, 0, sizeof(*out));
    return arrive(&a, err);
}
