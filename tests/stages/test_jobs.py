"""Jobs in a worker: whatever happens to one, it ends with a result and, for cells and floors, with a record."""

import dataclasses
import json
import logging
import signal
import threading

import pytest
import stage_parts
import torch
from stage_parts import DRIFTING, SHIFT, Drifting, Exploding, Shift, resolved

from harness.board.bases import Examples
from harness.board.columns import Column, Floor
from harness.board.schema import MetricConfig
from harness.errors import Interrupted, UserError
from harness.plugins import registry
from harness.process import devices, stop
from harness.process.card_meter import Usage
from harness.sampling import drawing
from harness.stages import card_usage, jobs, metrics
from harness.stages.checked import CheckedSource
from harness.stages.example_faults import DataFault
from harness.stages.job_result import BUSY, FAILED, FINISHED, INTERRUPTED, JobResult
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.stages.record import record_path
from harness.store.files import StorageError
from harness.store.lease import lease
from harness.store.manifests import MANIFEST
from harness.store.records import load_floor, load_record
from harness.store.runs_folder import RunsFolder
from harness_neon.method import Neon

CPU = JobOptions("cpu")


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    """A process that has run no job yet."""
    monkeypatch.setattr(jobs, "_CACHE", ProcessCache())


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cell(cells):
    """A cell that is measured by `shift`, a metric of the tests."""
    cell, column = cells["small/mle/s0"], Column("shift", "shift", resolved(SHIFT), MetricConfig(), 2, 2)
    return dataclasses.replace(cell, row=dataclasses.replace(cell.row, columns=(column,)))


@pytest.fixture
def run(cell, runs):
    """Run the cell; returns the job's result and the cell's record."""

    def do(chosen=cell):
        result = jobs.run_cell(chosen, runs, CPU)
        path = record_path(chosen, runs)
        return result, load_record(path) if path.exists() else None

    return do


@pytest.fixture
def broken(monkeypatch):
    """Let the metric raise something."""

    def do(error):
        def raising(*_):
            raise error

        monkeypatch.setattr(Shift, "__call__", raising)

    return do


def test_a_cell_goes_through_all_stages(run, cell, runs):
    result, record = run()
    assert result == FINISHED
    assert (record.status, record.reason, record.cell) == ("done", "", "small/mle/s0")
    assert len(record.metrics["shift"].values) == 2
    assert record.base_weights_sha256 != record.weights_sha256
    assert (record.costs.steps, record.costs.nfe) == (4, 2)
    assert record.costs.peak_memory_bytes > 1e6
    assert not list(runs.workers.glob("*"))


def test_plugins_hear_of_a_cell_after_its_record_is_there(run, cell, runs, monkeypatch):
    heard = []

    def listen(hook, *_, **arguments):
        if hook == "harness_cell_finished":
            heard.append((arguments["cell"], load_record(record_path(cell, runs)) == arguments["record"]))

    monkeypatch.setattr(registry(), "listen", listen)
    run()
    run()  # it has a result: nothing finished
    assert heard == [(cell, True)]


def test_a_worker_builds_the_dataset_once_for_all_cells(cells, runs, monkeypatch):
    created = []
    component = cells["small/none/s0"].base.dataset.component
    create = type(component).create
    monkeypatch.setattr(type(component), "create", lambda self, settings: created.append(self.name) or create(self, settings))
    for cell in cells.values():
        assert jobs.run_cell(cell, runs, CPU) == FINISHED
    assert created == ["swiss-roll"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "out of memory: no setting lowers what one"),
        (
            RuntimeError("cumsum does not have a deterministic implementation, but you set"),
            "no deterministic kernel: ",
        ),
    ],
)
def test_what_a_card_lacks_is_one_message_without_a_traceback(run, broken, error, reason):
    broken(error)
    result, record = run()
    assert (result, record.status) == (FINISHED, "failed")
    assert reason in record.reason
    assert "traceback" not in record.reason


def test_a_board_may_take_the_fastest_kernels(cell, runs, monkeypatch):
    asked = []
    monkeypatch.setattr(devices, "use", lambda _, *, is_deterministic: asked.append(is_deterministic) or torch.device("cpu"))
    jobs.run_cell(cell, runs, JobOptions("cpu", is_deterministic=False))
    assert asked == [False]


class LosesItsSteps(Drifting):
    """Merges by a number of steps that it does not keep."""

    count = 0

    def step(self, batch, generator, index):
        self.count += 1
        return super().step(batch, generator, index)

    def result(self, weights):
        return {name: value * (1 + 1e-3 * self.count) for name, value in weights.items()}


def test_a_smoke_run_fails_a_cell_whose_method_loses_state_and_a_real_run_does_not_look(cells, runs, monkeypatch):
    monkeypatch.setattr(stage_parts, "Drifting", LosesItsSteps)
    cell = cells["small/mle/s0"]
    cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, method=DRIFTING))
    jobs.run_cell(cell, runs, dataclasses.replace(CPU, checks_resume=True))
    record = load_record(record_path(cell, runs))
    assert record.status == "failed"
    assert "method drifting: training that went on from a checkpoint after step 2 of 4, in new objects, differs" in record.reason
    assert "its result, before it takes a step" in record.reason
    jobs.run_cell(cell, runs, CPU)
    assert load_record(record_path(cell, runs)).status == "done"


def test_a_record_that_another_run_wrote_meanwhile_stays(run, cell, runs):
    run()
    path = record_path(cell, runs)
    before = (path.stat().st_ino, path.read_bytes())
    assert run()[0] == FINISHED
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_a_failed_cell_is_run_again(run, broken, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Shift, "__call__", lambda *_: 1 / 0)
        assert run()[1].status == "failed"
    assert run()[1].status == "done"


@pytest.mark.parametrize(
    "error", [SystemExit("no such distance"), ZeroDivisionError("no such distance"), KeyError("no such distance")]
)
def test_whatever_a_plugin_raises_fails_its_cell_and_leaves_a_traceback(run, broken, runs, cell, error):
    broken(error)
    result, record = run()
    assert (result, record.status) == (FINISHED, "failed")
    assert type(error).__name__ in record.reason
    assert "no such distance" in record.reason
    traceback = runs.work("cell", cell.key) / "traceback.txt"
    assert record.reason.endswith(f"(traceback: {traceback})")
    assert "Traceback (most recent call last)" in traceback.read_text()


@pytest.fixture
def worker_signals():
    """As in a worker: Ctrl-C is a request to stop and raises nothing."""
    before = signal.getsignal(signal.SIGINT)
    stop.on_signals()
    yield
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_keyboard_interrupt_that_a_plugin_raises_fails_its_cell_alone(run, broken, worker_signals):
    broken(KeyboardInterrupt())
    result, record = run()
    assert (result, record.status) == (FINISHED, "failed")
    assert record.reason.startswith("KeyboardInterrupt (traceback: ")


@pytest.fixture
def no_handler():
    """As in a program that calls the stages itself: the commands of other tests have left handlers in this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_real_ctrl_c_is_none_of_a_plugins_faults(run, broken, no_handler):
    broken(KeyboardInterrupt())  # where no handler stands, as in a program that calls the stages itself
    with pytest.raises(KeyboardInterrupt):
        run()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "MemoryError (traceback: "),
        (MemoryError(""), "MemoryError (traceback: "),
        (RuntimeError("half of a pair: \ud83d"), "RuntimeError: half of a pair: \\ud83d (traceback: "),
    ],
)
def test_an_error_without_a_text_or_with_half_a_character_keeps_its_reason_and_its_traceback(
    run, broken, runs, cell, error, reason
):
    broken(error)
    result, record = run()
    assert (result, record.status) == (FINISHED, "failed")
    assert reason in record.reason
    assert type(error).__name__ in (runs.work("cell", cell.key) / "traceback.txt").read_text(encoding="utf-8")


def test_a_note_of_an_error_does_not_take_the_place_of_its_text(run, broken):
    error = ValueError("no such distance")
    error.add_note("while measuring")
    broken(error)
    assert run()[1].reason.startswith("ValueError: no such distance (traceback: ")


def age(output):
    """Make the manifest in a folder one of an older version, which had neither a number nor a seal."""
    manifest = output / MANIFEST
    content = {name: value for name, value in json.loads(manifest.read_text()).items() if name not in ("sha256", "schema")}
    manifest.write_text(json.dumps(content))


def test_a_changed_value_of_an_older_version_reaches_no_record(run, cell, runs):
    _, record = run()
    for folder in (*runs.root.glob("stages/pair/*"), *runs.root.glob("stages/sample/*")):
        age(folder)
        manifest = folder / MANIFEST
        content = json.loads(manifest.read_text())
        content["facts"]["values" if "pair" in str(folder) else "draws_sha256"] = {"shift": 0.022}
        manifest.write_text(json.dumps(content))
    record_path(cell, runs).unlink()
    assert run()[1].metrics["shift"].values == record.metrics["shift"].values


@pytest.mark.parametrize(("stage", "unsealed"), [("base", []), ("finetune", ["finetune"])])
def test_training_of_an_older_version_is_taken_and_the_record_says_what_nothing_vouches_for(run, cell, runs, stage, unsealed):
    _, record = run()
    (folder,) = runs.root.glob(f"stages/{stage}/*")
    age(folder)
    record_path(cell, runs).unlink()
    again = run()[1]
    assert again.metrics["shift"].values == record.metrics["shift"].values
    assert (again.weights_sha256, again.parameters) == (record.weights_sha256, record.parameters)
    assert (record.unsealed, again.unsealed) == ([], unsealed)


@pytest.mark.parametrize("changed", [{"parameters": 7}, {"weights_sha256": "0" * 64}])
def test_changed_facts_of_an_older_base_do_not_reach_a_record(run, cell, runs, changed):
    run()
    (folder,) = runs.root.glob("stages/base/*")
    age(folder)
    content = json.loads((folder / MANIFEST).read_text())
    content["facts"] |= changed
    (folder / MANIFEST).write_text(json.dumps(content))
    record_path(cell, runs).unlink()
    _, record = run()
    assert record.status == "failed"
    assert record.reason.startswith(f"{folder}: the manifest, which an older version wrote, does not fit")


def test_a_users_mistake_is_its_own_reason_without_a_traceback(run, broken):
    broken(UserError("kid: 30 images are too few"))
    _, record = run()
    assert record.status == "failed"
    assert record.reason == "kid: 30 images are too few"


def test_a_cell_that_explodes_has_diverged(run, cell, with_sampler):
    result, record = run(with_sampler(cell, Exploding))
    assert (result, record.status) == (FINISHED, "diverged")
    assert record.reason.startswith("samples exploded")


@pytest.mark.parametrize("error", [DataFault("dataset x: no labels"), StorageError("/x: no room left")])
def test_what_no_cell_can_do_without_refuses_the_job_and_writes_no_record(run, broken, error):
    broken(error)
    assert run() == (JobResult("refused", str(error)), None)


def test_an_interrupted_cell_has_no_record(run):
    stop.request()
    assert run() == (INTERRUPTED, None)


def test_a_cell_that_another_process_works_on_is_busy(run, cell, runs):
    with lease(runs.lease("cell", cell.key), wait=False):
        results = []
        other = threading.Thread(target=lambda: results.append(run()))
        other.start()
        other.join()
    assert results == [(BUSY, None)]


def test_cells_that_a_smoke_run_makes_alike_wait_for_each_other(run, cell, runs):
    smoke = dataclasses.replace(cell, row=dataclasses.replace(cell.row, is_smoke=True))
    twin = dataclasses.replace(smoke, row=dataclasses.replace(smoke.row, method_name="mle-again"))
    assert twin.key == smoke.key
    results = []
    with lease(runs.lease("cell", cell.key), wait=False):
        other = threading.Thread(target=lambda: results.append(run(twin)))
        other.start()
        other.join(timeout=0.3)
        assert not results  # it waits
    other.join()
    ((result, record),) = results
    assert (result, record.method) == (FINISHED, "mle-again")
    assert run(smoke)[1].metrics == record.metrics


def test_a_cell_of_examples_needs_no_network(cell, tiny, run, runs):
    base = dataclasses.replace(cell.base, origin=Examples(tiny.dataset))
    of_examples = dataclasses.replace(cell, row=dataclasses.replace(cell.row, base=base))
    assert jobs.run_base(base, runs, CPU) == FINISHED
    result, record = run(of_examples)
    assert (result, record.status, record.parameters, record.costs.nfe) == (FINISHED, "done", 0, 0)
    assert {path.name for path in runs.root.glob("stages/*")} == {"sample", "pair"}


def test_a_base_is_made_once(tiny, runs):
    for _ in range(2):
        assert jobs.run_base(tiny.bases[0], runs, CPU) == FINISHED
    assert len(list(runs.root.glob("stages/base/*"))) == 1


def test_a_base_that_cannot_be_made_is_logged_with_the_reason(tiny, runs, monkeypatch, caplog):
    monkeypatch.setattr(CheckedSource, "train", lambda _: 1 / 0)
    with caplog.at_level(logging.WARNING):
        assert jobs.run_base(tiny.bases[0], runs, CPU) == FAILED
    assert caplog.messages == ["base small: ZeroDivisionError: division by zero"]


def test_a_model_that_does_not_fit_the_data_refuses_the_run(read_board, tiny, tiny_text, runs):
    text = tiny_text.replace("{name: swiss-roll, train_size: 256}", "digits").replace(
        "{name: ddpm-mlp, steps: 2, width: 8}", "{name: edm-unet, model_channels: 4}\n    sampler: {name: heun, steps: 2}"
    )
    (base,) = read_board(text, "images").bases
    result = jobs.run_base(dataclasses.replace(base, dataset=tiny.dataset), runs, CPU)  # points, known when they are read
    assert result.outcome == "refused"
    assert result.message.startswith("base small: model edm-unet: needs square images")


@pytest.fixture
def floor(cell, tiny):
    """A floor by the tests' own metric."""
    return Floor(tiny.dataset, cell.columns[0], 30)


def test_a_floor_is_measured_once_and_recorded(floor, runs):
    path = runs.floor("tiny", floor.name, floor.key)
    assert jobs.run_floor("tiny", floor, runs, CPU, is_smoke=True) == FINISHED
    record = load_floor(path)
    assert (record.board, record.metric, record.key, record.is_smoke) == ("tiny", "shift", floor.key, True)
    assert len(record.values) == 2
    assert record.extractor is None
    written = path.stat().st_ino
    assert jobs.run_floor("tiny", floor, runs, CPU, is_smoke=True) == FINISHED
    assert path.stat().st_ino == written


@pytest.mark.parametrize(("largest", "held_out"), [(None, None), (500, 1000)])
def test_a_floor_says_of_how_many_held_out_examples_its_draws_are(floor, runs, monkeypatch, largest, held_out):
    monkeypatch.setattr(CheckedSource, "largest_evaluation", largest)
    assert jobs.run_floor("tiny", floor, runs, CPU, is_smoke=True) == FINISHED
    assert load_floor(runs.floor("tiny", floor.name, floor.key)).held_out == held_out


def test_a_floor_that_cannot_be_measured_is_logged_with_its_traceback(floor, runs, broken, caplog):
    broken(SystemExit("no such distance"))
    with caplog.at_level(logging.WARNING):
        assert jobs.run_floor("tiny", floor, runs, CPU, is_smoke=False) == FAILED
    traceback = runs.work("floor", floor.key) / "traceback.txt"
    assert caplog.messages == [f"floor shift: SystemExit: no such distance (traceback: {traceback})"]
    assert traceback.exists()
    assert not runs.floor("tiny", floor.name, floor.key).exists()


class Meter:
    """Stands in for the meter of a card."""

    def stop(self):
        return Usage(1.5, 2**30)


def test_energy_of_a_card_is_in_the_record_of_a_cell_that_one_process_ran(run, cell, runs, monkeypatch):
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    _, record = run()
    assert (record.costs.energy_wh, record.costs.card_memory_bytes) == (1.5, 2**30)
    record_path(cell, runs).unlink()  # as if killed after the samples
    _, again = run()
    assert (again.costs.energy_wh, again.costs.card_memory_bytes) == (None, None)
    assert "energy_wh" not in record_path(cell, runs).read_text()


def stopped(*_):
    raise Interrupted


def test_energy_is_summed_over_the_processes_that_a_cell_was_stopped_in(run, cell, runs, monkeypatch):
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(metrics, "run", stopped)
        assert jobs.run_cell(cell, runs, CPU) == INTERRUPTED
    assert card_usage.usage_file(cell, runs).is_file()
    _, record = run()
    assert (record.costs.energy_wh, record.costs.card_memory_bytes) == (3.0, 2**30)
    assert not card_usage.usage_file(cell, runs).parent.exists()


@pytest.fixture
def untrained(cells, cell):
    """A cell for which samples are drawn, and nothing is trained."""
    untrained = cells["small/none/s0"]
    return dataclasses.replace(untrained, row=dataclasses.replace(untrained.row, columns=cell.columns))


@pytest.fixture
def stop_while_it_draws(untrained, runs, monkeypatch):
    """Run the cell, and stop it behind its first chunk of samples."""

    def do():
        draw, drawn = drawing.draw_decoded, []

        def stopping(*arguments, **options):
            if drawn:
                raise Interrupted
            drawn.append(draw(*arguments, **options))
            return drawn[0]

        with monkeypatch.context() as at_the_second:
            at_the_second.setattr(drawing, "draw_decoded", stopping)
            assert jobs.run_cell(untrained, runs, CPU) == INTERRUPTED
        assert runs.work("sample", untrained.sample_key).exists()

    return do


def test_energy_is_summed_where_a_cell_was_stopped_while_it_drew(run, untrained, stop_while_it_draws, monkeypatch):
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    stop_while_it_draws()
    _, record = run(untrained)
    assert (record.costs.energy_wh, record.costs.card_memory_bytes) == (3.0, 2**30)


def test_energy_is_unknown_where_a_process_without_a_meter_drew(run, untrained, stop_while_it_draws, monkeypatch):
    stop_while_it_draws()
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    _, record = run(untrained)
    assert record.costs.energy_wh is None


@pytest.mark.parametrize(("first", "expected"), [(Meter, 3.0), (lambda: None, None)])
def test_energy_of_a_shared_training_that_was_stopped_counts(run, read_board, tiny_text, runs, monkeypatch, first, expected):
    method = "  near: {method: {name: neon, w: 0.5, bank_size: 20}}\n"
    (cell, *_) = (cell for cell in read_board(tiny_text.replace("  mle:\n", method)).cells if cell.trains)
    step = Neon.step

    def stopped_step(self, batch, generator, index):
        if index == 1:
            stop.request()
        return step(self, batch, generator, index)

    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: first())
    with monkeypatch.context() as in_a_step:
        in_a_step.setattr(Neon, "step", stopped_step)
        assert jobs.run_cell(cell, runs, CPU) == INTERRUPTED
    stop.clear()
    assert list(runs.work("training", cell.shared_training_key).glob("step-*"))
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    _, record = run(cell)
    assert record.costs.energy_wh == expected


def test_energy_is_unknown_where_a_process_without_a_meter_worked_on_the_cell(run, cell, runs, monkeypatch):
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(metrics, "run", stopped)
        jobs.run_cell(cell, runs, CPU)
    monkeypatch.setattr("harness.process.card_meter.start", lambda *_: Meter())
    _, record = run()
    assert record.costs.energy_wh is None


def test_on_a_cpu_a_record_says_nothing_of_a_card(run, cell, runs):
    run()
    assert "energy_wh" not in record_path(cell, runs).read_text()
