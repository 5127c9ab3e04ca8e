"""Notifications by mail: what they say, when they are due, and how they end. Time passes by aging rows."""

import os
import re
import urllib.parse

import pytest

from lib.admin import V2, administrator, path
from lib.server import User, quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"
HOUR = 3600000


@pytest.fixture(scope="module", params=["monolith", "split"])
def post(request, own, folder, mails):
    """Mails are due an hour after what they tell of."""
    templates = os.path.join(folder, f"mail-templates-{request.param}")
    os.makedirs(templates, exist_ok=True)
    with open(os.path.join(templates, "mail-Ganglion.css"), "w", encoding="utf-8") as file:
        file.write(".of-the-operator { color: red }")
    with open(os.path.join(templates, "broken.html"), "w", encoding="utf-8") as file:
        file.write("{% for")
    extra = {
        "email": {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "notif_from": "%(app)s <noreply@example.org>",
                  "app_name": "Ganglion", "enable_notifs": True, "notif_delay_before_mail": "1h",
                  "client_base_url": "https://app.example", "notif_template_html": "broken.html",
                  "subjects": {"messages_in_room": "%(app)s: news in %(room)s"}},
        "templates": {"custom_template_directory": templates},
    }
    with own.running("mails", monolith=request.param == "monolith", extra_config=extra) as server:
        server.admin = administrator(server, "postmaster")
        yield server


class Reader:
    """A user with a mail address, and how much of time has passed for them."""

    def __init__(self, server, name, domain="good.example"):
        self.server, self.address = server, f"{name}.{server.deployment.database}@{domain}"
        user_id = f"@{name}:{server.admin.user_id.split(':', 1)[1]}"
        made = server.admin.call("PUT", path(V2, "users", user_id), {
            "password": "a good password", "displayname": name.capitalize(),
            "threepids": [{"medium": "email", "address": self.address}]})
        assert made.status in (200, 201), made
        self.user = server.login(user_id)

    def pushers(self):
        return self.user.ok("GET", f"{CLIENT}/pushers")["pushers"]

    def row(self, column):
        return self.server.sql(f"SELECT {column} FROM pushers WHERE user_name = '{self.user.user_id}'")[0][0]

    def throttles(self):
        return sorted(int(row[0]) for row in self.server.sql(
            f"SELECT throttle_ms FROM pusher_throttle JOIN pushers ON pusher = id WHERE user_name = '{self.user.user_id}'"))

    def counted(self, event_id):
        """Notifications are told of when they are written: only then time may pass."""
        until(lambda: self.server.sql(f"SELECT 1 FROM event_push_actions WHERE event_id = '{event_id}' AND notif = 1"
                                      f" AND user_id = '{self.user.user_id}'"))

    def age(self, *event_ids):
        for event_id in event_ids:
            self.counted(event_id)
            self.server.sql(f"UPDATE events SET received_ts = received_ts - {2 * HOUR} WHERE event_id = '{event_id}'")

    def age_throttle(self):
        self.server.sql("UPDATE pusher_throttle SET last_sent_ts = last_sent_ts - throttle_ms WHERE pusher IN"
                        f" (SELECT id FROM pushers WHERE user_name = '{self.user.user_id}')")


def room_of(reader, other, **body):
    room = other.create_room(preset="public_chat", **body)
    reader.user.join(room)
    return room


def test_what_a_mail_says(post, mails):
    alice, bob = Reader(post, "alice"), post.register("bob")
    pusher = alice.pushers()[0]
    assert (pusher["kind"], pusher["app_id"], pusher["pushkey"], pusher["data"]) == ("email", "m.email", alice.address, {})
    assert pusher["app_display_name"] == "Email Notifications" and pusher["lang"] is None
    garden, talk = room_of(alice, bob, name="The garden"), room_of(alice, bob, is_direct=True)
    mine = alice.user.send(garden, "my own")
    first = bob.send(garden, "see https://o.example/x & <you>")
    second = bob.ok("PUT", f"{CLIENT}/rooms/{quote(talk)}/send/m.room.message/r1", {
        "msgtype": "m.text", "body": "rich", "format": "org.matrix.custom.html",
        "formatted_body": '<b onclick="x">rich</b><script>bad()</script><img src=x><a href="javascript:x">l</a>'})["event_id"]
    alice.counted(second)
    alice.age(first)
    last = bob.send(talk, "wakes it")
    mail = mails.wait_for(alice.address)
    assert mail.message["Subject"] == "[Ganglion] You have messages on Ganglion in the bob room and others..."
    assert str(mail.message["From"]) == "Ganglion <noreply@example.org>"
    assert mail.text.index("bob ---") < mail.text.index("The garden") < mail.text.index("see https://o.example/x & <you>")
    assert mail.text.index("my own") < mail.text.index("see https")  # what stood before it
    assert f"https://app.example/#/room/{garden}/{first}" in mail.text and mine not in mail.text
    assert "wakes it" in mail.text and last not in mail.text  # in one piece with what it follows
    assert ('see <a href="https://o.example/x" rel="nofollow noopener">https://o.example/x</a> &amp; &lt;you&gt;' in mail.html)
    assert "<b>rich</b><a>l</a>" in mail.html and "bad()" not in mail.html and "javascript" not in mail.html
    assert ".of-the-operator" in mail.html and '<html lang="en">' in mail.html
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail.message["List-Unsubscribe"].replace("\n", "").replace(" ", "")
    assert link.startswith("<http") and link.strip("<>") in mail.text
    until(lambda: alice.row("last_success IS NOT NULL AND last_stream_ordering > 0") == "t")
    until(lambda: alice.throttles() == [HOUR, 24 * HOUR])  # two were told of in one of the rooms


def test_one_mail_at_a_time(post, mails):
    """A room that was mailed of waits; what is read meanwhile is not mailed."""
    carol, bob = Reader(post, "carol"), post.register("bobby")
    room, other = room_of(carol, bob, name="The kitchen"), room_of(carol, bob, name="The cellar")
    one, two = bob.send(room, "one"), bob.send(room, "two")
    carol.counted(two)
    carol.age(one)
    bob.send(room, "and now")  # the pusher looks when something comes
    assert mails.wait_for(carol.address).message["Subject"] == "Ganglion: news in The kitchen"
    until(lambda: carol.throttles() == [24 * HOUR])
    three = bob.send(room, "three")
    carol.age(three)
    bob.send(room, "four")  # due by its age, and held back by the room
    read = bob.send(other, "read at once")
    carol.counted(read)
    carol.user.ok("POST", f"{CLIENT}/rooms/{quote(other)}/receipt/m.read/{quote(read)}", {})
    until(lambda: post.sql(f"SELECT 1 FROM receipts_linearized WHERE event_id = '{read}'"))
    carol.age(read)
    carol.age_throttle()
    carol.counted(bob.send(room, "five"))
    mail = mails.wait_for(carol.address, 2)
    assert "three" in mail.text and "four" in mail.text and "read at once" not in mail.text
    assert "one" not in re.findall(r"\):\n(.*)", mail.text) and len(mails.to(carol.address)) == 2


def test_an_invite(post, mails):
    dan, bob = Reader(post, "dan"), post.register("bobo")
    room = bob.create_room(preset="private_chat", name="The attic", invite=[dan.user.user_id])
    invite = post.sql(f"SELECT event_id FROM room_memberships WHERE room_id = '{room}' AND user_id = '{dan.user.user_id}'")[0][0]
    dan.age(invite)
    bob.create_room(preset="private_chat", name="The loft", invite=[dan.user.user_id], creation_content={"type": "m.space"})
    mail = mails.wait_for(dan.address)
    assert "The loft" in mail.text and f"Join: https://app.example/#/room/{room}" in mail.text
    assert mail.message["Subject"] == "[Ganglion] You have messages on Ganglion in the The loft room and others..."


def test_the_link_that_ends_it(post, mails):
    eve, bob = Reader(post, "eve"), post.register("bobbie")
    room = room_of(eve, bob, name="The yard")
    eve.age(bob.send(room, "hello"))
    bob.send(room, "again")
    link = re.search(r"open (\S+)", mails.wait_for(eve.address).text).group(1)
    query = urllib.parse.urlsplit(link).query
    base = post.worker_url("generic_worker1") + "/_synapse/client/unsubscribe?"
    for broken, status in ((query.replace("pushkey=eve", "pushkey=alice"), 403), (query.replace("access_token=M", "access_token=X"), 403),
                           (query.replace("m.email", "m.other"), 403), (query.split("&pushkey")[0], 400), ("", 400)):
        answer = request("GET", base + broken)
        assert answer.status == status and b'role="alert"' in answer.text, broken
    assert len(eve.pushers()) == 1
    assert request("POST", base + query, raw=b"List-Unsubscribe=One-Click").status == 200
    assert until(lambda: eve.pushers() == [])
    page = request("GET", base + query)  # once more: nothing is left to end
    assert page.status == 200 and b'lang="en"' in page.text and b"unsubscribed" in page.text
    old = request("GET", f"{post.base_url}/_matrix/client/unstable/pushers/remove?{query}")
    assert old.status == 200


def test_who_may_have_mails(post):
    fay, bob = Reader(post, "fay"), post.register("bobber")
    body = {"kind": "email", "app_id": "m.email", "app_display_name": "Mail", "device_display_name": "x", "lang": "en",
            "pushkey": fay.address, "data": {"brand": "App"}}
    refused = bob.call("POST", f"{CLIENT}/pushers/set", body)
    assert (refused.status, refused.json["errcode"]) == (400, "M_THREEPID_NOT_FOUND")
    assert bob.call("POST", f"{CLIENT}/pushers/set", {**body, "pushkey": "none"}).status == 400
    fay.user.ok("POST", f"{CLIENT}/pushers/set", body)
    assert [p["data"] for p in fay.pushers()] == [{"brand": "App"}]
    post.admin.ok("PUT", path(V2, "users", fay.user.user_id), {"threepids": []})
    assert fay.pushers() == []


def test_an_address_at_registration(post, mails):
    """Who registers with an address is mailed, and no longer when the address goes."""
    address = f"ivy.{post.deployment.database}@good.example"
    creds = {"client_secret": "ivys", "email": address, "send_attempt": 1}
    sid = request("POST", f"{post.base_url}{CLIENT}/register/email/requestToken", creds).json["sid"]
    assert request("GET", mails.wait_for(address).link()).status == 200
    wish = {"username": "ivy", "password": "good enough"}
    session = request("POST", f"{post.base_url}{CLIENT}/register", wish).json["session"]
    made = request("POST", f"{post.base_url}{CLIENT}/register", {**wish, "auth": {
        "type": "m.login.email.identity", "session": session, "threepid_creds": {"sid": sid, "client_secret": "ivys"}}})
    assert made.status == 200, made
    user = User(post, made.json["user_id"], made.json["access_token"], made.json["device_id"])
    pushers = user.ok("GET", f"{CLIENT}/pushers")["pushers"]
    assert [(p["kind"], p["app_id"], p["pushkey"]) for p in pushers] == [("email", "m.email", address)]
    user.ok("POST", f"{CLIENT}/account/3pid/delete", {"medium": "email", "address": address})
    assert user.ok("GET", f"{CLIENT}/pushers")["pushers"] == []


def test_a_mailbox_that_refuses(post, mails):
    gus, bob = Reader(post, "gus", domain="refused.example"), post.register("bobbin")
    room = room_of(gus, bob, name="The barn")
    gus.age(bob.send(room, "hello"))
    gus.counted(bob.send(room, "again"))
    until(lambda: gus.row("COALESCE(failing_since, 0) > 0") == "t")
    assert gus.throttles() == [] and mails.to(gus.address) == []


def test_a_kill_loses_no_mail(post, mails):
    """What is due while nobody mails is mailed afterwards, once."""
    hal, bob = Reader(post, "hal"), post.register("bobbity")
    room = room_of(hal, bob, name="The shed")
    hal.counted(bob.send(room, "before"))
    worker = next((w for w in post.deployment.workers if w.app.endswith(".pusher")), None)
    post.deployment.processes[worker.name if worker else "main"].kill()
    post.sql("UPDATE events SET received_ts = received_ts - " + str(2 * HOUR) + f" WHERE room_id = '{room}'")
    post.sql("UPDATE worker_locks SET last_renewed_ts = 1")
    post.sql("UPDATE worker_read_write_locks SET last_renewed_ts = 1")
    post.deployment.start_process(worker)
    assert "before" in mails.wait_for(hal.address, seconds=40).text
    until(lambda: hal.throttles() == [HOUR])
    assert len(mails.to(hal.address)) == 1
