"""The state groups in the database lead to the room's state, whoever wrote them and however long their chains became."""

# From the group of the room's latest event to the root; the nearest entry of each key wins (facts: Synapse's schema).
AT_THE_END = """
WITH RECURSIVE chain(grp, n) AS (
    SELECT g.state_group, 0 FROM events e JOIN event_to_state_groups g USING (event_id)
    WHERE e.room_id = '{room}' AND e.stream_ordering = (SELECT max(stream_ordering) FROM events WHERE room_id = '{room}')
    UNION ALL SELECT e.prev_state_group, c.n + 1 FROM state_group_edges e JOIN chain c ON e.state_group = c.grp),
state AS (SELECT DISTINCT ON (s.type, s.state_key) s.type, s.state_key, s.event_id
          FROM chain c JOIN state_groups_state s ON s.state_group = c.grp ORDER BY s.type, s.state_key, c.n)
SELECT type, state_key, event_id FROM state ORDER BY 1, 2
"""
CURRENT = "SELECT type, state_key, event_id FROM current_state_events WHERE room_id = '{room}' ORDER BY 1, 2"
WITHOUT_GROUP = """
SELECT e.event_id FROM events e LEFT JOIN event_to_state_groups g USING (event_id) LEFT JOIN state_groups s ON s.id = g.state_group
WHERE e.room_id = '{room}' AND s.id IS NULL
"""
LONGEST = """
WITH RECURSIVE chain(root, grp, n) AS (
    SELECT id, id, 1 FROM state_groups WHERE room_id = '{room}'
    UNION ALL SELECT c.root, e.prev_state_group, c.n + 1 FROM state_group_edges e JOIN chain c ON e.state_group = c.grp)
SELECT max(n) FROM chain
"""


def rows(server, statement, room):
    return server.deployment.postgres.sql(" ".join(statement.format(room=room).split()), server.deployment.database)


def check(server, room):
    assert rows(server, WITHOUT_GROUP, room) == []
    assert rows(server, AT_THE_END, room) == rows(server, CURRENT, room) != []


def test_a_new_room_and_its_members(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="groups", topic="t", invite=[bob.user_id])
    check(server, room)
    bob.join(room)
    alice.send(room, "between")
    check(server, room)
    bob.leave(room)
    check(server, room)


def test_long_chains_are_cut(server):
    alice = server.register()
    room = alice.create_room()
    for i in range(120):
        alice.put_state(room, "org.example.count", {"n": i}, key=str(i % 7))
    check(server, room)
    assert int(rows(server, LONGEST, room)[0][0]) <= 101
