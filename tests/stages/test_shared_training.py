"""A training that cells share: it runs once, and each cell ends as if it had trained alone."""

import dataclasses

import pytest
from stage_parts import make_base_anew

from harness.errors import Diverged, Interrupted
from harness.process import stop
from harness.run import fresh
from harness.stages import base as base_stage
from harness.stages import finetune, shared_training
from harness.stages.context import Context
from harness.stages.facts import FinetuneFacts, SharedTrainingFacts
from harness.store import outputs
from harness.store.files import StorageError
from harness.store.runs_folder import RunsFolder
from harness.training.loop import TrainingLoop
from harness.training.training_log import read_log
from harness.weights import state_dicts
from harness_neon.method import Neon

METHODS = """\
  near: {method: {name: neon, w: 0.5, bank_size: 20}}
  far: {method: {name: neon, w: 3.0, bank_size: 20}}
  mean: {method: {name: neon, w: -0.5, bank_size: 20}}
  last: {method: {name: neon, w: 0.5, bank_size: 20}, training: {select: last}}
  other: {method: {name: neon, w: 0.5, bank_size: 20, optimizer: {lr: 1.0e-2}}}
"""
SELECTING = "training: {images: 256, batch: 64, select: best}\ncurve: {metric: sliced-w2, points: 2, samples: 30}\n"


@pytest.fixture
def neon(read_board, tiny_text):
    """The cells of a board whose rows differ in the length of Neon's step, by row name, at seed 0."""
    text = tiny_text.replace("  mle:\n", METHODS).replace("training: {images: 256, batch: 64}\n", SELECTING)
    return {cell.method_name: cell for cell in read_board(text).cells if cell.seed == 0}


@pytest.fixture
def trainings(monkeypatch):
    """The steps of Neon's trainings, in the order in which they are taken; those of the base are not among them."""
    steps = []
    take = Neon.step

    def counted(self, batch, generator, index):
        steps.append(index)
        return take(self, batch, generator, index)

    monkeypatch.setattr(Neon, "step", counted)
    return steps


def alone(cell):
    """The cell with a method that does not say which of its settings act after training alone."""
    component = dataclasses.replace(cell.method.component, merges=frozenset())
    method = dataclasses.replace(cell.method, component=component)
    return dataclasses.replace(cell, row=dataclasses.replace(cell.row, method=method))


def test_rows_that_differ_in_what_result_does_train_once(neon, tune, trainings):
    for name in ("near", "far", "mean", "last"):
        tune(neon[name])
    assert trainings == [0, 1, 2, 3]
    tune(neon["other"])
    assert trainings == [0, 1, 2, 3] * 2


def test_keys_of_cells_are_those_of_cells_that_train_alone(neon):
    for cell in neon.values():
        assert alone(cell).key == cell.key
    shared = {neon[name].shared_training_key for name in ("near", "far", "mean", "last")}
    assert len(shared) == 1
    assert neon["other"].shared_training_key not in shared


@pytest.mark.parametrize("name", ["near", "far", "last"])
def test_a_cell_ends_as_if_it_had_trained_alone(name, neon, tune, source, context, tmp_path):
    tune(neon["mean"])  # another row trains
    output = tune(neon[name])
    elsewhere = Context(RunsFolder(tmp_path / "alone"), context.options, "test")
    cell = alone(neon[name])
    expected = finetune.run(cell, base_stage.run(cell.base, source, elsewhere), source, elsewhere)
    fields = {"seconds": 0.0, "seconds_steps": 0.0, "sources": []}
    facts, facts_alone = (FinetuneFacts.of(made).model_copy(update=fields) for made in (output, expected))
    assert facts == facts_alone
    lines, lines_alone = (read_log(made.folder / "log.jsonl", cell.finetune_key) for made in (output, expected))
    assert lines == lines_alone
    assert {made.component for made in FinetuneFacts.of(output).sources} == {
        made.component for made in FinetuneFacts.of(expected).sources
    }


def test_lengths_of_the_step_give_weights_on_one_line_through_the_base(neon, tune, source, context):
    base = state_dicts.load(base_stage.run(neon["last"].base, source, context).folder / base_stage.WEIGHTS)
    near = state_dicts.load(tune(neon["last"]).folder / base_stage.WEIGHTS)
    shared = outputs.find(context.runs, "training", neon["last"].shared_training_key)
    assert shared is not None
    assert SharedTrainingFacts.of(shared).points == [0, 128, 256]
    trained = state_dicts.load(shared.folder / "after-256.safetensors")
    moved = [name for name in base if not trained[name].equal(base[name])]
    assert moved
    for name in moved:
        assert near[name].allclose(base[name] + 0.5 * (base[name] - trained[name]), rtol=0, atol=1e-6)


@pytest.fixture
def interrupt(tune, monkeypatch):
    """Train a cell, and stop after three steps."""
    take = TrainingLoop._step

    def step_and_stop(self, part):
        take(self, part)
        if self.step == 3:
            stop.request()

    def interrupt(cell):
        with monkeypatch.context() as patched:
            patched.setattr(TrainingLoop, "_step", step_and_stop)
            with pytest.raises(Interrupted):
                tune(cell)
        stop.clear()

    return interrupt


def test_a_killed_training_goes_on_and_keeps_the_points_before(neon, source, context, tune, interrupt, tmp_path):
    interrupt(neon["near"])
    again = FinetuneFacts.of(tune(neon["near"]))
    elsewhere = Context(RunsFolder(tmp_path / "undisturbed"), context.options, "test")
    base = base_stage.run(neon["near"].base, source, elsewhere)
    undisturbed = FinetuneFacts.of(finetune.run(neon["near"], base, source, elsewhere))
    assert (again.weights_sha256, again.curve) == (undisturbed.weights_sha256, undisturbed.curve)
    assert not context.runs.work("training", neon["near"].shared_training_key).exists()


def test_kept_weights_that_were_damaged_are_not_measured(neon, context, tune, monkeypatch):
    work = context.runs.work("training", neon["near"].shared_training_key)
    end = shared_training.KeepingLoop.end

    def damage_and_end(self):
        path = work / "after-128" / "after-128.safetensors"
        path.write_bytes(path.read_bytes()[:-4] + b"0000")
        return end(self)

    monkeypatch.setattr(shared_training.KeepingLoop, "end", damage_and_end)
    with pytest.raises(StorageError, match=r"after-128 is damaged .* the training is set aside as .*; run again"):
        tune(neon["near"])
    monkeypatch.setattr(shared_training.KeepingLoop, "end", end)
    assert tune(neon["near"]).is_fresh


def test_a_training_that_diverges_leaves_its_log_to_the_cell(neon, context, tune, monkeypatch):
    monkeypatch.setattr(
        shared_training.KeepingLoop, "trained", lambda self: {"w": next(self.task.model.parameters()) * float("nan")}
    )
    with pytest.raises(Diverged, match="weights are not finite at step 0 of 4"):
        tune(neon["near"])
    assert (context.runs.work("finetune", neon["near"].finetune_key) / "log.jsonl").is_file()


def test_fresh_sets_the_shared_training_aside(neon, tune, context, trainings):
    tune(neon["near"])
    fresh._cell(neon["near"], context.runs, "nothing").set_aside()
    assert outputs.find(context.runs, "training", neon["near"].shared_training_key) is None
    tune(neon["near"])
    assert trainings == [0, 1, 2, 3] * 2


def test_a_length_of_the_step_that_diverges_ends_as_if_it_had_trained_alone(
    neon, tune, context, source, trainings, monkeypatch, tmp_path
):
    result = Neon.result

    def overflowing(self, weights):
        base, factor = self.base.state_dict(), float("inf") if self.config.w == 3.0 else 1.0
        is_trained = any(not base[name].equal(value) for name, value in weights.items())
        return {name: value * factor if is_trained else value for name, value in result(self, weights).items()}

    monkeypatch.setattr(Neon, "result", overflowing)
    with pytest.raises(Diverged) as together:
        tune(neon["far"])
    elsewhere = Context(RunsFolder(tmp_path / "alone"), context.options, "test")
    cell = alone(neon["far"])
    with pytest.raises(Diverged) as apart:
        finetune.run(cell, base_stage.run(cell.base, source, elsewhere), source, elsewhere)
    assert str(together.value) == str(apart.value)
    logs = [made.runs.work("finetune", cell.finetune_key) / "log.jsonl" for made in (context, elsewhere)]
    lines, lines_alone = (read_log(log, cell.finetune_key) for log in logs)
    assert lines == lines_alone
    trainings.clear()
    tune(neon["near"])  # the training itself is finite, and stays
    assert trainings == []


def test_a_training_on_a_base_that_was_made_anew_since_is_not_measured_with_the_new_base(neon, tune, context, trainings):
    tune(neon["near"])
    make_base_anew(neon["near"].base, context, add=0.5)
    tune(neon["far"])
    assert trainings == [0, 1, 2, 3] * 2


def test_a_training_that_began_on_other_weights_of_the_base_begins_again(neon, tune, context, trainings, interrupt):
    interrupt(neon["near"])
    make_base_anew(neon["near"].base, context, add=0.5)
    tune(neon["far"])
    assert trainings == [0, 1, 2, 0, 1, 2, 3]


def test_a_cell_that_trains_alone_begins_again_on_other_weights_of_the_base_too(neon, tune, context, trainings, interrupt):
    cell = alone(neon["near"])
    interrupt(cell)
    make_base_anew(cell.base, context, add=0.5)
    tune(cell)
    assert trainings == [0, 1, 2, 0, 1, 2, 3]
