"""Background updates: what a database of Synapse may still owe is worked off, in steps that a kill does not lose; the user
directory and the statistics, made anew, are what they were."""

import csv
import os

import pytest

from lib.admin import V1, V2, administrator, kill_background, path
from lib.rooms import act
from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
QUEUE = os.path.join(os.path.dirname(__file__), "..", "data", "background-updates.tsv")

# What is derived of the rest, without what only says when it was.
DERIVED = {
    "user_directory": "*",
    "user_directory_search": "user_id, vector::text",
    "users_in_public_rooms": "*",
    "users_who_share_private_rooms": "*",
    "room_stats_current": "room_id, current_state_events, joined_members, invited_members, left_members, banned_members,"
                          " local_users_in_room, knocked_members",
    "room_stats_state": "*",
    "user_stats_current": "user_id, joined_rooms",
    "sliding_sync_joined_rooms": "*",
    "sliding_sync_membership_snapshots": "*",
    "threads": "*",
}


@pytest.fixture(scope="module", params=["monolith", "split"])
def old(request, own):
    """Slow updates of few items, in a world in which there is some of everything."""
    extra = {"background_updates": {"sleep_duration_ms": 10, "default_batch_size": 1, "background_update_duration_ms": 5}}
    with own.running("updates", monolith=request.param == "monolith", extra_config=extra) as server:
        server.admin = administrator(server, "boss")
        people(server)
        yield server


def people(server):
    ann, bob, cat, dan, gone = (server.register(name) for name in ("ann", "bob", "cat", "dan", "gone"))
    server.people = ann, bob, cat
    ann.ok("PUT", f"{CLIENT}/profile/{quote(ann.user_id)}/displayname", {"displayname": "Ann Ünder"})
    public = ann.create_room(preset="public_chat", name="Public", topic="A topic", room_alias_name="public")
    private = bob.create_room(preset="private_chat", name="Private", invite=[cat.user_id], initial_state=[
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    space = cat.create_room(name="Space", creation_content={"type": "m.space"}, invite=[ann.user_id, dan.user_id])
    for user in (bob, cat, gone):
        user.join(public)
    cat.join(private)
    dan.leave(space)  # refuses
    cat.leave(public)
    act(ann, public, "ban", cat)
    ann.put_state(public, "m.room.name", {"name": "Renamed"})
    root = bob.send(public, "root")
    for text in ("one", "two"):
        bob.ok("PUT", f"{CLIENT}/rooms/{quote(public)}/send/m.room.message/{text}", {
            "msgtype": "m.text", "body": text, "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    alone = dan.create_room(preset="private_chat", name="Left by all")
    dan.leave(alone)
    dan.ok("POST", f"{CLIENT}/rooms/{quote(alone)}/forget", {})
    server.admin.ok("POST", path(V1, "deactivate", gone.user_id), {"erase": False})
    server.admin.ok("PUT", path(V2, "users", dan.user_id), {"user_type": "support"})
    settled(server)


def settled(server):
    """Who counts and who keeps the directory have worked off everything."""
    newest = "(SELECT max(stream_id) FROM current_state_delta_stream)"
    until(lambda: server.sql(f"SELECT 1 FROM stats_incremental_position, user_directory_stream_pos d WHERE d.stream_id >= {newest}"
                             f" AND stats_incremental_position.stream_id >= {newest}"))


def derived(server, *tables):
    return {t: sorted(server.sql(f"SELECT {DERIVED[t]} FROM {t}")) for t in tables or DERIVED}


def queued(server):
    return [r[0] for r in server.sql("SELECT update_name FROM background_updates ORDER BY 1")]


def start_job(server, name):
    return server.admin.call("POST", f"{V1}/background_updates/start_job", {"job_name": name})


def finished(server):
    until(lambda: queued(server) == [])


DIRECTORY = ("user_directory", "user_directory_search", "users_in_public_rooms", "users_who_share_private_rooms")


def test_the_directory_anew(old):
    ann, bob, _ = old.people
    before = derived(old, *DIRECTORY)
    assert len(before["user_directory"]) >= 4 and before["users_in_public_rooms"] and before["users_who_share_private_rooms"]
    for table in DIRECTORY:
        old.sql(f"DELETE FROM {table}")
    old.sql("INSERT INTO user_directory (user_id, display_name) VALUES ('@nobody:nowhere', 'x')")
    kill_background(old)  # so that it looks for updates at once
    assert start_job(old, "regenerate_directory").status == 200
    again = start_job(old, "regenerate_directory")
    assert (again.status, again.json["errcode"]) in ((400, "M_UNKNOWN"), (200, None)), again
    if old.background():
        kill_background(old)
    finished(old)
    settled(old)
    after = derived(old, *DIRECTORY)
    for table, rows in before.items():  # who is there for support is found no longer
        assert after[table] == [row for row in rows if not row[0].startswith("@dan:")], table
    assert old.sql("SELECT 1 FROM pg_class WHERE relname LIKE '_temp_populate%'") == []
    hits = bob.ok("POST", f"{CLIENT}/user_directory/search", {"search_term": "ünder"})["results"]
    assert [u["user_id"] for u in hits] == [ann.user_id]


def test_statistics_anew(old):
    before = derived(old, "room_stats_current", "room_stats_state", "user_stats_current")
    old.sql("UPDATE room_stats_current SET joined_members = joined_members + 7, knocked_members = NULL")
    old.sql("DELETE FROM room_stats_state")
    old.sql("UPDATE user_stats_current SET joined_rooms = 99")
    old.sql("INSERT INTO background_updates (update_name, progress_json) VALUES ('populate_stats_process_users', '{}')")
    assert start_job(old, "populate_stats_process_rooms").status == 200
    if old.background():
        kill_background(old)
    finished(old)
    after = derived(old, *before)
    known = {row[0] for row in old.sql("SELECT DISTINCT room_id FROM current_state_events")}
    for table, rows in before.items():  # of rooms that all have left nothing is counted anew
        wanted = [row for row in rows if row[0] in known or table == "user_stats_current"]
        assert [row for row in after[table] if row[0] in known or table == "user_stats_current"] == wanted, table
    # And the loop goes on from there.
    ann, bob, cat = old.people
    room = ann.create_room(preset="public_chat")
    bob.join(room)
    until(lambda: old.sql(f"SELECT joined_members FROM room_stats_current WHERE room_id = '{room}'") == [["2"]])


def test_jobs_that_there_are_not(old):
    for body in ({}, {"job_name": "nothing"}, {"job_name": 7}):
        assert old.admin.call("POST", f"{V1}/background_updates/start_job", body).status == 400
    assert old.people[0].call("POST", f"{V1}/background_updates/start_job", {"job_name": "regenerate_directory"}).status == 403


def without_names(rows):
    return [row[:9] if "join" in row[4:5] else row for row in rows]


def test_a_database_half_way(old):
    """All that a new database of Synapse owes, with rows as old versions left them; killed in between."""
    ann, bob, cat = old.people
    settled(old)
    before = derived(old, "sliding_sync_joined_rooms", "sliding_sync_membership_snapshots", "threads")
    directory = derived(old, *DIRECTORY)
    assert len(before["threads"]) == 1
    old.sql("""
        DELETE FROM threads; DELETE FROM sliding_sync_joined_rooms; DELETE FROM sliding_sync_membership_snapshots;
        ALTER TABLE profiles DROP CONSTRAINT full_user_id_not_null;
        UPDATE profiles SET full_user_id = NULL;
        ALTER TABLE profiles ADD CONSTRAINT full_user_id_not_null CHECK (full_user_id IS NOT NULL) NOT VALID;
        INSERT INTO device_federation_outbox (destination, stream_id, queued_ts, messages_json)
            VALUES ('not a server', 1, 1, '{}'), ('good.example', 1, 1, '{}');
        INSERT INTO pushers (id, user_name, access_token, profile_tag, kind, app_id, app_display_name, device_display_name,
            pushkey, ts) SELECT 0, user_id, id, '', 'http', 'app', 'a', 'd', 'key', 1 FROM access_tokens WHERE user_id = '%s';
        INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data)
            SELECT u, 1, 'a', '{}' FROM unnest(ARRAY['%s', '%s']) AS x(u);
        INSERT INTO local_media_repository (media_id, quarantined_by) VALUES ('bad', 'boss');
    """ % (ann.user_id, ann.user_id, ann.user_id.replace("ann", "gone")))
    with open(QUEUE, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        after = f"'{row['depends_on']}'" if row["depends_on"] else "NULL"
        old.sql("INSERT INTO background_updates (ordering, update_name, progress_json, depends_on) VALUES"
                f" ({row['ordering']}, '{row['update_name']}', '{{}}', {after})")
    kill_background(old)
    until(lambda: len(queued(old)) < len(rows) - 6)
    kill_background(old)
    until(lambda: queued(old) == [], seconds=60)
    settled(old)
    after = derived(old, *before)
    for table in before:
        assert without_names(after[table]) == without_names(before[table]), table
    # A member's row tells the room as it was when they came; one that is made anew, as it is now.
    assert old.sql("SELECT 1 FROM sliding_sync_membership_snapshots s JOIN sliding_sync_joined_rooms j USING (room_id) WHERE"
                   " s.membership = 'join' AND (s.room_name, s.is_encrypted) IS DISTINCT FROM (j.room_name, j.is_encrypted)") == []
    assert derived(old, *DIRECTORY) == directory
    assert old.sql("SELECT user_id FROM profiles WHERE full_user_id IS NULL") == []
    assert old.sql("SELECT convalidated FROM pg_constraint WHERE conname = 'full_user_id_not_null'"
                   " AND conrelid = 'profiles'::regclass") == [["t"]]
    assert old.sql("SELECT destination FROM device_federation_outbox") == [["good.example"]]
    device = old.sql("SELECT p.access_token IS NULL, p.device_id = '%s' FROM pushers p WHERE id = 0" % ann.device_id)
    assert device == [["t", "t"]]
    assert old.sql("SELECT user_id FROM e2e_room_keys_versions") == [[ann.user_id]]
    assert old.sql("SELECT origin IS NULL, media_id, quarantined FROM quarantined_media_changes") == [["t", "bad", "t"]]
    assert ann.ok("GET", f"{CLIENT}/account/whoami")["user_id"] == ann.user_id
