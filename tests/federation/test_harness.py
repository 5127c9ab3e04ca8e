"""What the other tests stand on: the events that the played server makes are such as everybody would make."""

import pytest

from lib import pdu


@pytest.mark.parametrize("version", [str(n) for n in range(1, 13)])
def test_events_of_every_version(home, remote, version):
    """The ids and hashes that we compute for an event are the ones that home computed when it made it."""
    alice = home.register()
    room = alice.create_room(room_version=version, preset="public_chat", name="a name")
    rows = home.sql("SELECT e.event_id, j.json FROM events e JOIN event_json j USING (event_id) "
                    f"WHERE e.room_id = '{room}'")
    assert len(rows) > 4
    import json
    for event_id, text in rows:
        event = json.loads(text)
        assert pdu.event_id(event, version) == event_id
        assert event["hashes"]["sha256"] == pdu.content_hash(event)
        again = pdu.sign(dict(event, signatures={}), version, remote.name, remote.key)
        assert set(again["signatures"]) == {remote.name}


def test_name_and_client_port(home):
    """Reached by name over TLS, and still by clients."""
    assert home.name.startswith("localhost:")
    assert home.register().user_id.endswith(":" + home.name)
