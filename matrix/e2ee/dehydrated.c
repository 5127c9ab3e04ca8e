/* matrix/e2ee/dehydrated.c: dehydrated devices (MSC3814): an ordinary device with keys and an inbox, and a row that says
 * what a client needs to bring it back. */
#include "e2ee/dehydrated.h"

#include "accounts/accounts.h"
#include "e2ee/text.h"

enum { MAX_DEPTH = 64 };

int mx_dehydrated_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_dehydrated *out,
                      struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT device_id, device_data FROM dehydrated_devices WHERE user_id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_dehydrated){0};
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0) {
        out->device_id = gg_rows_str(rows, 0, 0);
        out->device_data = gg_rows_str(rows, 0, 1);
    }
    return rc;
}

/* ---- what a body may be ---- */

static int read_text(const struct mx_json *root, const char *name, bool needed, struct gg_str *out, struct gg_error *err)
{
    const struct mx_json *value = mx_json_member(root, name);
    *out = mx_json_text(value);
    if (out->s != NULL || (value == NULL && !needed) || (value != NULL && value->kind == MX_JSON_NULL && !needed))
        return 0;
    return gg_refuse(err, 400, value == NULL ? "M_MISSING_PARAM" : "M_BAD_JSON", "%s must be a string", name);
}

int mx_dehydrated_read(struct gg_str body, struct gg_str user_id, struct gg_arena *arena, struct mx_dehydrated *out,
                       struct mx_key_upload *keys, struct gg_error *err)
{
    struct mx_json *root;
    *out = (struct mx_dehydrated){0};
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc == 0)
        rc = read_text(root, "device_id", true, &out->device_id, err);
    if (rc == 0)
        rc = read_text(root, "initial_device_display_name", false, &out->display_name, err);
    if (rc != 0)
        return rc;
    const struct mx_json *data = mx_json_member(root, "device_data");
    if (data == NULL || mx_json_text(mx_json_member(data, "algorithm")).s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_data must be an object with an algorithm");
    if (mx_json_member(root, "device_keys") == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "device_keys is missing");
    rc = mx_device_check(out->device_id, out->display_name, err);
    if (rc == 0)
        rc = mx_keys_read_upload(body, user_id, out->device_id, arena, keys, err);
    out->device_data = mx_e2ee_text(data, false, arena);
    return rc;
}

int64_t mx_dehydrated_token_read(struct gg_str token)
{
    int64_t at = 0;
    if (token.n < 2 || token.n > 19 || token.s[0] != 'd')
        return -1;
    for (size_t i = 1; i < token.n; i++) {
        if (token.s[i] < '0' || token.s[i] > '9')
            return -1;
        at = at * 10 + (token.s[i] - '0');
    }
    return at;
}

/* ---- storing ---- */

static int store_row(struct mx_server *server, struct gg_str user_id, const struct mx_dehydrated *device, struct gg_arena *arena,
                     struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO dehydrated_devices (user_id, device_id, device_data) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, device_data = excluded.device_data", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(device->device_id), gg_p_str(device->device_data)),
                       arena, NULL, err);
}

static int make_device(struct mx_server *server, struct gg_str user_id, const struct mx_dehydrated *device, bool known,
                       const struct mx_key_upload *keys, struct gg_error *err)
{
    bool is_new = false;
    int rc = known ? 0 : mx_devices_register(server, user_id, device->device_id, device->display_name, &is_new, err);
    if (rc == 0 && !known && !is_new)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "The device ID is in use");
    if (rc == 0 && is_new)
        rc = mx_devices_changed(server, user_id, &device->device_id, 1, err);
    return rc == 0 ? mx_keys_upload(server, user_id, device->device_id, keys, err) : rc;
}

int mx_dehydrated_put(struct mx_server *server, struct gg_str user_id, const struct mx_dehydrated *device,
                      const struct mx_key_upload *keys, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_dehydrated before;
    int rc = mx_dehydrated_get(server, user_id, arena, &before, err);
    bool known = rc == 0 && before.device_id.s != NULL && gg_str_eq(before.device_id, device->device_id);
    if (rc == 0)
        rc = make_device(server, user_id, device, known, keys, err);
    if (rc == 0)
        rc = store_row(server, user_id, device, arena, err);
    if (rc == 0 && before.device_id.s != NULL && !known)
        rc = mx_logout(server, user_id, &before.device_id, 1, (struct gg_str){0}, err);
    gg_arena_free(arena);
    return rc;
}
