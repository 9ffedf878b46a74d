"""With the network off from the first command to the last: no process opens an internet socket, nor asks for an address."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

BOARD = """\
title: Digits
dataset: digits
bases:
  edm:
    model: {name: edm-unet, model_channels: 8, channel_mult: [1], attn_resolutions: [], is_conditional: false}
    pretrain: {method: mle, training: {images: 512, batch: 32}}
    sampler: {name: heun, steps: 3}
methods: {none: }
training: {images: 512, batch: 32}
seeds: [0]
evaluation: {samples: 128}
metrics: {"fid[digits-cnn]": {}, "kid[digits-cnn]": {metric: {name: kid, subset_size: 50}}}
"""
GUARD = '''\
"""Imported by every Python process before anything else: an internet socket is written down, and refused."""
import os, socket
_made, _asked = socket.socket.__init__, socket.getaddrinfo
def _note(what):
    with open(os.environ["SOCKETS"], "a") as file:
        file.write(what + "\\n")
    raise OSError("the network is off: " + what)
class Guarded(socket.socket):
    def __init__(self, family=-1, *arguments, **named):
        if (socket.AF_INET if family == -1 else family) in (socket.AF_INET, socket.AF_INET6) and named.get("fileno") is None:
            _note(f"socket of {family}")
        super().__init__(family, *arguments, **named)
def _address(*arguments, **named):
    _note(f"address of {arguments}")
socket.socket, socket.getaddrinfo = Guarded, _address
'''


@pytest.fixture
def offline(tmp_path):
    """Runs a Python command line with the guard; gives it and what it noted."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    noted = tmp_path / "sockets.txt"
    environment = {
        **os.environ, "PYTHONPATH": str(guard), "SOCKETS": str(noted), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore",
        "HARNESS_RUNS": str(tmp_path / "runs"),
    }  # fmt: skip

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400
        )
        return done, noted.read_text() if noted.exists() else ""

    return run


def test_the_guard_notices_and_refuses_an_internet_socket(offline):
    done, noted = offline("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert done.returncode == 1
    assert "the network is off" in done.stderr
    assert "address of" in noted
    done, noted = offline("-c", "import socket; socket.socket(socket.AF_INET6)")
    assert "socket of" in noted
    # A child that a library starts is guarded as well.
    child = "import multiprocessing as m; m.get_context('spawn').Process(target=__import__('socket').socket).start()"
    assert "socket of -1" in offline("-c", f"if __name__ == '__main__': {child}")[1]


@pytest.mark.timeout(900)
def test_measuring_files_opens_no_socket(offline, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("samples", "real"):
        (tmp_path / name).mkdir()
        for index in range(80):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / name / f"{index}.png")
    names = "fid,fid-se,kid,is,precision,recall,density,coverage"
    done, noted = offline(
        "-m", "harness", "measure", "samples", "--reference", "real", "--extractor", "digits-cnn", "--metrics", names,
        "--set", "kid.subset_size=40", "--write-statistics", "x.npz",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fid-80[digits-cnn]" in done.stdout
    assert noted == ""
    # The default needs a file that is not here: a message names it, and nothing is fetched.
    done, noted = offline("-m", "harness", "measure", "samples", "--reference", "real", "--set", "fid.few_images=true")
    assert done.returncode in (0, 2)
    assert noted == ""


@pytest.mark.timeout(900)  # six processes that import torch, on a machine that may be busy
def test_a_board_with_fid_opens_no_socket_from_the_first_command_to_the_last(offline, tmp_path):
    board = tmp_path / "leaderboards" / "digits"
    board.mkdir(parents=True)
    (board / "board.yaml").write_text(BOARD)
    run = ["run", board, "--smoke", "--jobs", "1"]
    for command in (["list"], ["validate", board], run, ["status", board], ["prefetch", board]):
        done, noted = offline("-m", "harness", *command)
        assert done.returncode == 0, (command, done.stderr)
        assert noted == "", command
    (path,) = (tmp_path / "runs" / "smoke" / "records").rglob("edm__none__s0.*.json")
    record = json.loads(path.read_text())
    assert record["status"] == "done"
    # The samples that the board kept, measured by hand against the same real images: the same number.
    n = record["evaluation"]["samples"]
    done, noted = offline(
        "-m", "harness", "measure", path, "--reference", "digits@0", "--images", n, "--extractor", "digits-cnn",
        "--set", "fid.few_images=true", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert noted == ""
    (found,) = json.loads(done.stdout)["metrics"]
    assert found["name"] == f"fid-{n}[digits-cnn]"
    assert found["values"] == record["metrics"]["fid[digits-cnn]"]["values"]
