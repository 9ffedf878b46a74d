"""Stage 6: what records say of a cell."""

import dataclasses

import pytest
from board_fixtures import SAMPLER_BOARD

from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.components import Sampler
from harness.plugins import registry
from harness.stages.facts import BaseFacts, FinetuneFacts, PreparationFacts, SampleFacts
from harness.stages.record import CellResults, done, record_path, save_unrun, unmeasured
from harness.store.records import CurvePoint, ExtractorFacts, Measured, ReferenceFacts, SourceFacts, load_record, save_record
from harness.store.runs_folder import RunsFolder

RESULTS = CellResults(
    base=BaseFacts(weights_sha256="b" * 64, parameters=9),
    finetuned=FinetuneFacts(
        weights_sha256="f" * 64, images_seen=640, steps=10, seconds=1.5, network_evaluations=1280,
        forward_evaluations=300, backward_evaluations=900, selection_evaluations=80,
        curve=[CurvePoint(images=0, value=0.5), CurvePoint(images=640, value=0.25)], selected_images=640,
    ),
    samples=SampleFacts(nfe=10.0, seconds=2.5, samples_sha256="s" * 64, draws_sha256=["1" * 64, "2" * 64]),
    preparation=PreparationFacts(seconds=3.5, network_evaluations=77),
    metrics={"distance": Measured(values=[0.5, 0.25], seconds=0.125)},
    references={"edm-cifar10": ReferenceFacts(name="edm-cifar10", of="CIFAR-10", images=50_000, sha256="f" * 64)},
    extractors={
        "pixels": ExtractorFacts(name="pixels", version="1/1", settings={}, weights_sha256="e" * 64, preprocessing="none")
    },
    sources=[SourceFacts(component="method fit", distribution="fits", version="0.1", sha256="c" * 64)],
    dataset_fingerprint="ring-1",
    peak_memory_bytes=300_000_000,
    device="cpu",
)  # fmt: skip


def sampled_by(cell, name, **settings):
    """The cell with another sampler."""
    component = registry().get(Sampler, name, where="test")
    other = Resolved(component, component.config(**settings), "token-samplers", "1/1")
    base = dataclasses.replace(cell.base, origin=dataclasses.replace(cell.base.network, sampler=other))
    return dataclasses.replace(cell, row=dataclasses.replace(cell.row, base=base))


def test_a_done_record_holds_what_every_stage_gave(board, tmp_path):
    cell = next(cell for cell in board.cells if cell.name == "net/fit/s1")
    save_record(done(cell, RESULTS), tmp_path / "record.json")
    record = load_record(tmp_path / "record.json")
    assert (record.cell, record.key, record.status, record.reason) == ("net/fit/s1", cell.key, "done", "")
    hashes = (record.base_weights_sha256, record.weights_sha256, record.samples_sha256, record.dataset_fingerprint)
    assert hashes == ("b" * 64, "f" * 64, "s" * 64, "ring-1")
    assert (record.parameters, record.selected_images, record.curve) == (9, 640, RESULTS.finetuned.curve)
    assert (record.metrics, record.extractors, record.references) == (RESULTS.metrics, RESULTS.extractors, RESULTS.references)
    assert record.costs.model_dump() == {
        "images_seen": 640, "steps": 10, "network_evaluations": 1280, "forward_evaluations": 300,
        "backward_evaluations": 900, "selection_evaluations": 80, "nfe": 10.0, "seconds_finetune": 1.5,
        "seconds_sample": 2.5, "peak_memory_bytes": 300_000_000, "seconds_prepare": 3.5, "prepare_evaluations": 77,
    }  # fmt: skip
    assert record.environment["device"] == "cpu"


def test_a_record_holds_the_weights_of_the_bases_that_samplers_called(board, tmp_path):
    cell = next(cell for cell in board.cells if cell.name == "net/fit/s1")
    in_training = dataclasses.replace(
        RESULTS,
        finetuned=RESULTS.finetuned.model_copy(update={"base_weights_sha256": {cell.base.key: "b" * 64, "guide": "1" * 64}}),
    )
    assert done(cell, in_training).called_weights_sha256 == {"guide": "1" * 64}
    samples = RESULTS.samples.model_copy(update={"called_weights_sha256": {"other": "2" * 64}})
    record = done(cell, dataclasses.replace(in_training, samples=samples))
    save_record(record, tmp_path / "record.json")
    assert load_record(tmp_path / "record.json").called_weights_sha256 == {"guide": "1" * 64, "other": "2" * 64}
    save_record(done(cell, RESULTS), tmp_path / "record.json")
    assert "called_weights" not in (tmp_path / "record.json").read_text()


def test_costs_of_a_preparation_are_absent_where_there_was_none(board):
    results = dataclasses.replace(RESULTS, preparation=PreparationFacts())
    assert "seconds_prepare" not in done(board.cells[0], results).costs.model_dump()


def test_examples_have_neither_weights_nor_parameters(board):
    results = dataclasses.replace(RESULTS, base=BaseFacts(), finetuned=FinetuneFacts())
    record = done(board.cells[0], results)
    assert (record.weights_sha256, record.base_weights_sha256, record.parameters) == ("", "", 0)
    assert (record.costs.images_seen, record.curve, record.selected_images) == (0, [], None)


def test_only_a_method_that_trains_has_a_budget(board):
    records = {cell.name: unmeasured(cell, "failed") for cell in board.cells}
    assert records["net/none/s0"].training == {}
    assert records["net/fit/s0"].training["images"] == 1280


def test_a_cell_that_no_process_worked_on_is_saved_with_its_reason(board, tmp_path):
    cell, runs = board.cells[0], RunsFolder(tmp_path)
    save_unrun(cell, runs, "failed", "its process died")
    record = load_record(record_path(cell, runs))
    assert (record.status, record.reason, record.environment, record.metrics) == ("failed", "its process died", {}, {})


@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("var", {"cfg": 1.5}, "logits = (1 + t) * cond - t * null, t = 1.5 * k / (K - 1) at scale k of 0 ... K - 1"),
        ("maskgit-halton", {"w": 2}, "logits = (1 + t) * cond - t * null, t = 2 at step s of 0 ... S - 1"),
    ],
)
def test_a_record_holds_the_formula_of_guidance(board, tmp_path, name, settings, formula):
    save_record(unmeasured(sampled_by(board.cells[0], name, **settings), "skipped"), tmp_path / "record.json")
    assert load_record(tmp_path / "record.json").sampler.formula == formula


def test_a_sampler_without_guidance_says_nothing(board):
    assert "formula" not in unmeasured(board.cells[0], "skipped").model_dump()["sampler"]


def test_data_in_the_place_of_a_model_have_no_formula(write_board, fake_plugins):
    text = "title: Data\ndataset: ring\nbases: {good: {data: ring}}\nmethods: {none: {}}\nmetrics: {distance: {}}\n"
    cell = load_board(write_board(text, "data"), plugins=fake_plugins).cells[0]
    assert "formula" not in unmeasured(cell, "failed").model_dump()["sampler"]


def test_a_record_names_its_sampler_and_what_drew_in_training(write_board, fake_plugins, tmp_path):
    cells = {cell.name: cell for cell in load_board(write_board(SAMPLER_BOARD), plugins=fake_plugins).cells}
    save_record(unmeasured(cells["net/fit/push-2/s0"], "failed"), tmp_path / "record.json")
    record = load_record(tmp_path / "record.json")
    assert (record.cell, record.sampler_name) == ("net/fit/push-2/s0", "push-2")
    assert (record.sampler.name, record.sampler.settings, record.training_sampler.name) == ("push", {"weight": 2.0}, "draw")
    assert unmeasured(cells["net/none/push-2/s0"], "failed").training_sampler is None


def test_records_of_other_boards_say_nothing_of_samplers(board, tmp_path):
    save_record(unmeasured(board.cells[0], "failed"), tmp_path / "record.json")
    assert "sampler_name" not in (tmp_path / "record.json").read_text()
    assert "training_sampler" not in (tmp_path / "record.json").read_text()
