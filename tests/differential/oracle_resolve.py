"""Makes tests/data/resolve_cases.json: forked rooms whose states an installed Synapse has resolved.

Needs Synapse's Python environment (a development tool; the tests read its output only):
    python oracle_resolve.py ROOMS_PER_VERSION > resolve_cases.json
"""
import asyncio
import json
import random
import sys

from synapse import event_auth
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.state import v1, v2
from synapse.storage.databases.main.event_federation import StateDifference

USERS = ["@c:a", "@x:a", "@y:b", "@z:b", "@w:b"]


class Clock:
    async def sleep(self, duration):
        pass


class Room:
    def __init__(self, version, r):
        self.version, self.r, self.events, self.count, self.now = version, r, {}, 0, 1000
        self.order = []

    def make(self, state, type, sender, content, state_key, rejected=None, **more):
        """An event on top of a state; None when it is not allowed there."""
        self.count += 1
        if self.r.randrange(3):
            self.now += self.r.randrange(3)
        e = {"type": type, "sender": sender, "content": content, "state_key": state_key, "depth": self.count // 2 + 1,
             "origin_server_ts": self.now + self.r.randrange(-3, 4), "prev_events": [], "auth_events": [],
             "hashes": {"sha256": "x"}, "signatures": {}}
        is_create = type == "m.room.create"
        if not (is_create and self.version.msc4291_room_ids_as_hashes):
            e["room_id"] = self.room_id
        if self.version.event_format == 1:
            e["event_id"] = "$%d%s:a" % (self.count, self.r.choice("abc"))
        e.update(more)
        if not is_create:
            probe = make_event_from_dict(e, self.version, {}, None)
            wanted = event_auth.auth_types_for_event(self.version, probe)
            auth = [state[k] for k in wanted if k in state]
            if self.version.msc4291_room_ids_as_hashes:
                auth = [a for a in auth if a != self.create]
            e["auth_events"] = [[a, {}] for a in auth] if self.version.event_format == 1 else auth
        loaded = make_event_from_dict(e, self.version, {}, rejected)
        if not is_create:
            try:
                event_auth.check_state_dependent_auth_rules(loaded, [self.events[i] for i in state.values()])
            except Exception:
                if not rejected:
                    return None
        if loaded.event_id in self.events:
            return None
        self.events[loaded.event_id] = loaded
        self.order.append((e, rejected))
        return loaded

    def start(self):
        self.room_id = "!r:a"
        content = {"room_version": self.version.identifier}
        if not self.version.implicit_room_creator:
            content["creator"] = "@c:a"
        if self.version.msc4289_creator_power_enabled and self.r.randrange(2):
            content["additional_creators"] = ["@y:b"]
        create = self.make({}, "m.room.create", "@c:a", content, "")
        self.create, self.room_id = create.event_id, create.room_id
        state = {("m.room.create", ""): create.event_id}
        prev = [[create.event_id, {}]] if self.version.event_format == 1 else [create.event_id]
        self.apply(state, self.make(state, "m.room.member", "@c:a", {"membership": "join"}, "@c:a", prev_events=prev))
        levels = {"users": {} if self.version.msc4289_creator_power_enabled else {"@c:a": 100}, "users_default": 0}
        if self.r.randrange(5):
            self.apply(state, self.make(state, "m.room.power_levels", "@c:a", levels, ""))
        self.apply(state, self.make(state, "m.room.join_rules", "@c:a", {"join_rule": "public"}, ""))
        return state

    def apply(self, state, event):
        if event is not None:
            state[(event.type, event.state_key)] = event.event_id

    def levels(self, state):
        old = state.get(("m.room.power_levels", ""))
        content = json.loads(json.dumps(dict(self.events[old].content))) if old else {}
        content["users"] = dict(content.get("users", {}))
        for _ in range(self.r.randrange(1, 3)):
            content["users"][self.r.choice(USERS)] = self.r.choice([0, 50, 100, 100])
        if self.r.randrange(3) == 0:
            content[self.r.choice(["ban", "kick", "invite", "users_default", "state_default"])] = self.r.choice([0, 25, 50])
        if self.r.randrange(4) == 0:
            content["events"] = {"m.room.topic": self.r.choice([0, 50, 100])}
        return content

    def step(self, state):
        r, user, target = self.r, self.r.choice(USERS), self.r.choice(USERS)
        kind = r.randrange(12)
        rejected = "auth_error" if r.randrange(25) == 0 else None
        if kind < 3:
            e = self.make(state, "m.room.member", user, {"membership": r.choice(["join", "join", "leave"]), "n": self.count}, user)
        elif kind < 5:
            e = self.make(state, "m.room.member", user, {"membership": r.choice(["ban", "leave", "invite"])}, target)
        elif kind < 8:
            e = self.make(state, "m.room.power_levels", user, self.levels(state), "")
        elif kind < 9:
            e = self.make(state, "m.room.join_rules", user, {"join_rule": r.choice(["public", "invite", "knock"])}, "")
        else:
            e = self.make(state, r.choice(["m.room.topic", "m.room.name", "t"]), user, {"n": self.count},
                          r.choice(["", "", "k"]), rejected)
        self.apply(state, e)

    # ---- Synapse's store, from memory ----
    async def get_events(self, event_ids, allow_rejected=False):
        return {i: self.events[i] for i in event_ids
                if i in self.events and (allow_rejected or self.events[i].rejected_reason is None)}

    def chain(self, ids):
        seen, stack = set(), list(ids)
        while stack:
            i = stack.pop()
            if i in seen or i not in self.events:
                continue
            seen.add(i)
            stack += self.events[i].auth_event_ids()
        return seen

    async def get_auth_chain_difference(self, room_id, state_sets, conflicted_state=None, more=None):
        chains = [self.chain(s) for s in state_sets]
        subgraph = None
        if conflicted_state is not None:
            below = self.chain(conflicted_state)
            subgraph = {i for i in below if self.chain([i]) & set(conflicted_state)}
        return StateDifference(set.union(*chains) - set.intersection(*chains), subgraph)

    def resolve(self, maps):
        if self.version.state_res == 1:
            return asyncio.run(v1.resolve_events_with_store(self.room_id, self.version, maps, {}, self.get_events))
        return asyncio.run(v2.resolve_events_with_store(Clock(), self.room_id, self.version, maps, None, self))


def main():
    out = []
    for name in map(str, range(1, 13)):
        version = KNOWN_ROOM_VERSIONS[name]
        r = random.Random("resolve" + name)
        rooms = []
        while len(rooms) < int(sys.argv[1]):
            room = Room(version, r)
            base = room.start()
            for _ in range(r.randrange(3, 12)):
                room.step(base)
            forks = [dict(base) for _ in range(r.randrange(2, 5))]
            for _ in range(r.randrange(8, 40)):
                room.step(r.choice(forks))
            if r.randrange(6) == 0:
                r.choice(forks).pop(r.choice(list(base)), None)
            result = room.resolve(forks)
            ids = list(room.events)
            number = {i: n for n, i in enumerate(ids)}
            if all(f == forks[0] for f in forks):
                continue
            rooms.append({
                "events": [dict(e, rejected=why) if why else e for e, why in room.order],
                "maps": [sorted(number[i] for i in f.values()) for f in forks],
                "resolved": sorted(number[i] for i in result.values()),
            })
        out.append({"version": name, "rooms": rooms})
    sys.stdout.write("[\n")
    for i, v in enumerate(out):
        sys.stdout.write(("," if i else "") + json.dumps(v, separators=(",", ":")) + "\n")
    sys.stdout.write("]\n")


main()
