import pickle

import pytest

from harness.store.records import DamagedRecord, FloorRecord, is_measured, load_floor, save_record, usable

FLOOR = FloorRecord(board="b", metric="w2", key="k", values=[0.1 + 0.2])


def test_a_damaged_floor_counts_as_absent_which_is_told_once_and_asks_for_nothing(tmp_path, caplog):
    path = tmp_path / "f.json"
    assert usable(path, load_floor) is None
    assert not is_measured(path)
    save_record(FLOOR, path)
    assert usable(path, load_floor) == FLOOR
    assert is_measured(path)
    assert not caplog.messages
    path.write_text(path.read_text().replace("0.3", "0.2"))
    assert not is_measured(path)
    assert usable(path, load_floor) is usable(path, load_floor) is None
    (told,) = caplog.messages
    assert told == f"{path}: damaged: its checksum does not match; it counts as absent, and `harness run` makes it again"


def test_the_error_of_a_damaged_record_passes_between_processes(tmp_path):
    path = tmp_path / "f.json"
    path.write_text("{}")
    with pytest.raises(DamagedRecord) as caught:
        load_floor(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.fault) == (str(caught.value), f"{path}: damaged: not a whole record")


def test_a_killed_writer_leaves_the_old_record_or_the_new(tmp_path, kill_everywhere):
    path = tmp_path / "f.json"
    new = FLOOR.model_copy(update={"values": [0.4]})
    save_record(FLOOR, path)

    def check():
        assert load_floor(path) in (FLOOR, new)

    kill_everywhere(lambda: save_record(new, path), check)
    assert load_floor(path) == new
