/* signed_json.c: signatures over canonical JSON (specification, appendix "Signing JSON"). */
#include <ganglion/matrix/crypto.h>

/* A view of the object without signatures and unsigned, in canonical form. */
static void signed_bytes(struct gg_buf *out, const struct mx_json *object)
{
    struct mx_json_member few[32], *members = few;
    struct mx_json view = *object;
    uint32_t n = 0;
    struct gg_arena *scratch = NULL;
    if (object->n > GG_COUNT(few)) {
        scratch = gg_arena_new();
        members = GG_NEW_ARRAY(scratch, struct mx_json_member, object->n);
    }
    for (uint32_t i = 0; i < object->n; i++) {
        struct gg_str key = object->members[i].key;
        if (!gg_str_is(key, "signatures") && !gg_str_is(key, "unsigned"))
            members[n++] = object->members[i];
    }
    view.members = members;
    view.n = n;
    mx_json_canonical(out, &view);
    gg_arena_free(scratch);
}

static struct mx_json *own_object(struct mx_json *parent, const char *key, struct gg_arena *arena)
{
    struct mx_json *old = mx_json_member(parent, key);
    struct mx_json *v = old && old->kind == MX_JSON_OBJECT ? mx_json_copy_level(old, arena) : mx_json_object(arena);
    mx_json_set(parent, arena, key, v);
    return v;
}

void mx_json_sign(struct mx_json *object, const char *server, const struct mx_signing_key *key, struct gg_arena *arena)
{
    struct gg_buf bytes = GG_BUF_INIT;
    uint8_t signature[64];
    char text[mx_base64_size(64)];
    struct mx_json *mine;
    signed_bytes(&bytes, object);
    mx_sign(key, gg_buf_view(&bytes), signature);
    gg_buf_done(&bytes);
    mine = own_object(own_object(object, "signatures", arena), server, arena);
    mx_json_set(mine, arena, key->id, mx_json_new_string(arena, gg_strn(text, mx_base64(signature, 64, false, text))));
}

int mx_json_verify(const struct mx_json *object, const char *server, const char *key_id, const uint8_t public_key[32],
                   struct gg_error *err)
{
    const struct mx_json *theirs = mx_json_member(mx_json_member(object, "signatures"), server);
    struct gg_str text = mx_json_text(mx_json_member(theirs, key_id));
    struct gg_buf bytes = GG_BUF_INIT;
    uint8_t signature[88];
    bool good;
    if (!object || object->kind != MX_JSON_OBJECT || !text.s)
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "Missing signature for %s, %s", server, key_id);
    if (text.n > sizeof(signature) || mx_unbase64(text, signature) != 64)
        return gg_refuse(err, 401, "M_UNAUTHORIZED",
                         "Invalid signature for server %s with key %s: not 64 bytes of base64", server, key_id);
    signed_bytes(&bytes, object);
    good = mx_verify(public_key, gg_buf_view(&bytes), signature);
    gg_buf_done(&bytes);
    if (!good)
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "Invalid signature for server %s with key %s", server, key_id);
    return 0;
}
