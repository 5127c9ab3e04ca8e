/* received.c: one PDU of another server, read and held against its hashes (server-server API, "Checks performed on
 * receipt of a PDU"). */
#include "events/received.h"

#include "internal.h"


/* Strangers say what they like in unsigned: it is neither hashed nor signed. */
static struct mx_json *trim_unsigned(const struct mx_json *theirs, bool member, int64_t now_ms, struct gg_arena *arena)
{
    static const char *const of_members[] = {"invite_room_state", "knock_room_state"};
    struct mx_json *out = mx_json_object(arena);
    const struct mx_json *age = mx_json_member(theirs, "age");
    int64_t ms;
    for (size_t i = 0; member && i < GG_COUNT(of_members); i++) {
        struct mx_json *value = mx_json_member(theirs, of_members[i]);
        if (value)
            mx_json_set(out, arena, of_members[i], value);
    }
    if (age && age->kind == MX_JSON_NUMBER && mx_json_i64(age->text, &ms) && ms >= -now_ms && ms <= now_ms)
        mx_json_set(out, arena, "age_ts", mx_json_new_i64(arena, now_ms - ms));
    return out;
}

static int check_unsigned(struct mx_json *event, int64_t now_ms, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_json *theirs = mx_json_member(event, "unsigned");
    if (!theirs)
        return 0;
    if (theirs->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "Invalid event: unsigned is no object");
    bool member = gg_str_is(mx_json_text(mx_json_member(event, "type")), "m.room.member");
    mx_json_set(event, arena, "unsigned", trim_unsigned(theirs, member, now_ms, arena));
    return 0;
}

/* Rooms that are named after their create event imply it: an event may not cite it besides. */
static int check_cites_create(const struct mx_json *event, const struct mx_room_version *version, struct gg_error *err)
{
    struct gg_str room_id = mx_json_text(mx_json_member(event, "room_id"));
    const struct mx_json *auth = mx_json_member(event, "auth_events");
    if (!version->room_id_is_hash || !room_id.n)
        return 0;
    for (uint32_t i = 0; i < auth->n; i++) {
        struct gg_str id = mx_json_text(auth->items[i]);
        if (id.n == room_id.n && memcmp(id.s + 1, room_id.s + 1, id.n - 1) == 0)
            return gg_refuse(err, 400, "M_BAD_JSON", "auth_events must not contain the create event");
    }
    return 0;
}

static int make(const struct mx_json *event, const struct mx_room_version *version, struct gg_str event_id,
                struct mx_event **out, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, event);
    int rc = text.n > MX_EVENT_BYTES_MAX
                 ? gg_refuse(err, 413, "M_TOO_LARGE", "event too large")
                 : mx_event_from_text(gg_buf_view(&text), version, event_id, NULL, gg_strn(NULL, 0), out, err);
    gg_buf_done(&text);
    return rc;
}

static void take_reference(const struct mx_json *event, const struct mx_room_version *version, struct gg_arena *arena,
                           struct mx_received *out, struct gg_str *event_id)
{
    struct gg_buf bytes = GG_BUF_INIT;
    uint8_t hash[32];
    mx_event_reference_bytes(&bytes, event, version, arena);
    out->signed_bytes = gg_arena_str(arena, gg_buf_view(&bytes));
    gg_buf_done(&bytes);
    *event_id = (struct gg_str){0};
    if (version->format >= MX_FORMAT_V2) {
        mx_sha256(out->signed_bytes, hash);
        *event_id = mx_event_id_of_hash(hash, version, arena);
    }
}

int mx_event_receive(struct gg_str json, const struct mx_room_version *version, int64_t now_ms, struct gg_arena *arena,
                     struct mx_received *out, struct gg_error *err)
{
    struct mx_json *event = NULL;
    struct gg_str event_id;
    *out = (struct mx_received){0};
    int rc = mx_json_parse(json, MX_EVENT_NESTING, arena, &event, err);
    if (!rc && event->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Invalid event: not an object");
    if (!rc)
        rc = check_unsigned(event, now_ms, arena, err);
    if (!rc)
        rc = mx_event_check_format(event, version, err);
    if (!rc)
        rc = check_cites_create(event, version, err);
    if (rc)
        return rc;
    take_reference(event, version, arena, out, &event_id);
    out->signatures = mx_json_member(event, "signatures");
    out->tampered = !mx_content_hash_ok(event);
    return make(out->tampered ? mx_redact(event, version, arena) : event, version, event_id, &out->event, err);
}
