"""What a server leaves in the database of one room, without ids and times: equal operations must leave equal rows.

Not compared, since Ganglion writes it at other moments: event_push_summary (tests/interop/test_push.py waits for it);
the user directory, which is made behind the scenes from the events (so are room_stats_*: tests/interop/
test_rooms_life.py waits for them and compares); the room's name in
membership snapshots (Synapse takes that of the moment of the event, we that of the whole commit, which readers replace
by the room's own while the user is joined); stream_ordering_to_exterm and cache invalidations, one for each commit."""

QUERIES = {
    "events": "SELECT e.type, e.state_key, e.topological_ordering, e.depth, e.processed, e.outlier, e.contains_url, e.sender, e.instance_name,"
              " e.rejection_reason FROM events e WHERE e.room_id = '{0}' ORDER BY stream_ordering",
    "event_json": "SELECT e.type, j.format_version, (SELECT string_agg(k, ',' ORDER BY k) FROM json_object_keys(j.json::json) k),"
                  " (SELECT string_agg(k, ',' ORDER BY k) FROM json_object_keys(j.json::json->'unsigned') k),"
                  " (SELECT string_agg(k, ',' ORDER BY k) FROM json_object_keys(j.internal_metadata::json) k WHERE k <> 'recheck_redaction')"
                  " FROM events e JOIN event_json j USING (event_id) WHERE e.room_id = '{0}' ORDER BY e.stream_ordering",
    "state": "SELECT c.type, c.state_key, c.membership, c.event_stream_ordering = e.stream_ordering FROM current_state_events c"
             " JOIN events e USING (event_id) WHERE c.room_id = '{0}' ORDER BY 1, 2",
    "state changes": "SELECT type, state_key, event_id IS NULL, prev_event_id IS NULL, instance_name FROM current_state_delta_stream"
                     " WHERE room_id = '{0}' ORDER BY 1, 2, 3, 4",
    "state_events": "SELECT type, state_key, prev_state FROM state_events WHERE room_id = '{0}' ORDER BY 1, 2",
    "state at events": "SELECT e.topological_ordering, (SELECT count(*) FROM state_group_edges g WHERE g.state_group = s.state_group)"
                       " FROM events e JOIN event_to_state_groups s USING (event_id) WHERE e.room_id = '{0}' ORDER BY 1",
    "deltas of state": "SELECT type, state_key, count(*) FROM state_groups_state WHERE room_id = '{0}' GROUP BY 1, 2 ORDER BY 1, 2",
    "members": "SELECT user_id, sender, membership, forgotten, avatar_url, participant, event_stream_ordering IS NULL FROM room_memberships"
               " WHERE room_id = '{0}' ORDER BY 1, 3, 2",
    "own members": "SELECT user_id, membership, event_stream_ordering IS NULL FROM local_current_membership WHERE room_id = '{0}' ORDER BY 1",
    "snapshots": "SELECT user_id, sender, membership, forgotten, has_known_state, room_type, is_encrypted, tombstone_successor_room_id,"
                 " event_instance_name FROM sliding_sync_membership_snapshots WHERE room_id = '{0}' ORDER BY 1",
    "joined room": "SELECT room_type, is_encrypted, tombstone_successor_room_id, event_stream_ordering IS NULL, bump_stamp IS NULL,"
                   " replace(room_name, '{1}', 'version') FROM sliding_sync_joined_rooms WHERE room_id = '{0}'",
    "graph": "SELECT e.topological_ordering, p.topological_ordering, g.is_state FROM event_edges g JOIN events e USING (event_id)"
             " LEFT JOIN events p ON p.event_id = g.prev_event_id WHERE e.room_id = '{0}' ORDER BY 1, 2",
    "authority": "SELECT e.topological_ordering, a.topological_ordering FROM event_auth t JOIN events e ON e.event_id = t.event_id"
                 " JOIN events a ON a.event_id = t.auth_id WHERE t.room_id = '{0}' ORDER BY 1, 2",
    "chains": "SELECT e.topological_ordering, c.sequence_number FROM event_auth_chains c JOIN events e USING (event_id)"
              " WHERE e.room_id = '{0}' ORDER BY 1",
    "chain links": "SELECT o.topological_ordering, t.topological_ordering FROM event_auth_chain_links l"
                   " JOIN event_auth_chains oc ON oc.chain_id = l.origin_chain_id AND oc.sequence_number = l.origin_sequence_number"
                   " JOIN events o ON o.event_id = oc.event_id"
                   " JOIN event_auth_chains tc ON tc.chain_id = l.target_chain_id AND tc.sequence_number = l.target_sequence_number"
                   " JOIN events t ON t.event_id = tc.event_id WHERE o.room_id = '{0}' ORDER BY 1, 2",
    "ends": "SELECT e.topological_ordering FROM event_forward_extremities f JOIN events e USING (event_id) WHERE f.room_id = '{0}'",
    "relations": "SELECT e.topological_ordering, t.topological_ordering, r.relation_type, r.aggregation_key FROM event_relations r"
                 " JOIN events e USING (event_id) JOIN events t ON t.event_id = r.relates_to_id WHERE e.room_id = '{0}' ORDER BY 1",
    "threads": "SELECT e.topological_ordering, l.topological_ordering FROM threads t JOIN events e ON e.event_id = t.thread_id"
               " JOIN events l ON l.event_id = t.latest_event_id WHERE t.room_id = '{0}'",
    "redactions": "SELECT e.topological_ordering, t.topological_ordering, r.have_censored FROM redactions r JOIN events e ON e.event_id = r.event_id"
                  " JOIN events t ON t.event_id = r.redacts WHERE e.room_id = '{0}' ORDER BY 1",
    "transactions": "SELECT e.topological_ordering, x.user_id FROM event_txn_id_device_id x JOIN events e USING (event_id)"
                    " WHERE x.room_id = '{0}' ORDER BY 1",
    "search": "SELECT e.topological_ordering, s.key, regexp_replace(s.vector::text, 'ganglion|[0-9]', '', 'g') = '' FROM event_search s"
              " JOIN events e USING (event_id) WHERE s.room_id = '{0}' ORDER BY 1",
    "notifications": "SELECT topological_ordering, user_id, profile_tag, actions, notif, highlight, unread, thread_id = 'main'"
                     " FROM event_push_actions WHERE room_id = '{0}' AND NOT user_id = ANY ('{{{2}}}') ORDER BY 1, 2",
    "depth": "SELECT min_depth FROM room_depth WHERE room_id = '{0}'",
    "room": "SELECT is_public, creator, room_version, has_auth_chain_index FROM rooms WHERE room_id = '{0}'",
}


def of_room(sql, room_id, by, readers=()):
    """by: how the room's name begins, which is all that it has of its own. readers: users whose receipts may have taken
    notifications away, as the background loop of either server does from time to time."""
    return {name: sql(query.format(room_id, by, ",".join(f'"{user}"' for user in readers))) for name, query in QUERIES.items()}
