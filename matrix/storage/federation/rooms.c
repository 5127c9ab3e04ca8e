/* matrix/storage/federation/rooms.c: rooms of which this server only knows that they are. */
#include "storage/federation/rooms.h"

static const struct gg_stmt note_version = {
    "INSERT INTO rooms (room_id, is_public, creator, room_version, has_auth_chain_index) VALUES ($1, false, '', $2, false)"
    " ON CONFLICT (room_id) DO UPDATE SET room_version = EXCLUDED.room_version"
    " WHERE rooms.room_version IS DISTINCT FROM EXCLUDED.room_version"
    " AND NOT EXISTS (SELECT 1 FROM current_state_events c WHERE c.room_id = EXCLUDED.room_id)", 0};

int mx_room_note_version(struct mx_server *server, struct gg_str room_id, const struct mx_room_version *version,
                         struct gg_error *err)
{
    return gg_db_write(server->db, &note_version, GG_PARAMS(gg_p_str(room_id), gg_p_text(version->id)), NULL, NULL, err);
}
