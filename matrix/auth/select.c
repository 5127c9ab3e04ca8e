/* select.c: which state an event cites (server-server "Auth events selection"). */
#include "internal.h"

enum { WANTED_MAX = 6 };

struct selection {
    struct mx_auth_wanted *wanted;
    size_t n;
};

static void add(struct selection *s, const char *type, struct gg_str state_key)
{
    struct gg_str t = gg_str(type);
    for (size_t i = 0; i < s->n; i++)
        if (gg_str_eq(s->wanted[i].type, t) && gg_str_eq(s->wanted[i].state_key, state_key))
            return;
    s->wanted[s->n++] = (struct mx_auth_wanted){t, state_key};
}

static void add_for_member(struct selection *s, const struct mx_room_version *version, struct gg_str target,
                           struct gg_str content, struct gg_arena *arena)
{
    static const char *const token_path[] = {"third_party_invite", "signed", "token", NULL};
    struct gg_str membership = mx_json_string(mx_json_get(content, "membership"), arena), who;
    bool join = gg_str_is(membership, "join"), invite = gg_str_is(membership, "invite");
    add(s, "m.room.member", target);
    if (join || invite || gg_str_is(membership, "knock"))
        add(s, "m.room.join_rules", GG_STR(""));
    if (invite && (who = mx_json_string(mx_json_path(content, token_path), arena)).s)
        add(s, "m.room.third_party_invite", who);
    if (join && version->restricted &&
        (who = mx_json_string(mx_json_get(content, "join_authorised_via_users_server"), arena)).s)
        add(s, "m.room.member", who);
}

size_t mx_auth_select(const struct mx_room_version *version, struct gg_str type, struct gg_str state_key,
                      struct gg_str sender, struct gg_str content, struct gg_arena *arena, struct mx_auth_wanted **out)
{
    struct selection s = {GG_NEW_ARRAY(arena, struct mx_auth_wanted, WANTED_MAX), 0};
    *out = s.wanted;
    if (gg_str_is(type, "m.room.create"))
        return 0;
    if (!version->room_id_is_hash) /* version 12: the room id names the create event */
        add(&s, "m.room.create", GG_STR(""));
    add(&s, "m.room.power_levels", GG_STR(""));
    add(&s, "m.room.member", sender);
    if (gg_str_is(type, "m.room.member") && state_key.s)
        add_for_member(&s, version, state_key, content, arena);
    return s.n;
}
