/* matrix/federation/profiles.c: profiles of other servers' users. */
#include "federation/profiles.h"

#include "federation/client.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

enum { MAX_ANSWER = 256 * 1024, PATIENCE_MS = 30 * 1000 };

static const char *path_of(struct gg_str user_id, const char *field, struct gg_arena *arena)
{
    const char *user = gg_arena_strndup(arena, user_id.s, user_id.n);
    if (field == NULL)
        return mx_fed_path(arena, "/_matrix/federation/v1/query/profile?user_id=%s", user);
    return mx_fed_path(arena, "/_matrix/federation/v1/query/profile?user_id=%s&field=%s", user, field);
}

static int failed(struct gg_error *err)
{
    *err = (struct gg_error)GG_ERROR_INIT;
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to fetch profile");
}

int mx_fed_profile(struct mx_server *server, struct gg_str user_id, const char *field, struct gg_arena *arena,
                   struct gg_str *out, struct gg_error *err)
{
    struct gg_str domain = mx_id_domain(user_id);
    if (!mx_server_name_valid(domain))
        return failed(err);
    const struct mx_fed_request question = {
        .destination = gg_arena_strndup(arena, domain.s, domain.n), .method = "GET", .path = path_of(user_id, field, arena),
        .ignore_backoff = true, .timeout_ms = PATIENCE_MS, .max_answer = MAX_ANSWER};
    int rc = mx_fed_call(server, &question, arena, out, err);
    if ((rc != 0 && (err->http_status == 404 || err->http_status == 403)) || (rc == 0 && mx_json_is_object(*out)))
        return rc;
    return failed(err);
}
