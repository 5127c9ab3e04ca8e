/* matrix/groups/local.c: our users' groups, wherever these live. */
#include "groups/groups.h"

#include "accounts/accounts.h"
#include "federation/client.h"
#include "groups/profile.h"
#include "storage/groups.h"

#include <ganglion/config.h>
#include <ganglion/map.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

enum { MAX_ANSWER = 4 << 20, PATIENCE_MS = 20 * 1000, MAX_USERS = 500, MAX_SERVERS = 20 };

int mx_group_ask(struct mx_server *server, struct gg_str destination, const char *method, const char *path, const json_t *body,
                 struct gg_arena *arena, json_t **answer, struct gg_error *err)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct gg_str out;
    const struct mx_fed_request question = {.destination = gg_arena_strndup(arena, destination.s, destination.n), .method = method,
                                            .path = path, .body = gg_str(text), .timeout_ms = PATIENCE_MS, .max_answer = MAX_ANSWER};
    int rc = mx_fed_call(server, &question, arena, &out, err);
    free(text);
    *answer = rc == 0 ? json_loadb(out.s, out.n, 0, NULL) : NULL;
    if (rc == 0 && !json_is_object(*answer)) {
        json_decref(*answer);
        *answer = NULL;
        return gg_refuse(err, 502, "M_UNKNOWN", "%.*s answered what is no object", GG_FMT(destination));
    }
    return rc;
}

static int done(int rc, json_t **answer)
{
    *answer = rc == 0 ? json_object() : NULL;
    return rc;
}

/* ---- making a group ---- */

static bool good_localpart(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.s[i] >= 'a' && s.s[i] <= 'z') || (s.s[i] >= '0' && s.s[i] <= '9') || strchr("=_-./", s.s[i]) != NULL))
            return false;
    return s.n > 0;
}

static int read_creation(const struct mx_group_call *call, struct gg_str *group_id, struct mx_group_row *row, struct gg_error *err)
{
    struct gg_str name = mx_text(call->body, "localpart");
    const json_t *profile = json_object_get(call->body, "profile");
    if (!good_localpart(name))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Group ID can only contain characters a-z, 0-9, or '=_-./'");
    if (name.n + strlen(call->server->name) + 2 > MX_ID_MAX)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Group ID is too long");
    if (profile != NULL && !json_is_object(profile))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "profile must be an object");
    *group_id = gg_str(gg_arena_printf(call->arena, "+%.*s:%s", GG_FMT(name), call->server->name));
    return mx_group_read_profile(profile, row, err);
}

static int put_joined(const struct mx_group_call *call, struct gg_str group_id, bool admin, struct gg_str attestation,
                      int64_t valid_until, int64_t issued_until, struct gg_error *err)
{
    const struct mx_group_membership row = {
        .user_id = call->requester, .group_id = group_id, .membership = GG_STR("join"), .admin = admin, .content = GG_STR("{}"),
        .attestation = attestation, .valid_until = valid_until, .issued_until = issued_until,
        .publicised = json_is_true(json_object_get(call->body, "publicise"))};
    return mx_groups_put_membership(call->server, &row, err);
}

int mx_group_create(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_row row = {0};
    struct gg_str group_id;
    bool created = false;
    int rc = read_creation(call, &group_id, &row, err);
    if (rc == 0)
        rc = mx_groups_create(call->server, group_id, &row, call->requester, &created, err);
    if (rc == 0 && !created)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Group already exists");
    if (rc == 0)
        rc = put_joined(call, group_id, true, (struct gg_str){0}, 0, 0, err);
    if (rc == 0)
        *answer = json_pack("{s:s%}", "group_id", group_id.s, group_id.n);
    return rc;
}

/* ---- coming and going ---- */

static const char *fed_path(const struct mx_group_call *call, const char *what)
{
    return mx_fed_path(call->arena, "/_matrix/federation/v1/groups/%s/users/%s/%s?requester_user_id=%s",
                       gg_arena_strndup(call->arena, call->group_id.s, call->group_id.n), call->requester.s, what, call->requester.s);
}

/* At the group's server, with what each attests to the other. */
static int join_elsewhere(const struct mx_group_call *call, const char *what, struct gg_error *err)
{
    int64_t issued_until, valid_until;
    struct gg_str text;
    json_t *body = call->body != NULL ? json_copy((json_t *)(uintptr_t)call->body) : json_object(), *said = NULL;
    json_object_set_new(body, "attestation", mx_attestation_new(call->server, call->group_id, call->requester, call->arena, &issued_until));
    int rc = mx_group_ask(call->server, mx_id_domain(call->group_id), "POST", fed_path(call, what), body, call->arena, &said, err);
    if (rc == 0)
        rc = mx_attestation_check(call->server, json_object_get(said, "attestation"), call->group_id, call->requester,
                                  mx_id_domain(call->group_id), call->arena, &text, &valid_until, err);
    if (rc == 0)
        rc = put_joined(call, call->group_id, false, text, valid_until, issued_until, err);
    json_decref(said);
    json_decref(body);
    return rc;
}

static int join(const struct mx_group_call *call, const char *what, mx_group_fn *here, json_t **answer, struct gg_error *err)
{
    json_t *said = NULL;
    int rc;
    if (mx_is_mine(call->server, call->group_id)) {
        rc = here(call, &said, err);
        if (rc == 0)
            rc = put_joined(call, call->group_id, false, (struct gg_str){0}, 0, 0, err);
    } else {
        rc = join_elsewhere(call, what, err);
    }
    json_decref(said);
    return done(rc, answer);
}

int mx_group_self_join(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    return join(call, "join", mx_group_join, answer, err);
}

int mx_group_self_accept(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    return join(call, "accept_invite", mx_group_accept, answer, err);
}

static int put_left(const struct mx_group_call *call, struct gg_str user_id, struct gg_error *err)
{
    const struct mx_group_membership row = {.user_id = user_id, .group_id = call->group_id, .membership = GG_STR("leave"),
                                            .content = GG_STR("{}")};
    return mx_groups_put_membership(call->server, &row, err);
}

int mx_group_self_leave(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_call self = *call;
    json_t *said = NULL;
    int rc;
    self.user_id = call->requester;
    if (mx_is_mine(call->server, call->group_id)) {
        rc = mx_group_remove(&self, &said, err);
    } else {
        json_t *body = json_object();
        rc = mx_group_ask(call->server, mx_id_domain(call->group_id), "POST", fed_path(call, "remove"), body, call->arena, &said, err);
        json_decref(body);
        if (rc != 0 && err->http_status >= 500) { /* nobody can be kept in a group by a server that is away */
            *err = (struct gg_error)GG_ERROR_INIT;
            rc = 0;
        }
    }
    json_decref(said);
    if (rc == 0)
        rc = put_left(call, call->requester, err);
    return done(rc, answer);
}

int mx_group_self_publicise(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    const json_t *publicise = json_object_get(call->body, "publicise");
    if (!json_is_boolean(publicise))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "publicise must be a boolean");
    return done(mx_groups_publicise(call->server, call->requester, call->group_id, json_is_true(publicise), err), answer);
}

/* ---- what the group's server tells ---- */

static int own_profile(const struct mx_group_call *call, json_t **out, struct gg_error *err)
{
    struct mx_profile_row row;
    int rc = mx_profiles_read(call->server, call->user_id, call->arena, &row, err);
    if (rc == 0 && !row.found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "User %.*s is not known here", GG_FMT(call->user_id));
    if (rc == 0)
        *out = json_pack("{s:o,s:o}", "displayname", mx_group_text(row.display_name), "avatar_url", mx_group_text(row.avatar_url));
    return rc;
}

static struct gg_str text_of(const json_t *object, const char *key)
{
    return mx_text(object, key);
}

/* What clients are shown of an invite, and nothing that was not meant for them. */
static struct gg_str shown_invite(const struct mx_group_call *call)
{
    const json_t *profile = json_object_get(call->body, "profile");
    json_t *shown = json_pack("{s:{s:o,s:o},s:o}", "profile", "name", mx_group_text(text_of(profile, "name")), "avatar_url",
                              mx_group_text(text_of(profile, "avatar_url")), "inviter", mx_group_text(text_of(call->body, "inviter")));
    char *text = json_dumps(shown, JSON_COMPACT);
    struct gg_str kept = gg_arena_str(call->arena, gg_str(text != NULL && strlen(text) < 8192 ? text : "{}"));
    free(text);
    json_decref(shown);
    return kept;
}

int mx_group_told_invite(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_membership now, row = {.user_id = call->user_id, .group_id = call->group_id, .membership = GG_STR("invite")};
    json_t *profile = NULL;
    bool found;
    if (!mx_user_id_valid(call->user_id) || !mx_is_mine(call->server, call->user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "User not on this server");
    int rc = own_profile(call, &profile, err);
    if (rc == 0 && call->origin != NULL)
        rc = mx_attestation_check(call->server, json_object_get(call->body, "attestation"), call->group_id, call->user_id,
                                  mx_id_domain(call->group_id), call->arena, &row.attestation, &row.valid_until, err);
    if (rc == 0)
        rc = mx_groups_membership(call->server, call->user_id, call->group_id, call->arena, &now, &found, err);
    row.content = shown_invite(call);
    if (rc == 0 && !(found && gg_str_is(now.membership, "join")))
        rc = mx_groups_put_membership(call->server, &row, err);
    if (rc == 0)
        *answer = json_pack("{s:s,s:O}", "state", "invite", "user_profile", profile);
    json_decref(profile);
    return rc;
}

int mx_group_told_remove(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_membership now;
    bool found = false;
    if (!mx_user_id_valid(call->user_id) || !mx_is_mine(call->server, call->user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "User not on this server");
    int rc = mx_groups_membership(call->server, call->user_id, call->group_id, call->arena, &now, &found, err);
    if (rc == 0 && found)
        rc = put_left(call, call->user_id, err);
    return done(rc, answer);
}

/* By the group's server of one of ours, or by a user's server of a group of ours. */
int mx_group_told_renewal(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    const struct mx_group_pair pair = {call->user_id, call->group_id};
    struct gg_str text, signer = mx_is_mine(call->server, call->group_id) ? mx_id_domain(call->user_id) : mx_id_domain(call->group_id);
    int64_t valid_until;
    bool found = false;
    if (!mx_user_id_valid(call->user_id) || (!mx_is_mine(call->server, call->group_id) && !mx_is_mine(call->server, call->user_id)))
        return gg_refuse(err, 400, "M_UNKNOWN", "Neither user not group are on this server");
    int rc = mx_attestation_check(call->server, json_object_get(call->body, "attestation"), call->group_id, call->user_id, signer,
                                  call->arena, &text, &valid_until, err);
    if (rc == 0)
        rc = mx_groups_renewed(call->server, &pair, text, valid_until, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "User is not in the group");
    return done(rc, answer);
}

/* ---- lists ---- */

int mx_groups_joined(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, json_t **answer, struct gg_error *err)
{
    struct mx_group_membership *rows;
    size_t n = 0;
    int rc = mx_groups_on(server) ? mx_groups_memberships(server, user_id, 0, INT64_MAX, arena, &rows, &n, err) : 0;
    json_t *ids = json_array();
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rows[i].membership, "join"))
            json_array_append_new(ids, json_stringn(rows[i].group_id.s, rows[i].group_id.n));
    *answer = rc == 0 ? json_pack("{s:O}", "groups", ids) : NULL;
    json_decref(ids);
    return rc;
}

static void add_pairs(json_t *users, const struct mx_group_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json_object_get(users, pairs[i].user_id.s), json_stringn(pairs[i].group_id.s, pairs[i].group_id.n));
}

/* What another server says of its own users, and of no others. */
static void take_answer(json_t *users, struct gg_str name, const json_t *answer)
{
    const char *user_id;
    json_t *groups, *group;
    size_t i, taken = 0;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(answer, "users"), user_id, groups) {
        json_t *list = gg_str_eq(mx_id_domain(gg_str(user_id)), name) ? json_object_get(users, user_id) : NULL;
        json_array_foreach(groups, i, group)
            if (list != NULL && json_is_string(group) && mx_group_id_valid(gg_str(json_string_value(group))) && taken++ < MX_GROUP_MAX)
                json_array_append(list, group);
    }
}

/* One server that cannot be asked must not hide what the others say. */
static void ask_server(struct mx_server *server, struct gg_str name, const struct gg_str *users, size_t n, json_t *out,
                       struct gg_arena *arena)
{
    struct gg_error unheard = GG_ERROR_INIT;
    json_t *ids = json_array(), *answer = NULL;
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(mx_id_domain(users[i]), name))
            json_array_append_new(ids, json_stringn(users[i].s, users[i].n));
    json_t *body = json_pack("{s:o}", "user_ids", ids);
    if (mx_group_ask(server, name, "POST", "/_matrix/federation/v1/get_groups_publicised", body, arena, &answer, &unheard) == 0)
        take_answer(out, name, answer);
    json_decref(body);
    json_decref(answer);
}

static void ask_servers(struct mx_server *server, const struct gg_str *users, size_t n, json_t *out, struct gg_arena *arena)
{
    struct gg_map *asked = gg_map_new(NULL);
    for (size_t i = 0; i < n && gg_map_count(asked) < MAX_SERVERS; i++) {
        struct gg_str name = mx_id_domain(users[i]);
        if (gg_str_is(name, server->name) || gg_map_has(asked, name) || !mx_server_name_valid(name))
            continue;
        gg_map_put(asked, name, NULL);
        ask_server(server, name, users, n, out, arena);
    }
    gg_map_free(asked);
}

int mx_groups_publicised_of(struct mx_server *server, const struct gg_str *users, size_t n, bool ask_others, struct gg_arena *arena,
                            json_t **answer, struct gg_error *err)
{
    struct gg_str *ours = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct mx_group_pair *pairs;
    size_t n_ours = 0, n_pairs = 0;
    json_t *out = json_object();
    n = n < MAX_USERS ? n : MAX_USERS;
    for (size_t i = 0; i < n; i++) {
        if (!mx_is_mine(server, users[i]) && !ask_others)
            continue;
        json_object_set_new(out, users[i].s, json_array());
        if (mx_is_mine(server, users[i]))
            ours[n_ours++] = users[i];
    }
    int rc = mx_groups_on(server) ? mx_groups_publicised(server, ours, n_ours, arena, &pairs, &n_pairs, err) : 0;
    if (rc == 0)
        add_pairs(out, pairs, n_pairs);
    if (rc == 0 && ask_others && mx_groups_on(server))
        ask_servers(server, users, n, out, arena);
    *answer = rc == 0 ? json_pack("{s:O}", "users", out) : NULL;
    json_decref(out);
    return rc;
}
