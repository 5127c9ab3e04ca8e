/* matrix/storage/user_directory.c: entries of the user directory, and finding them. */
#include "storage/user_directory.h"

#include "json/text.h"

#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

/* ---- writing ---- */

/* Weights: localpart A, display name B, server name D. */
static const struct gg_stmt write_entries = {
    "WITH given AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"
    " AS g (id, localpart, domain, name, words, avatar)),"
    " entries AS (INSERT INTO user_directory (user_id, display_name, avatar_url) SELECT id, name, avatar FROM given ORDER BY id"
    " ON CONFLICT (user_id) DO UPDATE SET display_name = EXCLUDED.display_name, avatar_url = EXCLUDED.avatar_url),"
    " fresh AS (DELETE FROM user_directory_stale_remote_users WHERE user_id = ANY($1))"
    " INSERT INTO user_directory_search (user_id, vector) SELECT id, setweight(to_tsvector('simple', localpart), 'A') ||"
    " setweight(to_tsvector('simple', domain), 'D') || setweight(to_tsvector('simple', COALESCE(words, '')), 'B')"
    " FROM given ORDER BY id ON CONFLICT (user_id) DO UPDATE SET vector = EXCLUDED.vector",
    0};

int mx_directory_write(struct mx_server *server, const struct mx_directory_entry *entries, size_t n, struct gg_error *err)
{
    if (n == 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    enum { ID, LOCALPART, DOMAIN_, NAME, WORDS, AVATAR, COLUMNS };
    struct gg_str *columns[COLUMNS];
    for (int c = 0; c < COLUMNS; c++)
        columns[c] = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        columns[ID][i] = entries[i].user_id;
        columns[LOCALPART][i] = mx_id_localpart(entries[i].user_id);
        columns[DOMAIN_][i] = mx_id_domain(entries[i].user_id);
        columns[NAME][i] = mx_storable(entries[i].display_name);
        columns[WORDS][i] = mx_directory_fold(columns[NAME][i], arena);
        columns[AVATAR][i] = mx_storable(entries[i].avatar_url);
    }
    int rc = gg_db_write(server->db, &write_entries,
                         GG_PARAMS(gg_p_texts(columns[ID], n), gg_p_texts(columns[LOCALPART], n),
                                   gg_p_texts(columns[DOMAIN_], n), gg_p_texts(columns[NAME], n),
                                   gg_p_texts(columns[WORDS], n), gg_p_texts(columns[AVATAR], n)),
                         NULL, NULL, err);
    gg_arena_free(arena);
    return rc;
}

int mx_directory_renew(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt profile = {"SELECT displayname, avatar_url FROM profiles WHERE full_user_id = $1", 0};
    if (mx_appservices_own_user(server, user_id) || mx_appservice_by_sender(server, user_id) != NULL)
        return 0; /* users of bridges are found in their own networks */
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &profile, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) == 1) {
        struct mx_directory_entry entry = {user_id, gg_rows_str(rows, 0, 0), gg_rows_str(rows, 0, 1)};
        rc = mx_directory_write(server, &entry, 1, err);
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- finding ---- */

/* Who may be seen is asked last, and only until there are enough: the inner order is kept, not made again. What does not match
 * exactly weighs nothing there, which is cheaper to ask than to weigh.
 * Nearer matches weigh three times as much as beginnings of words; a profile that is filled in a fifth more for each of its
 * two parts; the weights of D, C, B, A. What matches is bounded first, so that a common word costs no more than that. */
#define WEIGHTS "'{0.1, 0.1, 0.9, 1.0}'"
static const struct gg_stmt find = {
    "WITH hits AS MATERIALIZED (SELECT user_id, vector FROM user_directory_search"
    " WHERE vector @@ to_tsquery('simple', $1) LIMIT 10000),"
    " q AS MATERIALIZED (SELECT to_tsquery('simple', $3) AS exact, to_tsquery('simple', $4) AS starts)"
    " SELECT user_id, display_name, avatar_url FROM (SELECT d.user_id, d.display_name, d.avatar_url,"
    " (CASE WHEN h.vector @@ q.exact THEN 3 * ts_rank_cd(" WEIGHTS ", h.vector, q.exact, 8) ELSE 0 END +"
    " ts_rank_cd(" WEIGHTS ", h.vector, q.starts, 8))"
    " * CASE WHEN d.display_name IS NULL THEN 1.0 ELSE 1.2 END * CASE WHEN d.avatar_url IS NULL THEN 1.0 ELSE 1.2 END"
    " * CASE WHEN $8::text IS NOT NULL AND right(d.user_id, length($8) + 1) = ':' || $8 THEN 2.0 ELSE 1.0 END AS weight,"
    " d.display_name IS NULL AS no_name, d.avatar_url IS NULL AS no_picture"
    " FROM q, hits h JOIN user_directory d USING (user_id) LEFT JOIN users u ON u.name = h.user_id"
    " WHERE ($6 OR u.locked IS NOT TRUE) AND (NOT $7 OR u.name IS NOT NULL)"
    " ORDER BY weight DESC, no_name, no_picture, user_id OFFSET 0) r"
    " WHERE CASE WHEN $5 THEN r.user_id <> $2 ELSE"
    " EXISTS (SELECT 1 FROM users_in_public_rooms p WHERE p.user_id = r.user_id) OR"
    " EXISTS (SELECT 1 FROM users_who_share_private_rooms s WHERE s.user_id = $2 AND s.other_user_id = r.user_id) END"
    " ORDER BY weight DESC, no_name, no_picture, user_id LIMIT $9",
    GG_LANE_SCAN};

int mx_directory_find(struct mx_server *server, struct gg_str user_id, const struct mx_directory_terms *terms,
                      const struct mx_directory_scope *scope, size_t limit, struct gg_arena *arena,
                      struct mx_directory_result *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &find,
                        GG_PARAMS(gg_p_str(terms->any), gg_p_str(user_id), gg_p_str(terms->exact), gg_p_str(terms->prefix),
                                  gg_p_bool(scope->everybody), gg_p_bool(scope->locked_too), gg_p_bool(scope->locals_only),
                                  gg_p_text(scope->locals_first ? server->name : NULL), gg_p_i64((int64_t)limit)),
                        arena, &rows, err);
    if (rc < 0)
        return rc;
    out->n = gg_rows_count(rows);
    out->v = GG_NEW_ARRAY(arena, struct mx_directory_entry, out->n + 1);
    for (size_t i = 0; i < out->n; i++)
        out->v[i] = (struct mx_directory_entry){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
    return 0;
}
