"""Shorthand of the room tests."""

import json

from lib.server import quote

CLIENT = "/_matrix/client/v3"


def room_path(room, *parts):
    return f"{CLIENT}/rooms/{quote(room)}" + "".join("/" + quote(part) for part in parts)


def refused(answer, status, errcode=None):
    assert answer.status == status, answer
    if errcode is not None:
        assert answer.json["errcode"] == errcode, answer
    return answer.json


def act(user, room, action, target=None, **body):
    """join, leave, invite, kick, ban, unban or forget."""
    if target is not None:
        body["user_id"] = getattr(target, "user_id", target)
    return user.call("POST", room_path(room, action), body)


def done(user, room, action, target=None, **body):
    answer = act(user, room, action, target, **body)
    assert answer.status == 200, (action, answer)


def membership(user, room, of=None):
    return user.state(room, "m.room.member", (of or user).user_id)["membership"]


def ids(events):
    return [e["event_id"] for e in events]


def bodies(events):
    return [e["content"].get("body") for e in events if e["type"] == "m.room.message"]


def history(user, room, **query):
    return bodies(user.messages(room, **{"limit": 100, **query})["chunk"])


def filtered(user, since=None, room_filter=None, **query):
    """A sync with a filter for its rooms."""
    return user.sync(since, **query, filter=json.dumps({"room": room_filter or {}}))


def joined(answer, room):
    return answer.get("rooms", {}).get("join", {}).get(room)


def left(answer, room):
    return answer.get("rooms", {}).get("leave", {}).get(room)


def invited(answer, room):
    return answer.get("rooms", {}).get("invite", {}).get(room)


def state_of(part, kind, key=""):
    """The content of a piece of state in a room's part of a sync answer: state first, then the timeline."""
    found = [e["content"] for where in ("state", "timeline") for e in part[where]["events"]
             if e["type"] == kind and e.get("state_key") == key]
    return found[-1] if found else None
