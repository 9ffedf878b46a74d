import http.client
import json
import socket
import threading
from contextlib import closing

import pytest

from harness.errors import UserError
from harness.site.live import LiveSite
from harness.site.serve import LOOPBACK, LiveServer
from harness.site.site import Site
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def server(tmp_path):
    live = LiveSite(
        [],
        RunsFolder(tmp_path),
        lambda progress: progress.job,
        Site({"index.html": b"<p>boards", "a b/index.html": b"<p>a"}),
        "v1",
    )
    server = LiveServer(live, 0, print)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.end()
    thread.join(10)
    assert not thread.is_alive()


def ask(server, path, method="GET", **headers):
    port = int(server.address.rstrip("/").rpartition(":")[2])
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.mark.parametrize(("path", "content"), [("/", b"<p>boards"), ("/index.html?x=1", b"<p>boards"), ("/a%20b/", b"<p>a")])
def test_files_are_served_from_memory(server, path, content):
    answer, body = ask(server, path)
    assert (answer.status, body) == (200, content)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/etc/passwd", "/%00", "/missing/"])
def test_no_path_leads_to_the_disk(server, path):
    answer, body = ask(server, path)
    assert (answer.status, body) == (404, b"no such page\n")


def test_a_head_has_no_body(server):
    answer, body = ask(server, "/", method="HEAD")
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", "9")


def test_another_name_of_the_machine_is_refused(server):
    # Else a page elsewhere whose name leads here could read the answers.
    assert ask(server, "/", Host="evil.example:80")[0].status == 403
    assert ask(server, "/", Host="localhost:80")[0].status == 200


def test_only_reading_is_allowed(server):
    assert ask(server, "/", method="POST")[0].status == 501


def test_news_say_the_version_and_what_runs(server):
    _, body = ask(server, "/live.json")
    assert json.loads(body) == {"version": "v1", "running": []}


def test_the_server_listens_on_the_loopback_address_alone(server):
    assert server.address.startswith("http://127.0.0.1:")
    assert server._server.socket.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(UserError, match="Address already in use; give another one"):
        LiveServer(LiveSite([], RunsFolder(tmp_path), str), taken.getsockname()[1], print)
