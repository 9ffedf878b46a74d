"""Files on the hub: by its own client, from a stand-in of the hub on this machine, into the hub's own cache."""

import hashlib
import http.server
import threading
from functools import partial

import huggingface_hub
import pytest

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.weights import cache, found_hashes, hub
from harness.weights.download import fetch

CONTENT = bytes(range(256)) * 4000
SHA = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c" * 40
ADDRESS = "https://huggingface.co/some/model/resolve/main/deep/weights.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does: the commit and the ETag in headers, and the rest of a file that came in part.

    It breaks off after 300,000 bytes while there are `cuts` left.
    """

    def __init__(self, state, *arguments):
        self.state = state
        super().__init__(*arguments)

    def do_HEAD(self):
        self._head(0)

    def do_GET(self):
        asked = self.headers.get("Range")
        first = int(asked[6:].split("-")[0]) if asked else 0
        if not self._head(first):
            return
        self.state["asked"].append(first)
        body = CONTENT[first:]
        if self.state["cuts"]:
            self.state["cuts"] -= 1
            body = body[:300_000]
        self.wfile.write(body)
        self.close_connection = True

    def _head(self, first):
        if not self.path.startswith("/some/model/resolve/main/deep/weights.bin"):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        self.send_response(206 if first else 200)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{SHA}"', "Content-Length": str(len(CONTENT) - first)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return True

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that HF_ENDPOINT names, and empty caches."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for variable in ("HARNESS_OFFLINE", *hub.OFFLINE):
        monkeypatch.delenv(variable, raising=False)
    state = {"asked": [], "cuts": 0}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)  # it looks for its end so often
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def put_into_the_hubs_cache(folder, content=CONTENT):
    """Lay a file where huggingface_hub keeps it."""
    repository = folder / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    path = repository / "snapshots" / COMMIT / "deep" / "weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (ADDRESS, hub.HubFile("some/model", "main", "deep/weights.bin")),
        ("https://example.org/some/model/resolve/main/weights.bin", None),
        ("https://huggingface.co/some/model/blob/main/weights.bin", None),
        ("", None),
    ],
)
def test_a_file_on_the_hub_is_known_by_its_address(address, expected):
    assert hub.hub_file(WeightsFile("w.bin", address)) == expected


def test_a_file_comes_from_the_mirror_into_the_hubs_cache_and_is_found_there(mirror, tmp_path):
    file = WeightsFile("w.bin", ADDRESS, SHA)
    path = fetch(file)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "hub")
    assert cache.path(file) == path
    fetch(file)
    assert mirror["asked"] == [0]


def test_a_download_that_breaks_off_goes_on(mirror, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 2**16)  # whole chunks are kept
    mirror["cuts"] = 1
    assert fetch(WeightsFile("w.bin", ADDRESS, SHA)).read_bytes() == CONTENT
    assert mirror["asked"][0] == 0 < mirror["asked"][1]


def test_what_another_program_downloaded_is_found_without_a_net(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    file = WeightsFile("w.bin", ADDRESS, SHA)
    assert cache.path(file) == cache.place(file)
    path = put_into_the_hubs_cache(tmp_path / "hub")
    assert fetch(file) == path


def test_a_file_in_the_harnesss_own_cache_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    put_into_the_hubs_cache(tmp_path / "hub")
    file = WeightsFile("w.bin", ADDRESS)
    cache.place(file).parent.mkdir(parents=True)
    cache.place(file).write_bytes(b"own")
    assert cache.path(file) == cache.place(file)


def test_a_file_of_another_hash_is_refused_and_left_to_the_hubs_cache(mirror):
    file = WeightsFile("w.bin", ADDRESS, "0" * 64)
    with pytest.raises(UserError, match=f"has sha256 {SHA}"):
        fetch(file)
    assert cache.path(file).exists()


def test_what_the_hub_does_not_have_is_named_with_its_reason(mirror):
    with pytest.raises(
        UserError, match=r"w\.bin: the hub does not give it: .*Address: https://huggingface\.co/some/model"
    ) as caught:
        fetch(WeightsFile("w.bin", "https://huggingface.co/some/model/resolve/main/other.bin"))
    assert "\n" not in str(caught.value)


def test_the_hubs_own_variable_forbids_downloads(mirror, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids downloads"):
        fetch(WeightsFile("w.bin", ADDRESS))
    assert mirror["asked"] == []


def test_a_mirror_needs_the_hubs_client_and_the_hub_itself_does_not(monkeypatch):
    monkeypatch.setattr(hub, "find_spec", lambda _: None)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert not hub.takes(WeightsFile("w.bin", ADDRESS))
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.org")
    with pytest.raises(UserError, match="HF_ENDPOINT names a mirror of the hub, which needs huggingface_hub"):
        hub.takes(WeightsFile("w.bin", ADDRESS))


def test_the_hash_of_a_file_without_a_published_one_is_written_down(mirror):
    file = WeightsFile("w.bin", ADDRESS)
    fetch(file)
    assert found_hashes.found(file).sha256 == SHA
