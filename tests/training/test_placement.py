"""Training examples are kept where the settings say, and are the same examples there."""

import pytest
import torch

from harness.errors import Interrupted
from harness.indexed import StoredExamples, whole
from harness.indexed_sets import InFile, InMemory
from harness.process import stop
from harness.row_files import RowFile
from harness.training import placement
from harness.training.placement import Kept, is_kept, placed, row_bytes

CPU = torch.device("cpu")
PIXELS = torch.arange(10 * 4, dtype=torch.uint8).view(10, 1, 2, 2)
LABELS = torch.arange(10)


@pytest.fixture
def in_file(tmp_path):
    (tmp_path / "pixels").write_bytes(PIXELS.numpy().tobytes())
    return InFile(RowFile(tmp_path / "pixels", 0, (10, 1, 2, 2), torch.uint8), LABELS, white=16)


@pytest.fixture
def in_memory():
    return InMemory(StoredExamples(PIXELS, LABELS), white=16)


@pytest.mark.parametrize("where", ["auto", "disk"])
def test_for_a_cpu_a_file_that_is_not_small_stays_a_file(in_file, where, monkeypatch):
    monkeypatch.setattr(placement, "SMALL", 39)
    assert placed(in_file, where, CPU) is in_file


def test_for_a_cpu_a_small_file_is_kept_in_memory(in_file, monkeypatch):
    monkeypatch.setattr(placement, "SMALL", 40)
    assert is_kept(placed(in_file, "auto", CPU))


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_file_is_read_into_memory_in_chunks_as_it_is_stored(in_file, where, monkeypatch):
    monkeypatch.setattr(placement, "CHUNK_BYTES", 3 * 4)
    kept = placed(in_file, where, CPU)
    assert isinstance(kept, Kept)
    assert torch.equal(kept.stored.values, PIXELS)
    assert kept.stored.values.dtype == torch.uint8
    in_file.values.path.unlink()
    batch = whole(kept)
    assert torch.equal(batch.x, PIXELS.float() / 8 - 1)
    assert batch.labels is not None
    assert batch.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("where", ["auto", "device", "host", "disk"])
def test_what_is_in_memory_is_not_copied(in_memory, where):
    assert placed(in_memory, where, CPU) is in_memory


def test_a_device_holds_the_stored_bytes(in_memory):
    kept = placed(in_memory, "device", torch.device("meta"))
    assert isinstance(kept, Kept)
    assert (kept.stored.values.device.type, kept.stored.values.dtype) == ("meta", torch.uint8)
    assert is_kept(kept, on=torch.device("meta"))
    assert not is_kept(kept, on=CPU)


def test_what_is_kept_is_in_memory(in_file, in_memory):
    assert not is_kept(in_file)
    assert is_kept(in_memory)
    assert is_kept(placed(in_file, "host", CPU))
    assert row_bytes(in_file) == 4


@pytest.mark.parametrize(("memory", "fits"), [(160, True), (159, False)])
def test_a_card_keeps_what_fits_its_share(in_file, monkeypatch, memory, fits):
    class Card:
        total_memory = memory

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Card)
    assert placement._fits(in_file, torch.device("cuda")) is fits


def test_a_stop_ends_the_reading(in_file):
    stop.request()
    with pytest.raises(Interrupted):
        placed(in_file, "host", CPU)
