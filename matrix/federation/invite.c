/* matrix/federation/invite.c: asking a user's server to take an invite of ours (server-server API, "Inviting to a
 * room"). */
#include "federation/invite.h"

#include "federation/client.h"
#include "federation/handshake.h"
#include "rooms/membership.h"

#include <ganglion/matrix/id.h>

struct asking {
    struct mx_server *server;
    const struct mx_event *invite;
    const struct mx_event *const *state;
    size_t n;
    struct gg_arena *arena;
    const char *name;
};

/* The v2 endpoint is shown whole events, so that their signatures can be checked; the old one only what is in them. */
static void write_state(const struct asking *a, bool whole, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0)
            gg_buf_char(out, ',');
        if (whole)
            mx_event_write_pdu(out, a->state[i]);
        else
            mx_stripped_write(out, a->state[i]);
    }
    gg_buf_char(out, ']');
}

static void write_v2(const struct asking *a, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"event\":");
    mx_event_write_pdu(out, a->invite);
    gg_buf_lit(out, ",\"room_version\":");
    gg_buf_json_string(out, gg_str(a->invite->version->id));
    gg_buf_lit(out, ",\"invite_room_state\":");
    write_state(a, true, out);
    gg_buf_char(out, '}');
}

static void write_v1(const struct asking *a, struct gg_buf *out)
{
    struct gg_buf pdu = GG_BUF_INIT, list = GG_BUF_INIT;
    struct mx_json *whole, *unsigned_ = mx_json_object(a->arena);
    mx_event_write_pdu(&pdu, a->invite);
    write_state(a, false, &list);
    whole = mx_json_raw(a->arena, gg_buf_view(&pdu));
    mx_json_set(unsigned_, a->arena, "invite_room_state", mx_json_raw(a->arena, gg_buf_view(&list)));
    mx_json_set(whole, a->arena, "unsigned", unsigned_);
    mx_json_write(out, whole);
    gg_buf_done(&pdu);
    gg_buf_done(&list);
}

static int put(struct asking *a, const char *version, struct gg_str *answer, struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT;
    if (strcmp(version, "v2") == 0)
        write_v2(a, &body);
    else
        write_v1(a, &body);
    struct mx_fed_request request = {
        .destination = a->name,
        .method = "PUT",
        .body = gg_buf_view(&body),
        .ignore_backoff = true,
        .max_answer = 1024 * 1024,
        .path = mx_fed_path(a->arena, "/_matrix/federation/%s/invite/%s/%s", version,
                            gg_arena_strndup(a->arena, a->invite->room_id.s, a->invite->room_id.n),
                            gg_arena_strndup(a->arena, a->invite->event_id.s, a->invite->event_id.n))};
    int rc = mx_fed_call(a->server, &request, a->arena, answer, err);
    gg_buf_done(&body);
    return rc;
}

/* [200, {"event": ...}] of the old endpoint. */
static struct gg_str second(struct gg_str array)
{
    struct mx_json_iter it = mx_json_iter(array);
    if (!mx_json_is_array(array) || !mx_json_next(&it) || !mx_json_next(&it))
        return (struct gg_str){0};
    return it.value;
}

/* What is wrong between the two servers is not for our client to mend (MSC4528; Synapse's answer). */
static int translate(const struct asking *a, int rc, struct gg_error *err)
{
    if (err->http_status != 400 ||
        (strcmp(err->errcode, "M_MISSING_PARAM") != 0 && strcmp(err->errcode, "M_INVALID_PARAM") != 0))
        return rc;
    struct gg_error theirs = *err;
    struct gg_buf text = GG_BUF_INIT;
    gg_buf_json_string(&text, gg_str(theirs.message));
    rc = gg_refuse(err, 400, "M_UNKNOWN", "Invite was rejected by the recipient's server: %s returned 400 %s", a->name,
                   theirs.errcode);
    gg_error_extra(err, "cause", text.data);
    gg_buf_clear(&text);
    gg_buf_json_string(&text, gg_str(a->name));
    gg_error_extra(err, "destination_server", text.data);
    gg_buf_done(&text);
    return rc;
}

/* Its format is held against them, though of the event only its signatures are taken. */
static int check_format(const struct asking *a, struct gg_str event, struct gg_error *err)
{
    struct mx_event *parsed = NULL;
    int rc = mx_event_parse(event, a->invite->version, (struct gg_str){0}, &parsed, err);
    mx_event_unref(parsed);
    return rc;
}

static int ask(struct asking *a, struct gg_str *event, struct gg_error *err)
{
    struct gg_str answer;
    int rc = put(a, "v2", &answer, err);
    if (rc != 0 && mx_fed_unknown_endpoint(err)) {
        if (a->invite->version->format != MX_FORMAT_V1)
            return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION",
                             "User's homeserver does not support this room version");
        rc = put(a, "v1", &answer, err);
        answer = rc == 0 ? second(answer) : answer;
    }
    if (rc != 0)
        return translate(a, rc, err);
    *event = mx_json_get(answer, "event");
    return mx_json_is_object(*event) ? check_format(a, *event, err) : 0;
}

int mx_fed_invite(struct mx_server *server, const struct mx_event *invite, const struct mx_event *const *state,
                  size_t n, struct gg_arena *arena, struct mx_event **out, struct gg_error *err)
{
    struct gg_str domain = mx_id_domain(invite->state_key), event = {0};
    struct asking a = {server, invite, state, n, arena, gg_arena_strndup(arena, domain.s, domain.n)};
    int rc = ask(&a, &event, err);
    if (rc != 0 && (err->inward || err->http_status >= 500))
        return gg_refuse(err, 502, "M_UNKNOWN", "Can't connect to server %s", a.name);
    if (rc == 0)
        rc = mx_fed_countersigned(server, invite, event.s != NULL ? event : GG_STR("null"), domain, arena, out, err);
    return rc == GG_E_PROTOCOL ? gg_refuse(err, 502, "M_UNKNOWN",
                                           "%s has not taken the invite: it sent back no event signed by it", a.name)
                               : rc;
}
