/* matrix/api/federation_groups.c: communities between servers (facts http-api.md, section 7). */
#include "api/groups_calls.h"
#include "api/params.h"

#include "federation/origin.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/id.h>

static int read_call(struct gg_request *rq, struct mx_group_call *call, struct gg_error *err)
{
    int rc = mx_group_call_of(rq, call, err);
    call->origin = mx_origin_of(rq);
    return rc;
}

static int check_ours(const struct mx_group_call *call, struct gg_error *err)
{
    return mx_is_mine(call->server, call->group_id) ? 0 : gg_refuse(err, 400, "M_UNKNOWN", "Group not on this server");
}

/* A server speaks for its own users. */
static int check_speaker(const struct mx_group_call *call, struct gg_error *err)
{
    if (call->requester.s == NULL || !mx_user_id_valid(call->requester))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "No valid user is named as the requester");
    return gg_str_is(mx_id_domain(call->requester), call->origin) ? 0 : gg_refuse(err, 403, "M_FORBIDDEN", "requester_user_id doesn't match origin");
}

static int serve(struct gg_request *rq, mx_group_fn *fn, char kind, bool own, struct gg_error *err)
{
    struct mx_group_call call;
    json_t *out = NULL;
    int rc = read_call(rq, &call, err);
    call.kind = kind;
    call.requester = own ? call.user_id : gg_str(gg_request_query(rq, "requester_user_id"));
    if (rc == 0)
        rc = check_ours(&call, err);
    if (rc == 0)
        rc = check_speaker(&call, err);
    if (rc == 0)
        rc = fn(&call, &out, err);
    return mx_group_reply(rq, rc, out);
}

#define HANDLER(name_, fn_, kind_, method_, path_, fed_method_, fed_path_) \
    static int call_##name_(void *self, struct gg_request *rq, struct gg_error *err) \
    { \
        return serve(rq, fn_, kind_, false, err); \
    }
MX_GROUP_CALLS(HANDLER)

static int join(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve(rq, mx_group_join, 0, true, err);
}

static int accept_invite(void *self, struct gg_request *rq, struct gg_error *err)
{
    return serve(rq, mx_group_accept, 0, true, err);
}

/* ---- about our users ---- */

static int told(struct gg_request *rq, mx_group_fn *fn, bool by_group, struct gg_error *err)
{
    struct mx_group_call call;
    json_t *out = NULL;
    int rc = read_call(rq, &call, err);
    if (rc == 0 && by_group && !gg_str_is(mx_id_domain(call.group_id), call.origin))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "group_id doesn't match origin");
    if (rc == 0)
        rc = fn(&call, &out, err);
    return mx_group_reply(rq, rc, out);
}

static int told_invite(void *self, struct gg_request *rq, struct gg_error *err)
{
    return told(rq, mx_group_told_invite, true, err);
}

static int told_remove(void *self, struct gg_request *rq, struct gg_error *err)
{
    return told(rq, mx_group_told_remove, true, err);
}

/* Who says it does not matter: the attestation itself is signed. */
static int told_renewal(void *self, struct gg_request *rq, struct gg_error *err)
{
    return told(rq, mx_group_told_renewal, false, err);
}

static int publicised(void *self, struct gg_request *rq, struct gg_error *err)
{
    return mx_api_publicised(rq, false, err);
}

#define FED "/_matrix/federation/v1"
#define ASKED(method_, path_, handler_, ...) \
    {.method = method_, .path = FED path_, .handler = handler_, .resource = "federation", .auth = GG_AUTH_SERVER, \
     .flags = method_[0] == 'P' ? GG_ROUTE_JSON : 0, __VA_ARGS__}
#define ROUTE(name_, fn_, kind_, method_, path_, fed_method_, fed_path_) \
    ASKED(fed_method_, "/groups/{group_id}" fed_path_, call_##name_, .writer = MX_GROUP_WRITER(fed_method_), .doc = "groups: " #name_),

const struct gg_route mx_routes_federation_groups[] = {
    MX_GROUP_CALLS(ROUTE)
    ASKED("POST", "/groups/{group_id}/users/{user_id}/join", join, .writer = GG_WRITER_MAIN, .doc = "a user joins a group"),
    ASKED("POST", "/groups/{group_id}/users/{user_id}/accept_invite", accept_invite, .writer = GG_WRITER_MAIN,
          .doc = "a user takes up an invite"),
    ASKED("POST", "/groups/local/{group_id}/users/{user_id}/invite", told_invite, .writer = GG_WRITER_MAIN,
          .doc = "one of ours is invited to a group elsewhere"),
    ASKED("POST", "/groups/local/{group_id}/users/{user_id}/remove", told_remove, .writer = GG_WRITER_MAIN,
          .doc = "one of ours is put out of a group elsewhere"),
    ASKED("POST", "/groups/{group_id}/renew_attestation/{user_id}", told_renewal, .writer = GG_WRITER_MAIN,
          .doc = "a server attests again that a user is in a group"),
    ASKED("POST", "/get_groups_publicised", publicised, .doc = "groups that our users show"),
    {0},
};
