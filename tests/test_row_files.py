"""Rows of a file are read in the order asked for, in any process, without the file in memory; a damaged file is named."""

import multiprocessing
import pickle

import pytest
import torch

from harness.errors import UserError
from harness.row_files import RowFile

VALUES = torch.arange(5 * 6, dtype=torch.uint8).view(5, 3, 2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "values.bin"
    path.write_bytes(b"head" + VALUES.numpy().tobytes())
    return RowFile(path, 4, (5, 3, 2), torch.uint8)


def test_rows_come_in_the_order_asked_for_and_may_come_twice(file):
    rows = torch.tensor([3, 0, 3])
    assert torch.equal(file.read(rows), VALUES[rows])
    assert (len(file), file.row_bytes) == (5, 6)
    assert file.read(torch.tensor([], dtype=torch.int64)).shape == (0, 3, 2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32, torch.int64])
def test_values_of_every_type_are_read(tmp_path, dtype):
    wanted = VALUES.to(dtype)
    (tmp_path / "file").write_bytes(wanted.view(torch.uint8).numpy().tobytes())
    file = RowFile(tmp_path / "file", 0, (5, 3, 2), dtype)
    assert torch.equal(file.read(torch.arange(5)), wanted)
    assert file.read(torch.arange(1)).dtype == dtype


def test_rows_outside_of_the_file_are_no_values(file):
    for row in (-1, 5):
        with pytest.raises(IndexError, match=f"rows {row} to {row} of 5"):
            file.read(torch.tensor([row]))


def test_a_file_that_was_cut_short_or_is_gone_is_named(file):
    file.path.write_bytes(file.path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"values\.bin: cannot be read: .*cut short"):
        file.read(torch.tensor([4]))
    file.path.unlink()
    gone = pickle.loads(pickle.dumps(file))
    with pytest.raises(UserError, match=r"values\.bin: cannot be read: No such file"):
        gone.read(torch.tensor([0]))


def test_other_processes_read_the_same_rows(file):
    file.read(torch.tensor([0]))  # opens the file before the fork
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(file.read(torch.tensor([1])).tolist()))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == VALUES[1:2].tolist()
    process.join()
    assert torch.equal(file.read(torch.tensor([2])), VALUES[2:3])
    assert torch.equal(pickle.loads(pickle.dumps(file)).read(torch.tensor([2])), VALUES[2:3])


def test_reading_every_row_leaves_no_page_of_the_file_in_memory(tmp_path):
    path = tmp_path / "large.bin"
    with path.open("wb") as content:
        content.truncate(60 << 20)
    file = RowFile(path, 0, (60, 1 << 20), torch.uint8)
    before = _resident()
    for row in range(60):
        file.read(torch.tensor([row]))
    assert _resident() - before < 10 << 20


def _resident():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * 4096
