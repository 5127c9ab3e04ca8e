/* matrix/rooms/third_party.c: inviting somebody of whom only an address is known. */
#include "rooms/third_party.h"

#include "federation/exchange_invite.h"
#include "federation/join.h"

#include "auth/internal.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/accounts.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.rooms"};

/* ---- the request ---- */

int mx_third_party_read(struct gg_str object, struct gg_arena *arena, struct mx_third_party *out, struct gg_error *err)
{
    const struct {
        const char *key;
        struct gg_str *to;
    } members[] = {{"medium", &out->medium}, {"address", &out->address}, {"id_server", &out->identity.server},
                   {"id_access_token", &out->identity.access_token}};
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < GG_COUNT(members); i++) {
        struct gg_str value = mx_json_get(object, members[i].key);
        if (value.s == NULL)
            return gg_refuse(err, 400, "M_MISSING_PARAM",
                             "all of `medium`, `address`, `id_server` and `id_access_token` are required when making a 3pid invite");
        value = mx_json_string(value, arena);
        if (value.s == NULL)
            return gg_refuse(err, 400, "M_INVALID_PARAM", "%s must be a string", members[i].key);
        *members[i].to = gg_arena_str(arena, value);
    }
    if (!mx_identity_name_valid(out->identity.server))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "id_server is no server's name");
    return 0;
}

/* ---- inviting ---- */

static int invite_user(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                       struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str event_id;
    struct mx_membership_change change = {.room_id = room_id, .target = user_id, .membership = GG_STR("invite"), .action = "invite"};
    return mx_room_membership(server, requester, &change, arena, &event_id, err);
}

static void add_text(struct gg_buf *out, const char *key, struct gg_str value)
{
    gg_buf_printf(out, "%s\"%s\":", out->n > 1 ? "," : "", key);
    gg_buf_json_string(out, value.s != NULL ? value : GG_STR(""));
}

/* What the mail to the invited person may say of the room. */
static const struct {
    const char *member, *type, *key;
} told[] = {{"room_alias", "m.room.canonical_alias", "alias"}, {"room_avatar_url", "m.room.avatar", "url"},
            {"room_join_rules", "m.room.join_rules", "join_rule"}, {"room_name", "m.room.name", "name"},
            {"room_type", "m.room.create", "type"}};

static int write_store_invite(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                              const struct mx_third_party *whom, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *event;
    const char *name = NULL, *avatar = NULL;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    gg_buf_char(out, '{');
    add_text(out, "medium", whom->medium);
    add_text(out, "address", whom->address);
    add_text(out, "room_id", room_id);
    add_text(out, "sender", gg_str(requester->user_id));
    for (size_t i = 0; rc == 0 && i < GG_COUNT(told); i++) {
        rc = mx_heads_state_event(server, head, told[i].type, GG_STR(""), arena, &event, err);
        if (rc == 0)
            add_text(out, told[i].member, event != NULL ? mx_json_string(mx_json_get(event->content, told[i].key), arena) : (struct gg_str){0});
    }
    if (rc == 0)
        rc = mx_profile_get(server, gg_str(requester->user_id), arena, &name, &avatar, err);
    add_text(out, "sender_display_name", gg_str(name != NULL ? name : requester->user_id));
    if (gg_config_text(server->config, "email.invite_client_location") != NULL)
        add_text(out, "org.matrix.web_client_location", gg_str(gg_config_text(server->config, "email.invite_client_location")));
    add_text(out, "sender_avatar_url", gg_str(avatar != NULL ? avatar : ""));
    gg_buf_char(out, '}');
    return rc;
}

/* The key that identity servers without key_validity_url have theirs checked at. */
static struct gg_str validity_url(const struct mx_third_party *whom, struct gg_arena *arena)
{
    return gg_str(gg_arena_printf(arena, "https://%.*s/_matrix/identity/v2/pubkey/isvalid", GG_FMT(whom->identity.server)));
}

static int event_content(const struct mx_third_party *whom, const struct mx_json *stored, struct gg_arena *arena,
                         struct gg_buf *out, struct gg_error *err)
{
    const struct mx_json *keys = mx_json_member(stored, "public_keys"), *name = mx_json_member(stored, "display_name");
    const struct mx_json *first = keys != NULL && keys->kind == MX_JSON_ARRAY && keys->n > 0 ? keys->items[0] : NULL;
    struct mx_json *content = mx_json_object(arena);
    if (first == NULL || first->kind != MX_JSON_OBJECT || mx_json_text(mx_json_member(first, "public_key")).s == NULL ||
        mx_json_text(name).s == NULL)
        return gg_refuse(err, 502, "M_UNKNOWN", "The identity server's answer was not understood");
    struct gg_str url = mx_json_text(mx_json_member(first, "key_validity_url"));
    mx_json_set(content, arena, "display_name", mx_json_new_string(arena, name->text));
    mx_json_set(content, arena, "key_validity_url", mx_json_new_string(arena, url.s != NULL ? url : validity_url(whom, arena)));
    mx_json_set(content, arena, "public_key", mx_json_new_string(arena, mx_json_text(mx_json_member(first, "public_key"))));
    mx_json_set(content, arena, "public_keys", mx_json_copy_level(keys, arena));
    mx_json_write(out, content);
    return 0;
}

static int store_invite(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                        const struct mx_third_party *whom, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_buf body = GG_BUF_INIT, content = GG_BUF_INIT;
    struct mx_json *stored = NULL;
    struct gg_str token = {0}, event_id;
    int rc = write_store_invite(server, requester, room_id, whom, arena, &body, err);
    if (rc == 0)
        rc = mx_identity_call(server, &whom->identity, "/_matrix/identity/v2/store-invite", gg_buf_view(&body), arena, &stored, err);
    if (rc == 0)
        token = mx_json_text(mx_json_member(stored, "token"));
    if (rc == 0 && token.s == NULL)
        rc = gg_refuse(err, 502, "M_UNKNOWN", "The identity server's answer was not understood");
    if (rc == 0)
        rc = event_content(whom, stored, arena, &content, err);
    struct mx_new_event e = {.room_id = room_id, .type = GG_STR("m.room.third_party_invite"), .state_key = token,
                             .content = gg_buf_view(&content)};
    if (rc == 0)
        rc = mx_room_send(server, requester, &e, arena, &event_id, NULL, err);
    gg_buf_done(&body);
    gg_buf_done(&content);
    return rc;
}

/* Who is not in the room has no business asking identity servers through us. */
static int check_member(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                        struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_str membership = {0};
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_membership(server, head, gg_str(requester->user_id), arena, &membership, err);
    if (rc == GG_E_NOT_FOUND || (rc == 0 && !gg_str_is(membership, "join")))
        return gg_refuse(err, 403, "M_FORBIDDEN", "User %s not in room %.*s", requester->user_id, GG_FMT(room_id));
    return rc;
}

int mx_third_party_invite(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                          const struct mx_third_party *whom, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str user_id = {0};
    if (!requester->admin && gg_config_bool(server->config, "block_non_admin_invites"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Invites have been disabled on this server");
    if (!gg_config_bool(server->config, "enable_3pid_lookup"))
        return gg_refuse(err, 403, "M_UNKNOWN", "Looking up third-party identifiers is denied from this server");
    int rc = check_member(server, requester, room_id, arena, err);
    if (rc == 0)
        rc = mx_identity_lookup(server, &whom->identity, whom->medium, whom->address, arena, &user_id, err);
    if (rc != 0)
        return rc;
    if (user_id.s != NULL && mx_user_id_valid(user_id))
        return invite_user(server, requester, room_id, user_id, arena, err);
    return store_invite(server, requester, room_id, whom, arena, err);
}

/* ---- taking it up ---- */

/* A key of the invite that has signed the proof must still hold, by the word of its identity server. */
static int check_key(struct mx_server *server, const struct mx_json *proof, struct gg_str key, struct gg_str url,
                     struct gg_arena *arena, bool *valid, struct gg_error *err)
{
    if (*valid || key.s == NULL || !mx_auth_proof_signed_by(proof, key, arena))
        return 0;
    *valid = url.s == NULL; /* such a key never ends */
    if (*valid)
        return 0;
    int rc = mx_identity_key_valid(server, url, key, arena, valid, err);
    if (rc == 0 || rc == GG_E_CANCELLED)
        return rc;
    gg_info(&logger, "key of a third-party invite: %s", err->message);
    return gg_refuse(err, 502, "M_UNKNOWN", "Third party certificate could not be checked");
}

static int check_keys(struct mx_server *server, struct gg_str content, struct gg_str proof_text, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str keys = mx_json_get(content, "public_keys");
    struct mx_json_iter it = mx_json_iter(mx_json_is_array(keys) ? keys : GG_STR("[]"));
    const struct mx_json *proof = mx_json_raw(arena, proof_text);
    bool valid = false;
    int rc = check_key(server, proof, mx_json_string(mx_json_get(content, "public_key"), arena),
                       mx_json_string(mx_json_get(content, "key_validity_url"), arena), arena, &valid, err);
    while (rc == 0 && mx_json_next(&it))
        rc = check_key(server, proof, mx_json_string(mx_json_get(it.value, "public_key"), arena),
                       mx_json_string(mx_json_get(it.value, "key_validity_url"), arena), arena, &valid, err);
    return rc == 0 && !valid ? gg_refuse(err, 403, "M_FORBIDDEN", "Third party certificate was invalid") : rc;
}

static int read_proof(struct gg_str sender, struct gg_str proof, struct gg_arena *arena,
                      struct gg_str *mxid, struct gg_str *token, struct gg_error *err)
{
    *mxid = mx_json_string(mx_json_get(proof, "mxid"), arena);
    *token = mx_json_string(mx_json_get(proof, "token"), arena);
    if (sender.s == NULL || !mx_user_id_valid(sender) || mxid->s == NULL || !mx_user_id_valid(*mxid) || token->s == NULL ||
        !mx_json_is_object(mx_json_get(proof, "signatures")))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "third_party_signed needs sender, mxid, token and signatures");
    return 0;
}

/* The proof goes in as it is: all of it is signed. */
static struct gg_str member_content(struct gg_str first, struct gg_str proof, struct gg_arena *arena)
{
    struct gg_buf buf = GG_BUF_INIT;
    struct gg_str name = mx_json_get(first, "display_name");
    gg_buf_lit(&buf, "{\"membership\":\"invite\",\"third_party_invite\":{\"display_name\":");
    gg_buf_str(&buf, mx_json_is_string(name) ? name : GG_STR("\"\""));
    gg_buf_lit(&buf, ",\"signed\":");
    gg_buf_str(&buf, proof);
    gg_buf_lit(&buf, "}}");
    struct gg_str content = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return content;
}

/* The room's event of that invite: what we know is not asked of others. Whoever sent it may have left since: the auth rules
 * do not ask. */
static int find_invite(struct mx_server *server, struct gg_str room_id, struct gg_str token, struct gg_arena *arena,
                       const struct mx_event **first, struct gg_error *err)
{
    const struct mx_head *head;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.third_party_invite", token, arena, first, err);
    if (rc == 0 && *first == NULL)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Could not find the third party invite in the room");
    return rc;
}

int mx_third_party_exchange(struct mx_server *server, struct gg_str room_id, struct gg_str sender, struct gg_str proof,
                            struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str mxid, token, event_id;
    const struct mx_event *first = NULL;
    bool here = false;
    int rc = read_proof(sender, proof, arena, &mxid, &token, err);
    if (rc == 0)
        rc = mx_fed_host_joined(server, room_id, &here, err);
    if (rc == 0 && !here)
        return mx_fed_exchange_invite(server, room_id, sender, mxid, proof, arena, err);
    if (rc == 0)
        rc = find_invite(server, room_id, token, arena, &first, err);
    if (rc == 0)
        rc = check_keys(server, first->content, proof, arena, err);
    if (rc != 0)
        return rc;
    struct gg_str localpart = mx_id_localpart(sender);
    struct mx_requester inviter = {.user_id = gg_arena_strndup(arena, sender.s, sender.n),
                                   .localpart = gg_arena_strndup(arena, localpart.s, localpart.n), .admin = true};
    struct mx_membership_change change = {.room_id = room_id, .target = mxid, .membership = GG_STR("invite"), .action = "invite",
                                          .content = member_content(first->content, proof, arena)};
    return mx_room_membership(server, &inviter, &change, arena, &event_id, err);
}
