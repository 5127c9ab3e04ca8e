"""What clients see of a world, so that the answers of two servers can be compared member by member."""

from lib.server import quote

CLIENT = "/_matrix/client/v3"

# What two answers to the same question may differ in: how long ago something was, and words for people.
MOMENTARY = {"age", "error"}
# Positions of all streams, presence among them, which moves whenever anybody syncs. What the tokens mean is compared by
# using those of one server with the other (World.remember).
TOKENS = {"next_batch", "prev_batch"}
# Who is there changes with every request that is compared. (Push rules, which are account data to clients, are taken out of
# lists below: tests/interop/test_push.py compares them.)
MOVING = {"presence"}


def differences(one, two, path=""):
    """The places in which two JSON values differ: [(path, one, two)]."""
    if isinstance(one, dict) and isinstance(two, dict):
        return [d for key in sorted(one.keys() | two.keys())
                for d in differences(one.get(key, "-absent-"), two.get(key, "-absent-"), f"{path}/{key}")]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [d for i, (a, b) in enumerate(zip(one, two)) for d in differences(a, b, f"{path}[{i}]")]
    return [] if one == two and type(one) is type(two) else [(path, one, two)]


def _place(event):
    return event.get("type", ""), event.get("state_key", ""), event.get("event_id", "")


def comparable(value, name=""):
    """A copy without what may differ; lists whose order says nothing are sorted, empty sections left out."""
    if isinstance(value, dict):
        found = {k: comparable(v, k) for k, v in value.items() if k not in MOMENTARY | TOKENS | MOVING}
        if name in ("state", "invite_state", "knock_state", "account_data") and "events" in found:
            found["events"] = sorted((e for e in found["events"] if e["type"] != "m.push_rules"), key=_place)
        if name == "state" and isinstance(found.get("body"), list):
            found["body"].sort(key=_place)  # the answer of GET state
        return {k: v for k, v in found.items() if not (k == "account_data" and v == {"events": []})}
    if isinstance(value, list) and name in ("changed", "left"):  # of device lists: sets of users
        return sorted(value)
    if isinstance(value, list):
        found = [comparable(v) for v in value]
        return sorted(found, key=_place) if name == "state" else found
    return value


def ask(user, path, **query):
    """Status and body, whatever they are."""
    answer = user.call("GET", CLIENT + path, **query)
    return {"status": answer.status, "body": answer.json}


def pages(user, room, **query):
    """Every page of a room's history."""
    found, token = [], None
    for _ in range(20):
        answer = ask(user, f"/rooms/{quote(room)}/messages", **query, **({"from": token} if token else {}))
        found.append(answer)
        token = answer["body"].get("end")
        if token is None or not answer["body"].get("chunk"):
            break
    return found


def until_left(user, answers):
    """The events of all pages in one list; for who left, up to that: Synapse tells former members on, Ganglion does not."""
    events = [event for answer in answers for event in answer["body"].get("chunk", [])]
    own = [i for i, event in enumerate(events) if event["type"] == "m.room.member" and event.get("state_key") == user.user_id]
    if own and events[own[-1]]["content"].get("membership") in ("leave", "ban"):
        events = events[:own[-1] + 1]
    return {"statuses": sorted({answer["status"] for answer in answers}), "events": events}


def room_views(user, room, older):
    path = f"/rooms/{quote(room)}"
    found = {"backwards": pages(user, room, dir="b", limit=7), "forwards": until_left(user, pages(user, room, dir="f", limit=9)),
             "lazy": ask(user, path + "/messages", dir="b", limit=5, filter='{"lazy_load_members":true}'),
             "only text": ask(user, path + "/messages", dir="b", limit=3, filter='{"types":["m.room.message"]}'),
             "state": ask(user, path + "/state"), "members": ask(user, path + "/members"),
             "left": ask(user, path + "/members", membership="leave"), "joined": ask(user, path + "/joined_members"),
             "name": ask(user, path + "/state/m.room.name/"), "name event": ask(user, path + "/state/m.room.name/", format="event")}
    for view in ("members", "left"):
        found[view]["body"].get("chunk", []).sort(key=_place)
    for name, token in older.items():
        found[f"older than the timeline of {name}"] = ask(user, path + "/messages", **{"dir": "b", "from": token, "limit": 6})
        found[f"newer than before the timeline of {name}"] = ask(user, path + "/messages", **{"dir": "f", "from": token, "limit": 6})
    return found


def short_room_views(user, room):
    path = f"/rooms/{quote(room)}"
    return {"backwards": pages(user, room, dir="b", limit=100), "state": ask(user, path + "/state")}


def event_views(user, room, events):
    path = f"/rooms/{quote(room)}"
    found = {}
    for name, event_id in events.items():
        found[f"event {name}"] = ask(user, f"{path}/event/{quote(event_id)}")
        found[f"around {name}"] = ask(user, f"{path}/context/{quote(event_id)}", limit=4)
    return found


def sync_views(user, filters, tokens):
    found = {"initial": ask(user, "/sync"), "full": ask(user, "/sync", full_state="true")}
    for name, filter_id in filters.items():
        found[f"filter {name}"] = ask(user, "/sync", filter=filter_id)
    for name, token in tokens.items():
        found[f"since {name}"] = ask(user, "/sync", since=token)
        whole = found[f"since {name}, all state"] = ask(user, "/sync", since=token, full_state="true")
        # Synapse takes every old leave event in the state that it repeats for somebody who has left just now.
        whole["body"].get("device_lists", {}).pop("left", None)
    return found


def user_views(user, filters):
    me = f"/user/{quote(user.user_id)}"
    found = {"whoami": ask(user, "/account/whoami"), "rooms": ask(user, "/joined_rooms"), "devices": ask(user, "/devices"),
             "profile": ask(user, f"/profile/{quote(user.user_id)}"),
             "settings": ask(user, f"{me}/account_data/org.example.settings"),
             "ignored": ask(user, f"{me}/account_data/m.ignored_user_list")}
    found["rooms"]["body"]["joined_rooms"].sort()
    for device in found["devices"]["body"]["devices"]:
        for key in ("last_seen_ts", "last_seen_ip", "last_seen_user_agent"):
            device.pop(key, None)  # this very request is a sighting, written some time later
    for name, filter_id in filters.items():
        found[f"filter {name}"] = ask(user, f"{me}/filter/{filter_id}")
    return found


# Looked at from all sides; the others' history and state only, which is what depends on the version of a room.
THOROUGH = {"version 1", "version 11", "version 12", "Ganglion, version 4", "Ganglion, version 12", "members only", "again", "long"}
OTHERS = {"version 1", "version 12", "banned", "forgotten"}


def all_views(world):
    """{user: {what: answers}}: everything that is served of the world; all rooms to bob, a few to the others."""
    found = {}
    for name, user in world.users.items():
        bob = name == "bob"  # whose filters and tokens the world keeps
        mine = found[name] = {"user": user_views(user, world.filters if bob else {}),
                              "sync": sync_views(user, world.filters if bob else {}, world.tokens if bob else {})}
        for room, room_id in world.rooms.items():
            if bob and room in THOROUGH:
                mine[room] = {**room_views(user, room_id, world.older.get(room, {})),
                              **event_views(user, room_id, world.events.get(room, {}))}
            elif bob or room in OTHERS:
                mine[room] = short_room_views(user, room_id) if bob else room_views(user, room_id, {})
    return comparable(found)
