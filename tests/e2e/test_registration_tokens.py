"""Registration that asks for more: a token, consent to the terms; and the pages for clients that know neither stage."""

import hmac
import html.parser
import os
import re
import struct
import subprocess
import urllib.parse
import zlib

import pytest

from lib.server import User, quote, request

CLIENT = "/_matrix/client/v3"
TOKEN, TERMS = "m.login.registration_token", "m.login.terms"


@pytest.fixture(scope="module", params=["monolith", "split"])
def strict(request, own, folder):
    terms = os.path.join(folder, "terms", "en")
    os.makedirs(terms, exist_ok=True)
    with open(os.path.join(terms, "1.0.html"), "w", encoding="utf-8") as f:
        f.write("<h1>House rules {{ version }}</h1>{% if not public_version %}{% if has_consented %}agreed{% else %}"
                '<form method="post" action="consent"><input type="hidden" name="v" value="{{version}}"/>'
                '<input type="hidden" name="u" value="{{user}}"/><input type="hidden" name="h" value="{{userhmac}}"/></form>'
                "{% endif %}{% endif %}")
    with open(os.path.join(terms, "success.html"), "w", encoding="utf-8") as f:
        f.write("thank you")
    templates = os.path.join(folder, "templates")
    os.makedirs(templates, exist_ok=True)
    for name, text in (("password_reset_failure.html", '{% include "_head.html" %}OURS: {{ failure_reason }}{# no word #}'),
                       ("registration_failure.html", "{% macro x(y) %}{{ y }}{% endmacro %}")):
        with open(os.path.join(templates, name), "w", encoding="utf-8") as f:
            f.write(text)
    extra = {
        "templates": {"custom_template_directory": templates},
        "registration_requires_token": True,
        "enable_registration_without_verification": False,
        "user_consent": {"version": "1.0", "require_at_registration": True, "policy_name": "House rules",
                         "template_dir": os.path.dirname(terms)},
        "rc_login": {"address": {"per_second": 1000, "burst_count": 1000}, "account": {"per_second": 0.01, "burst_count": 3},
                     "failed_attempts": {"per_second": 0.01, "burst_count": 2}},
    }
    deployment = own.make("strict", monolith=request.param == "monolith", extra_config=extra)
    deployment.main.listener_names.append("consent")
    with own.run(deployment) as server:
        yield server


@pytest.fixture(scope="module")
def boss(strict):
    status, made = strict.deployment.register("boss", "a good password", admin=True)
    assert status == 200, made
    return User(strict, made["user_id"], made["access_token"], made["device_id"])


def register(server, body, base=None):
    return request("POST", (base or server.base_url) + CLIENT + "/register", body)


def new_token(boss, token, uses):
    boss.ok("POST", "/_synapse/admin/v1/registration_tokens/new", {"token": token, "uses_allowed": uses})


def counts(boss, token):
    held = boss.ok("GET", f"/_synapse/admin/v1/registration_tokens/{token}")
    return held["pending"], held["completed"]


def test_a_token_and_the_terms(strict, boss):
    new_token(boss, "let.me_in", 1)
    first, second = strict.worker_url("generic_worker1"), strict.worker_url("generic_worker2")
    asked = register(strict, {"username": "bidden", "password": "good enough"}, first)
    assert asked.json["flows"] == [{"stages": [TOKEN, TERMS, "m.login.dummy"]}]
    policy = asked.json["params"][TERMS]["policies"]["privacy_policy"]
    assert policy["version"] == "1.0" and policy["en"]["name"] == "House rules"
    assert policy["en"]["url"] == strict.base_url + "/_matrix/consent?v=1.0"
    session = asked.json["session"]

    def step(base, **auth):
        return register(strict, {"auth": {"session": session, **auth}}, base)

    wrong = step(second, type=TOKEN, token="let.me_out")
    assert wrong.status == 401 and wrong.json["errcode"] == "M_UNAUTHORIZED" and wrong.json["completed"] == []
    for odd, errcode in (({}, "M_MISSING_PARAM"), ({"token": 5}, "M_INVALID_PARAM")):  # it can be put right as well
        answer = step(second, type=TOKEN, **odd)
        assert (answer.status, answer.json["errcode"], answer.json["completed"]) == (401, errcode, []), answer
    assert step(second, type=TOKEN, token="let.me_in").json["completed"] == [TOKEN]
    assert counts(boss, "let.me_in") == (1, 0)
    other = register(strict, {"username": "late", "password": "x", "auth": {"type": TOKEN, "token": "let.me_in"}})
    assert other.status == 401 and other.json["completed"] == []  # its one use is spoken for
    assert step(first, type="m.login.dummy").status == 401
    assert set(step(second, type=TERMS).json.get("completed", [TOKEN, TERMS, "m.login.dummy"])) == {TOKEN, TERMS, "m.login.dummy"}
    made = step(first)
    assert made.status == 200 and made.json["user_id"] == f"@bidden:{strict.name}", made
    assert counts(boss, "let.me_in") == (0, 1)
    strict.login("bidden", "good enough")


def test_is_a_token_good(strict, boss):
    new_token(boss, "good", 1)
    for prefix in ("v1", "unstable"):
        path = f"/_matrix/client/{prefix}/register/m.login.registration_token/validity"
        assert request("GET", f"{strict.base_url}{path}?token=good").json == {"valid": True}
        assert request("GET", f"{strict.base_url}{path}?token=bad").json == {"valid": False}
    answers = [request("GET", f"{strict.worker_url('main')}{path}?token=bad{i}") for i in range(10)]
    assert answers[0].json == {"valid": False} and answers[-1].status == 429 and answers[-1].json["retry_after_ms"] > 0
    assert request("GET", strict.worker_url("generic_worker1") + path).status in (400, 429)


# ---- the terms ----


def test_the_terms_as_a_page(strict, boss):
    url = strict.worker_url("main") + "/_matrix/consent"
    assert request("GET", url + "?v=1.0").text == b"<h1>House rules 1.0</h1>" == request("GET", url).text
    for version in ("2.0", "../en/1.0", "..", "success/../1.0"):
        assert request("GET", url + "?" + urllib.parse.urlencode({"v": version})).status == 404
    mac = hmac.new(strict.deployment.form_secret.encode(), boss.user_id.encode(), "sha256").hexdigest()
    mine = f"{url}?v=1.0&u={quote(boss.user_id)}&h="
    assert request("GET", mine + "0" * 64).status == 403 and request("GET", mine).status == 403
    page = Page(request("GET", mine + mac).text.decode())
    for change, status in (({"h": "0" * 64}, 403), ({"u": "@other:localhost"}, 403), ({"v": "9"}, 404), ({"h": ""}, 400)):
        assert submit(url, page, **change).status == status
    assert submit(url, page).text == b"thank you"
    assert b"agreed" in request("GET", mine + mac).text


def test_logins_are_limited(strict):
    status, _ = strict.deployment.register("hurried", "a good password")
    assert status == 200
    body = {"type": "m.login.password", "user": "hurried", "password": "a good password"}
    base = strict.worker_url("main")  # each process counts for itself
    answers = [request("POST", base + CLIENT + "/login", body) for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 429]
    assert answers[3].json["errcode"] == "M_LIMIT_EXCEEDED" and 0 < answers[3].json["retry_after_ms"] <= 100000
    assert int(answers[3].headers["Retry-After"]) > 0
    strict.deployment.register("guessed", "a good password")
    wrong = {"type": "m.login.password", "user": "Guessed", "password": "no"}
    assert [request("POST", base + CLIENT + "/login", wrong).status for _ in range(3)] == [403, 403, 429]
    right = request("POST", base + CLIENT + "/login", {**wrong, "password": "a good password", "user": f"@guessed:{strict.name}"})
    assert right.status == 429  # also with the right one, and in whatever spelling


# ---- pages ----


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.fields, self.labels, self.action = [], {}, set(), None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.tags.append((tag, a))
        if tag == "input":
            self.fields[a["name"]] = a
        if tag == "label":
            self.labels.add(a["for"])
        if tag == "form":
            self.action = a["action"]

    def check(self):
        """What who does not see or does not point needs."""
        names = [tag for tag, _ in self.tags]
        assert dict(self.tags)["html"].get("lang") and "title" in names and names.count("h1") == 1 and "main" in names
        for field in self.fields.values():
            assert field["type"] == "hidden" or field["id"] in self.labels
        return self


def fallback(server, stage, session, base=None):
    return f"{base or server.base_url}{CLIENT}/auth/{stage}/fallback/web?session={session}"


def submit(url, page, **fields):
    body = {**{name: f.get("value", "") for name, f in page.fields.items()}, **fields}
    return request("POST", urllib.parse.urljoin(url, page.action), raw=urllib.parse.urlencode(body).encode(),
                   headers={"Content-Type": "application/x-www-form-urlencoded"})


def test_the_pages(strict, boss):
    new_token(boss, "by-page", 1)
    session = register(strict, {"username": "bypage", "password": "good enough"}).json["session"]
    url = fallback(strict, TOKEN, session, strict.worker_url("generic_worker1"))
    shown = request("GET", url)
    assert shown.status == 200 and shown.headers["Content-Type"].startswith("text/html")
    assert shown.headers["Content-Security-Policy"] == "frame-ancestors 'none';"
    page = Page(shown.text.decode()).check()
    wrong = submit(url, page, token="<script>")
    assert wrong.status == 401 and b'role="alert"' in wrong.text and b"<script>x" not in wrong.text
    Page(wrong.text.decode()).check()
    done = submit(url, page, token="by-page")
    assert done.status == 200 and b"onAuthDone" in done.text
    url = fallback(strict, TERMS, session, strict.worker_url("generic_worker2"))
    page = Page(request("GET", url).text.decode()).check()
    assert any(tag == "a" and "consent" in a["href"] for tag, a in page.tags)
    assert submit(url, page).status == 200
    made = register(strict, {"auth": {"type": "m.login.dummy", "session": session}})
    assert made.status == 200, made


def test_pages_of_the_operator(strict):
    """A file of one's own takes the place of ours; one that cannot be understood does not."""
    own = request("GET", strict.worker_url("main") + "/_synapse/client/password_reset/email/submit_token")
    assert own.status == 400 and b"OURS: This link is not known" in own.text and own.text.startswith(b"<!DOCTYPE html>")
    assert b"no word" not in own.text
    ours = request("GET", strict.worker_url("main") + "/_matrix/client/unstable/registration/email/submit_token")
    assert ours.status == 400 and b"{%" not in ours.text
    Page(ours.text.decode()).check()


def test_pages_that_are_refused(strict):
    assert request("GET", fallback(strict, "m.login.odd", "x")).status == 404
    missing = request("GET", f"{strict.base_url}{CLIENT}/auth/{TERMS}/fallback/web")
    assert missing.status == 400 and missing.json["errcode"] == "M_MISSING_PARAM"
    posted = request("POST", fallback(strict, TERMS, "nosuchsession"), raw=b"session=nosuchsession",
                     headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert posted.status == 400
    shown = request("GET", fallback(strict, TOKEN, "%22%3E%3Cscript%3E"))
    assert b'"><script>' not in shown.text and b"&#34;&gt;&lt;script&gt;" in shown.text
    for junk in (b"", b"\xff\xfe", b"=" * 5000, b"session=%00"):
        answer = request("POST", f"{strict.base_url}{CLIENT}/auth/{TOKEN}/fallback/web", raw=junk,
                         headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 400, answer


# ---- as a browser shows them ----


def palette(css):
    """The two sets of colours of the style sheet: light, dark."""
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", css)]


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_colours_can_be_read(strict):
    """WCAG 2.1 AA: 4.5 for text, 3 for what surrounds a field."""
    colours = palette(request("GET", fallback(strict, TERMS, "x")).text.decode())
    assert len(colours) == 2
    for c in colours:
        for text, ground, least in (("text", "card", 4.5), ("soft", "card", 4.5), ("act", "card", 4.5), ("bad", "card", 4.5),
                                    ("on-act", "act", 4.5), ("line", "card", 3)):
            assert contrast(c[text], c[ground]) >= least, (text, c)


def picture(path):
    """(width, height, row reader) of an 8-bit PNG without interlacing: enough for what Chromium writes."""
    data = open(path, "rb").read()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6)
    size, at, packed = (3 if kind == 2 else 4), 8, b""
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * size)
    for y in range(height):
        method, row = raw[y * (width * size + 1)], bytearray(raw[y * (width * size + 1) + 1:(y + 1) * (width * size + 1)])
        for x in range(len(row)):
            a, b, c = (row[x - size] if x >= size else 0), before[x], (before[x - size] if x >= size else 0)
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[x] = (row[x] + (0, a, b, (a + b) // 2, paeth)[method]) & 255
        rows.append([tuple(row[i:i + 3]) for i in range(0, len(row), size)])
        before = row
    return rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(strict, scheme, tmp_path):
    url = fallback(strict, TOKEN, "seen")
    shot, profile = tmp_path / f"{scheme}.png", tmp_path / "profile"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=360,480", f"--user-data-dir={profile}",
             f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}", f"--screenshot={shot}"]
    subprocess.run(["chromium", *flags, url], check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = picture(shot)
    seen = {pixel for row in rows for pixel in row}
    light, dark = palette(request("GET", url).text.decode())
    want = dark if scheme == "dark" else light
    for name in ("page", "card", "act"):
        assert tuple(int(want[name][i:i + 2], 16) for i in (1, 3, 5)) in seen, (name, want[name])
