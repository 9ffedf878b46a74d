"""Stage 3: sample sets are drawn once, say their hashes and costs, and are refused when they explode."""

import dataclasses
import hashlib
import multiprocessing
import os
import signal

import pytest
import stage_parts
import torch
from stage_parts import NOISE, Beside, Exploding, Prepared, Unprepared, make_base_anew, without_facts

from harness.board.bases import Base, Examples
from harness.board.samplers import EvaluationSampler
from harness.errors import Diverged, UserError
from harness.images.quantise import to_uint8
from harness.sampling import drawing
from harness.stages import base as base_stage
from harness.stages import draws, finetune, metrics, sample
from harness.stages.example_sets import SAMPLES
from harness.stages.facts import PreparationFacts, SampleFacts
from harness.stages.prepare import BaseSampler
from harness.store import outputs
from harness.store.files import set_aside
from harness.weights import state_dicts


@pytest.fixture
def cell(cells):
    return cells["small/mle/s1"]


@pytest.fixture
def draw(source, context, tune):
    """Take a cell through its first three stages."""
    return lambda cell: sample.run(cell, tune(cell), source, context)


@pytest.fixture
def of_examples(cell):
    """The cell with examples of a dataset in the place of a network."""
    return lambda dataset: dataclasses.replace(
        cell, row=dataclasses.replace(cell.row, base=dataclasses.replace(cell.base, origin=Examples(dataset)))
    )


def tensors(samples):
    return state_dicts.load(samples.output.folder / SAMPLES)


def test_what_is_there_is_compared_with_its_hashes_once(cell, with_sampler, source, new_context, hashed):
    cell = with_sampler(cell, Prepared)

    def stages(context):
        sample.run(cell, finetune.run(cell, base_stage.run(cell.base, source, context), source, context), source, context)

    stages(new_context())
    hashed.clear()
    stages(new_context())
    assert {file.split("/")[0] for file in hashed} == {"base", "finetune", "prepare", "sample"}
    assert len(hashed) == len(set(hashed))


def test_each_draw_has_its_own_noise_and_the_cells_seed(cell, draw, source, context, tune):
    samples = tensors(draw(cell))
    assert {name: value.shape for name, value in samples.items()} == {"x.0": (30, 2), "x.1": (30, 2)}
    network = base_stage.load(cell.base, tune(cell), source, context)
    ready = BaseSampler(cell.base, source, context).ready
    for number in range(2):
        alone = drawing.draw_decoded(
            ready, network, source.spec, n=30, seed=1, purpose=f"evaluation/{number}", batch=16, device=context.device
        )  # fmt: skip
        assert torch.equal(samples[f"x.{number}"], alone.batch.x)


def test_the_facts_are_the_hashes_and_the_evaluations_of_a_sample(cell, draw):
    samples = draw(cell)
    facts = SampleFacts.of(samples.output)
    hashes = [state_dicts.sha256({"x": value}) for _, value in sorted(tensors(samples).items())]
    assert facts.draws_sha256 == hashes
    assert facts.samples_sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()
    assert facts.nfe == 2  # the model has two steps
    assert facts.seconds > 0


def test_samples_are_drawn_once_for_all_columns(cell, draw):
    first, second = draw(cell), draw(cell)
    assert (first.output.is_fresh, second.output.is_fresh) == (True, False)
    assert first.output.facts == second.output.facts
    assert first.preparation is None


def test_damaged_samples_are_named_with_their_cell_and_drawn_again(cell, draw, caplog):
    folder = draw(cell).output.folder
    (folder / SAMPLES).write_bytes(b"")
    assert draw(cell).output.is_fresh
    (message,) = caplog.messages
    assert message.startswith(f"{folder} of small/mle/s1 is damaged (")


def test_samples_come_with_the_preparation_that_their_sampler_needed(cell, draw, with_sampler):
    prepared = with_sampler(cell, Prepared)
    first, again = draw(prepared), draw(prepared)
    assert Prepared.prepared == 1
    assert again.preparation.folder == first.preparation.folder
    assert PreparationFacts.of(again.preparation).network_evaluations == 5
    assert SampleFacts.of(first.output).nfe == 1  # the preparation is no part of the samples' cost


def test_samples_are_drawn_again_where_a_base_that_the_sampler_calls_has_other_weights(
    tiny_text, read_board, with_sampler, tune, source, new_context
):
    """They stayed, of the old guide, and their record could not be told from one of the new guide."""
    called = "  called: {model: {name: ddpm-mlp, steps: 3, width: 8}, pretrain: {method: mle, training: {images: 64, batch: 64}}}"
    board = read_board(tiny_text.replace("bases:\n", f"bases:\n{called}\n", 1))
    guide = next(base for base in board.bases if base.name == "called")
    cell = with_sampler(next(cell for cell in board.cells if cell.name == "small/none/s1"), Beside, bases=(guide,))

    def drawn():
        return sample.run(cell, tune(cell), source, new_context()).output

    first = drawn()
    (weights,) = SampleFacts.of(first).called_weights_sha256.values()
    assert not drawn().is_fresh
    make_base_anew(guide, new_context(), add=1.0)
    again = drawn()
    assert again.is_fresh
    assert SampleFacts.of(again).called_weights_sha256[guide.key] != weights
    without_facts(again, "called_weights_sha256")
    make_base_anew(guide, new_context(), add=1.0)
    assert not drawn().is_fresh, "an older version noted nothing, and its samples stay in use"


def test_samples_far_larger_than_the_training_data_have_exploded_and_are_not_kept(cell, draw, with_sampler, context):
    with pytest.raises(Diverged, match=r"^samples exploded: root mean square .*e\+06, the training data's "):
        draw(with_sampler(cell, Exploding))
    assert not list(context.runs.root.glob("stages/sample/*"))


def test_samples_of_random_weights_may_have_any_size(cell, draw, with_sampler, monkeypatch):
    monkeypatch.setattr(Base, "has_random_weights", True)  # as in a smoke run of a board whose bases are published
    assert draw(with_sampler(cell, Exploding)).output.is_fresh


def test_labels_stand_beside_their_samples(read_board, tiny_text, context):
    text = tiny_text.replace("{name: swiss-roll, train_size: 256}", "digits").replace(
        "{name: ddpm-mlp, steps: 2, width: 8}",
        "{name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: []}\n    sampler: {name: heun, steps: 2}",
    )
    board = read_board(text)
    cell, source = board.cells[0], context.dataset(board.dataset)
    samples = tensors(
        sample.run(cell, finetune.run(cell, base_stage.run(cell.base, source, context), source, context), source, context)
    )
    assert samples["x.0"].shape == (30, 1, 8, 8)
    assert samples["labels.0"].bincount().tolist() == [3] * 10


def test_examples_in_the_place_of_samples_are_draws_of_their_dataset(of_examples, tiny, source, context):
    cell = of_examples(tiny.dataset)
    samples = sample.run_examples(cell, cell.base.origin, source, context)
    for number in range(2):
        theirs, _ = draws.examples_for_samples(1, number)
        assert torch.equal(tensors(samples)[f"x.{number}"], source.evaluation(theirs, 30).x)
    assert (SampleFacts.of(samples.output).nfe, samples.preparation) == (0.0, None)


def test_examples_of_another_shape_are_refused_with_both_shapes(of_examples, source, context):
    cell = of_examples(NOISE)
    with pytest.raises(
        UserError, match=r"^base small: examples of noise have the shape \(1, 8, 8\), those of swiss-roll \(2,\)$"
    ):
        sample.run_examples(cell, cell.base.origin, source, context)


def test_samplers_of_the_evaluation_draw_from_the_same_weights_and_are_prepared_each_on_the_base(cell, tune, source, context):
    def sampled_with(name, cls):
        return dataclasses.replace(
            cell, row=dataclasses.replace(cell.row, sampled_with=EvaluationSampler(name, name, stage_parts.sampler(cls)))
        )

    plain, prepared = sampled_with("plain", Unprepared), sampled_with("prepared", Prepared)
    assert tune(plain).folder == tune(prepared).folder == tune(cell).folder
    of_plain, of_prepared = (sample.run(each, tune(each), source, context) for each in (plain, prepared))
    assert (of_plain.preparation, Unprepared.prepared, Prepared.prepared) == (None, 0, 1)
    mean = source.train().x.mean(0)
    torch.testing.assert_close(tensors(of_prepared)["x.0"], tensors(of_plain)["x.0"] + mean, rtol=0, atol=0)
    assert sample.run(prepared, tune(prepared), source, context).output.is_fresh is False


def test_samples_of_other_weights_are_drawn_again(cells, draw, context):
    cell = cells["small/none/s0"]
    first = draw(cell).output
    assert not draw(cell).output.is_fresh
    make_base_anew(cell.base, context, add=0.5)
    again = draw(cell).output
    assert again.is_fresh
    assert SampleFacts.of(again).samples_sha256 != SampleFacts.of(first).samples_sha256


class Killed(Unprepared):
    """Draws like its base class. When it is called for the chunk `at`, its process is killed."""

    at = None
    calls = 0

    def __call__(self, model, spec, streams, labels):
        if Killed.calls == Killed.at:
            os.kill(os.getpid(), signal.SIGKILL)
        Killed.calls += 1
        return super().__call__(model, spec, streams, labels)


def test_after_a_kill_drawing_goes_on_at_the_next_chunk_bit_for_bit(cell, draw, tune, with_sampler, monkeypatch, context):
    monkeypatch.setattr(stage_parts, "Killed", Killed, raising=False)
    killed = with_sampler(cell, Killed)
    tune(killed)
    monkeypatch.setattr(Killed, "calls", 0)
    monkeypatch.setattr(Killed, "at", 3)  # of four: each of two sets has 30 samples, 16 at a time
    process = multiprocessing.get_context("fork").Process(target=draw, args=(killed,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert context.runs.work("sample", killed.sample_key).is_dir()
    monkeypatch.setattr(Killed, "at", None)
    resumed = draw(killed)
    assert Killed.calls == 1, "chunks that were whole are drawn again"
    assert not context.runs.work("sample", killed.sample_key).exists()
    undisturbed = draw(with_sampler(cell, Unprepared))  # it draws the same numbers
    for name in ("samples_sha256", "draws_sha256", "nfe"):
        assert resumed.output.facts[name] == undisturbed.output.facts[name]
    assert resumed.output.files[SAMPLES] == undisturbed.output.files[SAMPLES]


FID = '"fid[digits-cnn]": {metric: {name: fid, few_images: true}}'


@pytest.fixture
def digits(read_board, tiny_text, context):
    """Draw the samples of the first cell of a board of images with this text of `metrics`; returns them and the cell."""
    text = tiny_text.replace("{name: swiss-roll, train_size: 256}", "digits").replace(
        "{name: ddpm-mlp, steps: 2, width: 8}",
        "{name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: []}\n    sampler: {name: heun, steps: 2}",
    )

    def call(metrics):
        board = read_board(text[: text.index("metrics:")] + f"metrics: {{{metrics}}}\n")
        cell, source = board.cells[0], context.dataset(board.dataset)
        weights = finetune.run(cell, base_stage.run(cell.base, source, context), source, context)
        return sample.run(cell, weights, source, context), cell, source

    return call


def test_images_are_kept_as_bytes_unless_a_column_compares_the_samples_themselves(digits, context):
    of_features, cell, source = digits(FID)
    values = metrics.run(cell, of_features.output, source, context)["fid[digits-cnn]"].measured.values
    kept = tensors(of_features)
    assert (kept["x.0"].dtype, SampleFacts.of(of_features.output).are_bytes) == (torch.uint8, True)
    of_both, both, source = digits(f"{FID}, sliced-w2: {{}}")  # floats now, in the place of the bytes
    assert (both.sample_key, of_both.output.is_fresh) == (cell.sample_key, True)
    drawn = tensors(of_both)
    assert (drawn["x.0"].dtype, SampleFacts.of(of_both.output).are_bytes) == (torch.float32, False)
    assert torch.equal(to_uint8(drawn["x.0"]), kept["x.0"])
    assert torch.equal(drawn["labels.1"], kept["labels.1"])
    assert metrics.run(both, of_both.output, source, context)["fid[digits-cnn]"].measured.values == values
    again, *_ = digits(FID)
    assert not again.output.is_fresh, "floats serve every column, as those of older versions do"


def test_an_older_version_s_floats_stay_in_use(digits, context):
    samples, cell, _ = digits(f"{FID}, sliced-w2: {{}}")
    old = {name: value for name, value in samples.output.facts.items() if name != "are_bytes"}
    x = tensors(samples)
    set_aside(samples.output.folder, "replaced")

    def make(folder):
        state_dicts.save(x, folder / SAMPLES)
        return old

    outputs.once(context.runs, "sample", cell.sample_key, make)
    again, *_ = digits(FID)
    assert (again.output.is_fresh, again.output.facts) == (False, old)


def test_an_explosion_leaves_no_unfinished_samples_behind(cell, draw, with_sampler, context):
    with pytest.raises(Diverged):
        draw(with_sampler(cell, Exploding))
    assert not list(context.runs.root.glob("work/sample-*"))
