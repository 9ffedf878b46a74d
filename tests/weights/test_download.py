"""Downloads: resumed, checked, whole or absent, and clear about what cannot be had."""

import hashlib
import http.server
import os
import threading
from functools import partial

import pytest

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.weights import cache, download
from harness.weights.download import fetch

CONTENT = bytes(range(256)) * 4000
OTHER = CONTENT[::-1]
TYPE = "application/octet-stream"
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content` of a `version` (headers) with ranges, and with If-Range where it has `conditions`.

    It breaks off after 300,000 bytes while there are `cuts` left.
    """

    def __init__(self, state, *arguments):
        self.state = state
        super().__init__(*arguments)

    def do_GET(self):
        self.state["asked"].append(self.headers.get("Range"))
        if self.path != "/w.bin":
            self.send_error(404)
            return
        content, version = self.state["content"], self.state["version"]
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        is_rest = asked and self.state["ranges"] and (condition in (None, *version.values()) or not self.state["conditions"])
        first = int(asked[6:-1]) if is_rest else 0
        if first > len(content):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        for name, value in {"Content-Length": str(len(content) - first), "Content-Type": self.state["type"], **version}.items():
            self.send_header(name, value)
        self.end_headers()
        body = content[first:]
        if self.state["cuts"]:
            self.state["cuts"] -= 1
            body = body[:300_000]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    state = {"asked": [], "cuts": 0, "ranges": True, "content": CONTENT, "version": {}, "conditions": True, "type": TYPE}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)  # it looks for its end so often
    thread.start()
    state["address"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def published(server, name="w.bin", sha256=SHA):
    return WeightsFile(name, f"{server['address']}/{name}", sha256)


def test_a_file_comes_once_into_the_cache_folder(server, tmp_path):
    path = fetch(published(server))
    assert path == tmp_path / "cache" / "weights" / "w.bin"
    assert path.read_bytes() == CONTENT
    fetch(published(server))
    assert server["asked"] == [None]


def test_what_was_cut_goes_on_where_it_broke_off(server):
    server["cuts"] = 2
    assert fetch(published(server)).read_bytes() == CONTENT
    assert server["asked"] == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_call_goes_on_too(server):
    server["cuts"] = 3
    with pytest.raises(UserError, match="the connection failed"):
        fetch(published(server))
    assert not cache.path(published(server)).exists()
    assert fetch(published(server)).read_bytes() == CONTENT
    assert server["asked"][-1] == "bytes=900000-"


def test_a_server_without_ranges_starts_again(server):
    server["cuts"], server["ranges"] = 1, False
    assert fetch(published(server)).read_bytes() == CONTENT


def test_a_rest_that_is_longer_than_the_file_is_thrown_away(server):
    path = cache.path(published(server))
    path.parent.mkdir(parents=True)
    path.with_name("w.bin.part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert fetch(published(server)).read_bytes() == CONTENT


def says_all(error, file):
    text = str(error.value)
    assert all(part in text for part in (file.name, file.address, str(file.sha256), str(cache.path(file).parent)))


def test_another_hash_is_thrown_away_and_says_what_was_expected(server):
    file = published(server, sha256="0" * 64)
    with pytest.raises(UserError, match=f"has sha256 {SHA}") as error:
        fetch(file)
    says_all(error, file)
    assert [path.name for path in cache.path(file).parent.iterdir()] == []


def test_what_is_not_there_names_file_address_hash_and_folder(server):
    file = published(server, "other.bin")
    with pytest.raises(UserError, match="the server says 404") as error:
        fetch(file)
    says_all(error, file)
    assert len(server["asked"]) == 1


def test_offline_asks_nobody_and_takes_what_is_here(server, monkeypatch):
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    file = published(server)
    with pytest.raises(UserError, match="HARNESS_OFFLINE forbids") as error:
        fetch(file)
    says_all(error, file)
    cache.path(file).parent.mkdir(parents=True)
    cache.path(file).write_bytes(CONTENT)
    assert fetch(file) == cache.path(file)
    assert server["asked"] == []


def test_a_web_page_in_the_cache_is_no_file_and_its_hash_is_not_kept(server):
    file = published(server, sha256=None)
    cache.path(file).parent.mkdir(parents=True)
    cache.path(file).write_bytes(b"<!DOCTYPE html>\n<html>Sign in")
    with pytest.raises(UserError, match=r"w\.bin is a web page: remove it"):
        fetch(file)
    cache.path(file).unlink()
    assert fetch(file).read_bytes() == CONTENT


def test_a_file_in_the_cache_that_is_another_one_is_said_to_be(server):
    file = published(server)
    cache.path(file).parent.mkdir(parents=True)
    cache.path(file).write_bytes(b"something")
    with pytest.raises(UserError, match="remove it, it is another file or damaged"):
        fetch(file)


def test_only_the_web_is_fetched_from(server, tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(UserError, match="only http and https"):
        fetch(WeightsFile("x", f"file://{tmp_path}/secret"))


def test_progress_counts_bytes_up_to_the_size_that_the_server_tells(server):
    calls = []
    server["cuts"] = 1
    fetch(published(server), lambda received, total: calls.append((received, total)))
    assert (300_000, len(CONTENT)) in calls
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert calls == sorted(calls)


def test_a_file_without_an_address_has_to_be_brought(server):
    with pytest.raises(UserError, match="not here, and no address of it is known"):
        fetch(WeightsFile("own.bin", "", SHA))
    assert server["asked"] == []


def test_a_file_without_a_pinned_hash_is_taken_as_it_comes(server):
    assert fetch(published(server, sha256=None)).read_bytes() == CONTENT


def test_of_several_hosts_that_share_the_cache_one_downloads(server, tmp_path):
    children = []
    for host in ("a", "b", "c"):
        child = os.fork()
        if child == 0:
            try:
                os.environ["HARNESS_HOST"], os.environ["HARNESS_BEAT_SECONDS"] = host, "1"
                os._exit(0 if fetch(published(server)).read_bytes() == CONTENT else 1)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert server["asked"] == [None]
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["w.bin"]


def test_a_process_that_lost_the_download_waits_for_the_other_one(server, monkeypatch):
    monkeypatch.setattr(download, "LOST_SECONDS", 0.0)
    receive, taken = download._receive, []

    def give_up_once(file, part, progress):
        receive(file, part, progress)
        if not taken:
            taken.extend(cache.folder().glob("workers/*.json"))
            for worker in taken:
                worker.rename(worker.with_suffix(".gone"))

    monkeypatch.setattr(download, "_receive", give_up_once)
    assert fetch(published(server)).read_bytes() == CONTENT
    assert len(taken) == 1


def test_bytes_that_another_process_wrote_in_between_are_thrown_away(server):
    file = published(server, sha256=None)
    part = cache.path(file).with_name("w.bin.part")

    def disturb(received, _):
        if len(server["asked"]) == 1:
            with part.open("ab") as other:
                other.write(b"x")

    assert fetch(file, disturb).read_bytes() == CONTENT
    assert server["asked"] == [None, None]


def test_several_that_ask_at_once_download_once(server):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(published(server)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache.path(published(server))] * 4
    assert server["asked"] == [None]


VERSIONS = [
    ({"ETag": '"1"'}, {"ETag": '"2"'}),
    ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
    ({"ETag": 'W/"1"'}, {"ETag": 'W/"1"'}),
    ({}, {}),
]
"""What a server says of a file before and after it changed: two that can be told apart, and two that cannot."""


def broken_off(server, sha256=None):
    """Begin a download that breaks off, and return the file."""
    server["cuts"] = 3
    with pytest.raises(UserError, match="the connection failed"):
        fetch(published(server, sha256=sha256))
    server["asked"].clear()
    return published(server, sha256=sha256)


@pytest.mark.parametrize(("before", "after"), VERSIONS)
@pytest.mark.parametrize("conditions", [True, False])
def test_a_file_that_changed_is_never_spliced(server, before, after, conditions):
    server["version"], server["conditions"] = before, conditions
    file = broken_off(server)
    server["version"], server["content"] = after, OTHER
    assert fetch(file).read_bytes() == OTHER


@pytest.mark.parametrize(("version", "_"), VERSIONS[:2])
def test_a_file_without_a_pinned_hash_goes_on_where_the_server_says_that_it_is_the_same(server, version, _):
    server["version"] = version
    file = broken_off(server)
    assert fetch(file).read_bytes() == CONTENT
    assert server["asked"] == ["bytes=900000-"]
    assert [path.name for path in cache.path(file).parent.iterdir()] == ["w.bin"]


def test_a_file_that_changed_in_length_alone_starts_anew(server):
    server["version"], server["conditions"] = VERSIONS[0][0], False
    file = broken_off(server)
    server["content"] = CONTENT + b"more"
    assert fetch(file).read_bytes() == CONTENT + b"more"


def test_a_part_of_another_address_is_not_continued(server):
    server["version"] = VERSIONS[0][0]
    broken_off(server)
    server["content"] = OTHER
    moved = WeightsFile("w.bin", f"{server['address'].replace('127.0.0.1', 'localhost')}/w.bin")
    assert fetch(moved).read_bytes() == OTHER
    assert server["asked"] == [None]


def test_a_part_whose_note_is_damaged_is_not_continued(server):
    server["version"] = VERSIONS[0][0]
    file = broken_off(server)
    cache.path(file).with_name("w.bin.part.json").write_text("{")
    server["content"] = OTHER
    assert fetch(file).read_bytes() == OTHER


PAGE = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (PAGE, "text/html; charset=utf-8", r"w\.bin: the address gives a web page \(text/html\) and no file"),
        (PAGE, TYPE, r"w\.bin: what the address gives is a web page of sha256 [0-9a-f]{64}, so it was thrown away"),
    ],
)
def test_a_web_page_is_no_file(server, content, content_type, message):
    server["content"], server["type"] = content, content_type
    file = published(server, sha256=None)
    with pytest.raises(UserError, match=message) as error:
        fetch(file)
    says_all(error, WeightsFile(file.name, file.address, "not pinned"))
    assert [path.name for path in cache.path(file).parent.iterdir()] == []
    with pytest.raises(UserError, match="is a web page of sha256"):
        fetch(published(server))


def test_a_pinned_file_counts_whatever_the_server_calls_it(server):
    server["type"] = "text/html"
    assert fetch(published(server)).read_bytes() == CONTENT
