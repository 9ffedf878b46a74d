"""State dicts: a hash of the values alone, copies that training leaves alone, and files that come back as they were."""

import hashlib

import pytest
import torch
from safetensors import SafetensorError

from harness.store.files import StorageError
from harness.weights import state_dicts

WEIGHTS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([1, 2], dtype=torch.int64)}


def test_the_hash_is_over_names_types_shapes_and_bytes_in_the_order_of_names():
    content = (
        b"a/torch.int64/(2,)/" + WEIGHTS["a"].numpy().tobytes() + b"b/torch.float32/(2, 3)/" + WEIGHTS["b"].numpy().tobytes()
    )
    assert state_dicts.sha256(WEIGHTS) == hashlib.sha256(content).hexdigest()


def test_the_hash_does_not_depend_on_order_strides_or_gradients():
    same = {"a": WEIGHTS["a"], "b": torch.nn.Parameter(WEIGHTS["b"].T.contiguous().T)}
    assert not same["b"].is_contiguous()
    assert state_dicts.sha256(same) == state_dicts.sha256(WEIGHTS)


@pytest.mark.parametrize(
    "other",
    [
        {**WEIGHTS, "a": torch.tensor([1, 3])},
        {**WEIGHTS, "a": WEIGHTS["a"].int()},
        {**WEIGHTS, "b": WEIGHTS["b"].reshape(3, 2)},
        {"a": WEIGHTS["a"], "c": WEIGHTS["b"]},
        {"a": WEIGHTS["a"]},
    ],
    ids=["value", "type", "shape", "name", "fewer"],
)
def test_everything_else_changes_the_hash(other):
    assert state_dicts.sha256(other) != state_dicts.sha256(WEIGHTS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.bool, torch.uint8])
def test_weights_of_every_type_have_a_hash_and_come_back_from_their_file(tmp_path, dtype):
    weights = {
        "w": torch.tensor([0.0, 1.0, 2.0]).to(dtype),
        "empty": torch.zeros(0, dtype=dtype),
        "scalar": torch.ones((), dtype=dtype),
    }
    state_dicts.save(weights, tmp_path / "w.safetensors")
    found = state_dicts.load(tmp_path / "w.safetensors")
    assert state_dicts.sha256(found) == state_dicts.sha256(weights)


def test_strided_weights_and_parameters_can_be_saved(tmp_path):
    state_dicts.save({"w": torch.nn.Parameter(WEIGHTS["b"].T)}, tmp_path / "w.safetensors")
    assert torch.equal(state_dicts.load(tmp_path / "w.safetensors")["w"], WEIGHTS["b"].T)


def test_a_snapshot_keeps_its_values_while_training_goes_on():
    module = torch.nn.Linear(2, 3)
    before = module.weight.detach().clone()
    kept = state_dicts.snapshot(module)
    with torch.no_grad():
        module.weight += 1
    assert torch.equal(kept["weight"], before)
    assert not kept["weight"].requires_grad


def test_a_place_where_no_file_can_be_written_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder must be"):
        state_dicts.save(WEIGHTS, tmp_path / "file" / "w.safetensors")


def test_a_full_disk_is_told_by_the_number_in_the_librarys_text(tmp_path, monkeypatch):
    def refuse(*_):
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    monkeypatch.setattr(state_dicts, "save_file", refuse)
    with pytest.raises(StorageError, match=r"w\.safetensors: no room left; free some space"):
        state_dicts.save(WEIGHTS, tmp_path / "w.safetensors")


def test_another_fault_of_the_library_keeps_its_traceback(tmp_path, monkeypatch):
    def refuse(*_):
        raise SafetensorError("an internal fault")

    monkeypatch.setattr(state_dicts, "save_file", refuse)
    with pytest.raises(SafetensorError, match="an internal fault"):
        state_dicts.save(WEIGHTS, tmp_path / "w.safetensors")


@pytest.mark.parametrize(("value", "expected"), [(1.0, True), (float("nan"), False), (float("inf"), False)])
def test_weights_are_finite_unless_one_value_is_not(value, expected):
    assert state_dicts.are_finite({**WEIGHTS, "c": torch.tensor([0.0, value])}) is expected


def test_parameters_are_counted_as_scalars_without_buffers():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    assert state_dicts.parameters(module) == (2 * 3 + 3) + (3 + 3)  # the running mean and variance are buffers
