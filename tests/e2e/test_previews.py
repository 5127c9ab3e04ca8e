"""Previews of links: what pages say of themselves, and pages that mean us harm."""

import gzip
import itertools
import json
import os
import threading
import time

import pytest

from lib.admin import V1, administrator, path
from lib.pictures import png
from lib.rooms import refused
from lib.server import quote
from lib.wait import until
from lib.web import endless

_names = itertools.count(1)
NEW, OLD = "/_matrix/client/v1/media/preview_url", "/_matrix/media/v3/preview_url"
PRIVATE = "127.0.0.2"  # denied by the deployment's configuration, and served by the tests all the same


@pytest.fixture(scope="module")
def alice(server):
    return server.register()


def ask(user, url, where=NEW, timeout=60, **query):
    query = "".join(f"&{key}={value}" for key, value in query.items())
    return user.call("GET", f"{where}?url={quote(url)}{query}", timeout=timeout)


def preview(user, url, **options):
    answer = ask(user, url, **options)
    assert answer.status == 200, answer
    return answer.json


def page(head="", body=""):
    return f"<html><head>{head}</head><body>{body}</body></html>".encode()


def test_a_page_with_open_graph(server, alice, web):
    picture = png(40, 30)
    web.put("/pic.png", picture, "image/png")
    url = web.put("/og", page('<title>no</title><meta property="og:title" content="A &amp; B"><meta property="og:image" content="/pic.png">'
                              '<meta name="twitter:site" content="@them"><meta property="og:description" content="in  short">'))
    told = preview(alice, url)
    mxc = told.pop("og:image")
    assert told == {"og:title": "A & B", "og:description": "in short", "og:site_name": "@them", "og:image:type": "image/png",
                    "og:image:width": 40, "og:image:height": 30, "matrix:image:size": len(picture)}
    name, media_id = mxc.removeprefix("mxc://").split("/")
    assert name == server.deployment.server_name and len(media_id) == 27 and media_id[4] == media_id[7] == "-" and media_id[10] == "_"
    got = alice.call("GET", f"/_matrix/client/v1/media/download/{name}/{media_id}")
    assert got.status == 200 and got.text == picture
    assert alice.call("GET", f"/_matrix/client/v1/media/thumbnail/{name}/{media_id}?width=32&height=32&method=crop").status == 200
    # Once for all who ask while it holds.
    again = preview(server.register(), url, where=OLD)
    assert again["og:image"] == mxc and web.count("/og") == 1
    rows = server.sql(f"SELECT response_code, expires_ts - download_ts, media_id FROM local_media_repository_url_cache WHERE url = '{url}'")
    assert rows[0][:2] == ["200", "3600000"]
    kept = server.sql(f"SELECT media_type, user_id, url_cache FROM local_media_repository WHERE media_id = '{rows[0][2]}'")
    assert kept == [["text/html", alice.user_id, url]]
    heard = next(headers for _, path, headers in web.asked if path == "/og")
    assert heard["Accept-Language"] == "en-GB,de;q=0.5" and "bot" in heard["User-Agent"]


@pytest.mark.parametrize("name, body, told", [
    ("heading", page("", "<h1></h1><h2>Two</h2><p>some   text</p><script>no</script>"),
     {"og:title": "Two", "og:description": "Two\n\nsome text"}),
    ("description", page('<title> T </title><meta name="Description" content="meant">', "x"), {"og:title": "T", "og:description": "meant"}),
    ("nothing", b"<html></html>", {"og:title": None, "og:description": None}),
    ("empty", b"", {}),
    ("spam", page("".join(f'<meta property="og:x{i}" content="y">' for i in range(60)), "x"), {"og:title": None, "og:description": "x"}),
    ("long", page(f"<title>{'x' * 1001}</title>", "y"), {"og:description": "y"}),
    ("japanese", "<html><head><meta charset=shift_jis><title>日本</title></head><body>語".encode("shift_jis"),
     {"og:title": "日本", "og:description": "語"}),
    ("western", "<html><head><title>é</title></head><body>ü".encode("latin1"), {"og:title": "é", "og:description": "ü"}),
    ("words", page("", "word " * 300), {"og:title": None, "og:description": "word " * 98 + "word word…"}),
    ("no-picture", page('<title>x</title><meta property="og:image" content="/nowhere.png">', "y"), {"og:title": "x", "og:description": "y"}),
])
def test_what_pages_say(alice, web, name, body, told):
    assert preview(alice, web.put("/says/" + name, body)) == told


def test_pictures_and_files(alice, web):
    picture = png(12, 11)
    told = preview(alice, web.put("/p.png", picture, "image/png", **{"Content-Disposition": 'inline; filename="a b.png"'}))
    assert told.pop("og:image").startswith("mxc://")
    assert told == {"og:description": "a b.png", "og:image:type": "image/png", "matrix:image:size": len(picture), "og:image:width": 12,
                    "og:image:height": 11}
    web.put("/big.png", png(50, 50), "image/png")
    told = preview(alice, web.put("/sizes", page("", '<img src="/p.png"><img src="/big.png" width=50 height=50>')))
    assert told["og:image:width"] == 50
    assert preview(alice, web.put("/any.json", b"{}", "application/json")) == {}
    assert preview(alice, web.put("/no-type", page("<title>x</title>"), None)) == {}
    refused(ask(alice, web.put("/any.txt", b"hi", "text/plain")), 502, "M_UNKNOWN")
    refused(ask(alice, web.url("/nowhere")), 502, "M_UNKNOWN")


def test_pictures_in_quarantine(server, alice, web):
    boss = administrator(server, f"previewboss{next(_names)}")
    picture = png(33, 31)
    told = preview(alice, web.put("/bad.png", picture, "image/png"))
    name, media_id = told["og:image"].removeprefix("mxc://").split("/")
    boss.ok("POST", path(V1, "media", "quarantine", name, media_id), {})
    assert alice.call("GET", f"/_matrix/client/v1/media/download/{name}/{media_id}").status == 404
    web.put("/same.png", picture, "image/png")
    told = preview(alice, web.put("/shows-it", page('<title>x</title><meta property="og:image" content="/same.png">')))
    assert told == {"og:title": "x", "og:description": None}
    refused(ask(alice, web.url("/same.png")), 404, "M_NOT_FOUND")


def test_oembed(alice, web):
    answer = {"version": "1.0", "type": "rich", "title": "Theirs", "author_name": "They", "html": "<p>well <b>said</b></p>", "cache_age": 7200}
    web.put("/oembed.json", json.dumps(answer).encode(), "application/json")
    link = '<link rel="alternate" type="application/json+oembed" href="/oembed.json"><title>mine</title>'
    told = preview(alice, web.put("/embeds", page(link)))
    assert told == {"og:title": "Theirs", "og:url": web.url("/embeds"), "og:description": "well\n\nsaid"}
    web.put("/oembed2.json", b"[1", "application/json")
    told = preview(alice, web.put("/embeds2", page(link.replace("oembed.json", "oembed2.json"), "text")))
    assert told["og:title"] == "mine" and told["og:description"] == "text"


def test_requests(server, alice):
    refused(alice.call("GET", NEW), 400, "M_MISSING_PARAM")
    refused(alice.call("GET", NEW + "?url=http://127.0.0.1/&ts=now"), 400, "M_INVALID_PARAM")
    refused(ask(alice, "nonsense"), 400)
    refused(ask(alice, "file:///etc/passwd"), 400)
    refused(ask(alice, "http://127.0.0.1:1/"), 502)
    answer = server.register().call("GET", NEW)
    assert answer.status == 400
    alice_out = type(alice)(server, alice.user_id, "no_token", "X")
    refused(ask(alice_out, "http://127.0.0.1/"), 401, "M_UNKNOWN_TOKEN")


def test_addresses_that_are_not_asked(alice, web):
    secret = page("<title>secret</title>")
    web.put("/secret", secret)
    web.put("/secret.png", png(20, 20), "image/png")
    refused(ask(alice, web.url("/secret", PRIVATE)), 403, "M_UNKNOWN")
    # Names are judged by where they lead when they are connected to, however they are written, and so is each redirect.
    for host in ("127.2", "0", "127.0.0.2.", "１２７.0.0.2", "0x7f000002", "2130706434", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]"):
        answer = ask(alice, web.url("/secret", host))
        assert answer.status in (400, 403, 502), (host, answer)
    refused(ask(alice, web.put("/to-private", b"", None, 302, Location=web.url("/secret", PRIVATE))), 403, "M_UNKNOWN")
    refused(ask(alice, web.put("/to-far", b"", None, 301, Location="/to-private")), 403, "M_UNKNOWN")
    refused(ask(alice, web.put("/to-file", b"", None, 302, Location="file:///etc/passwd")), 400)
    told = preview(alice, web.put("/picture-there", page(f'<title>x</title><meta property="og:image" content="{web.url("/secret.png", PRIVATE)}">')))
    assert told == {"og:title": "x", "og:description": None}
    told = preview(alice, web.put("/oembed-there", page(f'<link rel="alternate" type="application/json+oembed" href="{web.url("/secret", PRIVATE)}">'
                                                        '<title>x</title>')))
    assert told == {"og:title": "x", "og:description": None}
    assert not [asked for asked in web.asked if asked[0].startswith(PRIVATE) or asked[1].startswith("/secret")]


def test_links_that_are_blocked(alice, web):
    for url in (web.url("/blocked/a"), "http://user@127.0.0.1/", "http://blocked.example.org/x"):
        refused(ask(alice, url), 403, "M_UNKNOWN")
    refused(ask(alice, web.put("/to-blocked", b"", None, 302, Location="/blocked/b")), 403, "M_UNKNOWN")
    told = preview(alice, web.put("/picture-blocked", page('<title>x</title><meta property="og:image" content="/blocked/c.png">')))
    assert told == {"og:title": "x", "og:description": None}
    assert not [asked for _, asked, _ in web.asked if asked.startswith("/blocked")]


def test_pages_that_mean_harm(server, alice, web):
    refused(ask(alice, web.put("/huge", b"<title>x" * 200000)), 502, "M_TOO_LARGE")
    refused(ask(alice, web.put("/endless", endless())), 502, "M_TOO_LARGE")
    bomb = gzip.compress(b"\0" * (200 << 20), 9)
    refused(ask(alice, web.put("/bomb", bomb, **{"Content-Encoding": "gzip"})), 502, "M_TOO_LARGE")
    refused(ask(alice, web.put("/broken", b"no gzip", **{"Content-Encoding": "gzip"})), 502, "M_UNKNOWN")
    assert preview(alice, web.put("/gz", gzip.compress(page("<title>gz</title>")), **{"Content-Encoding": "gzip"}))["og:title"] == "gz"
    refused(ask(alice, web.put("/round", b"", None, 302, Location="/round")), 502, "M_UNKNOWN")
    assert 1 < web.count("/round") < 30
    refused(ask(alice, web.put("/film", endless(), "video/mp4")), 502, "M_UNKNOWN")  # not a byte of it is kept
    deep = b"<title>deep</title>" + b"<div>" * 100000 + b"x"
    assert preview(alice, web.put("/deep", deep))["og:title"] == "deep"
    wide = b"<title>wide</title><p " + b" ".join(b"a%d=b" % i for i in range(60000)) + b">x"
    begun = time.monotonic()
    assert preview(alice, web.put("/wide", wide))["og:title"] == "wide"
    assert time.monotonic() - begun < 10
    assert "og:title" in preview(alice, web.put("/bytes", bytes(range(256)) * 100))


def test_words_that_no_database_takes(alice, web):
    web.put("/words", page("<title>x</title>"), **{"ETag": "\xe4\x01\xff"})
    assert preview(alice, web.url("/words"))["og:title"] == "x"
    assert preview(alice, web.put("/words2", page("<title>x</title>"), "text/html; charset=utf-8; x=\xff")) == {}
    assert preview(alice, web.url("/words?" + os.urandom(2000).hex()))["og:title"] == "x"
    assert ask(alice, web.url("/words?" + "x" * 8200)).status in (400, 414)  # 414: the proxy
    refused(alice.call("GET", f"{NEW}?url={quote(web.url('/words'))}%FF%FE"), 400)
    assert alice.call("GET", f"{NEW}?url={quote(web.url('/words'))}%00").status in (200, 400)
    assert preview(alice, web.put("/words3", b"<title>a\xed\xa0\x80\x00b</title>"))["og:title"]


def test_slow_pages_and_many_askers(server, alice, web):
    gate = threading.Event()

    def slow(out):
        gate.wait(20)
        out.write(page("<title>at last</title>"))

    url = web.put("/slow", slow)
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(ask(alice, url))) for _ in range(5)]
    for asker in askers:
        asker.start()
    until(lambda: web.count("/slow"))
    assert alice.call("GET", "/_matrix/client/v1/media/config").status == 200  # nobody else waits
    gate.set()
    for asker in askers:
        asker.join()
    assert [(a.status, a.json.get("og:title")) for a in answers] == [(200, "at last")] * 5
    assert web.count("/slow") == 1


def test_previews_end(server, alice, web):
    url = web.put("/ends", page("<title>one</title>"))
    assert preview(alice, url)["og:title"] == "one"
    web.put("/ends", page("<title>two</title>"))
    assert preview(alice, url)["og:title"] == "one"
    media_id = server.sql(f"SELECT media_id FROM local_media_repository_url_cache WHERE url = '{url}'")[0][0]
    server.sql(f"UPDATE local_media_repository SET created_ts = created_ts - 3 * 86400000 WHERE media_id = '{media_id}'")
    server.sql(f"UPDATE local_media_repository_url_cache SET expires_ts = 1 WHERE url = '{url}'")
    until(lambda: not server.sql(f"SELECT 1 FROM local_media_repository_url_cache WHERE url = '{url}'"))
    until(lambda: not server.sql(f"SELECT 1 FROM local_media_repository WHERE media_id = '{media_id}'"))
    day, rest = media_id.split("_")
    until(lambda: not os.path.exists(f"{server.deployment.folder}/media/url_cache/{day}/{rest}"))
    assert preview(alice, url)["og:title"] == "two"
