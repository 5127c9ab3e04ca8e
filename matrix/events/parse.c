/* parse.c: the format of an event that somebody else made (specification, room versions "Event format"; server-server
 * "PDUs"; size limits of client-server "Size limits"). */
#include "internal.h"
#include <ganglion/matrix/id.h>

static int bad(struct gg_error *err, const char *key, const char *what)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "Invalid event: %s %s", key, what);
}

/* Continuation bytes are not counted. */
static size_t code_points(struct gg_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.s[i] & 0xc0) != 0x80;
    return n;
}

/* A string member of at most 255; NUL cannot be stored. */
static int check_text(const struct mx_json *event, const struct mx_room_version *version, const char *key,
                      struct gg_error *err)
{
    struct gg_str s = mx_json_text(mx_json_member(event, key));
    if (!s.s)
        return bad(err, key, "is no string");
    if ((version->byte_limits ? s.n : code_points(s)) > MX_ID_MAX)
        return gg_refuse(err, 413, "M_TOO_LARGE", "Invalid event: %s is longer than %d", key, MX_ID_MAX);
    return memchr(s.s, '\0', s.n) ? bad(err, key, "contains NUL") : 0;
}

static int check_integer(const struct mx_json *event, const char *key, int64_t least, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(event, key);
    int64_t number;
    if (!v || v->kind != MX_JSON_NUMBER || !mx_json_i64(v->text, &number))
        return bad(err, key, "is no integer");
    return number < least ? bad(err, key, "is too small") : 0;
}

static int check_object(const struct mx_json *event, const char *key, bool required, struct gg_error *err)
{
    const struct mx_json *v = mx_json_member(event, key);
    if (!v && !required)
        return 0;
    return v && v->kind == MX_JSON_OBJECT ? 0 : bad(err, key, "is no object");
}

static bool reference_fits(const struct mx_json *v, bool pair)
{
    if (pair) {
        if (v->kind != MX_JSON_ARRAY || v->n != 2 || v->items[1]->kind != MX_JSON_OBJECT)
            return false;
        v = v->items[0];
    }
    return v->kind == MX_JSON_STRING && mx_event_id_valid(v->text);
}

static int check_references(const struct mx_json *event, const struct mx_room_version *version, const char *key,
                            uint32_t most, struct gg_error *err)
{
    const struct mx_json *list = mx_json_member(event, key);
    if (!list || list->kind != MX_JSON_ARRAY)
        return bad(err, key, "is no list");
    if (list->n > most)
        return bad(err, key, "has too many entries");
    for (uint32_t i = 0; i < list->n; i++)
        if (!reference_fits(list->items[i], version->format == MX_FORMAT_V1))
            return bad(err, key, "has an entry of the wrong form");
    return 0;
}

static bool is_create(const struct mx_json *event)
{
    const struct mx_json *key = mx_json_member(event, "state_key"); /* a message of this type has none */
    return gg_str_is(mx_json_text(mx_json_member(event, "type")), "m.room.create") && key != NULL &&
           key->kind == MX_JSON_STRING && key->text.n == 0;
}

/* Version 12's create event has no room id: the room is named after it. Refusing one that has it is left to the
 * authorisation rules, as the specification has it there. */
static int check_room_id(const struct mx_json *event, const struct mx_room_version *version, struct gg_error *err)
{
    struct gg_str id = mx_json_text(mx_json_member(event, "room_id"));
    int rc;
    if (version->room_id_is_hash && is_create(event) && !mx_json_member(event, "room_id"))
        return 0;
    if ((rc = check_text(event, version, "room_id", err)) != 0)
        return rc;
    if (id.n < 1 || id.s[0] != '!' || !(version->room_id_is_hash || mx_id_domain(id).n))
        return bad(err, "room_id", "is no room id");
    return 0;
}

static int check_ids(const struct mx_json *event, const struct mx_room_version *version, struct gg_error *err)
{
    const struct mx_json *id = mx_json_member(event, "event_id");
    struct gg_str sender = mx_json_text(mx_json_member(event, "sender"));
    int rc;
    if (version->format >= MX_FORMAT_V2 && id)
        return bad(err, "event_id", "must be absent in this room version");
    if (version->format == MX_FORMAT_V1) {
        if ((rc = check_text(event, version, "event_id", err)) != 0)
            return rc;
        if (!mx_event_id_valid(id->text) || !mx_id_domain(id->text).n)
            return bad(err, "event_id", "is no event id");
    }
    if (sender.n < 1 || sender.s[0] != '@' || !mx_id_domain(sender).n)
        return bad(err, "sender", "is no user id");
    return check_room_id(event, version, err);
}

int mx_event_check_format(const struct mx_json *event, const struct mx_room_version *version, struct gg_error *err)
{
    int rc;
    if (event->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "Invalid event: not an object");
    if ((rc = version->strict_json ? mx_json_strict(event, err) : mx_json_canonical_check(event, err)) != 0 ||
        (rc = check_text(event, version, "type", err)) != 0 || (rc = check_text(event, version, "sender", err)) != 0 ||
        (rc = check_ids(event, version, err)) != 0 || (rc = check_object(event, "content", true, err)) != 0 ||
        (rc = check_object(event, "unsigned", false, err)) != 0 ||
        (rc = check_object(event, "hashes", false, err)) != 0 ||
        (rc = check_object(event, "signatures", false, err)) != 0 ||
        (rc = check_integer(event, "origin_server_ts", INT64_MIN, err)) != 0 ||
        (rc = check_integer(event, "depth", 0, err)) != 0)
        return rc;
    if (mx_json_member(event, "state_key") && (rc = check_text(event, version, "state_key", err)) != 0)
        return rc;
    if ((rc = check_references(event, version, "prev_events", MX_PREV_EVENTS_MAX, err)) != 0)
        return rc;
    return check_references(event, version, "auth_events", MX_AUTH_EVENTS_MAX, err);
}

static int finish(const struct mx_json *event, const struct mx_room_version *version, struct gg_str event_id,
                  struct gg_arena *arena, struct mx_event **out, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    int rc;
    if (!event_id.s && version->format >= MX_FORMAT_V2)
        event_id = mx_reference_id(event, version, arena);
    mx_json_write(&text, event);
    if (text.n > MX_EVENT_BYTES_MAX)
        rc = gg_refuse(err, 413, "M_TOO_LARGE", "event too large");
    else
        rc = mx_event_from_text(gg_buf_view(&text), version, event_id, NULL, gg_strn(NULL, 0), out, err);
    gg_buf_done(&text);
    return rc;
}

int mx_event_parse(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                   struct mx_event **out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *event = NULL;
    int rc = mx_json_parse(json, 1000, arena, &event, err);
    if (rc == 0)
        rc = mx_event_check_format(event, version, err);
    if (rc == 0)
        rc = finish(event, version, event_id, arena, out, err);
    gg_arena_free(arena);
    return rc;
}
