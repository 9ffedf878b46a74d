"""`harness publish`: records into the board's folder, and its page; a board that is half done only on request."""

from harness.store.records import load_record, save_record


def test_records_are_copied_and_the_page_is_written(filled):
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "leaderboards/small/results: 7 records written, 0 files kept, 0 removed"
    assert "wrote leaderboards/small/README.md" in done.stdout
    records = {path.name for path in (filled.folder / "results").glob("*.json") if not path.name.startswith("preview")}
    assert records == {f"{cell.name.replace('/', '__')}.json" for cell in filled.board.cells} | {"floor__sliced-w2.json"}


def test_published_records_stay_where_the_runs_folder_has_none_and_others_go(filled):
    filled("publish", "leaderboards/small")
    results = filled.folder / "results"
    (results / "ddpm__sft-pg__s0.json").write_bytes((results / "ddpm__ddo__s0.json").read_bytes())  # of no cell of the board
    kept = filled.record("ddpm/ddo/s1")
    kept.unlink()
    done = filled("publish", "leaderboards/small")
    assert done.stdout.splitlines()[0] == "leaderboards/small/results: 6 records written, 1 files kept, 1 removed"
    name = "leaderboards/small/results/ddpm__sft-pg__s0.json"
    assert done.stdout.splitlines()[1] == f"removed {name}, which no longer belongs to the board"
    assert not (results / "ddpm__sft-pg__s0.json").exists()
    assert (results / "ddpm__ddo__s1.json").exists()


def test_half_a_board_is_refused_unless_partial(filled):
    filled.record("ddpm/ddo/s1").unlink()
    done = filled("publish", "leaderboards/small")
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 not run: ddpm/ddo/s1" in done.stderr
    assert "run `harness run leaderboards/small` first, or publish what there is with --partial" in done.stderr
    assert not (filled.folder / "results").exists()
    assert filled("publish", "leaderboards/small", "--partial").returncode == 0
    assert "not run yet: ddpm/ddo/s1" in (filled.folder / "README.md").read_text()


def test_failed_cells_are_problems_too(filled):
    path = filled.record("ddpm/mle/s0")
    save_record(load_record(path).model_copy(update={"status": "failed", "reason": "no room"}), path)
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 1
    assert "ddpm/mle/s0" in done.stderr
