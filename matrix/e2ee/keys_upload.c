/* matrix/e2ee/keys_upload.c: what a device publishes: may it be so? (client-server API, POST /keys/upload). */
#include "e2ee/keys.h"

#include "e2ee/text.h"

enum { MAX_DEPTH = 64 };

/* ---- what a body may be ---- */

static bool is(const struct mx_json *value, uint32_t kind)
{
    return value != NULL && value->kind == kind;
}

/* An object whose values are all texts. */
static bool is_texts(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_OBJECT);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is(value->members[i].value, MX_JSON_STRING);
    return good;
}

static bool is_signatures(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_OBJECT);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is_texts(value->members[i].value);
    return good;
}

static bool is_list_of_texts(const struct mx_json *value)
{
    bool good = is(value, MX_JSON_ARRAY);
    for (uint32_t i = 0; good && i < value->n; i++)
        good = is(value->items[i], MX_JSON_STRING);
    return good;
}

static bool is_text(const struct mx_json *value)
{
    return is(value, MX_JSON_STRING);
}

static int read_device_keys(const struct mx_json *keys, struct gg_str user_id, struct gg_str device_id,
                            struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    static const struct {
        const char *name;
        bool (*good)(const struct mx_json *);
    } members[] = {{"algorithms", is_list_of_texts}, {"device_id", is_text}, {"keys", is_texts},
                   {"signatures", is_signatures},    {"user_id", is_text}};
    if (keys == NULL)
        return 0;
    if (keys->kind == MX_JSON_NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "device_keys must not be null");
    if (keys->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_keys must be an object");
    const char *wrong = NULL, *missing = NULL;
    size_t n_missing = 0;
    for (size_t i = 0; i < GG_COUNT(members); i++) {
        const struct mx_json *value = mx_json_member(keys, members[i].name);
        n_missing += value == NULL;
        if (value == NULL)
            missing = members[i].name;
        else if (!members[i].good(value))
            wrong = members[i].name;
    }
    if (wrong != NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "device_keys.%s has a wrong type", wrong);
    if (missing != NULL) /* one alone is told apart, as Synapse does */
        return gg_refuse(err, 400, n_missing == 1 ? "M_MISSING_PARAM" : "M_BAD_JSON", "device_keys.%s is missing", missing);
    if (!gg_str_eq(mx_json_text(mx_json_member(keys, "user_id")), user_id))
        return gg_refuse(err, 400, "M_BAD_JSON",
                         "Provided `user_id` in `device_keys` does not match that of the authenticated user");
    if (!gg_str_eq(mx_json_text(mx_json_member(keys, "device_id")), device_id))
        return gg_refuse(err, 400, "M_BAD_JSON",
                         "Provided `device_id` in `device_keys` does not match that of the authenticated user device");
    int rc = mx_json_canonical_check(keys, err);
    if (rc != 0)
        return rc;
    struct mx_json *bare = mx_json_copy_level(keys, arena);
    mx_json_remove(bare, "unsigned");
    *out = mx_e2ee_text(bare, true, arena);
    return 0;
}

/* A bare text, or {"key": text, "signatures": {..}, "fallback"?: bool}. */
static bool is_key(const struct mx_json *value)
{
    if (is_text(value))
        return true;
    if (!is(value, MX_JSON_OBJECT))
        return false;
    const struct mx_json *fallback = mx_json_member(value, "fallback");
    bool flag = fallback == NULL || fallback->kind == MX_JSON_TRUE || fallback->kind == MX_JSON_FALSE;
    return flag && is_text(mx_json_member(value, "key")) && is_signatures(mx_json_member(value, "signatures"));
}

static int read_named_keys(const struct mx_json *keys, const char *what, bool canonical, struct gg_arena *arena,
                           struct mx_upload_key **out, size_t *n_out, struct gg_error *err)
{
    *n_out = 0;
    if (keys == NULL || keys->kind == MX_JSON_NULL)
        return 0;
    if (keys->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "%s must be an object", what);
    if (keys->n > MX_UPLOAD_KEYS_MAX)
        return gg_refuse(err, 400, "M_TOO_LARGE", "%s: more than %d keys", what, MX_UPLOAD_KEYS_MAX);
    *out = GG_NEW_ARRAY(arena, struct mx_upload_key, keys->n + 1);
    for (uint32_t i = 0; i < keys->n; i++) {
        struct gg_str name = keys->members[i].key;
        const struct mx_json *value = keys->members[i].value;
        const char *colon = name.n > 0 ? memchr(name.s, ':', name.n) : NULL;
        size_t at = colon != NULL ? (size_t)(colon - name.s) : 0;
        if (colon == NULL || mx_storable(name).s == NULL || memchr(colon + 1, ':', name.n - at - 1) != NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "Invalid %s key. Expected \"<algorithm>:<device_id>\".", what);
        if (!is_key(value))
            return gg_refuse(err, 400, "M_BAD_JSON", "A key in %s has a wrong type", what);
        int rc = mx_json_canonical_check(value, err);
        if (rc != 0)
            return rc;
        (*out)[(*n_out)++] = (struct mx_upload_key){
            gg_strn(name.s, at), gg_strn(colon + 1, name.n - at - 1),
            mx_e2ee_text(value, canonical, arena), value};
    }
    return 0;
}

int mx_keys_read_upload(struct gg_str body, struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena,
                        struct mx_key_upload *out, struct gg_error *err)
{
    struct mx_json *root;
    *out = (struct mx_key_upload){0};
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc == 0 && root->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    if (rc == 0)
        rc = read_device_keys(mx_json_member(root, "device_keys"), user_id, device_id, arena, &out->device_keys, err);
    if (rc == 0)
        rc = read_named_keys(mx_json_member(root, "one_time_keys"), "one_time_keys", true, arena, &out->one_time,
                             &out->n_one_time, err);
    if (rc == 0)
        rc = read_named_keys(mx_json_member(root, "fallback_keys"), "fallback_keys", false, arena, &out->fallback,
                             &out->n_fallback, err);
    return rc;
}
