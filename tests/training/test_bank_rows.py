"""Banks of samples on the device, in the host's memory and in their file: the same rows, bit for bit."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import Batch
from harness.streams import stream
from harness.training import placement
from harness.training.bank_rows import HostBank, load_bank
from harness.training.state_differences import difference
from harness.weights import state_dicts
from harness.weights.state_dicts import snapshot

CPU, META = torch.device("cpu"), torch.device("meta")
X = torch.randn(9, 2, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(9) % 4


@pytest.fixture(params=[True, False], ids=["labels", "no labels"])
def file(tmp_path, request):
    path = tmp_path / "bank.safetensors"
    state_dicts.save({"x": X, **({"labels": LABELS} if request.param else {})}, path)
    return path


def in_memory(file):
    tensors = state_dicts.load(file)
    return HostBank(tensors["x"], tensors.get("labels"), CPU)


@pytest.mark.parametrize(
    "rows",
    [
        torch.tensor([8, 0, 3, 3]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([-1, 2]),
        torch.arange(9) > 5,
        slice(2, 7, 2),
        slice(None),
    ],
    ids=str,
)
def test_rows_are_those_of_the_whole_bank_wherever_it_is(file, rows):
    whole = load_bank(file, "device", CPU)
    assert isinstance(whole, Batch)
    for bank in (load_bank(file, "disk", CPU), in_memory(file)):
        assert isinstance(bank, HostBank)
        assert len(bank) == 9
        assert torch.equal(bank.x, X)
        expected, found = whole[rows], bank[rows]
        for a, b in ((expected.x, found.x), (expected.labels, found.labels), (expected.rows, found.rows)):
            if a is None or b is None:
                assert a is b
            else:
                assert torch.equal(a, b)
                assert a.dtype == b.dtype


def test_a_bank_that_is_not_small_stays_in_its_file(file, monkeypatch):
    monkeypatch.setattr(placement, "SMALL", X.nbytes)
    assert isinstance(load_bank(file, "auto", CPU), Batch)
    monkeypatch.setattr(placement, "SMALL", X.nbytes - 1)
    assert isinstance(load_bank(file, "auto", CPU), HostBank)
    assert isinstance(load_bank(file, "device", CPU), Batch)
    assert isinstance(load_bank(file, "host", CPU), Batch)  # the CPU's memory is the host's


@pytest.mark.parametrize("where", ["host", "disk"])
def test_only_the_rows_that_are_asked_for_come_to_the_device(file, where):
    bank = load_bank(file, where, META)
    assert isinstance(bank, HostBank)
    rows = bank[torch.tensor([1, 2])]
    assert (rows.x.device, rows.x.shape) == (META, (2, 2, 3))
    assert bank.labels is None or bank.labels.device == META


def test_tokens_keep_their_type(tmp_path):
    state_dicts.save({"x": torch.arange(8).view(4, 2)}, tmp_path / "bank.safetensors")
    rows = load_bank(tmp_path / "bank.safetensors", "disk", CPU)[torch.tensor([3])]
    assert rows.x.tolist() == [[6, 7]]
    assert rows.x.dtype == torch.int64


def test_a_file_that_is_gone_is_named(file):
    bank = load_bank(file, "disk", CPU)
    file.unlink()
    with pytest.raises(UserError, match=r"bank\.safetensors: cannot be read"):
        bank[torch.tensor([0])]


def test_a_training_is_the_same_wherever_its_bank_is(make_task):
    """Steps on rows of a bank of the task, on the device and in its file."""
    ends = []
    for where in ("device", "disk"):
        task = make_task(data=where, runs=where)
        bank, optimizer = task.bank(task.model, 12, "own"), torch.optim.SGD(task.model.parameters(), lr=0.1)
        assert isinstance(bank, HostBank if where == "disk" else Batch)
        for index in range(5):
            batch = bank[torch.randint(12, (4,), generator=stream(0, "step", index))]
            optimizer.zero_grad()
            (task.model(batch.x) - batch.x + 1).square().sum().backward()
            optimizer.step()
        ends.append(snapshot(task.model))
    assert not difference(*ends)
