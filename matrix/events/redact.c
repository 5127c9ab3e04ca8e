/* redact.c: what a redaction leaves of an event (specification, room versions "Redactions"), as tables. */
#include "internal.h"

/* When a key is kept: always, or by a column of the room version. */
enum when { ALWAYS, BEFORE_11, SINCE_11, ALIASES, RESTRICTED, RESTRICTED_FIXED, NOT_IMPLICIT };

static bool applies(enum when when, const struct mx_room_version *v)
{
    switch (when) {
    case ALWAYS:
        return true;
    case BEFORE_11:
        return !v->updated_redaction;
    case SINCE_11:
        return v->updated_redaction;
    case ALIASES:
        return v->aliases_redaction;
    case RESTRICTED:
        return v->restricted;
    case RESTRICTED_FIXED:
        return v->restricted_redaction;
    default:
        return !v->implicit_creator;
    }
}

static const struct {
    const char *key;
    enum when when;
} kept_keys[] = {
    {"event_id", ALWAYS},      {"type", ALWAYS},        {"room_id", ALWAYS},       {"sender", ALWAYS},
    {"state_key", ALWAYS},     {"content", ALWAYS},     {"hashes", ALWAYS},        {"signatures", ALWAYS},
    {"depth", ALWAYS},         {"prev_events", ALWAYS}, {"auth_events", ALWAYS},   {"origin_server_ts", ALWAYS},
    {"prev_state", BEFORE_11}, {"origin", BEFORE_11},   {"membership", BEFORE_11},
};

static const struct {
    const char *type, *key;
    enum when when;
} kept_content[] = {
    {"m.room.member", "membership", ALWAYS},
    {"m.room.member", "join_authorised_via_users_server", RESTRICTED_FIXED},
    {"m.room.member", "third_party_invite", SINCE_11}, /* of it only "signed" */
    {"m.room.create", "creator", NOT_IMPLICIT},
    {"m.room.join_rules", "join_rule", ALWAYS},
    {"m.room.join_rules", "allow", RESTRICTED},
    {"m.room.power_levels", "ban", ALWAYS},
    {"m.room.power_levels", "events", ALWAYS},
    {"m.room.power_levels", "events_default", ALWAYS},
    {"m.room.power_levels", "invite", SINCE_11},
    {"m.room.power_levels", "kick", ALWAYS},
    {"m.room.power_levels", "redact", ALWAYS},
    {"m.room.power_levels", "state_default", ALWAYS},
    {"m.room.power_levels", "users", ALWAYS},
    {"m.room.power_levels", "users_default", ALWAYS},
    {"m.room.aliases", "aliases", ALIASES},
    {"m.room.history_visibility", "history_visibility", ALWAYS},
    {"m.room.redaction", "redacts", SINCE_11},
};

/* An object without "signed" stays as an empty one, as with Synapse; it counts for the event id. */
static struct mx_json *signed_only(const struct mx_json *invite, struct gg_arena *arena)
{
    struct mx_json *copy, *proof = mx_json_member(invite, "signed");
    if (invite->kind != MX_JSON_OBJECT)
        return NULL;
    copy = mx_json_object(arena);
    if (proof)
        mx_json_set(copy, arena, "signed", proof);
    return copy;
}

static struct mx_json *redact_content(struct mx_json *content, struct gg_str type,
                                      const struct mx_room_version *version, struct gg_arena *arena)
{
    struct mx_json *out = mx_json_object(arena);
    if (!content || content->kind != MX_JSON_OBJECT)
        return out;
    if (version->updated_redaction && gg_str_is(type, "m.room.create"))
        return content;
    for (size_t i = 0; i < GG_COUNT(kept_content); i++) {
        struct mx_json *v;
        if (!gg_str_is(type, kept_content[i].type) || !applies(kept_content[i].when, version))
            continue;
        v = mx_json_member(content, kept_content[i].key);
        if (v && strcmp(kept_content[i].key, "third_party_invite") == 0)
            v = signed_only(v, arena);
        if (v)
            mx_json_set(out, arena, kept_content[i].key, v);
    }
    return out;
}

struct mx_json *mx_redact(const struct mx_json *event, const struct mx_room_version *version, struct gg_arena *arena)
{
    struct mx_json *out = mx_json_object(arena);
    struct gg_str type = mx_json_text(mx_json_member(event, "type"));
    for (size_t i = 0; i < GG_COUNT(kept_keys); i++) {
        struct mx_json *v = mx_json_member(event, kept_keys[i].key);
        if (v && applies(kept_keys[i].when, version))
            mx_json_set(out, arena, kept_keys[i].key, v);
    }
    mx_json_set(out, arena, "content", redact_content(mx_json_member(event, "content"), type, version, arena));
    return out;
}

/* What unsigned keeps: when it was sent, what it replaced; and why it is gone. */
static struct mx_json *redacted_unsigned(struct mx_json *old, struct gg_str because, struct gg_arena *arena)
{
    static const char *const kept[] = {"age_ts", "replaces_state"};
    struct mx_json *out = mx_json_object(arena), *reason, *id;
    for (size_t i = 0; i < GG_COUNT(kept); i++) {
        struct mx_json *v = mx_json_member(old, kept[i]);
        if (v)
            mx_json_set(out, arena, kept[i], v);
    }
    if (!because.s)
        return out;
    reason = mx_json_raw(arena, because);
    if ((id = mx_json_member(reason, "event_id")) != NULL)
        mx_json_set(out, arena, "redacted_by", id);
    mx_json_set(out, arena, "redacted_because", reason);
    return out;
}

struct mx_event *mx_event_redacted(const struct mx_event *event, struct gg_str because)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *old = mx_json_raw(arena, event->json), *tree = mx_redact(old, event->version, arena);
    struct mx_event_meta meta = event->meta;
    struct gg_buf text = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *out = NULL;
    mx_json_set(tree, arena, "unsigned", redacted_unsigned(mx_json_member(old, "unsigned"), because, arena));
    mx_json_write(&text, tree);
    meta.redacted = true;
    if (mx_event_from_text(gg_buf_view(&text), event->version, event->event_id, &meta, gg_strn(NULL, 0), &out, &err) !=
        0)
        out = NULL; /* cannot be: type and sender are kept */
    gg_buf_done(&text);
    gg_arena_free(arena);
    return out;
}
