/* accounts_directory.c: a local user's entry in the user directory, as registration and profile changes write it. */
#include "storage/accounts_directory.h"

/* One statement for both tables. Weights: localpart A, domain D, display name B (facts database 3.14). */
int mx_directory_renew(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH profile AS (SELECT full_user_id AS id, user_id AS localpart, displayname AS name, avatar_url AS avatar "
        "FROM profiles WHERE full_user_id = $1), "
        "entry AS (INSERT INTO user_directory (user_id, display_name, avatar_url) SELECT id, name, avatar FROM profile "
        "ON CONFLICT (user_id) DO UPDATE SET display_name = EXCLUDED.display_name, avatar_url = EXCLUDED.avatar_url) "
        "INSERT INTO user_directory_search (user_id, vector) SELECT id, "
        "setweight(to_tsvector('simple', localpart), 'A') || setweight(to_tsvector('simple', $2), 'D') || "
        "CASE WHEN name IS NULL THEN ''::tsvector ELSE setweight(to_tsvector('simple', name), 'B') END FROM profile "
        "ON CONFLICT (user_id) DO UPDATE SET vector = EXCLUDED.vector",
        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_text(server->name)), NULL, NULL, err);
}
