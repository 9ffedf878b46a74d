from harness.store.records import FloorRecord, is_measured, load_floor, save_record

FLOOR = FloorRecord(board="b", metric="w2", key="k", values=[0.1 + 0.2])


def test_a_damaged_floor_is_reported_and_counts_as_absent(tmp_path, caplog):
    path = tmp_path / "f.json"
    assert not is_measured(path)
    assert not caplog.messages
    save_record(FLOOR, path)
    assert is_measured(path)
    path.write_text(path.read_text().replace("0.3", "0.2"))
    assert not is_measured(path)
    assert "damaged" in caplog.messages[0]


def test_a_killed_writer_leaves_the_old_record_or_the_new(tmp_path, kill_everywhere):
    path = tmp_path / "f.json"
    new = FLOOR.model_copy(update={"values": [0.4]})
    save_record(FLOOR, path)

    def check():
        assert load_floor(path) in (FLOOR, new)

    kill_everywhere(lambda: save_record(new, path), check)
    assert load_floor(path) == new
