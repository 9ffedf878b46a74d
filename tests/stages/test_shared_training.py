"""A training that cells share: it runs once, and each cell ends as if it had trained alone."""

import dataclasses

import pytest

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
    fields = {"seconds": 0.0, "sources": []}
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


def test_a_killed_training_goes_on_and_keeps_the_points_before(neon, source, context, tune, monkeypatch, tmp_path):
    take = TrainingLoop._step

    def step_and_stop(self, part):
        take(self, part)
        if self.step == 3:
            stop.request()

    monkeypatch.setattr(TrainingLoop, "_step", step_and_stop)
    with pytest.raises(Interrupted):
        tune(neon["near"])
    monkeypatch.setattr(TrainingLoop, "_step", take)
    stop.clear()
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
    fresh._cell(neon["near"], context.runs).set_aside()
    assert outputs.find(context.runs, "training", neon["near"].shared_training_key) is None
    tune(neon["near"])
    assert trainings == [0, 1, 2, 3] * 2
