"""Batches are the same whoever reads them and wherever reading begins, and the processes that read end with their parent."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from harness.errors import UserError
from harness.indexed import IndexedExamples, StoredExamples
from harness.indexed_sets import InFile, InMemory
from harness.row_files import RowFile
from harness.training.config import TrainingConfig
from harness.training.order import BatchOrder
from harness.training.placement import placed
from harness.training.reader import WORKERS, BatchReader, processes

CPU = torch.device("cpu")
N, BATCH, SEED = 23, 5, 4
PIXELS = torch.arange(N * 8, dtype=torch.uint8).view(N, 1, 2, 4)
LABELS = torch.arange(N) % 3


@pytest.fixture
def in_file(tmp_path):
    (tmp_path / "pixels").write_bytes(PIXELS.numpy().tobytes())
    return InFile(RowFile(tmp_path / "pixels", 0, tuple(PIXELS.shape), torch.uint8), LABELS)


def reader(examples, *, workers=0, flip=False):
    training = TrainingConfig(images=BATCH, batch=BATCH, workers=workers, flip=flip)
    return BatchReader.of(examples, training, CPU, seed=SEED)


def batches(examples, indices, **settings):
    made = reader(examples, **settings)
    with made.open():
        return [made.batch(index) for index in indices]


def rows_of(batch):
    return batch.rows


def labels_of(batch):
    return batch.labels


def same(ours, theirs):
    return all(
        torch.equal(a.x, b.x) and torch.equal(a.labels, b.labels) and torch.equal(a.rows, b.rows)
        for a, b in zip(ours, theirs, strict=True)
    )


def test_a_batch_holds_the_rows_of_its_step():
    order = BatchOrder(N, BATCH, SEED)
    for index, batch in enumerate(batches(InMemory(StoredExamples(PIXELS, LABELS)), range(12))):
        rows = order.indices(index)
        assert torch.equal(rows_of(batch), rows)
        assert torch.equal(batch.x, PIXELS[rows].float() / 127.5 - 1)
        assert torch.equal(labels_of(batch), LABELS[rows])


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_batches_do_not_depend_on_who_reads_them(in_file, workers, flip):
    expected = batches(InMemory(StoredExamples(PIXELS, LABELS)), range(15), flip=flip)
    assert same(batches(in_file, range(15), workers=workers, flip=flip), expected)
    assert same(batches(in_file, range(15), flip=flip), expected)
    assert same(batches(placed(in_file, "host", CPU), range(15), flip=flip), expected)


def test_a_resume_reads_what_would_have_come(in_file):
    expected = batches(in_file, range(12))
    assert same(batches(in_file, range(7, 12), workers=2), expected[7:])


def test_a_round_that_begins_again_reads_its_batches_again(in_file):
    expected = batches(in_file, range(6))
    indices = [0, 1, 2, 0, 1, 4, 5]
    assert same(batches(in_file, indices, workers=2), [expected[index] for index in indices])


def test_reading_takes_no_number_from_the_global_generator(in_file):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches(in_file, range(3), workers=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_of_a_batch_may_be_changed_by_a_method():
    made = reader(InMemory(StoredExamples(PIXELS, LABELS)))
    rows = rows_of(made.batch(0))
    rows.zero_()
    assert not rows.equal(BatchOrder(N, BATCH, SEED).indices(0))
    assert same([made.batch(0)], batches(made.examples, [0]))


def test_half_of_the_images_are_flipped_anew_each_time():
    images = InMemory(StoredExamples(torch.arange(200 * 4, dtype=torch.float32).view(200, 1, 1, 4), torch.arange(200)))
    made = BatchReader(images, BatchOrder(200, 200, 0), CPU, flip=True)
    counts = []
    flips = []
    for index in range(3):
        batch = made.batch(index)
        rows = rows_of(batch) % 200
        flipped = rows_of(batch) >= 200
        straight = images.stored.values[rows]
        assert torch.equal(batch.x, torch.where(flipped.view(-1, 1, 1, 1), straight.flip(-1), straight))
        assert torch.equal(labels_of(batch), rows)
        counts.append(int(flipped.sum()))
        flips.append(sorted(rows[flipped].tolist()))
    # Of 200 fair coins, fewer than 70 or more than 130 heads come once in 40,000 times.
    assert all(70 < count < 130 for count in counts)
    assert flips[0] != flips[1] != flips[2]


def test_flips_depend_on_seed_and_step_alone_and_not_on_the_order():
    images = InMemory(StoredExamples(PIXELS, LABELS))
    first, second = (BatchReader(images, BatchOrder(N, BATCH, 0), CPU, seed=seed, flip=True).batch(9) for seed in (1, 2))
    again = BatchReader(images, BatchOrder(N, BATCH, 0), CPU, seed=1, flip=True).batch(9)
    assert same([first], [again])
    assert torch.equal(labels_of(first), labels_of(second))
    assert not same([first], [second])


def children():
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_the_processes_end_with_the_block_also_after_an_error(in_file):
    before = children()
    made = reader(in_file, workers=2)

    def fail():
        with made.open():
            made.batch(0)
            assert len(children() - before) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:  # the error keeps its frames, as a caller's log does
        fail()
    assert raised.value
    assert children() == before


class Damaged(IndexedExamples):
    def __len__(self):
        return N

    def read(self, rows):
        raise UserError("images.bin: cut short")


def test_a_damaged_file_is_told_as_if_it_were_read_here():
    with pytest.raises(UserError) as raised:
        batches(Damaged(), [0], workers=1)
    assert str(raised.value) == "images.bin: cut short"


class Slow(IndexedExamples):
    def __len__(self):
        return N

    def read(self, rows):
        time.sleep(60)


def test_a_killed_process_is_named_with_what_to_do():
    before = children()
    made = reader(Slow(), workers=1)

    def kill():
        while not (workers := children() - before):
            time.sleep(0.02)
        os.kill(int(workers.pop()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UserError, match=r"a process that reads training examples ended .*workers: 0") as raised, made.open():
        made.batch(0)
    killer.join()
    assert "\n" not in str(raised.value)
    assert children() == before


PARENT = """
import sys, time
import torch
from pathlib import Path
from harness.indexed_sets import InFile
from harness.row_files import RowFile
from harness.training.order import BatchOrder
from harness.training.reader import BatchReader

examples = InFile(RowFile(Path(sys.argv[1]), 0, (23, 1, 2, 4), torch.uint8))
reader = BatchReader(examples, BatchOrder(23, 5, 4), torch.device("cpu"), workers=2)
reader.batch(0)
print("reading", flush=True)
time.sleep(60)
"""


def test_a_killed_parent_leaves_no_process_behind(in_file):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(in_file.values.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout.readline() == "reading\n"
        workers = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(workers) == 2
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in workers if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def is_running(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_stop_signal_to_the_whole_group_is_the_parents_affair(in_file):
    made = reader(in_file, workers=1)
    before = children()
    with made.open():
        made.batch(0)
        (child,) = children() - before
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(int(child), number)
        assert same([made.batch(index) for index in range(1, 12)], batches(in_file, range(1, 12)))


@pytest.mark.parametrize(
    ("kept", "device", "asked", "expected"),
    [
        (False, "cpu", None, 0),
        (False, "cpu", 3, 3),
        (False, "cuda", None, WORKERS),
        (False, "cuda", 0, 0),
        (False, "cuda", 3, 3),
        (True, "cuda", None, 0),
        (True, "cuda", 3, 3),
    ],
)
def test_a_card_is_read_for_in_the_background_and_a_cpu_where_the_user_asks(in_file, kept, device, asked, expected):
    examples = placed(in_file, "host", CPU) if kept else in_file
    assert processes(examples, torch.device(device), asked) == expected
