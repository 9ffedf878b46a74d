"""`--fresh`: results are made anew and the old ones set aside, also when the run is killed anywhere."""

import json
import os
import shutil

import pytest
from edited_code import edit
from tiny_boards import DIGITS, ONE_BASE

from harness.errors import Interrupted, UserError
from harness.process import stop
from harness.run import fresh as fresh_results
from harness.run.fresh import Fresh, pending_records, planned
from harness.run.start import RunOptions, run_board
from harness.run.states import states
from harness.stages import card_usage
from harness.stages.record import record_path
from harness.store.files import set_aside
from harness.store.lease import lease
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def board(write_small):
    return write_small(ONE_BASE)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A runs folder in which the first test runs the board; the others get copies."""
    return tmp_path_factory.mktemp("original")


@pytest.fixture
def runs(tmp_path, board, original, serial):
    """The runs folder of the board, which has been run."""
    if not (original / "records").exists():
        run_board(board, board.cells, RunsFolder(original), RunOptions(jobs=1))
    shutil.copytree(original, tmp_path / "runs")
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def run(board, runs, serial):
    """Run the board again; returns the names of the jobs."""

    def run(fresh=fresh_results.NOTHING):
        serial.ran = []
        run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=fresh)
        return serial.ran

    return run


@pytest.fixture
def of_method(board):
    return lambda name: [cell for cell in board.cells if cell.method_name == name]


def replaced(runs):
    """The names of what was set aside, by the folder above it."""
    return sorted(str(path.parent.relative_to(runs.root)) for path in runs.root.rglob("*.replaced-*"))


def notes(runs):
    return sorted(path.name.split("-")[0] for path in runs.root.glob("fresh/*"))


def sources_of(runs, cell, component):
    return {facts.sha256[0] for facts in load_record(record_path(cell, runs)).sources if facts.component == component}


def test_the_chosen_cells_are_made_anew_by_the_edited_code_and_the_old_results_stay(board, runs, run, of_method, monkeypatch):
    files = {path: path.stat().st_mtime_ns for path in runs.root.rglob("records/*/*.json")}
    old = {cell.name: record_path(cell, runs).read_bytes() for cell in board.cells}
    edit(monkeypatch, "method ddo", to="e")
    assert run() == [], "an edit alone runs nothing"
    assert run(Fresh(of_method("ddo"))) == ["base ddpm", "ddpm/ddo/s0", "ddpm/ddo/s1"]
    for cell in of_method("ddo"):
        assert sources_of(runs, cell, "method ddo") == {"e"}
        (before,) = runs.root.glob(f"records/*/{record_path(cell, runs).name}.replaced-*")
        assert before.read_bytes() == old[cell.name]
    assert {p for p in replaced(runs) if "records" not in p} == {"stages/finetune", "stages/sample"}
    unchanged = [path for path in files if "ddo" not in path.name]
    assert all(path.stat().st_mtime_ns == files[path] for path in unchanged)
    assert notes(runs) == []


def test_the_numbers_are_those_of_a_first_run(board, runs, run, of_method):
    before = {cell.name: load_record(record_path(cell, runs)) for cell in of_method("ddo")}
    run(Fresh(of_method("ddo"), bases=True, floors=True))
    for cell in of_method("ddo"):
        after = load_record(record_path(cell, runs))
        assert after.weights_sha256 == before[cell.name].weights_sha256
        assert after.metrics["sliced-w2"].values == before[cell.name].metrics["sliced-w2"].values
        assert after.costs.network_evaluations == before[cell.name].costs.network_evaluations


def test_what_cells_share_is_made_anew_where_other_code_made_it(runs, run, of_method, monkeypatch):
    edit(monkeypatch, "metric sliced-w2")
    run(Fresh(of_method("ddo")))
    assert replaced(runs).count("stages/pair") == 2, "the metric has measured the same samples again"
    assert "stages/bank" not in replaced(runs)
    edit(monkeypatch, "sampler ancestral")
    run(Fresh(of_method("ddo")))
    assert "stages/bank" in replaced(runs)
    for cell in of_method("ddo"):
        assert sources_of(runs, cell, "metric sliced-w2") == {"e"}
        assert sources_of(runs, cell, "sampler ancestral") == {"e"}


def test_bases_and_floors_stay_unless_they_are_asked_for(runs, run, of_method, monkeypatch):
    edit(monkeypatch, "method mle")
    run(Fresh(of_method("ddo")))
    assert "stages/base" not in replaced(runs)
    assert all("e" not in sources_of(runs, cell, "method mle") for cell in of_method("ddo")), "the record says what made the base"
    assert run(Fresh(of_method("ddo"), bases=True, floors=True))[:2] == ["base ddpm", "floor sliced-w2"]
    assert replaced(runs).count("stages/base") == 1
    assert {path.name.split(".")[0] for path in runs.root.glob("records/*/floor*.replaced-*")} == {"floor__sliced-w2"}
    assert all(sources_of(runs, cell, "method mle") == {"e"} for cell in of_method("ddo"))


def test_cells_are_measured_anew_from_the_weights_and_samples_that_they_have(board, runs, run, of_method, monkeypatch):
    before = {cell.name: load_record(record_path(cell, runs)) for cell in of_method("ddo")}
    edit(monkeypatch, "metric sliced-w2")
    asked = Fresh(remeasured=of_method("ddo"))
    found, _ = planned(board, board.cells, asked, runs)
    reasons = {state.cell.name: state.reason for state in found if state.needs_a_run}
    assert reasons == dict.fromkeys(before, "measured anew, from the same samples")
    assert run(asked) == ["base ddpm", "ddpm/ddo/s0", "ddpm/ddo/s1"]
    assert {path for path in replaced(runs) if "records" not in path} == {"stages/pair"}
    for cell in of_method("ddo"):
        after = load_record(record_path(cell, runs))
        assert sources_of(runs, cell, "metric sliced-w2") == {"e"}
        assert after.metrics["sliced-w2"].values == before[cell.name].metrics["sliced-w2"].values
        assert after.samples_sha256 == before[cell.name].samples_sha256
        assert after.costs.seconds_finetune == before[cell.name].costs.seconds_finetune, "the training's, though none ran"
    assert notes(runs) == []


@pytest.mark.parametrize("stage", ["sample", "finetune", "base"])
def test_a_cell_whose_weights_or_samples_are_elsewhere_is_not_trained_unasked(board, runs, run, of_method, stage):
    first, second = of_method("ddo")
    key = {"sample": first.sample_key, "finetune": first.finetune_key, "base": first.base.key}[stage]
    shutil.rmtree(runs.stage(stage, key))
    with pytest.raises(UserError, match=r"^--remeasure: ddpm/ddo/s0 cannot be measured anew, since .* not in .*--fresh"):
        run(Fresh(remeasured=[first, second]))
    assert replaced(runs) == notes(runs) == []
    record_path(first, runs).unlink()
    found, _ = planned(board, [first], Fresh(remeasured=[first]), runs)
    assert [(state.state, state.reason) for state in found] == [("to run", "")]
    assert "ddpm/ddo/s0" in run(Fresh(remeasured=[first])), "a cell without a record is run as ever"


FEW_KEPT = DIGITS.replace("batch: 16", "batch: 16, keep_samples: 20")


def test_samples_are_drawn_again_where_only_some_of_them_were_kept(write_small, tmp_path, serial, monkeypatch):
    board, runs = write_small(FEW_KEPT), RunsFolder(tmp_path / "few")
    (cell,) = board.cells
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    before = load_record(record_path(cell, runs))
    edit(monkeypatch, "extractor digits-cnn")
    run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=Fresh(remeasured=[cell]))
    after = load_record(record_path(cell, runs))
    assert (after.samples_sha256, after.status) == (before.samples_sha256, "done")
    assert sources_of(runs, cell, "extractor digits-cnn") == {"e"}
    assert "stages/sample" in replaced(runs)
    assert "stages/base" not in replaced(runs)


def test_a_cell_that_was_half_set_aside_whole_does_not_keep_the_rest(board, runs, run, of_method, monkeypatch):
    (first, _) = of_method("ddo")

    def killing(path, reason):
        if "sample" in str(path):
            raise Killed
        return set_aside(path, reason)

    with monkeypatch.context() as patched:
        patched.setattr("harness.stages.renewal.set_aside", killing)
        with pytest.raises(Killed):
            run(Fresh([first]))
    record_path(first, runs).unlink()
    run(Fresh(remeasured=[first]))
    assert replaced(runs).count("stages/sample") == 1, "its samples are of the weights that were set aside"


class Killed(BaseException):
    """Ends a process as a kill does: no code of the project catches it."""


def test_a_run_that_is_killed_while_it_sets_aside_goes_on_without_being_told(board, runs, run, of_method, monkeypatch):
    edit(monkeypatch, "method ddo")
    moved = []

    def killing(path, reason):
        if len(moved) == 2:  # fine-tuned weights and samples are moved, the record is not
            raise Killed
        moved.append(path)
        return set_aside(path, reason)

    with monkeypatch.context() as patched:
        patched.setattr("harness.stages.renewal.set_aside", killing)
        with pytest.raises(Killed):
            run(Fresh(of_method("ddo")))
    first, second = of_method("ddo")
    found, _ = planned(board, board.cells, fresh_results.NOTHING, runs)
    to_run = [state.cell.name for state in found if state.needs_a_run]
    assert first.name in to_run
    assert second.name not in to_run, "it was not begun, and is whole as before"
    run()
    assert sources_of(runs, first, "method ddo") == {"e"}
    assert notes(runs) == []


def test_a_run_that_is_stopped_goes_on_with_the_same_command_and_does_nothing_twice(
    board, runs, run, of_method, serial, monkeypatch
):
    edit(monkeypatch, "method ddo")
    fresh = Fresh(of_method("ddo"))

    def stop_after_the_first(job):
        if job.name == "ddpm/ddo/s1":
            stop.request()

    serial.intercept = stop_after_the_first
    with pytest.raises(Interrupted):
        run(fresh)
    stop.clear()
    serial.stop_intercepting()
    found, _ = planned(board, board.cells, fresh, runs)
    assert [state.cell.name for state in found if state.needs_a_run] == ["ddpm/ddo/s1"]
    assert run(fresh) == ["base ddpm", "ddpm/ddo/s1"]
    assert notes(runs) == []
    assert run(fresh) == ["base ddpm", "ddpm/ddo/s0", "ddpm/ddo/s1"], "a new command begins anew"


def test_code_that_is_edited_again_begins_anew_what_was_begun(runs, run, of_method, serial, monkeypatch):
    edit(monkeypatch, "method ddo", to="e")
    serial.intercept = lambda job: stop.request() if job.name == "ddpm/ddo/s1" else None
    with pytest.raises(Interrupted):
        run(Fresh(of_method("ddo")))
    stop.clear()
    serial.stop_intercepting()
    edit(monkeypatch, "method ddo", to="f")
    assert run(Fresh(of_method("ddo"))) == ["base ddpm", "ddpm/ddo/s0", "ddpm/ddo/s1"]
    assert all(sources_of(runs, cell, "method ddo") == {"f"} for cell in of_method("ddo"))


def test_a_cell_that_another_run_works_on_is_refused_and_stays(board, runs, run, of_method):
    first, _ = of_method("ddo")
    with (
        lease(runs.lease("cell", first.key), wait=False),
        pytest.raises(UserError, match=r"^--fresh: another run works on ddpm/ddo/s0; wait"),
    ):
        run(Fresh([first]))
    assert replaced(runs) == []


@pytest.mark.parametrize("busy", ["cell", "sample"])
def test_a_refusal_leaves_everything_as_it_was_so_that_the_next_run_does_nothing_unasked(runs, run, of_method, busy):
    first, second = of_method("ddo")
    path = runs.lease(busy, second.key if busy == "cell" else second.sample_key)
    with lease(path, wait=False), pytest.raises(UserError, match=r"^--fresh: another run works on ddpm/ddo/s1; wait"):
        run(Fresh([first, second]))
    assert replaced(runs) == notes(runs) == []
    assert run() == []


def test_nothing_is_set_aside_where_something_is_missing_that_the_cells_need(runs, run, of_method, monkeypatch):
    from harness.errors import Faults
    from harness.run.needs import Needs

    def lacking(self):
        raise Faults([f"{len(self.cells)} cells lack a file"])

    monkeypatch.setattr(Needs, "check", lacking)
    with pytest.raises(Faults, match="2 cells lack a file"):
        run(Fresh(of_method("ddo")))
    assert replaced(runs) == notes(runs) == []


def test_records_that_are_made_anew_are_pending_until_all_are_made(board, runs, run, of_method):
    assert pending_records(board, runs) == set()
    fresh_results.begin(board, Fresh(of_method("ddo"), floors=True), runs)
    assert {path.name.split(".")[0] for path in pending_records(board, runs)} == {
        "ddpm__ddo__s0", "ddpm__ddo__s1", "floor__sliced-w2",
    }  # fmt: skip
    fresh_results.end(board, runs)
    assert len(pending_records(board, runs)) == 3, "nothing is made yet"
    note = runs.fresh("cell", of_method("ddo")[0].key)
    note.with_name(f".{note.name}.0123").write_text("left by a process that was killed while it wrote")
    run()
    assert pending_records(board, runs) == set()
    assert list(note.parent.iterdir()) == []


def test_energy_that_a_stopped_process_noted_is_not_that_of_a_cell_that_is_made_anew(board, runs, of_method):
    first, second = of_method("ddo")
    for cell in (first, second):
        card_usage.usage_file(cell, runs).parent.mkdir(parents=True)
        card_usage.usage_file(cell, runs).write_text("[1.5, 100]")
    fresh_results.begin(board, Fresh([first]), runs)
    assert not card_usage.usage_file(first, runs).exists()
    assert card_usage.usage_file(second, runs).exists()


def test_notes_are_deleted_with_as_few_listings_of_their_folder_for_many_as_for_one(board, runs, monkeypatch):
    """A listing for each note would take hours at the end of 10,000 cells."""
    listed = []
    for name in ("listdir", "scandir"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path=".", call=call: (listed.append(str(path)), call(path))[1])
    folder, listings = runs.fresh("cell", "any").parent, []
    folder.mkdir(exist_ok=True)
    for cells in (board.cells[:1], board.cells):
        for cell in cells:
            runs.fresh("cell", cell.key).write_text("{}")
        listed.clear()
        fresh_results.end(board, runs)
        assert notes(runs) == []
        listings.append(sum(path.rstrip("/") == str(folder) for path in listed))
    assert len(board.cells) > 1
    assert listings[0] == listings[1] > 0


def test_a_note_that_cannot_be_read_counts_as_none(board, runs, run, of_method):
    (cell,) = of_method("ddo")[:1]
    note = runs.fresh("cell", cell.key)
    note.parent.mkdir(exist_ok=True)
    for content in ("", "[]", json.dumps({"code": 1}), "[" * 100_000):
        note.write_text(content)
        assert {state.state for state in planned(board, board.cells, fresh_results.NOTHING, runs)[0]} == {"done"}
    note.unlink()
    os.mkfifo(note)  # nothing waits for it
    assert {state.state for state in planned(board, board.cells, fresh_results.NOTHING, runs)[0]} == {"done"}
    assert states(board, [cell], runs)[0].state == "done"


TWO_SAMPLERS = "evaluation: {samplers: {ancestral: ancestral, ddim: {name: ddim, steps: 2}}, "
SAMPLERS = ONE_BASE.replace("evaluation: {", TWO_SAMPLERS).replace("[0, 1]", "[0]")


@pytest.fixture
def sampled(write_small, tmp_path, serial):
    """A board of two samplers that has been run, and its runs folder."""
    board, runs = write_small(SAMPLERS), RunsFolder(tmp_path / "sampled")
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    return board, runs


def with_sampler(board, name):
    return [cell for cell in board.cells if cell.row.sampler_name == name]


def test_a_training_stays_that_cells_of_another_sampler_share(sampled):
    board, runs = sampled
    fresh = Fresh(with_sampler(board, "ddim"))
    found, _ = planned(board, board.cells, fresh, runs)
    assert {state.cell.name: state.reason for state in found if state.needs_a_run} == {
        "ddpm/none/ddim/s0": "anew",
        "ddpm/ddo/ddim/s0": "anew, from the same weights",
    }
    run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=fresh)
    trained = next(cell for cell in board.cells if cell.trains)
    assert not list(runs.root.glob(f"stages/finetune/{trained.finetune_key}.replaced-*"))
    assert replaced(runs).count("stages/sample") == 2
    assert notes(runs) == []


def test_a_training_stays_that_cells_of_another_size_share(write_small, tmp_path, serial):
    text = ONE_BASE.replace("samples: 20", "sizes: [10, 20]").replace("[0, 1]", "[0]")
    board, runs = write_small(text), RunsFolder(tmp_path / "sized")
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    small = [cell for cell in board.cells if cell.evaluation.samples == 10]
    assert len(small) == 2
    found, _ = planned(board, board.cells, Fresh(small), runs)
    assert {state.cell.method_name: state.reason for state in found if state.needs_a_run} == {
        "none": "anew",
        "ddo": "anew, from the same weights",
    }
    run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=Fresh(small))
    (key,) = {cell.finetune_key for cell in board.cells if cell.trains}
    assert not list(runs.root.glob(f"stages/finetune/{key}.replaced-*"))


MERGED = ONE_BASE.replace("[0, 1]", "[0]").replace(
    "  none:\n", "  near: {method: {name: neon, w: 0.5, bank_size: 20}}\n  far: {method: {name: neon, w: 1.0, bank_size: 20}}\n"
)


@pytest.fixture
def merged(write_small, tmp_path, serial):
    """A board of two rows that merge one training differently, which has been run, and its runs folder."""
    board, runs = write_small(MERGED), RunsFolder(tmp_path / "merged")
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    return board, runs


def test_the_steps_of_a_training_stay_that_a_row_shares_which_merges_differently(merged, monkeypatch):
    board, runs = merged
    near, far = (next(cell for cell in board.cells if cell.method_name == name) for name in ("near", "far"))
    before = load_record(record_path(near, runs))
    fresh = Fresh([near])
    found, _ = planned(board, board.cells, fresh, runs)
    assert {state.cell.method_name: state.reason for state in found if state.needs_a_run} == {
        "near": "anew, from the steps that its row shares with others"
    }
    edit(monkeypatch, "method neon")
    run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=fresh)
    assert replaced(runs) == ["records/small", "stages/finetune", "stages/sample"]
    assert load_record(record_path(near, runs)).weights_sha256 == before.weights_sha256
    assert sources_of(runs, far, "method neon") < sources_of(runs, near, "method neon")
    assert runs.stage("training", far.shared_training_key).is_dir()
    assert notes(runs) == []


@pytest.mark.parametrize("which", ["all rows", "with the bases"])
def test_the_steps_of_a_training_are_taken_anew_with_all_its_rows_or_its_base(merged, which):
    board, runs = merged
    near = [cell for cell in board.cells if cell.method_name == "near"]
    run_board(
        board, board.cells, runs, RunOptions(jobs=1), fresh=Fresh(board.cells) if which == "all rows" else Fresh(near, bases=True)
    )
    assert len(list(runs.root.glob("stages/training/*.replaced-*"))) == 1


def test_a_kill_while_it_sets_aside_leaves_the_shared_steps_where_they_are(merged, monkeypatch):
    board, runs = merged
    near = [cell for cell in board.cells if cell.method_name == "near"]

    def killing(path, reason):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("harness.stages.renewal.set_aside", killing)
        with pytest.raises(Killed):
            run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=Fresh(near))
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    assert not list(runs.root.glob("stages/training/*.replaced-*"))
    assert replaced(runs).count("stages/finetune") == 1


@pytest.mark.parametrize("which", ["all samplers", "with the bases"])
def test_a_training_is_made_anew_with_all_its_samplers_or_its_base(sampled, which):
    board, runs = sampled
    fresh = Fresh(board.cells) if which == "all samplers" else Fresh(with_sampler(board, "ddim"), bases=True)
    run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=fresh)
    trained = next(cell for cell in board.cells if cell.trains)
    assert len(list(runs.root.glob(f"stages/finetune/{trained.finetune_key}.replaced-*"))) == 1
    hashes = {load_record(record_path(cell, runs)).weights_sha256 for cell in board.cells if cell.trains}
    assert len(hashes) == 1


def test_a_kill_while_it_sets_aside_leaves_the_shared_training_where_it_is(sampled, monkeypatch):
    board, runs = sampled
    (cell,) = [cell for cell in with_sampler(board, "ddim") if cell.trains]

    def killing(path, reason):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("harness.stages.renewal.set_aside", killing)
        with pytest.raises(Killed):
            run_board(board, board.cells, runs, RunOptions(jobs=1), fresh=Fresh([cell]))
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    assert not list(runs.root.glob("stages/finetune/*.replaced-*"))
    assert replaced(runs).count("stages/sample") == 1
