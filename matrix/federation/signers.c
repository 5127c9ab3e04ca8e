/* matrix/federation/signers.c: whose signatures an event needs. */
#include "federation/signers.h"

#include "federation/key_answer.h"

#include <ganglion/matrix/id.h>

static bool is_third_party_invite(const struct mx_event *event)
{
    return gg_str_is(event->type, "m.room.member") && gg_str_is(event->membership, "invite") &&
           mx_json_get(event->content, "third_party_invite").s;
}

static int add(struct mx_signer out[MX_SIGNERS_MAX], size_t *n, struct gg_str server, const char *role,
               struct gg_error *err)
{
    if (!server.s || !mx_server_name_valid(server))
        return gg_refuse(err, 400, "M_BAD_JSON", "no server can have signed for the %s", role);
    for (size_t i = 0; i < *n; i++)
        if (gg_str_eq(out[i].server, server))
            return 0;
    out[(*n)++] = (struct mx_signer){server, role};
    return 0;
}

int mx_signers_of(const struct mx_event *event, struct gg_arena *arena, struct mx_signer out[MX_SIGNERS_MAX],
                  size_t *n_out, struct gg_error *err)
{
    int rc = 0;
    *n_out = 0;
    if (!is_third_party_invite(event))
        rc = add(out, n_out, mx_id_domain(event->sender), "sender domain", err);
    if (!rc && event->version->format == MX_FORMAT_V1)
        rc = add(out, n_out, mx_id_domain(event->event_id), "event domain", err);
    if (rc || !event->version->restricted || !gg_str_is(event->type, "m.room.member") ||
        !gg_str_is(event->membership, "join"))
        return rc;
    struct gg_str value = mx_json_get(event->content, "join_authorised_via_users_server");
    if (!value.s)
        return 0;
    struct gg_str user_id = mx_json_string(value, arena);
    if (!user_id.s || !mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_BAD_JSON", "join_authorised_via_users_server is no user id");
    return add(out, n_out, mx_id_domain(user_id), "authorising server", err);
}

size_t mx_signatures_of(const struct mx_json *signatures, const char *server, struct mx_signature out[MX_SIGNER_KEYS_MAX])
{
    const struct mx_json *theirs = mx_json_member(signatures, server);
    size_t n = 0;
    if (!theirs || theirs->kind != MX_JSON_OBJECT)
        return 0;
    for (uint32_t i = 0; i < theirs->n && n < MX_SIGNER_KEYS_MAX; i++) {
        struct gg_str base64 = mx_json_text(theirs->members[i].value);
        if (base64.s && mx_key_id_usable(theirs->members[i].key))
            out[n++] = (struct mx_signature){theirs->members[i].key, base64};
    }
    return n;
}
