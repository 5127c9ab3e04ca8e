/* matrix/api/groups_calls.h: what is asked of groups, as one table: by clients of any group, by other servers of ours. */
#ifndef MX_API_GROUPS_CALLS_H
#define MX_API_GROUPS_CALLS_H

#include "groups/groups.h"
#include "storage/groups.h"

/* X(name, function, kind of label or 0, client's method and path, other servers' method and path); paths below the prefix
 * of either. A question about a group of another server is handed on to that path there. */
#define MX_GROUP_CALLS(X) \
    X(profile, mx_group_profile, 0, "GET", "/profile", "GET", "/profile") \
    X(set_profile, mx_group_set_profile, 0, "POST", "/profile", "POST", "/profile") \
    X(summary, mx_group_summary, 0, "GET", "/summary", "GET", "/summary") \
    X(rooms, mx_group_rooms, 0, "GET", "/rooms", "GET", "/rooms") \
    X(users, mx_group_users, 0, "GET", "/users", "GET", "/users") \
    X(invited, mx_group_invited, 0, "GET", "/invited_users", "GET", "/invited_users") \
    X(policy, mx_group_set_policy, 0, "PUT", "/settings/m.join_policy", "PUT", "/settings/m.join_policy") \
    X(categories, mx_group_labels, 'r', "GET", "/categories/", "GET", "/categories/") \
    X(category, mx_group_label, 'r', "GET", "/categories/{label}", "GET", "/categories/{label}") \
    X(put_category, mx_group_put_label, 'r', "PUT", "/categories/{label}", "POST", "/categories/{label}") \
    X(remove_category, mx_group_remove_label, 'r', "DELETE", "/categories/{label}", "DELETE", "/categories/{label}") \
    X(roles, mx_group_labels, 'u', "GET", "/roles/", "GET", "/roles/") \
    X(role, mx_group_label, 'u', "GET", "/roles/{label}", "GET", "/roles/{label}") \
    X(put_role, mx_group_put_label, 'u', "PUT", "/roles/{label}", "POST", "/roles/{label}") \
    X(remove_role, mx_group_remove_label, 'u', "DELETE", "/roles/{label}", "DELETE", "/roles/{label}") \
    X(place_room, mx_group_put_place, 'r', "PUT", "/summary/rooms/{room_id}", "POST", "/summary/rooms/{room_id}") \
    X(place_room_in, mx_group_put_place, 'r', "PUT", "/summary/categories/{label}/rooms/{room_id}", "POST", \
      "/summary/categories/{label}/rooms/{room_id}") \
    X(remove_place_room, mx_group_remove_place, 'r', "DELETE", "/summary/rooms/{room_id}", "DELETE", "/summary/rooms/{room_id}") \
    X(remove_place_room_in, mx_group_remove_place, 'r', "DELETE", "/summary/categories/{label}/rooms/{room_id}", "DELETE", \
      "/summary/categories/{label}/rooms/{room_id}") \
    X(place_user, mx_group_put_place, 'u', "PUT", "/summary/users/{user_id}", "POST", "/summary/users/{user_id}") \
    X(place_user_in, mx_group_put_place, 'u', "PUT", "/summary/roles/{label}/users/{user_id}", "POST", \
      "/summary/roles/{label}/users/{user_id}") \
    X(remove_place_user, mx_group_remove_place, 'u', "DELETE", "/summary/users/{user_id}", "DELETE", "/summary/users/{user_id}") \
    X(remove_place_user_in, mx_group_remove_place, 'u', "DELETE", "/summary/roles/{label}/users/{user_id}", "DELETE", \
      "/summary/roles/{label}/users/{user_id}") \
    X(put_room, mx_group_put_room, 0, "PUT", "/admin/rooms/{room_id}", "POST", "/room/{room_id}") \
    X(remove_room, mx_group_remove_room, 0, "DELETE", "/admin/rooms/{room_id}", "DELETE", "/room/{room_id}") \
    X(room_config, mx_group_room_config, 0, "PUT", "/admin/rooms/{room_id}/config/{key}", "POST", "/room/{room_id}/config/{key}") \
    X(invite, mx_group_invite, 0, "PUT", "/admin/users/invite/{user_id}", "POST", "/users/{user_id}/invite") \
    X(remove, mx_group_remove, 0, "PUT", "/admin/users/remove/{user_id}", "POST", "/users/{user_id}/remove")

struct mx_group_route {
    mx_group_fn *fn;
    char kind;
    const char *fed_method, *fed_path;
};

/* The request as a call. 404 where there are no groups here, 400 for what is no group. */
GG_CHECKED int mx_group_call_of(struct gg_request *rq, struct mx_group_call *out, struct gg_error *err);
/* Answers with what a call found out. */
int mx_group_reply(struct gg_request *rq, int rc, json_t *answer);
/* {"user_ids": [..]} -> {"users": {user: [group, ..]}}. */
GG_YIELDS GG_CHECKED int mx_api_publicised(struct gg_request *rq, bool ask_others, struct gg_error *err);
/* Must this route be served by the main process? Reads need not. */
#define MX_GROUP_WRITER(method_) (method_[0] == 'G' ? NULL : GG_WRITER_MAIN)

#endif
