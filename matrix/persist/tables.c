/* matrix/persist/tables.c: every array statement of a commit as one table.
 *
 * Parameter k is column k of the rows; a value that all rows share is repeated, which costs less than another shape. */
#include "tables.h"

#define STMT(types_, sql_)                                                                                             \
    {                                                                                                                  \
        types_,                                                                                                        \
        {                                                                                                              \
            sql_, GG_LANE_POINT                                                                                        \
        }                                                                                                              \
    }

const struct mx_array_stmt mx_tables[MX_T_COUNT] = {
    /* Groups that come with their events: parent NULL: none; type NULL: no entry. */
    [MX_T_NEW_GROUPS] =
        STMT("ittitt", "WITH u AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[],"
                       " $6::text[]) u(g, r, e, p, t, k)),"
                       " edges AS (INSERT INTO state_group_edges (state_group, prev_state_group)"
                       " SELECT g, p FROM u WHERE p IS NOT NULL),"
                       " entries AS (INSERT INTO state_groups_state (state_group, room_id, type, state_key, event_id)"
                       " SELECT g, r, t, k, e FROM u WHERE t IS NOT NULL)"
                       " INSERT INTO state_groups (id, room_id, event_id) SELECT g, r, e FROM u"),
    [MX_T_DEPTH] =
        STMT("ti", "INSERT INTO room_depth (room_id, min_depth) SELECT * FROM unnest($1::text[], $2::bigint[])"
                   " ON CONFLICT (room_id) DO UPDATE SET min_depth = EXCLUDED.min_depth"
                   " WHERE room_depth.min_depth IS NULL OR room_depth.min_depth > EXCLUDED.min_depth"),

    /* An outlier becomes a full event. */
    [MX_T_EX_GROUPS] = STMT("ti", "INSERT INTO event_to_state_groups (event_id, state_group)"
                                  " SELECT * FROM unnest($1::text[], $2::bigint[])"
                                  " ON CONFLICT (event_id) DO UPDATE SET state_group = EXCLUDED.state_group"),
    [MX_T_EX_STREAM] =
        STMT("itit", "INSERT INTO ex_outlier_stream (event_stream_ordering, event_id, state_group,"
                     " instance_name) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[])"),
    [MX_T_EX_EVENTS] = STMT("t", "UPDATE events SET outlier = false WHERE event_id = ANY($1)"),

    /* One row of each new event in up to four tables; state_key NULL: no state event, group NULL: an outlier. */
    [MX_T_EVENTS] = STMT(
        "tiitttbiitbttttii",
        "WITH u AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],"
        " $7::boolean[], $8::bigint[], $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::text[], "
        "$14::text[],"
        " $15::text[], $16::bigint[], $17::bigint[]) u(i, s, d, e, r, t, o, ts, rts, se, cu, sk, rr, m, j, f, g)),"
        " json AS (INSERT INTO event_json (event_id, room_id, internal_metadata, json, format_version)"
        " SELECT e, r, m, j, f FROM u),"
        " state AS (INSERT INTO state_events (event_id, room_id, type, state_key)"
        " SELECT e, r, t, sk FROM u WHERE sk IS NOT NULL),"
        " groups AS (INSERT INTO event_to_state_groups (event_id, state_group) SELECT e, g FROM u WHERE g IS NOT NULL"
        " ON CONFLICT (event_id) DO UPDATE SET state_group = EXCLUDED.state_group)"
        " INSERT INTO events (instance_name, stream_ordering, topological_ordering, depth, event_id, room_id, type,"
        " processed, outlier, origin_server_ts, received_ts, sender, contains_url, state_key, rejection_reason)"
        " SELECT i, s, d, d, e, r, t, true, o, ts, rts, se, cu, sk, rr FROM u"),

    [MX_T_ENDS_DELETE] =
        STMT("tt", "DELETE FROM event_forward_extremities x USING unnest($1::text[], $2::text[]) u(e, r)"
                   " WHERE x.event_id = u.e AND x.room_id = u.r"),
    /* All extremities go to the history, those that are new (the last column) also to the table. */
    [MX_T_ENDS] =
        STMT("ttib", "WITH u AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[])"
                     " u(e, r, s, new)),"
                     " history AS (INSERT INTO stream_ordering_to_exterm (event_id, room_id, stream_ordering)"
                     " SELECT e, r, s FROM u)"
                     " INSERT INTO event_forward_extremities (event_id, room_id) SELECT e, r FROM u WHERE new"),

    [MX_T_TXN_IDS] =
        STMT("ttttti", "INSERT INTO event_txn_id_device_id (event_id, room_id, user_id, device_id, txn_id,"
                       " inserted_ts) SELECT * FROM"
                       " unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])"),
    [MX_T_CHAINS] = STMT("tii", "INSERT INTO event_auth_chains (event_id, chain_id, sequence_number)"
                                " SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])"),
    [MX_T_LINKS] = STMT("iiii", "INSERT INTO event_auth_chain_links (origin_chain_id, origin_sequence_number,"
                                " target_chain_id, target_sequence_number)"
                                " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])"),
    [MX_T_POSTPONED] = STMT("tttt", "INSERT INTO event_auth_chain_to_calculate (event_id, room_id, type, state_key)"
                                    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])"
                                    " ON CONFLICT (event_id) DO NOTHING"),
    [MX_T_CAUGHT_UP] = STMT("t", "DELETE FROM event_auth_chain_to_calculate WHERE event_id = ANY($1)"),
    [MX_T_EVENT_AUTH] = STMT("ttt", "INSERT INTO event_auth (event_id, room_id, auth_id)"
                                    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"),
    [MX_T_REJECTIONS] = STMT("ttt", "INSERT INTO rejections (event_id, reason, last_check)"
                                    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"),

    /* From staging to the real table, in one go. */
    [MX_T_PUSH] = STMT("ttii", "WITH s AS (DELETE FROM event_push_actions_staging x USING"
                               " unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) u(e, r, so, d)"
                               " WHERE x.event_id = u.e RETURNING u.r, u.e, x.user_id, x.actions, u.so, u.d, x.notif,"
                               " x.highlight, x.unread, x.thread_id)"
                               " INSERT INTO event_push_actions (room_id, event_id, user_id, actions, stream_ordering,"
                               " topological_ordering, notif, highlight, unread, thread_id) SELECT * FROM s"),
    /* Evaluated in this process: they need not be staged. */
    [MX_T_PUSH_KNOWN] =
        STMT("ttttiibbbt", "INSERT INTO event_push_actions (room_id, event_id, user_id, actions, stream_ordering,"
                           " topological_ordering, notif, highlight, unread, thread_id)"
                           " SELECT r, e, u, a, so, d, n::int, h::int, un::int, t FROM unnest($1::text[], $2::text[],"
                           " $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[], $8::boolean[],"
                           " $9::boolean[], $10::text[]) x (r, e, u, a, so, d, n, h, un, t)"),
    [MX_T_PUSH_CLEAN] = STMT("t", "DELETE FROM event_push_actions_staging WHERE event_id = ANY($1)"),
    [MX_T_PUSH_REDACTED] = STMT("tt", "DELETE FROM event_push_actions x USING unnest($1::text[], $2::text[]) u(r, e)"
                                      " WHERE x.room_id = u.r AND x.event_id = u.e"),
    [MX_T_UNRELATED] = STMT("t", "DELETE FROM event_relations WHERE event_id = ANY($1)"),
    /* The thread goes back to the latest reply that is left, and goes when none is. */
    [MX_T_THREADS_BACK] = STMT(
        "tt",
        "WITH u AS (SELECT DISTINCT r, t, l.* FROM unnest($1::text[], $2::text[]) u(r, t) LEFT JOIN LATERAL"
        " (SELECT e.event_id, e.topological_ordering AS topo, e.stream_ordering AS so FROM event_relations x"
        " JOIN events e USING (event_id) WHERE x.relates_to_id = u.t AND x.relation_type = 'm.thread'"
        " ORDER BY e.topological_ordering DESC, e.stream_ordering DESC LIMIT 1) l ON true),"
        " d AS (DELETE FROM threads USING u WHERE room_id = u.r AND thread_id = u.t AND u.event_id IS NULL)"
        " UPDATE threads SET latest_event_id = u.event_id, topological_ordering = u.topo, stream_ordering = u.so FROM u"
        " WHERE room_id = u.r AND thread_id = u.t AND u.event_id IS NOT NULL"),

    [MX_T_EDGES] =
        STMT("tt", "INSERT INTO event_edges (event_id, prev_event_id) SELECT * FROM unnest($1::text[], $2::text[])"
                   " ON CONFLICT DO NOTHING"),
    [MX_T_BACKWARD] = STMT("tt", "INSERT INTO event_backward_extremities (room_id, event_id)"
                                 " SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"),
    [MX_T_GAPS] = STMT("tti", "INSERT INTO timeline_gaps (room_id, instance_name, stream_ordering)"
                              " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])"),
    [MX_T_BACKWARD_DONE] =
        STMT("tt", "DELETE FROM event_backward_extremities x USING unnest($1::text[], $2::text[]) u(e, r)"
                   " WHERE x.event_id = u.e AND x.room_id = u.r"),
    [MX_T_PULLED] = STMT("tt", "DELETE FROM event_failed_pull_attempts x USING unnest($1::text[], $2::text[]) u(e, r)"
                               " WHERE x.event_id = u.e AND x.room_id = u.r"),

    [MX_T_SEARCH] = STMT("ttttii", "INSERT INTO event_search (event_id, room_id, key, vector, stream_ordering,"
                                   " origin_server_ts) SELECT e, r, k, to_tsvector('english', v), s, t FROM"
                                   " unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])"
                                   " u(e, r, k, v, s, t)"),
    [MX_T_REDACTIONS] = STMT("ttib", "INSERT INTO redactions (event_id, redacts, received_ts, recheck)"
                                     " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[])"
                                     " ON CONFLICT (event_id) DO UPDATE SET redacts = EXCLUDED.redacts,"
                                     " received_ts = EXCLUDED.received_ts, recheck = EXCLUDED.recheck"),
    [MX_T_RETENTION] = STMT("ttii", "INSERT INTO room_retention (room_id, event_id, min_lifetime, max_lifetime)"
                                    " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])"),
    [MX_T_RELATIONS] =
        STMT("tttt", "INSERT INTO event_relations (event_id, relates_to_id, relation_type, aggregation_key)"
                     " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])"),
    /* Of several replies in one commit the last one counts. */
    [MX_T_THREADS] = STMT(
        "tttii",
        "INSERT INTO threads (room_id, thread_id, latest_event_id, topological_ordering, stream_ordering)"
        " SELECT DISTINCT ON (r, t) r, t, e, d, s FROM"
        " unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) u(r, t, e, d, s) ORDER BY r, t, s DESC"
        " ON CONFLICT (room_id, thread_id) DO UPDATE SET latest_event_id = EXCLUDED.latest_event_id,"
        " topological_ordering = EXCLUDED.topological_ordering, stream_ordering = EXCLUDED.stream_ordering"
        " WHERE threads.topological_ordering <= EXCLUDED.topological_ordering"
        " AND threads.stream_ordering < EXCLUDED.stream_ordering"),
    [MX_T_EXPIRY] = STMT("ti", "INSERT INTO event_expiry (event_id, expiry_ts) SELECT * FROM unnest($1::text[], $2::bigint[])"
                               " ON CONFLICT DO NOTHING"),
    [MX_T_LABELS] = STMT("ttti", "INSERT INTO event_labels (event_id, label, room_id, topological_ordering)"
                                 " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])"
                                 " ON CONFLICT DO NOTHING"),

    [MX_T_MEMBERSHIPS] =
        STMT("titttttt", "INSERT INTO room_memberships (event_id, event_stream_ordering, user_id, sender, room_id,"
                         " membership, display_name, avatar_url) SELECT * FROM"
                         " unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
                         " $8::text[])"),
    [MX_T_OOB_MEMBERSHIP] =
        STMT("tttti", "INSERT INTO local_current_membership (room_id, user_id, event_id, membership,"
                      " event_stream_ordering)"
                      " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])"
                      " ON CONFLICT (room_id, user_id) DO UPDATE SET event_id = EXCLUDED.event_id,"
                      " membership = EXCLUDED.membership,"
                      " event_stream_ordering = EXCLUDED.event_stream_ordering"),
    [MX_T_OOB_SNAPSHOT] = STMT(
        "tttttitbttbt",
        "INSERT INTO sliding_sync_membership_snapshots (room_id, user_id, sender, membership_event_id, membership,"
        " event_stream_ordering, event_instance_name, has_known_state, room_type, room_name, is_encrypted,"
        " tombstone_successor_room_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
        " $6::bigint[], $7::text[], $8::boolean[], $9::text[], $10::text[], $11::boolean[], $12::text[])"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET sender = EXCLUDED.sender,"
        " membership_event_id = EXCLUDED.membership_event_id, membership = EXCLUDED.membership, forgotten = 0,"
        " event_stream_ordering = EXCLUDED.event_stream_ordering, event_instance_name = EXCLUDED.event_instance_name,"
        " has_known_state = EXCLUDED.has_known_state, room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name,"
        " is_encrypted = EXCLUDED.is_encrypted, tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id"),
    [MX_T_OOB_LEAVE] =
        STMT(/* keeps what the invitation said of the room */
             "tttttit",
             "INSERT INTO sliding_sync_membership_snapshots (room_id, user_id, sender, membership_event_id, membership,"
             " event_stream_ordering, event_instance_name) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], "
             "$4::text[],"
             " $5::text[], $6::bigint[], $7::text[])"
             " ON CONFLICT (room_id, user_id) DO UPDATE SET sender = EXCLUDED.sender,"
             " membership_event_id = EXCLUDED.membership_event_id, membership = EXCLUDED.membership, forgotten = 0,"
             " event_stream_ordering = EXCLUDED.event_stream_ordering, event_instance_name = "
             "EXCLUDED.event_instance_name"),

    /* The last local user has gone: the room's current state goes with them. */
    [MX_T_LEFT_DELTAS] =
        STMT("tit", "INSERT INTO current_state_delta_stream (stream_id, instance_name, room_id, type,"
                    " state_key, event_id, prev_event_id) SELECT u.s, u.i, c.room_id, c.type, c.state_key,"
                    " NULL, c.event_id FROM unnest($1::text[], $2::bigint[], $3::text[]) u(r, s, i)"
                    " JOIN current_state_events c ON c.room_id = u.r"),
    [MX_T_LEFT_STATE] = STMT("t", "DELETE FROM current_state_events WHERE room_id = ANY($1)"),
    [MX_T_LEFT_SUMMARY] = STMT("t", "DELETE FROM sliding_sync_joined_rooms WHERE room_id = ANY($1)"),

    [MX_T_DELTAS] = STMT("itttttt", "INSERT INTO current_state_delta_stream (stream_id, instance_name, room_id, type,"
                                    " state_key, event_id, prev_event_id) SELECT * FROM"
                                    " unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
                                    " $7::text[])"),
    [MX_T_STATE_DELETE] =
        STMT("ttt", "DELETE FROM current_state_events c USING unnest($1::text[], $2::text[], $3::text[])"
                    " u(r, t, k) WHERE c.room_id = u.r AND c.type = u.t AND c.state_key = u.k"),
    [MX_T_STATE] =
        STMT("tttt", "INSERT INTO current_state_events (room_id, type, state_key, event_id, membership,"
                     " event_stream_ordering) SELECT u.r, u.t, u.k, u.e, m.membership, e.stream_ordering FROM"
                     " unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(r, t, k, e)"
                     " LEFT JOIN events e ON e.event_id = u.e LEFT JOIN room_memberships m ON m.event_id = u.e"),
    /* Events of this very commit, whose rows need not be looked up: that is what joining costs. */
    [MX_T_STATE_OWN] =
        STMT("ttttti", "INSERT INTO current_state_events (room_id, type, state_key, event_id, membership,"
                       " event_stream_ordering) SELECT * FROM"
                       " unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])"),
    [MX_T_SUMMARY_NEW] =
        STMT("tiittbt",
             "INSERT INTO sliding_sync_joined_rooms (room_id, event_stream_ordering, bump_stamp, room_type, room_name,"
             " is_encrypted, tombstone_successor_room_id) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[],"
             " $4::text[], $5::text[], $6::boolean[], $7::text[]) ON CONFLICT (room_id) DO UPDATE SET"
             " room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name, is_encrypted = EXCLUDED.is_encrypted,"
             " tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id"),
    [MX_T_SUMMARY] =
        STMT("tttbt", "UPDATE sliding_sync_joined_rooms x SET room_type = u.t, room_name = u.n,"
                      " is_encrypted = u.e, tombstone_successor_room_id = u.s FROM unnest($1::text[], $2::text[],"
                      " $3::text[], $4::boolean[], $5::text[]) u(r, t, n, e, s) WHERE x.room_id = u.r"),
    [MX_T_LOCAL_DELETE] =
        STMT("tt", "DELETE FROM local_current_membership x USING unnest($1::text[], $2::text[]) u(r, u)"
                   " WHERE x.room_id = u.r AND x.user_id = u.u"),
    [MX_T_LOCAL] = STMT("ttt", "INSERT INTO local_current_membership (room_id, user_id, event_id, membership,"
                               " event_stream_ordering) SELECT u.r, u.u, u.e, m.membership, e.stream_ordering FROM"
                               " unnest($1::text[], $2::text[], $3::text[]) u(r, u, e) JOIN room_memberships m"
                               " ON m.event_id = u.e LEFT JOIN events e ON e.event_id = u.e"),
    [MX_T_LOCAL_OWN] =
        STMT("tttti", "INSERT INTO local_current_membership (room_id, user_id, event_id, membership,"
                      " event_stream_ordering)"
                      " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])"
                      " ON CONFLICT (room_id, user_id) DO UPDATE SET event_id = EXCLUDED.event_id,"
                      " membership = EXCLUDED.membership,"
                      " event_stream_ordering = EXCLUDED.event_stream_ordering"),
    [MX_T_SNAPSHOT_DELETE] =
        STMT("tt", "DELETE FROM sliding_sync_membership_snapshots x USING"
                   " unnest($1::text[], $2::text[]) u(r, u) WHERE x.room_id = u.r AND x.user_id = u.u"),
    [MX_T_SNAPSHOT] = STMT(
        "tttttttbt",
        "INSERT INTO sliding_sync_membership_snapshots (room_id, user_id, sender, membership_event_id, membership,"
        " forgotten, event_stream_ordering, event_instance_name, has_known_state, room_type, room_name, is_encrypted,"
        " tombstone_successor_room_id) SELECT u.r, u.u, u.se, u.e, u.m, 0, e.stream_ordering,"
        " COALESCE(e.instance_name, 'master'), true, u.rt, u.rn, u.en, u.ts FROM unnest($1::text[], $2::text[], "
        "$3::text[],"
        " $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::text[]) u(r, u, se, e, m, rt, rn, en, ts)"
        " LEFT JOIN events e ON e.event_id = u.e"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET sender = EXCLUDED.sender,"
        " membership_event_id = EXCLUDED.membership_event_id, membership = EXCLUDED.membership,"
        " forgotten = EXCLUDED.forgotten, event_stream_ordering = EXCLUDED.event_stream_ordering,"
        " has_known_state = true, room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name,"
        " is_encrypted = EXCLUDED.is_encrypted, tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id"),
    [MX_T_SNAPSHOT_OWN] = STMT(
        "tttttitttbt",
        "INSERT INTO sliding_sync_membership_snapshots (room_id, user_id, sender, membership_event_id, membership,"
        " forgotten, event_stream_ordering, event_instance_name, has_known_state, room_type, room_name, is_encrypted,"
        " tombstone_successor_room_id) SELECT u.r, u.u, u.se, u.e, u.m, 0, u.s, u.i, true, u.rt, u.rn, u.en, u.ts FROM"
        " unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],"
        " $9::text[], $10::boolean[], $11::text[]) u(r, u, se, e, m, s, i, rt, rn, en, ts)"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET sender = EXCLUDED.sender,"
        " membership_event_id = EXCLUDED.membership_event_id, membership = EXCLUDED.membership,"
        " forgotten = EXCLUDED.forgotten, event_stream_ordering = EXCLUDED.event_stream_ordering,"
        " has_known_state = true, room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name,"
        " is_encrypted = EXCLUDED.is_encrypted, tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id"),
    [MX_T_GONE_REMOTES] = STMT("t", "DELETE FROM device_lists_remote_extremeties WHERE user_id = ANY($1)"),
    [MX_T_SUMMARY_MOVE] =
        STMT("tii", "UPDATE sliding_sync_joined_rooms x SET"
                    " event_stream_ordering = GREATEST(x.event_stream_ordering, u.s),"
                    " bump_stamp = GREATEST(x.bump_stamp, u.b)"
                    " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(r, s, b) WHERE x.room_id = u.r"),
    [MX_T_PARTICIPANTS] = STMT("t", "UPDATE room_memberships SET participant = true WHERE event_id = ANY($1)"
                                    " AND participant IS NOT TRUE"),
};
