/* storage/groups_schema.c: the tables of communities. */
#include "storage/groups.h"

/* Known by its last object: a half-made schema is made on. */
static const struct gg_stmt is_there = {"SELECT to_regclass('ganglion.group_memberships_stream') IS NOT NULL", GG_LANE_POINT};

static const char script[] =
    "BEGIN; SELECT pg_advisory_xact_lock(hashtext('ganglion.groups'));\n"
    "CREATE SCHEMA IF NOT EXISTS ganglion;\n"
    "CREATE SEQUENCE IF NOT EXISTS ganglion.groups_seq START WITH 2;\n" /* positions start at 1 */
    "CREATE TABLE IF NOT EXISTS ganglion.groups (group_id text PRIMARY KEY, name text, avatar_url text,"
    " short_description text, long_description text, open boolean NOT NULL, created_ts bigint NOT NULL);\n"
    "CREATE TABLE IF NOT EXISTS ganglion.group_users (group_id text NOT NULL REFERENCES ganglion.groups ON DELETE CASCADE,"
    " user_id text NOT NULL, invited boolean NOT NULL, admin boolean NOT NULL, is_public boolean NOT NULL, profile text,"
    " attestation text, valid_until bigint NOT NULL, issued_until bigint NOT NULL, PRIMARY KEY (group_id, user_id));\n"
    "CREATE INDEX IF NOT EXISTS group_users_issued ON ganglion.group_users (issued_until) WHERE issued_until > 0;\n"
    "CREATE TABLE IF NOT EXISTS ganglion.group_rooms (group_id text NOT NULL REFERENCES ganglion.groups ON DELETE CASCADE,"
    " room_id text NOT NULL, is_public boolean NOT NULL, PRIMARY KEY (group_id, room_id));\n"
    "CREATE TABLE IF NOT EXISTS ganglion.group_labels (group_id text NOT NULL REFERENCES ganglion.groups ON DELETE CASCADE,"
    " kind text NOT NULL, label text NOT NULL, profile text NOT NULL, is_public boolean NOT NULL,"
    " PRIMARY KEY (group_id, kind, label));\n"
    "CREATE TABLE IF NOT EXISTS ganglion.group_places (group_id text NOT NULL REFERENCES ganglion.groups ON DELETE CASCADE,"
    " kind text NOT NULL, label text NOT NULL, id text NOT NULL, place bigint NOT NULL, is_public boolean NOT NULL,"
    " PRIMARY KEY (group_id, kind, label, id));\n"
    "CREATE TABLE IF NOT EXISTS ganglion.group_memberships (user_id text NOT NULL, group_id text NOT NULL,"
    " membership text NOT NULL, admin boolean NOT NULL, publicised boolean NOT NULL, content text NOT NULL, attestation text,"
    " valid_until bigint NOT NULL, issued_until bigint NOT NULL, stream_id bigint NOT NULL, PRIMARY KEY (user_id, group_id));\n"
    "CREATE INDEX IF NOT EXISTS group_memberships_issued ON ganglion.group_memberships (issued_until) WHERE issued_until > 0;\n"
    "CREATE INDEX IF NOT EXISTS group_memberships_stream ON ganglion.group_memberships (stream_id);\n"
    "COMMIT;\n";

int mx_groups_schema(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &is_there, GG_NO_PARAMS, arena, &rows, err);
    bool there = rc == 0 && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return rc != 0 || there ? rc : gg_db_script(server->db, script, err);
}
