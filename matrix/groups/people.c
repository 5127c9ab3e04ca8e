/* matrix/groups/people.c: who comes to a group of ours, and who goes. */
#include "groups/groups.h"

#include "federation/client.h"
#include "storage/groups.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.groups"};

/* ---- telling the user's own server ---- */

static struct mx_group_call about(const struct mx_group_call *call, struct gg_str user_id, const json_t *body)
{
    struct mx_group_call told = *call;
    told.user_id = user_id;
    told.body = body;
    return told;
}

static const char *local_path(const struct mx_group_call *call, struct gg_str user_id, const char *what)
{
    return mx_fed_path(call->arena, "/_matrix/federation/v1/groups/local/%s/users/%s/%s",
                       gg_arena_strndup(call->arena, call->group_id.s, call->group_id.n),
                       gg_arena_strndup(call->arena, user_id.s, user_id.n), what);
}

/* {"profile": {"name", "avatar_url"}, "inviter"} */
static json_t *invitation(const struct mx_group_call *call, const struct mx_group_row *row)
{
    return json_pack("{s:{s:o,s:o},s:s%}", "profile", "name", mx_group_text(row->name), "avatar_url", mx_group_text(row->avatar_url),
                     "inviter", call->requester.s, call->requester.n);
}

static int tell_invite(const struct mx_group_call *call, const struct mx_group_row *row, struct mx_group_member *who, struct gg_error *err)
{
    json_t *body = invitation(call, row), *answer = NULL;
    int rc;
    if (mx_is_mine(call->server, who->user_id)) {
        const struct mx_group_call told = about(call, who->user_id, body);
        rc = mx_group_told_invite(&told, &answer, err);
    } else {
        json_object_set_new(body, "attestation", mx_attestation_new(call->server, call->group_id, who->user_id, call->arena, &who->issued_until));
        rc = mx_group_ask(call->server, mx_id_domain(who->user_id), "POST", local_path(call, who->user_id, "invite"), body, call->arena,
                          &answer, err);
    }
    const json_t *profile = json_object_get(answer, "user_profile");
    char *text = json_is_object(profile) ? json_dumps(profile, JSON_COMPACT) : NULL;
    if (text != NULL && strlen(text) < 8192)
        who->profile = gg_arena_str(call->arena, gg_str(text));
    free(text);
    json_decref(answer);
    json_decref(body);
    return rc;
}

int mx_group_invite(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_row row;
    struct mx_group_member who;
    bool found = false;
    int rc = mx_group_admin(call, err);
    if (rc == 0 && !mx_user_id_valid(call->user_id))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Not a user id");
    if (rc == 0)
        rc = mx_groups_get(call->server, call->group_id, call->arena, &row, &found, err);
    if (rc == 0)
        rc = mx_groups_member(call->server, call->group_id, call->user_id, call->arena, &who, &found, err);
    if (rc == 0 && found && !who.invited)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "User already in group");
    if (rc == 0) {
        who = (struct mx_group_member){.user_id = call->user_id, .invited = true, .is_public = true};
        rc = tell_invite(call, &row, &who, err);
    }
    if (rc == 0)
        rc = mx_groups_put_member(call->server, call->group_id, &who, err);
    if (rc == 0)
        *answer = json_pack("{s:s}", "state", "invite");
    return rc;
}

/* ---- joining ---- */

/* *attestation: ours for the user's server; NULL for our own users. */
static int take_in(const struct mx_group_call *call, struct mx_group_member *who, json_t **attestation, struct gg_error *err)
{
    int rc = mx_group_visibility(call->body, &who->is_public, err);
    who->user_id = call->requester;
    who->invited = false;
    *attestation = NULL;
    if (rc != 0 || mx_is_mine(call->server, call->requester))
        return rc;
    rc = mx_attestation_check(call->server, json_object_get(call->body, "attestation"), call->group_id, call->requester,
                              mx_id_domain(call->requester), call->arena, &who->attestation, &who->valid_until, err);
    if (rc == 0)
        *attestation = mx_attestation_new(call->server, call->group_id, call->requester, call->arena, &who->issued_until);
    return rc;
}

static int come_in(const struct mx_group_call *call, struct mx_group_member *who, json_t **answer, struct gg_error *err)
{
    json_t *attestation;
    int rc = take_in(call, who, &attestation, err);
    if (rc == 0)
        rc = mx_groups_put_member(call->server, call->group_id, who, err);
    if (rc == 0)
        *answer = json_pack("{s:s,s:o*}", "state", "join", "attestation", attestation);
    else
        json_decref(attestation);
    return rc;
}

int mx_group_accept(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me;
    bool member;
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0 && !me.invited && !member)
        rc = gg_refuse(err, 403, "M_UNKNOWN", "User not invited to group");
    return rc == 0 ? come_in(call, &me, answer, err) : rc;
}

int mx_group_join(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_row row;
    struct mx_group_member me;
    bool member, found;
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0)
        rc = mx_groups_get(call->server, call->group_id, call->arena, &row, &found, err);
    if (rc == 0 && !row.open && !member)
        rc = gg_refuse(err, 403, "M_UNKNOWN", "Group is not publicly joinable");
    return rc == 0 ? come_in(call, &me, answer, err) : rc;
}

/* ---- going ---- */

int mx_group_remove(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member who;
    bool found, own = gg_str_eq(call->user_id, call->requester);
    json_t *told_answer = NULL;
    int rc = own ? 0 : mx_group_admin(call, err);
    if (rc == 0)
        rc = mx_groups_member(call->server, call->group_id, call->user_id, call->arena, &who, &found, err);
    if (rc == 0 && found)
        rc = mx_groups_remove_member(call->server, call->group_id, call->user_id, err);
    if (rc == 0 && found && !own) {
        const struct mx_group_call told = about(call, call->user_id, NULL);
        json_t *body = json_object();
        struct gg_error unheard = GG_ERROR_INIT;
        if (mx_is_mine(call->server, call->user_id))
            rc = mx_group_told_remove(&told, &told_answer, err);
        else if (mx_group_ask(call->server, mx_id_domain(call->user_id), "POST", local_path(call, call->user_id, "remove"), body,
                              call->arena, &told_answer, &unheard) != 0) /* they find out when nothing is attested any more */
            gg_info(&logger, "%.*s is not told that %.*s is out: %s", GG_FMT(mx_id_domain(call->user_id)), GG_FMT(call->user_id),
                    unheard.message);
        json_decref(body);
    }
    json_decref(told_answer);
    *answer = rc == 0 ? json_object() : NULL;
    return rc;
}
