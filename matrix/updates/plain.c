/* plain.c: background updates of one statement each (facts database 3.1, schema-background-updates.tsv). A step that is done
 * twice changes nothing more. */
#include "updates/updates.h"

#define ONE(sql_) {sql_, 0}
/* How many rows a data-modifying part named w touched. */
#define TOUCHED " SELECT count(*), ''::text FROM w"

const struct mx_plain_update mx_plain_updates[] = {
    {"threads_backfill", "last_thread_id", "", false,
     ONE("WITH page AS (SELECT DISTINCT relates_to_id AS id FROM event_relations WHERE relates_to_id > $1"
         " AND relation_type = 'm.thread' AND $3::text IS NOT NULL ORDER BY 1 LIMIT $2),"
         " w AS (INSERT INTO threads (room_id, thread_id, latest_event_id, topological_ordering, stream_ordering)"
         " SELECT DISTINCT ON (e.room_id, p.id) e.room_id, p.id, e.event_id, e.topological_ordering, e.stream_ordering FROM page p"
         " JOIN event_relations r ON r.relates_to_id = p.id AND r.relation_type = 'm.thread'"
         " JOIN events e ON e.event_id = r.event_id"
         " ORDER BY e.room_id, p.id, e.topological_ordering DESC, e.stream_ordering DESC"
         " ON CONFLICT (room_id, thread_id) DO NOTHING)"
         " SELECT count(*), max(id) FROM page"),
     NULL},
    {"set_device_id_for_pushers", NULL, "", false,
     ONE("WITH page AS (SELECT p.id, COALESCE(p.device_id, a.device_id) AS device_id FROM pushers p"
         " LEFT JOIN access_tokens a ON a.id = p.access_token WHERE p.access_token IS NOT NULL AND $1::text IS NOT NULL"
         " AND $3::text IS NOT NULL ORDER BY p.id LIMIT $2),"
         " w AS (UPDATE pushers p SET device_id = page.device_id, access_token = NULL FROM page WHERE p.id = page.id"
         " RETURNING 1)" TOUCHED),
     NULL},
    {"delete_e2e_backup_keys_for_deactivated_users", "last_user", "", false,
     ONE("WITH page AS (SELECT name FROM users WHERE deactivated = 1 AND name > $1 AND $3::text IS NOT NULL ORDER BY name"
         " LIMIT $2), k AS (DELETE FROM e2e_room_keys USING page WHERE user_id = page.name),"
         " v AS (DELETE FROM e2e_room_keys_versions USING page WHERE user_id = page.name)"
         " SELECT count(*), max(name) FROM page"),
     NULL},
    {"populate_full_user_id_profiles", NULL, "", false,
     ONE("WITH w AS (UPDATE profiles SET full_user_id = '@' || user_id || ':' || $3 WHERE user_id IN (SELECT user_id"
         " FROM profiles WHERE full_user_id IS NULL AND $1::text IS NOT NULL ORDER BY user_id LIMIT $2)"
         " AND full_user_id IS NULL RETURNING 1)" TOUCHED),
     "ALTER TABLE profiles VALIDATE CONSTRAINT full_user_id_not_null"},
    {"populate_full_user_id_user_filters", NULL, "", false,
     ONE("WITH w AS (UPDATE user_filters SET full_user_id = '@' || user_id || ':' || $3 WHERE ctid IN (SELECT ctid"
         " FROM user_filters WHERE full_user_id IS NULL AND $1::text IS NOT NULL LIMIT $2) RETURNING 1)" TOUCHED),
     "ALTER TABLE user_filters VALIDATE CONSTRAINT full_user_id_not_null"},
    {"event_push_actions_staging_thread_id", NULL, "", false,
     ONE("WITH w AS (UPDATE event_push_actions_staging SET thread_id = 'main' WHERE ctid IN (SELECT ctid"
         " FROM event_push_actions_staging WHERE thread_id IS NULL AND $1::text IS NOT NULL AND $3::text IS NOT NULL LIMIT $2)"
         " RETURNING 1)" TOUCHED),
     "ALTER TABLE event_push_actions_staging VALIDATE CONSTRAINT event_push_actions_staging_thread_id"},
    {"event_push_actions_thread_id", NULL, "", false,
     ONE("WITH w AS (UPDATE event_push_actions SET thread_id = 'main' WHERE ctid IN (SELECT ctid FROM event_push_actions"
         " WHERE thread_id IS NULL AND $1::text IS NOT NULL AND $3::text IS NOT NULL LIMIT $2) RETURNING 1)" TOUCHED),
     "ALTER TABLE event_push_actions VALIDATE CONSTRAINT event_push_actions_thread_id"},
    {"event_push_summary_thread_id", NULL, "", false,
     ONE("WITH w AS (UPDATE event_push_summary SET thread_id = 'main' WHERE ctid IN (SELECT ctid FROM event_push_summary"
         " WHERE thread_id IS NULL AND $1::text IS NOT NULL AND $3::text IS NOT NULL LIMIT $2) RETURNING 1)" TOUCHED),
     "ALTER TABLE event_push_summary VALIDATE CONSTRAINT event_push_summary_thread_id"},
    {"event_push_drop_null_thread_id_indexes", NULL, "", false, ONE(NULL),
     "DROP INDEX IF EXISTS event_push_actions_thread_id_null; DROP INDEX IF EXISTS event_push_summary_thread_id_null"},
    {"event_forward_extremities_event_id_foreign_key_constraint_update", NULL, "", false,
     ONE("WITH w AS (DELETE FROM event_forward_extremities WHERE ctid IN (SELECT x.ctid FROM event_forward_extremities x"
         " WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.event_id = x.event_id) AND $1::text IS NOT NULL"
         " AND $3::text IS NOT NULL LIMIT $2) RETURNING 1)" TOUCHED),
     "ALTER TABLE event_forward_extremities VALIDATE CONSTRAINT event_forward_extremities_event_id"},
    {"sliding_sync_prefill_joined_rooms_to_recalculate_table_bg_update", NULL, "", false, ONE(NULL),
     "INSERT INTO sliding_sync_joined_rooms_to_recalculate (room_id) SELECT DISTINCT room_id FROM local_current_membership"
     " WHERE membership = 'join' ON CONFLICT (room_id) DO NOTHING"},
    {"sliding_sync_membership_snapshots_fix_forgotten_column_bg_update", NULL, "", false,
     ONE("WITH w AS (UPDATE sliding_sync_membership_snapshots s SET forgotten = 0 FROM (SELECT x.room_id, x.user_id"
         " FROM sliding_sync_membership_snapshots x JOIN room_memberships m ON m.event_id = x.membership_event_id"
         " WHERE x.forgotten = 1 AND COALESCE(m.forgotten, 0) = 0 AND $1::text IS NOT NULL AND $3::text IS NOT NULL LIMIT $2) t"
         " WHERE s.room_id = t.room_id AND s.user_id = t.user_id RETURNING 1)" TOUCHED),
     NULL},
    /* Groups that nothing names wait among those that go; each is looked at again before it does. */
    {"mark_unreferenced_state_groups_for_deletion_bg_update", "last_group", "0", true,
     ONE("WITH page AS (SELECT id FROM state_groups WHERE id > $1::text::bigint AND $3::text IS NOT NULL ORDER BY id LIMIT $2),"
         " w AS (INSERT INTO state_groups_pending_deletion (state_group, insertion_ts) SELECT id,"
         " (extract(epoch FROM now()) * 1000)::bigint FROM page p WHERE"
         " NOT EXISTS (SELECT 1 FROM event_to_state_groups e WHERE e.state_group = p.id) AND"
         " NOT EXISTS (SELECT 1 FROM state_group_edges g WHERE g.prev_state_group = p.id) AND"
         " NOT EXISTS (SELECT 1 FROM state_groups_persisting r WHERE r.state_group = p.id) ON CONFLICT DO NOTHING)"
         " SELECT count(*), max(id)::text FROM page"),
     NULL},
    /* Depths beyond what canonical JSON can hold, in room versions that are strict about it. */
    {"fixup_max_depth_cap", "room_id", "", false,
     ONE("WITH page AS (SELECT room_id, room_version FROM rooms WHERE room_id > $1 AND $3::text IS NOT NULL ORDER BY room_id"
         " LIMIT $2), w AS (UPDATE events e SET topological_ordering = 9007199254740991 FROM page p WHERE e.room_id = p.room_id"
         " AND e.topological_ordering > 9007199254740991 AND p.room_version NOT IN ('1', '2', '3', '4', '5'))"
         " SELECT count(*), max(room_id) FROM page"),
     NULL},
    {"redactions_recheck", "last_event_id", "", false,
     ONE("WITH page AS (SELECT event_id FROM redactions WHERE event_id > $1 AND $3::text IS NOT NULL ORDER BY event_id LIMIT $2),"
         " w AS (UPDATE redactions r SET recheck = false FROM page p LEFT JOIN event_json j ON j.event_id = p.event_id"
         " WHERE r.event_id = p.event_id AND COALESCE(j.internal_metadata, '') !~ '\"recheck_redaction\"\\s*:\\s*true')"
         " SELECT count(*), max(event_id) FROM page"),
     NULL},
    {"e2e_cross_signing_signatures_remove_duplicates", NULL, "", false,
     ONE("WITH w AS (DELETE FROM e2e_cross_signing_signatures WHERE ctid IN (SELECT t.ctid FROM (SELECT s.ctid, row_number()"
         " OVER (PARTITION BY user_id, key_id, target_user_id, target_device_id ORDER BY signature DESC, s.ctid DESC) AS place"
         " FROM e2e_cross_signing_signatures s WHERE $1::text IS NOT NULL AND $3::text IS NOT NULL) t WHERE t.place > 1"
         " LIMIT $2 * 100) RETURNING 1)" TOUCHED),
     NULL},
    {0},
};

static const struct mx_plain_update *find(const char *name)
{
    const struct mx_plain_update *u = mx_plain_updates;
    while (u->name && strcmp(u->name, name) != 0)
        u++;
    return u->name ? u : NULL;
}

struct turn {
    struct mx_update_step *step;
    const struct mx_plain_update *update;
    struct gg_str after;
};

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct turn *t = arg;
    struct mx_update_step *step = t->step;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &t->update->stmt,
                         GG_PARAMS(gg_p_str(t->after), gg_p_i64(step->batch), gg_p_text(step->server->name)), step->arena,
                         &rows, err);
    step->items = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    if (rc == 0 && step->items > 0 && t->update->key != NULL)
        rc = mx_update_note(txn, step, t->update->key, gg_rows_str(rows, 0, 1), t->update->numeric, err);
    return rc;
}

int mx_update_plain(struct mx_update_step *step, struct gg_error *err)
{
    struct turn turn = {step, find(step->name), {0}};
    const struct mx_plain_update *u = turn.update;
    int rc = 0;
    if (u->stmt.sql != NULL) {
        turn.after = u->key != NULL ? mx_update_progress(step, u->key) : gg_strn(NULL, 0);
        if (turn.after.s == NULL)
            turn.after = gg_str(u->start);
        rc = gg_db_txn(step->server->db, u->name, 0, body, &turn, err);
        if (rc < 0 || step->items > 0)
            return rc;
    }
    if (u->script != NULL)
        rc = gg_db_script(step->server->db, u->script, err);
    return rc == 0 ? mx_update_end(step, err) : rc;
}
