/* storage/groups_own.c: communities that live here. */
#include "storage/groups.h"

/* ---- the group ---- */

static const struct gg_stmt insert_group = {
    "WITH g AS (INSERT INTO ganglion.groups (group_id, name, avatar_url, short_description, long_description, open, created_ts)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING group_id)"
    " SELECT group_id FROM g", 0};
static const struct gg_stmt insert_creator = {
    "INSERT INTO ganglion.group_users (group_id, user_id, invited, admin, is_public, valid_until, issued_until)"
    " VALUES ($1, $2, false, true, true, 0, 0)", 0};

struct creation {
    struct gg_str group_id, creator;
    const struct mx_group_row *row;
    struct gg_arena *arena;
    bool created;
};

static int create_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct creation *c = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &insert_group,
                         GG_PARAMS(gg_p_str(c->group_id), gg_p_str(c->row->name), gg_p_str(c->row->avatar_url),
                                   gg_p_str(c->row->short_description), gg_p_str(c->row->long_description), gg_p_bool(c->row->open),
                                   gg_p_i64(gg_wall_ms())), c->arena, &rows, err);
    c->created = rc == 0 && gg_rows_count(rows) > 0;
    return rc != 0 || !c->created ? rc : gg_txn_queue(txn, &insert_creator, GG_PARAMS(gg_p_str(c->group_id), gg_p_str(c->creator)), err);
}

int mx_groups_create(struct mx_server *server, struct gg_str group_id, const struct mx_group_row *row, struct gg_str creator,
                     bool *created, struct gg_error *err)
{
    struct creation c = {.group_id = group_id, .creator = creator, .row = row, .arena = gg_arena_new()};
    int rc = gg_db_txn(server->db, "create_group", GG_TXN_READ_COMMITTED, create_txn, &c, err);
    *created = c.created;
    gg_arena_free(c.arena);
    return rc;
}

static const struct gg_stmt select_group = {
    "SELECT name, avatar_url, short_description, long_description, open FROM ganglion.groups WHERE group_id = $1", GG_LANE_POINT};

int mx_groups_get(struct mx_server *server, struct gg_str group_id, struct gg_arena *arena, struct mx_group_row *out, bool *found,
                  struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_group, GG_PARAMS(gg_p_str(group_id)), arena, &rows, err);
    *found = rc == 0 && gg_rows_count(rows) > 0;
    if (*found)
        *out = (struct mx_group_row){gg_rows_str(rows, 0, 0), gg_rows_str(rows, 0, 1), gg_rows_str(rows, 0, 2), gg_rows_str(rows, 0, 3),
                                     gg_rows_bool(rows, 0, 4)};
    return rc;
}

static const struct gg_stmt update_group = {
    "UPDATE ganglion.groups SET name = $2, avatar_url = $3, short_description = $4, long_description = $5, open = $6"
    " WHERE group_id = $1", 0};

int mx_groups_set(struct mx_server *server, struct gg_str group_id, const struct mx_group_row *row, struct gg_error *err)
{
    return gg_db_write(server->db, &update_group,
                       GG_PARAMS(gg_p_str(group_id), gg_p_str(row->name), gg_p_str(row->avatar_url), gg_p_str(row->short_description),
                                 gg_p_str(row->long_description), gg_p_bool(row->open)), NULL, NULL, err);
}

/* ---- who is in it ---- */

#define MEMBER "SELECT user_id, invited, admin, is_public, profile, attestation, valid_until, issued_until FROM ganglion.group_users"
static const struct gg_stmt select_member = {MEMBER " WHERE group_id = $1 AND user_id = $2", GG_LANE_POINT};
static const struct gg_stmt select_members = {MEMBER " WHERE group_id = $1 AND invited = $2 ORDER BY user_id LIMIT $3", GG_LANE_POINT};

static struct mx_group_member member_of(const struct gg_rows *rows, size_t i)
{
    return (struct mx_group_member){gg_rows_str(rows, i, 0), gg_rows_bool(rows, i, 1), gg_rows_bool(rows, i, 2), gg_rows_bool(rows, i, 3),
                                    gg_rows_str(rows, i, 4), gg_rows_str(rows, i, 5), gg_rows_i64(rows, i, 6), gg_rows_i64(rows, i, 7)};
}

int mx_groups_member(struct mx_server *server, struct gg_str group_id, struct gg_str user_id, struct gg_arena *arena,
                     struct mx_group_member *out, bool *found, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_member, GG_PARAMS(gg_p_str(group_id), gg_p_str(user_id)), arena, &rows, err);
    memset(out, 0, sizeof(*out));
    *found = rc == 0 && gg_rows_count(rows) > 0;
    if (*found)
        *out = member_of(rows, 0);
    return rc;
}

int mx_groups_members(struct mx_server *server, struct gg_str group_id, bool invited, struct gg_arena *arena,
                      struct mx_group_member **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_members, GG_PARAMS(gg_p_str(group_id), gg_p_bool(invited), gg_p_i64(MX_GROUP_MAX)), arena,
                        &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_group_member, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = member_of(rows, i);
    return rc;
}

static const struct gg_stmt put_member = {
    "INSERT INTO ganglion.group_users (group_id, user_id, invited, admin, is_public, profile, attestation, valid_until, issued_until)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (group_id, user_id) DO UPDATE SET invited = excluded.invited,"
    " admin = excluded.admin, is_public = excluded.is_public, profile = coalesce(excluded.profile, ganglion.group_users.profile),"
    " attestation = excluded.attestation, valid_until = excluded.valid_until, issued_until = excluded.issued_until", 0};

int mx_groups_put_member(struct mx_server *server, struct gg_str group_id, const struct mx_group_member *m, struct gg_error *err)
{
    return gg_db_write(server->db, &put_member,
                       GG_PARAMS(gg_p_str(group_id), gg_p_str(m->user_id), gg_p_bool(m->invited), gg_p_bool(m->admin),
                                 gg_p_bool(m->is_public), gg_p_str(m->profile), gg_p_str(m->attestation), gg_p_i64(m->valid_until),
                                 gg_p_i64(m->issued_until)), NULL, NULL, err);
}

static const struct gg_stmt remove_member = {
    "WITH u AS (DELETE FROM ganglion.group_users WHERE group_id = $1 AND user_id = $2)"
    " DELETE FROM ganglion.group_places WHERE group_id = $1 AND kind = 'u' AND id = $2", 0};

int mx_groups_remove_member(struct mx_server *server, struct gg_str group_id, struct gg_str user_id, struct gg_error *err)
{
    return gg_db_write(server->db, &remove_member, GG_PARAMS(gg_p_str(group_id), gg_p_str(user_id)), NULL, NULL, err);
}

/* ---- what it shows ---- */

/* id, label, profile, is_public, place */
static int read_items(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n_params,
                      struct gg_arena *arena, struct mx_group_item **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n_params, arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_group_item, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_group_item){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                           gg_rows_bool(rows, i, 3), gg_rows_i64(rows, i, 4)};
    return rc;
}

static const struct gg_stmt select_rooms = {
    "SELECT room_id, '', '{}', is_public, 0::bigint FROM ganglion.group_rooms WHERE group_id = $1 ORDER BY room_id LIMIT $2",
    GG_LANE_POINT};

int mx_groups_rooms(struct mx_server *server, struct gg_str group_id, struct gg_arena *arena, struct mx_group_item **out,
                    size_t *n_out, struct gg_error *err)
{
    return read_items(server, &select_rooms, GG_PARAMS(gg_p_str(group_id), gg_p_i64(MX_GROUP_MAX)), arena, out, n_out, err);
}

static const struct gg_stmt put_room = {
    "INSERT INTO ganglion.group_rooms (group_id, room_id, is_public) VALUES ($1, $2, $3)"
    " ON CONFLICT (group_id, room_id) DO UPDATE SET is_public = excluded.is_public", 0};

int mx_groups_put_room(struct mx_server *server, struct gg_str group_id, struct gg_str room_id, bool is_public, struct gg_error *err)
{
    return gg_db_write(server->db, &put_room, GG_PARAMS(gg_p_str(group_id), gg_p_str(room_id), gg_p_bool(is_public)), NULL, NULL, err);
}

static const struct gg_stmt remove_room = {
    "WITH r AS (DELETE FROM ganglion.group_rooms WHERE group_id = $1 AND room_id = $2)"
    " DELETE FROM ganglion.group_places WHERE group_id = $1 AND kind = 'r' AND id = $2", 0};

int mx_groups_remove_room(struct mx_server *server, struct gg_str group_id, struct gg_str room_id, struct gg_error *err)
{
    return gg_db_write(server->db, &remove_room, GG_PARAMS(gg_p_str(group_id), gg_p_str(room_id)), NULL, NULL, err);
}

static const struct gg_stmt select_labels = {
    "SELECT label, label, profile, is_public, 0::bigint FROM ganglion.group_labels WHERE group_id = $1 AND kind = $2"
    " AND ($3::text IS NULL OR label = $3) ORDER BY label LIMIT $4", GG_LANE_POINT};

int mx_groups_labels(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label, struct gg_arena *arena,
                     struct mx_group_item **out, size_t *n_out, struct gg_error *err)
{
    return read_items(server, &select_labels,
                      GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_str(label), gg_p_i64(MX_GROUP_MAX)), arena, out,
                      n_out, err);
}

static const struct gg_stmt put_label = {
    "INSERT INTO ganglion.group_labels (group_id, kind, label, profile, is_public) VALUES ($1, $2, $3, coalesce($4, '{}'), $5)"
    " ON CONFLICT (group_id, kind, label) DO UPDATE SET profile = coalesce($4, ganglion.group_labels.profile),"
    " is_public = excluded.is_public", 0};

int mx_groups_put_label(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label, struct gg_str profile,
                        bool is_public, struct gg_error *err)
{
    return gg_db_write(server->db, &put_label,
                       GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_str(label), gg_p_str(profile), gg_p_bool(is_public)),
                       NULL, NULL, err);
}

static const struct gg_stmt remove_label = {"DELETE FROM ganglion.group_labels WHERE group_id = $1 AND kind = $2 AND label = $3", 0};

int mx_groups_remove_label(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label, struct gg_error *err)
{
    return gg_db_write(server->db, &remove_label, GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_str(label)), NULL, NULL,
                       err);
}

static const struct gg_stmt select_places = {
    "SELECT id, label, '{}', is_public, place FROM ganglion.group_places WHERE group_id = $1 AND kind = $2"
    " ORDER BY label, place, id LIMIT $3", GG_LANE_POINT};

int mx_groups_places(struct mx_server *server, struct gg_str group_id, char kind, struct gg_arena *arena, struct mx_group_item **out,
                     size_t *n_out, struct gg_error *err)
{
    return read_items(server, &select_places, GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_i64(MX_GROUP_MAX)), arena,
                      out, n_out, err);
}

static const struct gg_stmt put_place = {
    "INSERT INTO ganglion.group_places (group_id, kind, label, id, place, is_public) VALUES ($1, $2, $3, $4,"
    " CASE WHEN $5 > 0 THEN $5 ELSE (SELECT coalesce(max(place), 0) + 1 FROM ganglion.group_places"
    " WHERE group_id = $1 AND kind = $2 AND label = $3) END, $6)"
    " ON CONFLICT (group_id, kind, label, id) DO UPDATE SET is_public = excluded.is_public,"
    " place = CASE WHEN $5 > 0 THEN $5 ELSE ganglion.group_places.place END", 0};

int mx_groups_put_place(struct mx_server *server, struct gg_str group_id, char kind, const struct mx_group_item *p, struct gg_error *err)
{
    return gg_db_write(server->db, &put_place,
                       GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_str(p->label), gg_p_str(p->id), gg_p_i64(p->order),
                                 gg_p_bool(p->is_public)), NULL, NULL, err);
}

static const struct gg_stmt remove_place = {
    "DELETE FROM ganglion.group_places WHERE group_id = $1 AND kind = $2 AND label = $3 AND id = $4", 0};

int mx_groups_remove_place(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label, struct gg_str id,
                           struct gg_error *err)
{
    return gg_db_write(server->db, &remove_place,
                       GG_PARAMS(gg_p_str(group_id), gg_p_str(gg_strn(&kind, 1)), gg_p_str(label), gg_p_str(id)), NULL, NULL, err);
}
