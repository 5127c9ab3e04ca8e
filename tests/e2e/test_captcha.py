"""Registration for people only: the stage m.login.recaptcha, and its page for clients that do not know it."""

import http.server
import threading
import urllib.parse

import pytest

from lib.rooms import CLIENT, refused
from lib.server import request

CAPTCHA = "m.login.recaptcha"


class Judge(http.server.ThreadingHTTPServer):
    """Says whether an answer is right; asked: the fields of each request. broken: it answers nonsense."""

    def __init__(self):
        self.asked, self.broken = [], False
        judge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                fields = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                judge.asked.append(fields)
                body = b"nonsense" if judge.broken else b'{"success": true}' if fields.get("response") == "right & good" else b'{"success": false}'
                self.send_response(500 if judge.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture(scope="module")
def judge():
    judge = Judge()
    yield judge
    judge.shutdown()
    judge.server_close()


@pytest.fixture(scope="module")
def server(own, judge):
    with own.running("captcha", monolith=True, extra_config={
            "enable_registration_captcha": True, "enable_registration_without_verification": False, "recaptcha_public_key": "the-site",
            "recaptcha_private_key": "the-secret", "recaptcha_siteverify_api": f"http://127.0.0.1:{judge.server_address[1]}/verify"}) as one:
        yield one


def register(server, name, session=None, **auth):
    body = {"username": name, "password": "a good password"}
    if session or auth:
        body["auth"] = {"session": session, **auth}
    return request("POST", f"{server.base_url}{CLIENT}/register", body)


def test_who_solves_it_registers(server, judge):
    asked = register(server, "jane")
    assert asked.status == 401 and asked.json["flows"] == [{"stages": [CAPTCHA, "m.login.dummy"]}]
    assert asked.json["params"] == {CAPTCHA: {"public_key": "the-site"}}
    session = asked.json["session"]
    assert register(server, "jane", session, type=CAPTCHA).json["errcode"] == "M_CAPTCHA_NEEDED"
    wrong = refused(register(server, "jane", session, type=CAPTCHA, response="wrong"), 401, "M_UNAUTHORIZED")
    assert wrong["session"] == session and wrong.get("completed", []) == []
    judge.broken = True
    assert register(server, "jane", session, type=CAPTCHA, response="right & good").status in (401, 502)
    judge.broken = False
    right = register(server, "jane", session, type=CAPTCHA, response="right & good")
    assert right.status == 401 and right.json["completed"] == [CAPTCHA]
    assert judge.asked[-1] == {"secret": "the-secret", "response": "right & good", "remoteip": "127.0.0.1"}
    assert register(server, "jane", session, type="m.login.dummy").json["user_id"] == f"@jane:{server.name}"


def test_it_may_be_solved_unasked(server, judge):
    """Where no flow asks for it (deleting devices asks for the password), as with Synapse; it lets nobody in."""
    session = register(server, "jean").json["session"]
    register(server, "jean", session, type=CAPTCHA, response="right & good")
    token = {"Authorization": "Bearer " + register(server, "jean", session, type="m.login.dummy").json["access_token"]}
    solved = request("POST", f"{server.base_url}{CLIENT}/delete_devices", {"devices": ["X"], "auth": {"type": CAPTCHA, "response": "right & good"}}, token)
    assert solved.status == 401 and solved.json["completed"] == [CAPTCHA] and solved.json["flows"] == [{"stages": ["m.login.password"]}]


def test_the_page_for_it(server, judge):
    session = register(server, "june").json["session"]
    url = f"{server.base_url}{CLIENT}/auth/{CAPTCHA}/fallback/web?session={session}"
    assert b'data-sitekey="the-site"' in request("GET", url).text

    def submit(answer):
        return request("POST", url, raw=urllib.parse.urlencode({"session": session, "g-recaptcha-response": answer}).encode(),
                       headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert submit("wrong").status == 401 and b"the-site" in submit("").text
    assert submit("right & good").status == 200
    assert register(server, "june", session, type="m.login.dummy").json["user_id"] == f"@june:{server.name}"
