"""Forward proxies (config http_proxy, https_proxy, no_proxy_hosts): what goes through them, and what never does."""

import os

import pytest

from lib.certificates import Authority
from lib.forward import Forward
from lib.names import Names
from lib.remote import Remote
from lib.rooms import refused
from lib.server import quote

V1, FED = "/_matrix/client/v1/media", "/_matrix/federation/v1/media"
DENIED = "127.0.0.2"
CREDENTIALS = "Basic dXM6c2VjcmV0"


@pytest.fixture(scope="module")
def proxy():
    proxy = Forward()
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def closed():
    proxy = Forward(refusing=True)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def names():
    names = Names()
    yield names
    names.stop()


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(os.path.join(folder, "forward-certificates"))


def start(own, names, authority, http, https):
    return own.run(own.make("forward", authority=authority, monolith=True, front=False, extra_config={
        "http_proxy": http, "https_proxy": https, "no_proxy_hosts": ["direct.test"], "url_preview_enabled": True,
        "url_preview_ip_range_blacklist": [DENIED], "ip_range_blacklist": [DENIED], "federation_ip_range_blacklist": [],
        "ganglion": {"dns_servers": [names.address]}}))


@pytest.fixture(scope="module")
def server(own, names, authority, proxy):
    with start(own, names, authority, proxy.url.replace("//", "//us:secret@"), proxy.url.removeprefix("http://")) as server:
        server.base_url = f"http://127.0.0.1:{server.deployment.main.port}"
        yield server


@pytest.fixture(scope="module")
def alice(server):
    return server.register()


@pytest.fixture
def remote(authority):
    remote = Remote(authority)
    yield remote
    remote.stop()


def preview(user, url):
    return user.call("GET", f"{V1}/preview_url?url={quote(url)}")


def test_names_that_only_the_proxy_knows(alice, web, proxy):
    url = web.put("/page", b"<title>t</title>").replace("127.0.0.1", "known-there.test")
    assert preview(alice, url).json["og:title"] == "t"
    line, headers = proxy.asked[-1]
    assert line == f"GET {url} HTTP/1.1" and headers["proxy-authorization"] == CREDENTIALS
    assert "proxy-authorization" not in {name.lower() for name in web.asked[-1][2]}


def test_what_needs_no_proxy(alice, web, names, proxy):
    before = proxy.lines()
    names.names.update({"direct.test": [["127.0.0.1"]], "below.direct.test": [["127.0.0.1"]], "notdirect.test": [["127.0.0.1"]]})
    for host in ("direct.test", "below.direct.test"):
        assert preview(alice, web.put(f"/{host}", b"<title>t</title>").replace("127.0.0.1", host)).json["og:title"] == "t"
    assert proxy.lines() == before
    assert preview(alice, web.put("/not", b"<title>t</title>").replace("127.0.0.1", "notdirect.test")).status == 200
    assert len(proxy.asked) == len(before) + 1


def test_addresses_stay_denied(alice, web, names, proxy):
    """The proxy would lead there: it is not asked."""
    before = proxy.lines()
    names.names["inside.test"] = [[DENIED]]
    web.put("/secret", b"<title>secret</title>")
    for host in (DENIED, "inside.test", "2130706434", "0x7f.2", f"[::ffff:{DENIED}]"):
        assert preview(alice, web.url("/secret", host)).status in (403, 502), host
    assert proxy.lines() == before
    web.put("/hop", b"", status=302, Location=web.url("/secret", DENIED))
    refused(preview(alice, web.url("/hop", "known-there.test")), 403)
    assert not web.count("/secret")


def test_servers_are_reached_through_a_tunnel(alice, remote, web, proxy):
    remote.on("GET", f"{FED}/download/there", (200, b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: a/b\r\n\r\nbytes\r\n--b--",
                                               {"Content-Type": "multipart/mixed; boundary=b"}))
    assert alice.call("GET", f"{V1}/download/{remote.name}/there").text == b"bytes"
    tunnels = [(line, headers) for line, headers in proxy.asked if line.startswith("CONNECT")]
    assert tunnels and {line for line, _ in tunnels} == {f"CONNECT {remote.name} HTTP/1.1"}
    assert all("proxy-authorization" not in headers and "authorization" not in headers for _, headers in tunnels)


def test_a_proxy_that_refuses(own, names, authority, closed, remote):
    with start(own, names, authority, None, closed.url) as server:
        server.base_url = f"http://127.0.0.1:{server.deployment.main.port}"
        refused(server.register().call("GET", f"{V1}/download/{remote.name}/there"), 502)
        assert remote.name in closed.lines()[0]
