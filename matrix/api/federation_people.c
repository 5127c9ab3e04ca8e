/* matrix/api/federation_people.c: what other servers may ask of our users, aliases, lists and spaces (server-server API,
 * "Querying for information", "Public Room Directory", "Spaces"; facts http-api.md, section 4). */
#include "api/params.h"
#include "api/public_list.h"

#include "accounts/accounts.h"
#include "federation/hosts.h"
#include "federation/origin.h"
#include "federation/spaces_served.h"
#include "storage/directory.h"

#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

/* ---- profiles ---- */

static int profile_missing(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Profile was not found");
}

static void add_text(struct gg_buf *out, const char *key, struct gg_str text)
{
    if (text.s == NULL)
        return;
    gg_buf_printf(out, "%s\"%s\":", out->n > 1 ? "," : "", key);
    gg_buf_json_string(out, text);
}

static void add_fields(struct gg_buf *out, struct gg_str fields)
{
    struct mx_json_iter it = mx_json_iter(fields);
    while (fields.s != NULL && mx_json_next(&it)) {
        gg_buf_printf(out, "%s\"%.*s\":", out->n > 1 ? "," : "", GG_FMT(it.key));
        gg_buf_str(out, it.value);
    }
}

static int add_field(struct gg_buf *out, struct gg_str fields, const char *key, struct gg_error *err)
{
    struct gg_str value = fields.s != NULL ? mx_json_get(fields, key) : fields;
    if (value.s == NULL)
        return profile_missing(err);
    gg_buf_json_string(out, gg_str(key));
    gg_buf_char(out, ':');
    gg_buf_str(out, value);
    return 0;
}

static int write_profile(struct gg_buf *out, const struct mx_profile_row *row, const char *field, struct gg_error *err)
{
    int rc = 0;
    gg_buf_char(out, '{');
    if (field == NULL || strcmp(field, "displayname") == 0)
        add_text(out, "displayname", row->display_name);
    if (field == NULL || strcmp(field, "avatar_url") == 0)
        add_text(out, "avatar_url", row->avatar_url);
    if (field == NULL)
        add_fields(out, row->fields);
    else if (strcmp(field, "displayname") != 0 && strcmp(field, "avatar_url") != 0)
        rc = add_field(out, row->fields, field, err);
    gg_buf_char(out, '}');
    return rc;
}

static int query_profile(struct mx_server *server, struct gg_request *rq, struct gg_buf *out, struct gg_error *err)
{
    const char *user_id = gg_request_query(rq, "user_id");
    struct mx_profile_row row;
    if (!gg_config_bool(server->config, "allow_profile_lookup_over_federation"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Profile lookup over federation is disabled on this homeserver");
    if (user_id == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'user_id'");
    if (!mx_user_id_valid(gg_str(user_id)))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid user id");
    if (!mx_is_mine(server, gg_str(user_id)))
        return gg_refuse(err, 400, "M_UNKNOWN", "User is not hosted on this homeserver");
    int rc = mx_profiles_read(server, gg_str(user_id), gg_request_arena(rq), &row, err);
    if (rc == 0 && !row.found)
        rc = profile_missing(err);
    return rc == 0 ? write_profile(out, &row, gg_request_query(rq, "field"), err) : rc;
}

/* ---- aliases ---- */

static int write_association(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct gg_buf *out,
                             struct gg_error *err)
{
    struct mx_fed_hosts hosts;
    int rc = mx_fed_hosts_in_room(server, room_id, arena, &hosts, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(out, "{\"room_id\":");
    gg_buf_json_string(out, room_id);
    gg_buf_lit(out, ",\"servers\":[");
    gg_buf_json_string(out, gg_str(server->name)); /* it knows the alias: to be asked first */
    for (size_t i = 0; i < hosts.n; i++) {
        if (gg_str_is(hosts.names[i], server->name))
            continue;
        gg_buf_char(out, ',');
        gg_buf_json_string(out, hosts.names[i]);
    }
    gg_buf_lit(out, "]}");
    return 0;
}

static int query_directory(struct mx_server *server, struct gg_request *rq, struct gg_buf *out, struct gg_error *err)
{
    struct gg_str alias = gg_str(gg_request_query(rq, "room_alias")), room_id;
    if (alias.s == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing string query parameter 'room_alias'");
    if (!mx_room_alias_valid(alias))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Room alias invalid");
    if (!mx_is_mine(server, alias))
        return gg_refuse(err, 400, "M_UNKNOWN", "Room Alias is not hosted on this homeserver");
    int rc = mx_appservices_find_alias(server, alias, gg_request_arena(rq), &room_id, err);
    if (rc == 0 && room_id.s == NULL)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Room alias %.*s not found", GG_FMT(alias));
    return rc == 0 ? write_association(server, room_id, gg_request_arena(rq), out, err) : rc;
}

/* ---- /query ---- */

static const struct {
    const char *type;
    int (*fn)(struct mx_server *server, struct gg_request *rq, struct gg_buf *out, struct gg_error *err);
} queries[] = {{"profile", query_profile}, {"directory", query_directory}};

static int query(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *type = gg_request_param(rq, "query_type");
    for (size_t i = 0; i < GG_COUNT(queries); i++) {
        if (strcmp(type, queries[i].type) != 0)
            continue;
        struct gg_buf out = GG_BUF_INIT;
        int rc = queries[i].fn(mx_server_of_request(rq), rq, &out, err);
        if (rc == 0)
            return gg_reply_buf(rq, 200, &out);
        gg_buf_done(&out);
        return rc;
    }
    return gg_refuse(err, 404, "M_NOT_FOUND", "No handler for Query type '%s'", type);
}

/* ---- the public list ---- */

static int reply_list(struct gg_request *rq, struct mx_list_query *q, struct gg_str since, struct gg_error *err)
{
    struct mx_list_token token;
    struct gg_buf out = GG_BUF_INIT;
    int rc = since.n > 0 ? mx_list_token_parse(since, gg_request_arena(rq), &token, err) : 0;
    q->since = since.n > 0 ? &token : NULL;
    q->federatable = true;
    if (rc == 0)
        rc = mx_published_rooms(mx_server_of_request(rq), q, gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

static int check_list_open(struct gg_request *rq, struct gg_error *err)
{
    if (gg_config_bool(mx_server_of_request(rq)->config, "allow_public_rooms_over_federation"))
        return 0;
    return gg_refuse(err, 403, "M_FORBIDDEN", "Federation denied with %s.", mx_origin_of(rq));
}

static int get_list(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_list_query q = {0};
    bool all;
    int rc = check_list_open(rq, err);
    if (rc == 0)
        rc = mx_api_query_natural(rq, "limit", 0, &q.limit, err);
    if (rc == 0)
        rc = gg_request_query_bool(rq, "include_all_networks", false, &all, err);
    if (rc == 0)
        rc = mx_public_list_network(gg_str(gg_request_query(rq, "third_party_instance_id")), all, &q, err);
    return rc == 0 ? reply_list(rq, &q, gg_str(gg_request_query(rq, "since")), err) : rc;
}

static int search_list(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_list_query q = {0};
    struct gg_str body;
    int rc = check_list_open(rq, err);
    if (rc == 0)
        rc = mx_api_object_body(rq, &body, err);
    if (rc == 0)
        rc = mx_public_list_read(body, gg_request_arena(rq), &q, err);
    return rc == 0 ? reply_list(rq, &q, mx_json_string(mx_json_get(body, "since"), gg_request_arena(rq)), err) : rc;
}

/* ---- spaces ---- */

static int hierarchy(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_buf out = GG_BUF_INIT;
    bool suggested_only;
    int rc = gg_request_query_bool(rq, "suggested_only", false, &suggested_only, err);
    if (rc == 0)
        rc = mx_fed_serve_hierarchy(mx_server_of_request(rq), gg_str(mx_origin_of(rq)), mx_api_param(rq, "room_id"),
                                    suggested_only, gg_request_arena(rq), &out, err);
    if (rc == 0)
        return gg_reply_buf(rq, 200, &out);
    gg_buf_done(&out);
    return rc;
}

#define ASKED(method_, path_, handler_, ...) \
    {.method = method_, .path = "/_matrix/federation/" path_, .handler = handler_, .resource = "federation", \
     .auth = GG_AUTH_SERVER, __VA_ARGS__}

const struct gg_route mx_routes_federation_people[] = {
    ASKED("GET", "v1/query/{query_type}", query, .flags = GG_ROUTE_CANCELLABLE, .doc = "a user's profile, an alias's room"),
    ASKED("GET", "v1/publicRooms", get_list, .flags = GG_ROUTE_CANCELLABLE, .doc = "our public list of rooms"),
    ASKED("POST", "v1/publicRooms", search_list, .doc = "search in our public list"),
    ASKED("GET", "(v1|unstable/org.matrix.msc2946)/hierarchy/{room_id}", hierarchy, .flags = GG_ROUTE_CANCELLABLE,
          .doc = "a space and its rooms"),
    {0},
};
