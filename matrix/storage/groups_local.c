/* storage/groups_local.c: which communities our users are in, and what servers attest to each other of it. */
#include "storage/groups.h"

#include "groups/groups.h"
#include "streams/streams.h"

#define COLUMNS "user_id, group_id, membership, admin, publicised, content, attestation, valid_until, issued_until, stream_id"

static const struct gg_stmt put_membership = {
    "INSERT INTO ganglion.group_memberships AS m (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    " ON CONFLICT (user_id, group_id) DO UPDATE SET membership = excluded.membership, admin = excluded.admin,"
    " publicised = excluded.publicised, content = excluded.content, attestation = excluded.attestation,"
    " valid_until = excluded.valid_until, issued_until = excluded.issued_until, stream_id = excluded.stream_id", 0};

int mx_groups_put_membership(struct mx_server *server, const struct mx_group_membership *m, struct gg_error *err)
{
    struct gg_stream *stream = mx_groups_stream(server);
    int64_t id;
    int rc = gg_stream_allocate(stream, NULL, 1, &id, err);
    if (rc != 0)
        return rc;
    rc = gg_db_write(server->db, &put_membership,
                     GG_PARAMS(gg_p_str(m->user_id), gg_p_str(m->group_id), gg_p_str(m->membership), gg_p_bool(m->admin),
                               gg_p_bool(m->publicised), gg_p_str(m->content), gg_p_str(m->attestation), gg_p_i64(m->valid_until),
                               gg_p_i64(m->issued_until), gg_p_i64(id)), NULL, NULL, err);
    struct gg_buf row = GG_BUF_INIT;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, m->user_id);
    gg_buf_char(&row, ']');
    gg_stream_finish_rows(stream, &id, 1, &(struct gg_fetched){id, gg_buf_view(&row)}, gg_maybe_committed(rc) ? 1 : 0);
    gg_buf_done(&row);
    return rc;
}

static int read_memberships(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n_params,
                            struct gg_arena *arena, struct mx_group_membership **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n_params, arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_group_membership, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_group_membership){
            gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2), gg_rows_bool(rows, i, 3), gg_rows_bool(rows, i, 4),
            gg_rows_str(rows, i, 5), gg_rows_str(rows, i, 6), gg_rows_i64(rows, i, 7), gg_rows_i64(rows, i, 8), gg_rows_i64(rows, i, 9)};
    return rc;
}

static const struct gg_stmt select_one = {"SELECT " COLUMNS " FROM ganglion.group_memberships WHERE user_id = $1 AND group_id = $2",
                                          GG_LANE_POINT};

int mx_groups_membership(struct mx_server *server, struct gg_str user_id, struct gg_str group_id, struct gg_arena *arena,
                         struct mx_group_membership *out, bool *found, struct gg_error *err)
{
    struct mx_group_membership *rows;
    size_t n;
    int rc = read_memberships(server, &select_one, GG_PARAMS(gg_p_str(user_id), gg_p_str(group_id)), arena, &rows, &n, err);
    memset(out, 0, sizeof(*out));
    *found = rc == 0 && n > 0;
    if (*found)
        *out = rows[0];
    return rc;
}

static const struct gg_stmt select_changed = {
    "SELECT " COLUMNS " FROM ganglion.group_memberships WHERE user_id = $1 AND stream_id <= $3"
    " AND (stream_id > $2 AND ($2 > 0 OR membership <> 'leave')) ORDER BY group_id", GG_LANE_POINT};

int mx_groups_memberships(struct mx_server *server, struct gg_str user_id, int64_t from, int64_t to, struct gg_arena *arena,
                          struct mx_group_membership **out, size_t *n_out, struct gg_error *err)
{
    return read_memberships(server, &select_changed, GG_PARAMS(gg_p_str(user_id), gg_p_i64(from), gg_p_i64(to)), arena, out, n_out, err);
}

static const struct gg_stmt set_publicised = {
    "UPDATE ganglion.group_memberships SET publicised = $3 WHERE user_id = $1 AND group_id = $2 AND membership = 'join'", 0};

int mx_groups_publicise(struct mx_server *server, struct gg_str user_id, struct gg_str group_id, bool publicise, struct gg_error *err)
{
    return gg_db_write(server->db, &set_publicised, GG_PARAMS(gg_p_str(user_id), gg_p_str(group_id), gg_p_bool(publicise)), NULL, NULL,
                       err);
}

static int read_pairs(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n_params,
                      struct gg_arena *arena, struct mx_group_pair **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n_params, arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_group_pair, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_group_pair){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1)};
    return rc;
}

static const struct gg_stmt select_publicised = {
    "SELECT user_id, group_id FROM ganglion.group_memberships WHERE user_id = ANY ($1::text[]) AND publicised"
    " AND membership = 'join' ORDER BY user_id, group_id LIMIT $2", GG_LANE_POINT};

int mx_groups_publicised(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                         struct mx_group_pair **out, size_t *n_out, struct gg_error *err)
{
    return read_pairs(server, &select_publicised, GG_PARAMS(gg_p_texts(users, n), gg_p_i64(MX_GROUP_MAX)), arena, out, n_out, err);
}

/* ---- attestations ---- */

static const struct gg_stmt select_stale = {
    "SELECT user_id, group_id FROM ganglion.group_users WHERE issued_until > 0 AND issued_until < $1 AND NOT invited"
    " UNION SELECT user_id, group_id FROM ganglion.group_memberships WHERE issued_until > 0 AND issued_until < $1"
    " AND membership = 'join' LIMIT $2", GG_LANE_SCAN};

int mx_groups_stale(struct mx_server *server, int64_t before, size_t limit, struct gg_arena *arena, struct mx_group_pair **out,
                    size_t *n_out, struct gg_error *err)
{
    return read_pairs(server, &select_stale, GG_PARAMS(gg_p_i64(before), gg_p_i64((int64_t)limit)), arena, out, n_out, err);
}

static const struct gg_stmt set_issued = {
    "WITH u AS (UPDATE ganglion.group_users SET issued_until = $3 WHERE group_id = $1 AND user_id = $2 AND issued_until > 0)"
    " UPDATE ganglion.group_memberships SET issued_until = $3 WHERE group_id = $1 AND user_id = $2 AND issued_until > 0", 0};

int mx_groups_issued(struct mx_server *server, const struct mx_group_pair *pair, int64_t until, struct gg_error *err)
{
    return gg_db_write(server->db, &set_issued, GG_PARAMS(gg_p_str(pair->group_id), gg_p_str(pair->user_id), gg_p_i64(until)), NULL, NULL,
                       err);
}

static const struct gg_stmt set_renewed = {
    "WITH u AS (UPDATE ganglion.group_users SET attestation = $3, valid_until = $4 WHERE group_id = $1 AND user_id = $2"
    " AND NOT invited RETURNING 1), m AS (UPDATE ganglion.group_memberships SET attestation = $3, valid_until = $4"
    " WHERE group_id = $1 AND user_id = $2 AND membership = 'join' RETURNING 1) SELECT 1 FROM u UNION ALL SELECT 1 FROM m", 0};

int mx_groups_renewed(struct mx_server *server, const struct mx_group_pair *pair, struct gg_str attestation, int64_t valid_until,
                      bool *found, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &set_renewed,
                         GG_PARAMS(gg_p_str(pair->group_id), gg_p_str(pair->user_id), gg_p_str(attestation), gg_p_i64(valid_until)),
                         arena, &rows, err);
    *found = rc == 0 && gg_rows_count(rows) > 0;
    gg_arena_free(arena);
    return rc;
}

/* ---- the stream ---- */

static const struct gg_stmt fetch_rows = {
    "SELECT stream_id, json_build_array(user_id)::text FROM ganglion.group_memberships WHERE $1::text IS NOT NULL"
    " AND stream_id > $2 AND stream_id <= $3 ORDER BY stream_id LIMIT $4", GG_LANE_SCAN};

int mx_groups_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                    struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    return mx_fetch_by(self, &fetch_rows, instance, from, to, limit, arena, out, n_out, reached, err);
}
