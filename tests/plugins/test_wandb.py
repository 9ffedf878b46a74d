"""Weights & Biases in its offline mode: the files hold what was logged, and a killed run keeps its id."""

import os
import pickle
import struct
import sys
import time
from importlib import import_module
from importlib.util import find_spec

import pytest
from tracked_runs import SUMMARY, a_run

from harness.errors import UserError
from harness_wandb.process_hooks import SERVICE, hooks_kept
from harness_wandb.settings import WandbConfig, check

needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="needs the extra [wandb]")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))


HEAD, BLOCK = 7, 2**15
"""Bytes at the start of a .wandb file, and of a block of LevelDB's log format, in which the records follow."""


def contents(data):
    """The records of a .wandb file, each of which may be cut into several pieces: (checksum, length, kind, bytes)."""
    place, pieces = HEAD, b""
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:  # the rest of a block is empty
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""


def records(folder):
    """The records in the files of all offline runs below a folder, in the order of their starts."""
    messages = import_module("wandb.proto.wandb_internal_pb2")
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for content in contents(file.read_bytes()):
            record = messages.Record()
            record.ParseFromString(content)
            yield record


def history(folder):
    rows = []
    for record in records(folder):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            rows.append({name: float(text) for name, text in items.items() if not name.startswith("_")})
    return rows


@needs_wandb
@pytest.mark.filterwarnings("ignore")
def test_an_offline_run_holds_its_scalars_and_a_killed_one_goes_on(tmp_path, capfd):
    from harness_wandb.runs import WandbRun

    config = WandbConfig(mode="offline")
    first = WandbRun(config, a_run(tmp_path))
    first.log(100, 6400, {"loss": 0.5})
    first.close()
    time.sleep(1.1)  # wandb names the folder of a run by the second in which it starts
    resumed = WandbRun(config, a_run(tmp_path, is_resumed=True))
    resumed.log(200, 12800, {"loss": 0.25})
    resumed.log(100, 6400, {"curve": 2.0})
    resumed.finish(SUMMARY)
    resumed.close()
    end = time.monotonic() + 30
    while len(history(tmp_path)) < 3 and time.monotonic() < end:  # a process of wandb's own writes the file, after the close
        time.sleep(0.1)
    assert history(tmp_path) == [
        {"step": 100, "images": 6400, "loss": 0.5},
        {"step": 200, "images": 12800, "loss": 0.25},
        {"step": 100, "images": 6400, "curve": 2.0},
    ]
    found = list(records(tmp_path))
    runs = {(record.run.run_id, record.run.project, record.run.display_name) for record in found if record.HasField("run")}
    assert runs == {("0123456789abcdef", "rings", "net/fit/s0")}
    final = {item.key: item.value_json for record in found if record.HasField("summary") for item in record.summary.update}
    assert final["final/fid[cnn]"] == "2.5"
    assert capfd.readouterr().out == ""


@needs_wandb
@pytest.mark.filterwarnings("ignore")
def test_the_process_keeps_its_own_exit_hooks_and_environment(tmp_path):
    from harness_wandb.runs import WandbRun

    leave, excepthook, environment = sys.exit, sys.excepthook, dict(os.environ)
    run = WandbRun(WandbConfig(mode="offline"), a_run(tmp_path))
    while_open = sys.exit, sys.excepthook
    run.close()
    assert while_open == (sys.exit, sys.excepthook) == (leave, excepthook)
    assert pickle.loads(pickle.dumps(sys.exit)) is sys.exit  # as executors send it to workers
    assert dict(os.environ) == environment


def test_hooks_that_others_set_meanwhile_stay(monkeypatch):
    for name in ("exit", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setenv(SERVICE, "of the user")

    def hook_of_another(*_):
        """Stand in for the hook of another package."""

    with hooks_kept():
        sys.excepthook = hook_of_another
        os.environ[SERVICE] = "of wandb"
    assert sys.excepthook is hook_of_another
    assert os.environ[SERVICE] == "of the user"


def test_online_without_an_account_is_refused_before_the_run():
    with pytest.raises(UserError, match="no account is known here; run `wandb login`"):
        check(WandbConfig())


@pytest.mark.parametrize("variables", [{"WANDB_API_KEY": "x" * 40}, {"WANDB_MODE": "offline"}])
def test_an_account_or_the_offline_mode_will_do(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check(WandbConfig())
    check(WandbConfig(mode="offline"))


def test_a_login_is_found_where_wandb_leaves_it(tmp_path):
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n login user\n password key\n")
    (tmp_path / "netrc").chmod(0o600)
    check(WandbConfig())
