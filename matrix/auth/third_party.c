/* third_party.c: an invitation that answers an m.room.third_party_invite (rule "If content has a third_party_invite
 * property"). */
#include "internal.h"

bool mx_auth_proof_signed_by(const struct mx_json *proof, struct gg_str public_key, struct gg_arena *arena)
{
    const struct mx_json *servers = mx_json_member(proof, "signatures");
    uint8_t key[48];
    if (!public_key.s || public_key.n > sizeof(key) || mx_unbase64(public_key, key) != 32 || !servers ||
        servers->kind != MX_JSON_OBJECT)
        return false;
    for (uint32_t i = 0; i < servers->n; i++) {
        const struct mx_json *keys = servers->members[i].value;
        if (keys->kind != MX_JSON_OBJECT)
            continue;
        for (uint32_t k = 0; k < keys->n; k++) {
            struct gg_error err = GG_ERROR_INIT;
            const char *server = gg_arena_strndup(arena, servers->members[i].key.s, servers->members[i].key.n);
            const char *id = gg_arena_strndup(arena, keys->members[k].key.s, keys->members[k].key.n);
            if (gg_str_starts(keys->members[k].key, GG_STR("ed25519:")) &&
                mx_json_verify(proof, server, id, key, &err) == 0)
                return true;
        }
    }
    return false;
}

/* The invite's public_key and those in public_keys. */
static bool signed_by_any(const struct mx_json *proof, struct gg_str content, struct gg_arena *arena)
{
    if (mx_auth_proof_signed_by(proof, mx_json_string(mx_json_get(content, "public_key"), arena), arena))
        return true;
    for (struct mx_json_iter it = mx_json_iter(mx_json_get(content, "public_keys")); mx_json_next(&it);)
        if (mx_auth_proof_signed_by(proof, mx_json_string(mx_json_get(it.value, "public_key"), arena), arena))
            return true;
    return false;
}

int mx_auth_third_party_invite(struct auth *a, struct gg_str invite)
{
    struct gg_str proof = mx_json_get(invite, "signed"), mxid, token;
    const struct mx_event *first;
    if (gg_str_is(mx_auth_membership(a, a->event->state_key), "ban"))
        return DENY(a, "%.*s is banned from the room", GG_FMT(a->event->state_key));
    if (!mx_json_is_object(proof))
        return DENY(a, "The third party invite is not signed");
    mxid = mx_json_string(mx_json_get(proof, "mxid"), a->arena);
    token = mx_json_string(mx_json_get(proof, "token"), a->arena);
    if (!mxid.s || !token.s || !gg_str_eq(mxid, a->event->state_key))
        return DENY(a, "The third party invite is for somebody else");
    first = a->state(a->arg, GG_STR("m.room.third_party_invite"), token);
    if (!first || !gg_str_eq(first->sender, a->event->sender))
        return DENY(a, "There is no third party invite of this sender with this token");
    if (!signed_by_any(mx_json_raw(a->arena, proof), first->content, a->arena))
        return DENY(a, "The third party invite is not signed by its key");
    return 0;
}
