/* matrix/federation/keyring.c: one signed JSON object. */
#include "federation/keyring.h"

#include "federation/keys.h"
#include "federation/signers.h"

int mx_keys_check(const struct mx_json *object, const char *signer, const struct mx_key_want *wants, size_t n,
                  struct gg_error *err)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mx_key_good(&wants[i]))
            continue;
        char id[MX_SIGNER_KEY_ID_MAX + 1];
        memcpy(id, wants[i].id.s, wants[i].id.n); /* usable ids are no longer than that */
        id[wants[i].id.n] = '\0';
        if (mx_key_banned(wants[i].public_key))
            return gg_refuse(err, 401, "M_UNAUTHORIZED",
                             "Server signing key %s for server %s has been banned by this server", id, signer);
        int rc = mx_json_verify(object, signer, id, wants[i].public_key, err);
        if (rc)
            return rc;
        good++;
    }
    return good ? 0 : gg_refuse(err, 401, "M_UNAUTHORIZED", "Failed to find any key to satisfy: %s", signer);
}

int mx_fed_verify_json(struct mx_server *server, const struct mx_json *object, struct gg_str signer, int64_t valid_at_ms,
                       struct gg_arena *arena, struct gg_error *err)
{
    const char *name = gg_arena_strndup(arena, signer.s, signer.n);
    struct mx_key_want wants[MX_SIGNER_KEYS_MAX];
    struct mx_signature signatures[MX_SIGNER_KEYS_MAX];
    size_t n = mx_signatures_of(mx_json_member(object, "signatures"), name, signatures);
    if (!n)
        return gg_refuse(err, 400, "M_UNAUTHORIZED", "Not signed by %s", name);
    for (size_t i = 0; i < n; i++)
        wants[i] = (struct mx_key_want){.server = gg_str(name), .id = signatures[i].key_id, .valid_at_ms = valid_at_ms};
    int rc = mx_keys_find(server, wants, n, 0, arena, err);
    return rc ? rc : mx_keys_check(object, name, wants, n, err);
}
