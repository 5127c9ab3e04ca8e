/* hash.c: content hashes and reference hashes (server-server "Signing Events"). */
#include "internal.h"

/* The object without some of its members; shares the rest. */
static struct mx_json *without(const struct mx_json *object, const char *const *keys, size_t n, struct gg_arena *arena)
{
    struct mx_json *copy = mx_json_copy_level(object, arena);
    for (size_t i = 0; i < n; i++)
        mx_json_remove(copy, keys[i]);
    return copy;
}

void mx_content_hash(const struct mx_json *event, uint8_t out[32])
{
    /* what the specification leaves out, and what Synapse kept at the top level in its early days */
    static const char *const left_out[] = {"unsigned", "signatures", "hashes", "age_ts", "outlier", "destinations"};
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf bytes = GG_BUF_INIT;
    mx_json_canonical(&bytes, without(event, left_out, GG_COUNT(left_out), arena));
    mx_sha256(gg_buf_view(&bytes), out);
    gg_buf_done(&bytes);
    gg_arena_free(arena);
}

bool mx_content_hash_ok(const struct mx_json *event)
{
    struct gg_str text = mx_json_text(mx_json_member(mx_json_member(event, "hashes"), "sha256"));
    uint8_t theirs[48], ours[32];
    if (!text.s || text.n > sizeof(theirs) || mx_unbase64(text, theirs) != 32)
        return false;
    mx_content_hash(event, ours);
    return memcmp(theirs, ours, 32) == 0;
}

void mx_event_reference_bytes(struct gg_buf *out, const struct mx_json *event, const struct mx_room_version *version,
                              struct gg_arena *arena)
{
    struct mx_json *redacted = mx_redact(event, version, arena);
    mx_json_remove(redacted, "signatures");
    mx_json_canonical(out, redacted);
}

struct gg_str mx_event_id_of_hash(const uint8_t hash[32], const struct mx_room_version *version, struct gg_arena *arena)
{
    char *id = gg_arena_alloc(arena, mx_base64_size(32) + 1);
    id[0] = '$';
    return gg_strn(id, 1 + mx_base64(hash, 32, version->format != MX_FORMAT_V2, id + 1));
}

struct gg_str mx_reference_id(const struct mx_json *event, const struct mx_room_version *version,
                              struct gg_arena *arena)
{
    struct gg_buf bytes = GG_BUF_INIT;
    uint8_t hash[32];
    mx_event_reference_bytes(&bytes, event, version, arena);
    mx_sha256(gg_buf_view(&bytes), hash);
    gg_buf_done(&bytes);
    return mx_event_id_of_hash(hash, version, arena);
}

void mx_event_sign(struct mx_json *event, const struct mx_room_version *version, const char *server,
                   const struct mx_signing_key *key, struct gg_arena *arena)
{
    struct mx_json *redacted = mx_redact(event, version, arena);
    mx_json_sign(redacted, server, key, arena);
    mx_json_set(event, arena, "signatures", mx_json_member(redacted, "signatures"));
}

int mx_event_verify(const struct mx_json *event, const struct mx_room_version *version, const char *server,
                    const char *key_id, const uint8_t public_key[32], struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_json_verify(mx_redact(event, version, arena), server, key_id, public_key, err);
    gg_arena_free(arena);
    return rc;
}
