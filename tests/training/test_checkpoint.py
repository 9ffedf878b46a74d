"""Checkpoints are whole or absent; the newest good one is used."""

import errno
import json
import os
import resource
import shutil

import pytest
import torch

from harness.store.files import StorageError
from harness.training.checkpoint import KEPT, Checkpoint, TrainingState, read_newest, write


def checkpoint(step):
    tensors = {"model/w": torch.full((2, 3), float(step)), "ema/w": torch.full((2, 3), step / 2)}
    state: TrainingState = {
        "method": {"adam": {"step": torch.tensor(step)}}, "seconds": 0.5, "bank_costs": {"a bank": 1.5}, "evaluations": 3,
    }  # fmt: skip
    return Checkpoint(step, tensors, state)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "work", checkpoint(7))
    found = read_newest(tmp_path / "work")
    assert found.step == 7
    assert torch.equal(found.track("model")["w"], torch.full((2, 3), 7.0))
    assert torch.equal(found.track("ema")["w"], torch.full((2, 3), 3.5))
    assert found.track("best") == {}
    assert found.state["method"]["adam"]["step"].item() == 7
    assert read_newest(tmp_path / "nothing") is None


def test_the_newest_are_kept(tmp_path):
    for step in (9, 10, 100, 1000):
        write(tmp_path, checkpoint(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000000100", "step-0000001000"]
    assert KEPT == 2


@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt", "manifest.json"])
@pytest.mark.parametrize("damage", [flip_a_bit, truncate, remove, empty])
def test_the_one_before_is_used_when_the_newest_is_damaged(tmp_path, caplog, file, damage):
    write(tmp_path, checkpoint(1))
    damage(write(tmp_path, checkpoint(2)) / file)
    assert read_newest(tmp_path).step == 1
    (message,) = caplog.messages
    assert "step-0000000002 is damaged" in message
    assert "using the one before" in message
    assert any(path.name.startswith("step-0000000002.damaged-") for path in tmp_path.iterdir())
    # Training comes to that step again.
    write(tmp_path, checkpoint(2))
    assert read_newest(tmp_path).step == 2


def change(folder, **fields):
    """Write other fields into a manifest, as valid JSON; None removes a field."""
    content = json.loads((folder / "manifest.json").read_text()) | fields
    (folder / "manifest.json").write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def test_a_changed_step_is_damage(tmp_path):
    write(tmp_path, checkpoint(1))
    change(write(tmp_path, checkpoint(2)), step=3)
    assert read_newest(tmp_path).step == 1


def test_a_checkpoint_of_another_training_or_step_is_damage(tmp_path):
    mine, other = tmp_path / "finetune-a", tmp_path / "finetune-b"
    write(mine, checkpoint(1))
    shutil.copytree(write(other, checkpoint(2)), mine / "step-0000000002")
    assert read_newest(mine).step == 1
    shutil.copytree(mine / "step-0000000001", mine / "step-0000000003")
    assert read_newest(mine).step == 1


def test_a_checkpoint_of_an_older_version_is_read_where_its_folder_says_the_same_step(tmp_path):
    write(tmp_path, checkpoint(1))
    change(write(tmp_path, checkpoint(2)), sha256=None, schema=None, training=None)
    assert read_newest(tmp_path).step == 2
    change(tmp_path / "step-0000000002", step=3)
    assert read_newest(tmp_path).step == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_the_system_refuses_is_no_damage(tmp_path, monkeypatch, number):
    def refuse(path):
        raise OSError(number, os.strerror(number))

    write(tmp_path, checkpoint(1))
    monkeypatch.setattr("harness.store.manifests.file_sha256", refuse)
    with pytest.raises(StorageError, match=os.strerror(number)):
        read_newest(tmp_path)
    assert os.listdir(tmp_path) == ["step-0000000001"]


@pytest.mark.parametrize("function", ["torch.load", "harness.weights.state_dicts.load_file"])
@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.\nmore"),
])  # fmt: skip
def test_memory_that_ran_out_is_no_damage(tmp_path, monkeypatch, function, error):
    def refuse(*_, **__):
        raise error

    for step in (1, 2):
        write(tmp_path, checkpoint(step))
    with monkeypatch.context() as patched:
        patched.setattr(function, refuse)
        with pytest.raises(
            StorageError, match=r"^[^\n]*step-0000000002: memory ran out while the checkpoint was read; free memory"
        ):
            read_newest(tmp_path)
    assert read_newest(tmp_path).step == 2


def test_none_is_left_when_all_are_damaged(tmp_path):
    for step in (1, 2):
        truncate(write(tmp_path, checkpoint(step)) / "weights.safetensors")
    assert read_newest(tmp_path) is None


@pytest.mark.parametrize("limit", [50, 300, 1000])
def test_a_full_disk_leaves_the_older_ones(tmp_path, limit):
    """The limit falls into the weights, into the state, and behind both."""
    write(tmp_path, checkpoint(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(StorageError, match="no room left"):
            write(tmp_path, checkpoint(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == ["step-0000000001"]
    assert read_newest(tmp_path).step == 1
