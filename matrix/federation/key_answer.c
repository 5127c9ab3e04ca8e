/* matrix/federation/key_answer.c: reads and checks a Server Keys object. */
#include "federation/key_answer.h"

#include <ganglion/matrix/id.h>

#define ALGORITHM "ed25519:"

bool mx_key_id_usable(struct gg_str id)
{
    if (!gg_str_starts(id, GG_STR(ALGORITHM)) || id.n > MX_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.s[i] <= ' ' || id.s[i] == 0x7f)
            return false; /* cannot stand in a header, and NUL in no database */
    return id.n > sizeof(ALGORITHM) - 1;
}

static int bad(struct gg_error *err, const char *what)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "Malformed server keys: %s", what);
}

static bool read_i64(const struct mx_json *object, const char *key, int64_t *out)
{
    const struct mx_json *v = mx_json_member(object, key);
    return v && v->kind == MX_JSON_NUMBER && mx_json_i64(v->text, out);
}

static bool read_public_key(const struct mx_json *object, uint8_t out[32])
{
    struct gg_str text = mx_json_text(mx_json_member(object, "key"));
    uint8_t bytes[64];
    if (!text.s || text.n > sizeof(bytes) || mx_unbase64(text, bytes) != 32)
        return false;
    memcpy(out, bytes, 32);
    return true;
}

static bool has_key(const struct mx_key_answer *answer, struct gg_str id)
{
    for (size_t i = 0; i < answer->n; i++)
        if (gg_str_eq(answer->keys[i].id, id))
            return true;
    return false;
}

/* Adds the usable ones of a map of keys. valid_until_ms < 0: each says when it expired. */
static int add_keys(const struct mx_json *map, int64_t valid_until_ms, struct gg_arena *arena,
                    struct mx_key_answer *out, struct gg_error *err)
{
    if (!map || map->kind != MX_JSON_OBJECT)
        return bad(err, "keys are no object");
    for (uint32_t i = 0; i < map->n; i++) {
        struct mx_server_key key = {.id = map->members[i].key, .valid_until_ms = valid_until_ms};
        const struct mx_json *said = map->members[i].value;
        if (!mx_key_id_usable(key.id) || has_key(out, key.id))
            continue;
        if (!read_public_key(said, key.public_key))
            return bad(err, "a key is not the base64 of 32 bytes");
        if (valid_until_ms < 0 && !read_i64(said, "expired_ts", &key.valid_until_ms))
            return bad(err, "an old key does not say when it expired");
        if (out->n == MX_KEY_ANSWER_KEYS_MAX)
            return bad(err, "too many keys");
        key.id = gg_arena_str(arena, key.id);
        out->keys[out->n++] = key;
    }
    return 0;
}

/* By the present keys alone: the old ones are not read yet. */
static int check_signatures(const struct mx_json *object, const struct mx_key_answer *answer, struct gg_arena *arena,
                            struct gg_error *err)
{
    const char *server = gg_arena_strndup(arena, answer->server.s, answer->server.n);
    const struct mx_json *theirs = mx_json_member(mx_json_member(object, "signatures"), server);
    size_t n = 0;
    for (size_t i = 0; i < answer->n; i++) {
        const char *id = gg_arena_strndup(arena, answer->keys[i].id.s, answer->keys[i].id.n);
        if (!mx_json_member(theirs, id))
            continue;
        int rc = mx_json_verify(object, server, id, answer->keys[i].public_key, err);
        if (rc)
            return rc;
        n++;
    }
    return n ? 0 : gg_refuse(err, 401, "M_UNAUTHORIZED", "Key response for %s is not signed by the origin server", server);
}

static struct gg_str canonical(const struct mx_json *object, struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_canonical(&text, object);
    struct gg_str out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return out;
}

int mx_key_answer_read(const struct mx_json *object, struct gg_arena *arena, struct mx_key_answer *out,
                       struct gg_error *err)
{
    int64_t valid_until_ms;
    *out = (struct mx_key_answer){0};
    if (object->kind != MX_JSON_OBJECT)
        return bad(err, "not an object");
    struct gg_str server = mx_json_text(mx_json_member(object, "server_name"));
    if (!server.s || server.n > MX_ID_MAX || !mx_server_name_valid(server))
        return bad(err, "no server_name");
    if (!read_i64(object, "valid_until_ts", &valid_until_ms) || valid_until_ms < 0)
        return bad(err, "no valid_until_ts");
    out->server = gg_arena_str(arena, server);
    out->keys = GG_NEW_ARRAY(arena, struct mx_server_key, MX_KEY_ANSWER_KEYS_MAX);
    int rc = mx_json_canonical_check(object, err);
    if (!rc)
        rc = add_keys(mx_json_member(object, "verify_keys"), valid_until_ms, arena, out, err);
    if (!rc)
        rc = check_signatures(object, out, arena, err);
    if (!rc && mx_json_member(object, "old_verify_keys"))
        rc = add_keys(mx_json_member(object, "old_verify_keys"), -1, arena, out, err);
    if (!rc)
        out->text = canonical(object, arena);
    return rc;
}
