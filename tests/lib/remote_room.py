"""A room as the other homeserver (remote.py) has it: every event, the state after each, and what it tells those who ask.

States of forks are merged by "the later event wins": tests that need the room's rules make their own events.
"""

import urllib.parse

from lib import pdu as pdus
from lib.server import quote

FED = "/_matrix/federation"


class RemoteRoom:
    def __init__(self, remote, room_id, version):
        self.remote, self.room_id, self.version = remote, room_id, version
        self.events, self.order = {}, []  # PDUs by id; ids in the order of their coming
        self.after = {}                   # event id -> state after it: (type, state key) -> event id
        self.leaves = []                  # newest events, ids
        self.missing_answers = True       # does it tell of missing events and of history?

    # ---- making ----

    @classmethod
    def create(cls, remote, version, creator, join_rule="public", content=None, power=None):
        create = {"room_version": version, **({"creator": creator} if pdus.number(version) < 11 else {}), **(content or {})}
        if pdus.number(version) >= 12:
            first = pdus.build(version, remote.name, remote.key, type="m.room.create", state_key="", sender=creator, content=create)
            room = cls(remote, "!" + pdus.event_id(first, version)[1:], version)
            room.add(first)
        else:
            room = cls(remote, f"!r{len(remote.rooms)}{id(remote) % 1000}:{remote.name}", version)
            room.send("m.room.create", create, creator, "")
        room.send("m.room.member", {"membership": "join"}, creator, creator)
        users = {} if pdus.number(version) >= 12 else {creator: 100}
        room.send("m.room.power_levels", {"users": users, **(power or {})}, creator, "")
        room.send("m.room.join_rules", {"join_rule": join_rule}, creator, "")
        return room

    @classmethod
    def join(cls, remote, server, room_id, user, version, query=None):
        path = f"{FED}/v1/make_join/{quote(room_id)}/{quote(user)}?" + urllib.parse.urlencode(query or {"ver": version})
        made = remote.ok("GET", server, path)
        event = {**made["event"], "origin": remote.name}
        version = made.get("room_version", "1")
        room = cls(remote, room_id, version)
        for name in ("hashes", "signatures", "unsigned", "event_id"):
            event.pop(name, None)
        event = pdus.build(version, remote.name, remote.key, **event)
        name = pdus.event_id(event, version)
        answer = remote.ok("PUT", server, f"{FED}/v2/send_join/{quote(room_id)}/{quote(name)}", event)
        for known in answer["auth_chain"] + answer["state"]:
            room.events[pdus.event_id(known, version)] = known
        state = {(e["type"], e["state_key"]): pdus.event_id(e, version) for e in answer["state"]}
        room.add(answer.get("event") or event, before=state)
        return room

    def event(self, kind, content, sender, state_key=None, prev=None, auth=None, depth=None, **fields):
        """A PDU at the room's end, or after the events `prev`; not sent, not known to the room yet."""
        prev = self.leaves if prev is None else prev
        before = self.before(prev)
        auth = self.auth_events(kind, content, sender, state_key, before) if auth is None else auth
        if depth is None:
            depth = max([self.events[e]["depth"] for e in prev if e in self.events], default=0) + 1
        if not (pdus.number(self.version) >= 12 and kind == "m.room.create"):
            fields["room_id"] = self.room_id
        return pdus.build(self.version, self.remote.name, self.remote.key, type=kind, content=content, sender=sender,
                          state_key=state_key, depth=depth, prev_events=[self.reference(e) for e in prev],
                          auth_events=[self.reference(e) for e in auth], **fields)

    def send(self, kind, content, sender, state_key=None, to=(), **options):
        """Makes one, keeps it, sends it to the servers `to`; its id."""
        event = self.event(kind, content, sender, state_key, **options)
        name = self.add(event)
        for server in to:
            answer = self.remote.send(server, [event])
            assert answer == {name: {}}, answer
        return name

    def say(self, text, sender, to=(), **options):
        return self.send("m.room.message", {"msgtype": "m.text", "body": text}, sender, to=to, **options)

    # ---- keeping ----

    def reference(self, event_id):
        """As prev_events and auth_events name it; of an event that nobody knows, its bare id."""
        return pdus.reference(self.events[event_id], self.version) if event_id in self.events else event_id

    def prev_of(self, event):
        return pdus.referred(event["prev_events"], self.version)

    def auth_of(self, event):
        return pdus.referred(event["auth_events"], self.version)

    def before(self, prev):
        state = {}
        for event_id in prev:
            state.update(self.after.get(event_id, {}))
        return state

    def add(self, event, before=None):
        name = pdus.event_id(event, self.version)
        if name in self.after:
            return name
        prev = self.prev_of(event)
        state = dict(self.before(prev) if before is None else before)
        if "state_key" in event:
            state[event["type"], event["state_key"]] = name
        self.events[name], self.after[name] = event, state
        self.order.append(name)
        self.leaves = [leaf for leaf in self.leaves if leaf not in prev] + [name]
        return name

    def receive(self, event):
        """From others: what stands on events that we do not know is kept, and no leaf."""
        if all(name in self.after for name in self.prev_of(event)):
            self.add(event)
        else:
            self.events[pdus.event_id(event, self.version)] = event

    @property
    def state(self):
        return self.before(self.leaves)

    def state_event(self, kind, key=""):
        name = self.state.get((kind, key))
        return self.events[name] if name else None

    def auth_events(self, kind, content, sender, state_key, state):
        wanted = [("m.room.power_levels", ""), ("m.room.member", sender)]
        if pdus.number(self.version) < 12:
            wanted.insert(0, ("m.room.create", ""))
        if kind == "m.room.create":
            return []
        if kind == "m.room.member":
            wanted.append(("m.room.member", state_key))
            if content.get("membership") in ("join", "invite", "knock"):
                wanted.append(("m.room.join_rules", ""))
            if content.get("join_authorised_via_users_server"):
                wanted.append(("m.room.member", content["join_authorised_via_users_server"]))
        found = [state[key] for key in wanted if key in state]
        return list(dict.fromkeys(found))

    def auth_chain(self, names):
        found, left = [], list(names)
        while left:
            event = self.events.get(left.pop())
            for name in self.auth_of(event) if event else ():
                if name not in found:
                    found.append(name)
                    left.append(name)
        create = self.state.get(("m.room.create", ""))
        if create and create not in found:
            found.append(create)
        return [self.events[name] for name in found if name in self.events]

    # ---- telling ----

    def answer(self, asked, version, action, args):
        known = {"state_ids": self._state_ids, "state": self._state, "backfill": self._backfill, "event_auth": self._event_auth,
                 "get_missing_events": self._missing, "make_join": self._make, "make_leave": self._make, "make_knock": self._make,
                 "send_join": self._take_join, "send_leave": self._take, "send_knock": self._take_knock}.get(action)
        if known is None:
            return 404, {"errcode": "M_UNRECOGNIZED", "error": action}
        answer = known(asked, action, args)
        return (200, [200, answer]) if version == "v1" and action in ("send_join", "send_leave") else (200, answer)

    def _before_of(self, asked):
        return self.before(self.prev_of(self.events[asked.query["event_id"][0]]))

    def _state_ids(self, asked, action, args):
        state = list(self._before_of(asked).values())
        return {"pdu_ids": state, "auth_chain_ids": [pdus.event_id(e, self.version) for e in self.auth_chain(state)]}

    def _state(self, asked, action, args):
        state = list(self._before_of(asked).values())
        return {"pdus": [self.events[name] for name in state], "auth_chain": self.auth_chain(state)}

    def _backfill(self, asked, action, args):
        limit, found, left = int(asked.query["limit"][0]), [], list(asked.query["v"])
        while left and len(found) < limit and self.missing_answers:
            left.sort(key=lambda name: self.events.get(name, {}).get("depth", 0))
            name = left.pop()
            if name in self.events and name not in found:
                found.append(name)
                left += self.prev_of(self.events[name])
        return {"origin": self.remote.name, "origin_server_ts": 1, "pdus": [self.events[name] for name in found]}

    def _missing(self, asked, action, args):
        earliest, left, found = set(asked.body["earliest_events"]), list(asked.body["latest_events"]), []
        while left and len(found) < asked.body.get("limit", 10) and self.missing_answers:
            event = self.events.get(left.pop(0), {"prev_events": []})
            for name in self.prev_of(event):
                if name not in earliest and name not in found and name in self.events:
                    found.append(name)
                    left.append(name)
        return {"events": [self.events[name] for name in reversed(found)]}

    def _event_auth(self, asked, action, args):
        return {"auth_chain": self.auth_chain([args[0]])}

    def _make(self, asked, action, args):
        membership = {"make_join": "join", "make_leave": "leave", "make_knock": "knock"}[action]
        event = self.event("m.room.member", {"membership": membership}, args[0], args[0])
        for name in ("hashes", "signatures", "event_id", "origin"):
            event.pop(name, None)
        return {"room_version": self.version, "event": event}

    def _take(self, asked, action, args):
        self.add(asked.body)
        return {}

    def _take_join(self, asked, action, args):
        state = self.before(self.prev_of(asked.body))
        self.add(asked.body)
        chosen = list(state.values())
        return {"origin": self.remote.name, "auth_chain": self.auth_chain(chosen + self.auth_of(asked.body)),
                "state": [self.events[name] for name in chosen], "members_omitted": False, "event": asked.body,
                "servers_in_room": [self.remote.name]}

    def _take_knock(self, asked, action, args):
        self.add(asked.body)
        shown = [self.events[name] for (kind, _), name in self.state.items() if kind in ("m.room.create", "m.room.join_rules", "m.room.name")]
        return {"knock_room_state": [{key: event[key] for key in ("type", "state_key", "sender", "content")} for event in shown]}
