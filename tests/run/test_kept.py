"""Weights and samples of a cell are found by the hashes in its record, and nothing else is taken for them."""

import os
import shutil

import pytest
import torch

from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.run import kept
from harness.stages.example_sets import SAMPLES
from harness.stages.record import unmeasured
from harness.store import outputs
from harness.store.record_parts import CurvePoint
from harness.store.runs_folder import RunsFolder
from harness.training.task import BANK
from harness.weights import state_dicts

BOARD = """\
title: Kept
dataset: {name: swiss-roll, train_size: 100}
bases:
  ddpm: {model: {name: ddpm-mlp, steps: 2, width: 8}, pretrain: {method: mle, training: {images: 32, batch: 16}}}
methods: {none: }
training: {images: 32, batch: 16}
seeds: [0]
evaluation: {samples: 20, batch: 20}
metrics: {sliced-w2: }
"""


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cell(tmp_path):
    (tmp_path / "board.yaml").write_text(BOARD)
    return load_board(tmp_path / "board.yaml").cells[0]


@pytest.fixture
def weights(cell):
    base = cell.base.network

    return base.model.component.create(base.model.settings, DataSpec((2,))).state_dict()


@pytest.fixture
def record(cell, weights):
    made = unmeasured(cell, "done")
    return made.model_copy(update={"weights_sha256": state_dicts.sha256(weights), "samples_sha256": "s" * 64})


def keep(runs, weights, says):
    """An output of the stage finetune that says this of its weights."""

    def make(folder):
        state_dicts.save(weights, folder / "weights.safetensors")
        return {"weights_sha256": says}

    return outputs.once(runs, "finetune", "a" * 24, make).folder


def test_the_weights_of_the_record_are_found_and_their_network(record, runs, weights):
    keep(runs, weights, record.weights_sha256)
    found = kept.network_weights(record, runs, where="r.json")
    assert state_dicts.sha256(found) == record.weights_sha256
    network = kept.network_of(record, found, where="r.json")
    assert (network.model.name, network.config.model_dump()["width"], network.spec.shape) == ("ddpm-mlp", 8, (2,))


def test_other_weights_under_the_same_hash_are_refused(record, runs, weights):
    keep(runs, {name: value + 1 for name, value in weights.items()}, record.weights_sha256)
    with pytest.raises(UserError, match=r"^r\.json: .*weights\.safetensors holds other weights than those that were measured"):
        kept.network_weights(record, runs, where="r.json")


def test_a_damaged_output_is_named(record, runs, weights):
    folder = keep(runs, weights, record.weights_sha256)
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"^r\.json: the weights: .*: no undamaged output of a stage"):
        kept.network_weights(record, runs, where="r.json")


def test_damaged_manifests_of_other_cells_are_passed_over(record, runs, weights):
    for number, content in enumerate(["", "[]", '{"facts": 3}', "[" * 100_000]):
        (runs.root / "stages" / "finetune" / str(number)).mkdir(parents=True)
        (runs.root / "stages" / "finetune" / str(number) / "manifest.json").write_text(content)
    (runs.root / "stages" / "finetune" / "pipe").mkdir()
    os.mkfifo(runs.root / "stages" / "finetune" / "pipe" / "manifest.json")  # nothing waits for it
    with pytest.raises(UserError, match=r"the weights \(sha256 .*…\) are not in the runs folder"):
        kept.network_weights(record, runs, where="r.json")
    keep(runs, weights, record.weights_sha256)
    assert kept.network_weights(record, runs, where="r.json")


def test_samples_are_found_with_the_draws_that_there_are(record, runs):
    x = torch.zeros(3, 2)

    def make(folder):
        state_dicts.save({"x.0": x}, folder / SAMPLES)
        return {"samples_sha256": record.samples_sha256, "draws_sha256": [state_dicts.sha256({"x": x})]}

    folder = outputs.once(runs, "sample", "b" * 24, make).folder
    assert kept.samples_file(record, 0, runs, where="r.json") == folder / SAMPLES
    with pytest.raises(UserError, match=r"r\.json: has no draw 1; its 1 draws have the numbers 0 to 0"):
        kept.samples_file(record, 1, runs, where="r.json")


@pytest.fixture
def banks(runs, record, weights):
    """Two banks of the record's cell, of other values, the second with labels."""

    def bank(tensors):
        def make(folder):
            state_dicts.save(tensors, folder / BANK)
            return {}

        return make

    keys = ["c" * 24, "d" * 24]
    outputs.once(runs, "bank", keys[0], bank({"x": torch.zeros(3, 2)}))
    outputs.once(runs, "bank", keys[1], bank({"x": torch.ones(4, 2), "labels": torch.tensor([2, 0, 1, 1])}))

    def make(folder):
        state_dicts.save(weights, folder / "weights.safetensors")
        return {"weights_sha256": record.weights_sha256, "banks": keys}

    outputs.once(runs, "finetune", "a" * 24, make)
    return keys


def test_banks_have_the_numbers_of_their_rounds(record, runs, banks):
    first, second = (kept.examples(record, runs, draw=None, bank=number, where="r.json") for number in (1, 2))
    assert (first.title, first.labels, first.rows.read(0, 3).tolist()) == ("bank 1", None, [[0.0, 0.0]] * 3)
    assert (second.labels.tolist(), second.rows.read(3, 9).tolist()) == ([2, 0, 1, 1], [[1.0, 1.0]])


def test_a_bank_that_is_not_there_says_which_are(record, runs, banks):
    with pytest.raises(UserError, match=r"^r\.json: has no bank 3; its banks have the numbers 1 to 2"):
        kept.examples(record, runs, draw=None, bank=3, where="r.json")
    (runs.stage("bank", banks[1]) / BANK).unlink()
    with pytest.raises(UserError, match=r"^r\.json: bank 2 is not in the runs folder .*: it was deleted, or damaged"):
        kept.examples(record, runs, draw=None, bank=2, where="r.json")
    with pytest.raises(UserError, match="--draw and --bank name different samples: give one of them"):
        kept.examples(record, runs, draw=0, bank=1, where="r.json")


def test_a_method_without_fakes_has_no_bank(record, runs, weights):
    keep(runs, weights, record.weights_sha256)
    with pytest.raises(UserError, match=r"^r\.json: ddpm/none/s0 drew no bank of fakes for its training"):
        kept.examples(record, runs, draw=None, bank=1, where="r.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "diverged", "reason": "NaN"}, r"the cell is diverged \(NaN\): nothing was kept of it"),
        ({"weights_sha256": ""}, "this cell has no network: examples of a dataset stand in the place of samples"),
    ],
)
def test_a_cell_without_weights_says_why(record, runs, changes, message):
    with pytest.raises(UserError, match=f"^r.json: {message}"):
        kept.network_weights(record.model_copy(update=changes), runs, where="r.json")


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        ("model", {"width": 8, "depth": 3}, "its settings of model ddpm-mlp are of another version: depth: is no known key"),
        ("model", {"width": 16}, "its weights do not fit model ddpm-mlp as it is installed: "),
        ("dataset", {"size": 3}, "its settings of dataset swiss-roll are of another version"),
    ],
)
def test_a_network_of_another_version_of_its_plugin_is_one_message(record, weights, part, settings, message):
    facts = getattr(record, part).model_copy(update={"settings": settings})
    with pytest.raises(UserError, match=rf"^r\.json: {message}"):
        kept.network_of(record.model_copy(update={part: facts}), weights, where="r.json")


def test_of_trainings_that_kept_the_base_s_weights_the_curve_tells_the_own(record, runs, weights, banks):
    """Selection chose the start of both: their weights are equal, and only one of them drew banks."""
    own = [CurvePoint(images=0, value=1.0), CurvePoint(images=32, value=3.0)]
    other = [CurvePoint(images=0, value=1.0), CurvePoint(images=32, value=2.0)]

    def training(key, curve, keys):
        def make(folder):
            state_dicts.save(weights, folder / "weights.safetensors")
            facts = {"weights_sha256": record.weights_sha256, "selected_images": 0, "banks": keys}
            return {**facts, "curve": [point.model_dump() for point in curve]}

        shutil.rmtree(runs.stage("finetune", key), ignore_errors=True)
        outputs.once(runs, "finetune", key, make)

    training("a" * 24, other, [])
    training("b" * 24, own, banks)
    chosen = record.model_copy(update={"curve": own, "selected_images": 0})
    assert kept.examples(chosen, runs, draw=None, bank=2, where="r.json").rows.read(3, 9).tolist() == [[1.0, 1.0]]
    training("a" * 24, own, [])
    with pytest.raises(UserError, match=r"^r\.json: 2 trainings in .* ended with these weights, and nothing tells which"):
        kept.examples(chosen, runs, draw=None, bank=1, where="r.json")
