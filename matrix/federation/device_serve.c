/* matrix/federation/device_serve.c: devices and keys of our users for other servers. */
#include "federation/device_serve.h"

#include "e2ee/keys.h"
#include "e2ee/known_keys.h"
#include "e2ee/text.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>

static bool names_are_public(const struct mx_server *server)
{
    return gg_config_bool(server->config, "allow_device_name_lookup_over_federation");
}

static int check_user(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    if (user_id.s == NULL || !mx_user_id_valid(user_id))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Not a user id");
    if (!mx_is_mine(server, user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "User is not hosted on this homeserver");
    return 0;
}

/* ---- a user's devices ---- */

static void write_device(const struct mx_known_device *device, bool names, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"device_id\":");
    gg_buf_json_string(out, device->id);
    gg_buf_lit(out, ",\"keys\":");
    gg_buf_str(out, device->keys);
    if (names && device->name.s != NULL) {
        gg_buf_lit(out, ",\"device_display_name\":");
        gg_buf_json_string(out, device->name);
    }
    gg_buf_char(out, '}');
}

static void write_cross(const char *member, struct gg_str key, struct gg_buf *out)
{
    gg_buf_printf(out, ",\"%s\":", member);
    gg_buf_str(out, key.s != NULL ? key : GG_STR("null"));
}

/* The position is taken before the keys are read: what changes in between is told again, and never missed. */
int mx_fed_serve_devices(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_buf *out,
                         struct gg_error *err)
{
    const struct mx_known_keys *keys;
    bool any = false, names = names_are_public(server);
    int64_t now = gg_stream_upto(server->device_lists);
    int rc = check_user(server, user_id, err);
    if (rc == 0)
        rc = mx_known_keys_get(server, &user_id, 1, arena, &keys, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(out, "{\"user_id\":");
    gg_buf_json_string(out, user_id);
    gg_buf_printf(out, ",\"stream_id\":%lld,\"devices\":[", (long long)now);
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->devices[i].keys.s == NULL)
            continue;
        gg_buf_text(out, any ? "," : "");
        any = true;
        write_device(&keys->devices[i], names, out);
    }
    gg_buf_char(out, ']');
    write_cross("master_key", keys->cross[MX_CROSS_MASTER], out);
    write_cross("self_signing_key", keys->cross[MX_CROSS_SELF], out);
    gg_buf_char(out, '}');
    return 0;
}

/* ---- keys ---- */

static int check_users(struct mx_server *server, struct gg_str users, const char *member, struct gg_arena *arena,
                       struct gg_error *err)
{
    int rc = 0;
    if (users.s != NULL && !mx_json_is_object(users))
        return gg_refuse(err, 400, "M_BAD_JSON", "'%s' must be a JSON object", member);
    for (struct mx_json_iter it = mx_json_iter(users); rc == 0 && users.s != NULL && mx_json_next(&it);)
        rc = check_user(server, mx_e2ee_name(it.key, arena), err);
    return rc;
}

int mx_fed_serve_keys(struct mx_server *server, struct gg_str body, struct gg_arena *arena, struct gg_buf *out,
                      struct gg_error *err)
{
    struct gg_str *users, asked = mx_json_get(body, "device_keys");
    struct mx_key_query *queries;
    size_t n_users, n_queries;
    int rc = check_users(server, asked, "device_keys", arena, err);
    if (rc == 0)
        rc = mx_keys_read_query(asked.s != NULL ? body : GG_STR("{\"device_keys\":{}}"), arena, &users, &n_users, &queries,
                                &n_queries, err);
    if (rc == 0)
        rc = mx_keys_query_local(server, users, n_users, queries, n_queries, names_are_public(server), arena, out, err);
    return rc;
}

int mx_fed_serve_claim(struct mx_server *server, struct gg_str body, struct gg_arena *arena, struct gg_buf *out,
                       struct gg_error *err)
{
    struct mx_key_claim *claims;
    size_t n;
    int rc = check_users(server, mx_json_get(body, "one_time_keys"), "one_time_keys", arena, err);
    if (rc == 0)
        rc = mx_keys_read_claim(body, arena, &claims, &n, err);
    gg_buf_lit(out, "{\"one_time_keys\":");
    if (rc == 0)
        rc = mx_keys_claim_local(server, claims, n, arena, out, err);
    gg_buf_char(out, '}');
    return rc;
}
