/* matrix/federation/template.c: member events that another server will sign: make_join, make_leave, make_knock. */
#include "federation/template.h"

#include "accounts/accounts.h"
#include "federation/entry.h"
#include "rooms/restricted.h"

#include <ganglion/matrix/id.h>

int mx_fed_check_version(const struct mx_fed_make *make, const struct mx_room_version *version, struct gg_error *err)
{
    bool known = make->any_version;
    for (size_t i = 0; i < make->n_versions && !known; i++)
        known = strcmp(make->versions[i], version->id) == 0;
    if (!known) {
        int rc = gg_refuse(err, 400, "M_INCOMPATIBLE_ROOM_VERSION",
                           "Your homeserver does not support the features required to interact with this room");
        char quoted[32];
        snprintf(quoted, sizeof(quoted), "\"%s\"", version->id);
        gg_error_extra(err, "room_version", quoted);
        return rc;
    }
    if (strcmp(make->membership, "knock") == 0 && !version->knock)
        return gg_refuse(err, 403, "M_FORBIDDEN", "This room version does not support knocking");
    return 0;
}

static int check(struct mx_server *server, struct gg_str origin, const struct mx_fed_make *make, const struct mx_head *head,
                 struct gg_error *err)
{
    int rc = mx_fed_check_version(make, head->version, err);
    if (rc == 0 && strcmp(make->membership, "join") == 0)
        rc = mx_limit(server, "rc_joins_per_room", make->room_id, NULL, false, err);
    if (rc != 0)
        return rc;
    if (!mx_user_id_valid(make->user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "%.*s is no user id", GG_FMT(make->user_id));
    if (!gg_str_eq(mx_id_domain(make->user_id), origin))
        return gg_refuse(err, 403, "M_FORBIDDEN", "User not from origin");
    if (!mx_fed_is_in(server, head, gg_str(server->name)))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not an active room on this server");
    return 0;
}

/* All but what the other server makes anew, and what is only ours. */
static struct gg_str without_proofs(const struct mx_event *event, struct gg_arena *arena)
{
    static const char *const dropped[] = {"hashes", "signatures", "unsigned"};
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_char(&buf, '{');
    for (struct mx_json_iter it = mx_json_iter(event->json); mx_json_next(&it);) {
        bool drop = false;
        for (size_t i = 0; i < GG_COUNT(dropped); i++)
            drop = drop || mx_json_key_is(it.key, dropped[i]);
        if (drop)
            continue;
        if (buf.n > 1)
            gg_buf_char(&buf, ',');
        gg_buf_add(&buf, it.key.s - 1, (size_t)(it.value.s + it.value.n - it.key.s) + 1);
    }
    gg_buf_char(&buf, '}');
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return text;
}

static struct gg_str content_of(const char *membership, struct gg_str more, struct gg_arena *arena)
{
    struct gg_str inner = more.s != NULL && more.n > 2 ? gg_strn(more.s + 1, more.n - 2) : GG_STR("");
    return gg_str(gg_arena_printf(arena, "{\"membership\":\"%s\"%s%.*s}", membership, inner.n > 0 ? "," : "", GG_FMT(inner)));
}

static int build(struct mx_chain *chain, const struct mx_fed_make *make, struct gg_error *err)
{
    const struct mx_event *old;
    struct gg_str more = {0};
    int rc = mx_chain_state_event(chain, GG_STR("m.room.member"), make->user_id, &old, err);
    if (rc == 0 && strcmp(make->membership, "join") == 0)
        rc = mx_restricted_join(chain, make->user_id, old != NULL ? old->membership : (struct gg_str){0}, &more, NULL, err);
    if (rc != 0)
        return rc;
    const struct mx_chain_event event = {.type = GG_STR("m.room.member"), .sender = make->user_id, .state_key = make->user_id,
                                         .content = content_of(make->membership, more, chain->arena)};
    return mx_chain_add(chain, &event, err);
}

int mx_fed_make_member(struct mx_server *server, struct gg_str origin, const struct mx_fed_make *make, struct gg_arena *arena,
                       struct gg_str *event_out, const struct mx_room_version **version_out, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_requester asker = {.user_id = gg_arena_strndup(arena, make->user_id.s, make->user_id.n)};
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    int rc = mx_fed_admit_stranger(server, origin, make->room_id, arena, &head, err);
    if (rc == 0)
        rc = check(server, origin, make, head, err);
    if (rc == 0)
        rc = mx_chain_begin(chain, server, &asker, make->room_id, arena, err);
    if (rc == 0)
        rc = build(chain, make, err);
    if (rc == 0) {
        *event_out = without_proofs(chain->events[0], arena);
        *version_out = head->version;
    }
    mx_chain_done(chain);
    return rc;
}
