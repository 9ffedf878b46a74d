"""`harness prefetch`: files that a board needs, fetched, listed, or asked for."""

import dataclasses
import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.presets import WeightsFile
from harness.run.needs import Needs
from harness.weights import cache
from harness.weights.base_files import BaseWeights

BOARD_OF_FILES = """\
title: Files
dataset: digits
bases:
  mine:
    model: edm-unet
    weights:
      file: mine.pt
  published:
    weights: ddpm-cifar10
methods: {none: , mle: }
training: {images: 1280}
seeds: [0]
evaluation: {samples: 64}
metrics:
  "kid[inception]": {metric: {name: kid, subset_size: 32}}
  "is[inception]": {metric: {name: is, splits: 2}}
"""


@pytest.fixture
def offline(shell, tmp_path, monkeypatch):
    """A shell without a net and without any file, on a board that needs three."""
    for variable in ("HARNESS_INCEPTION", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    # As if the digits were of CIFAR-10's form: another form is refused before any file is looked for.
    monkeypatch.setattr(BaseWeights, "data_fault", lambda *_: None)
    (shell.folder / "board.yaml").write_text(BOARD_OF_FILES)
    (shell.folder / "min.pt").write_bytes(b"")
    return shell


@pytest.fixture
def published(shell, tmp_path, monkeypatch):
    """A file that a server on this machine publishes, as the only need of the board."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    (tmp_path / "there.bin").write_bytes(b"weights")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/there.bin"
        file = WeightsFile("here.bin", address, hashlib.sha256(b"weights").hexdigest())
        monkeypatch.setattr(Needs, "published_files", lambda _: [file])
        yield file
        server.shutdown()


def faults_of(shell):
    """What is absent of the three files, in words that stand once in a message each."""
    near = f"no file of weights is at {shell.folder}/mine.pt; did you mean 'min.pt'? put it there, or give its path"
    return (
        near,
        "ddpm-cifar10-32-diffusion_pytorch_model.bin: not here",
        "extractor inception: weights-inception-2015-12-05-6726825d.pth is not on this machine",
    )


def test_a_board_can_be_right_where_its_files_are_not(offline):
    assert offline("validate", "leaderboards/small").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"), [(["run"], 2), (["run", "--dry-run"], 0), (["prefetch"], 2)], ids=["run", "dry run", "prefetch"]
)
def test_every_file_that_a_board_lacks_is_named_once(offline, arguments, code):
    done = offline(arguments[0], "leaderboards/small", *arguments[1:])
    assert done.returncode == code
    near, published, extractor = faults_of(offline)
    if arguments == ["prefetch"]:  # it tries to fetch the extractor's file
        extractor = "weights-inception-2015-12-05-6726825d.pth: not here, and HARNESS_OFFLINE forbids downloads"
    for part in (near, published, extractor):
        assert done.stderr.count(part) == 1
    assert "Traceback" not in done.stderr


def test_an_absent_file_is_named_with_its_line_in_the_board(offline):
    assert f"board.yaml:9: {faults_of(offline)[1]}" in offline("run", "leaderboards/small").stderr


def test_a_dry_run_lists_what_can_be_fetched_and_what_the_user_brings(offline):
    listed = offline("prefetch", "leaderboards/small", "--dry-run")
    assert listed.returncode == 0
    assert "to be brought by you: " in listed.stderr
    assert "mine.pt" in listed.stderr
    head, row, extractor = listed.stdout.splitlines()
    assert head.split() == ["file", "state", "path", "address", "sha256"]
    assert row.split()[:2] == ["ddpm-cifar10-32-diffusion_pytorch_model.bin", "absent"]
    assert extractor.split()[:2] == ["weights-inception-2015-12-05-6726825d.pth", "absent"]


def test_a_board_that_needs_no_file_says_so(shell):
    done = shell("prefetch", "leaderboards/small")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "nothing to fetch: this board needs no file\n"


def test_a_board_whose_files_the_user_brings_says_that_none_can_be_fetched(offline):
    board = offline.folder / "board.yaml"
    board.write_text(
        board.read_text().replace("  published:\n    weights: ddpm-cifar10\n", "").partition('  "kid[')[0] + "  w2:\n"
    )
    done = offline("prefetch", "leaderboards/small", "--dry-run")
    assert "this board needs files that the harness cannot download" in done.stderr


def test_a_published_file_is_fetched_once(shell, published):
    done = shell("prefetch", "leaderboards/small")
    assert (done.returncode, done.stderr) == (0, f"fetching here.bin from {published.address}\n")
    assert done.stdout.splitlines()[1].split()[:3] == ["here.bin", "here", str(cache.path(published))]
    assert cache.path(published).read_bytes() == b"weights"
    assert shell("prefetch", "leaderboards/small").stderr == ""


def test_a_hash_that_nobody_published_is_written_down_and_compared_with(shell, published, tmp_path, monkeypatch):
    unpinned = dataclasses.replace(published, sha256=None)
    monkeypatch.setattr(Needs, "published_files", lambda _: [unpinned])
    done = shell("prefetch", "leaderboards/small")
    assert f"here.bin: nobody has published its hash; later runs compare with this one, {published.sha256}" in done.stderr
    assert f"{published.sha256} (of the first download, " in done.stdout
    assert "nobody has published" not in shell("prefetch", "leaderboards/small").stderr
    cache.path(unpinned).unlink()
    (tmp_path / "there.bin").write_bytes(b"other weights")
    changed = shell("prefetch", "leaderboards/small")
    assert changed.returncode == 2
    assert "so it was thrown away; the first download, on " in changed.stderr


def test_a_file_of_another_hash_is_a_fault_and_not_kept(shell, published, tmp_path):
    (tmp_path / "there.bin").write_bytes(b"other weights")
    done = shell("prefetch", "leaderboards/small")
    assert done.returncode == 2
    assert "so it was thrown away" in done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["here.bin", "absent"]
    assert not cache.path(published).exists()


def test_json_lists_the_files(shell, published):
    (row,) = json.loads(shell("prefetch", "leaderboards/small", "--dry-run", "--json").stdout)
    assert row == {
        "file": "here.bin", "state": "absent", "path": str(cache.path(published)), "address": published.address,
        "sha256": published.sha256,
    }  # fmt: skip
