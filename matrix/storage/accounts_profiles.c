/* accounts_profiles.c: the table profiles (facts database 3.13, 4.15). */
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"
#include <ganglion/matrix/user_directory.h>

enum { PROFILE_MAX = 65536 }; /* bytes of a whole profile (client-server API, "Profiles") */

int mx_profiles_read(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                     struct mx_profile_row *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT displayname, avatar_url, fields::text FROM profiles WHERE full_user_id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_profile_row){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    *out = (struct mx_profile_row){true, gg_rows_str(rows, 0, 0), gg_rows_str(rows, 0, 1), gg_rows_str(rows, 0, 2)};
    return 0;
}

/* (user, value): value NULL unsets. */
static const struct gg_stmt set_text[] = {
    [MX_PROFILE_NAME] = {"UPDATE profiles SET displayname = $2 WHERE full_user_id = $1", 0},
    [MX_PROFILE_AVATAR] = {"UPDATE profiles SET avatar_url = $2 WHERE full_user_id = $1", 0},
};
/* (user, value, key) */
static const struct gg_stmt set_custom = {
    "UPDATE profiles SET fields = CASE WHEN $2::text IS NULL THEN coalesce(fields, '{}'::jsonb) - $3::text "
    "ELSE coalesce(fields, '{}'::jsonb) || jsonb_build_object($3::text, $2::jsonb) END WHERE full_user_id = $1",
    0};

struct change {
    struct gg_str user_id, key, value;
    enum mx_profile_field field;
    struct gg_arena *arena;
    bool changed;
};

static int write_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt lock = {
        "SELECT displayname, avatar_url, (fields -> $2::text)::text FROM profiles WHERE full_user_id = $1 FOR UPDATE",
        0};
    static const struct gg_stmt measure = {
        "SELECT coalesce(octet_length(fields::text), 0) + coalesce(octet_length(displayname), 0) + "
        "coalesce(octet_length(avatar_url), 0) FROM profiles WHERE full_user_id = $1",
        0};
    struct change *c = arg;
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &lock, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->key)), c->arena, &rows, err);
    if (status)
        return status;
    if (!gg_rows_count(rows))
        return gg_refuse(err, 404, "M_NOT_FOUND", "Profile was not found");
    struct gg_str old = gg_rows_str(rows, 0, (int)c->field);
    c->changed = (old.s != NULL) != (c->value.s != NULL) || !gg_str_eq(old, c->value);
    if (!c->changed)
        return 0;
    if (c->field == MX_PROFILE_CUSTOM)
        status =
            gg_txn_queue(txn, &set_custom, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->value), gg_p_str(c->key)), err);
    else
        status = gg_txn_queue(txn, &set_text[c->field], GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->value)), err);
    if (!status)
        status = gg_txn_exec(txn, &measure, GG_PARAMS(gg_p_str(c->user_id)), c->arena, &rows, err);
    if (!status && c->value.s && gg_rows_i64(rows, 0, 0) > PROFILE_MAX)
        return gg_refuse(err, 400, "M_PROFILE_TOO_LARGE", "The profile would be larger than %d bytes", PROFILE_MAX);
    return status;
}

int mx_profiles_write(struct mx_server *server, struct gg_str user_id, enum mx_profile_field field, struct gg_str key,
                      struct gg_str value, bool *changed_out, struct gg_error *err)
{
    struct change c = {
        .user_id = user_id, .key = key.s ? key : GG_STR(""), .value = value, .field = field, .arena = gg_arena_new()};
    int status = gg_db_txn(server->db, "set_profile", 0, write_body, &c, err);
    gg_arena_free(c.arena);
    *changed_out = c.changed;
    if (!status && c.changed && field != MX_PROFILE_CUSTOM)
        status = mx_directory_renew(server, user_id, err);
    return status;
}
