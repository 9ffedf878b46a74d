"""Stage 2: a method's weights are made once, go on after an interruption, and say what they cost."""

import dataclasses

import pytest
from edited_code import edit
from stage_parts import DRIFTING, Beside, Drifting, Prepared, make_base_anew

from harness.errors import Interrupted, UserError
from harness.process import stop
from harness.stages import base as base_stage
from harness.stages import draws, features, finetune, renewal
from harness.stages.context import Context
from harness.stages.example_sets import RealExamples
from harness.stages.facts import BaseFacts, FinetuneFacts
from harness.stages.options import JobOptions
from harness.store import outputs
from harness.store.runs_folder import RunsFolder
from harness.training.evaluations import NONE
from harness.training.task import BANK
from harness.training.training_result import TrainingResult
from harness.weights import state_dicts

IMAGES = """\
title: Images
dataset: digits
bases:
  small:
    model: {name: edm-unet, model_channels: 4, channel_mult: [1], num_blocks: 1, attn_resolutions: []}
    pretrain: {method: mle, training: {images: 32, batch: 32}}
training: {images: 64, batch: 32}
methods: {mle: {}}
seeds: [0]
evaluation: {samples: 4, batch: 4}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


def by(cell, method):
    """The cell with another method."""
    return dataclasses.replace(cell, row=dataclasses.replace(cell.row, method=method))


def test_a_method_that_does_not_train_keeps_the_base_for_every_seed(cells, source, context, tune):
    base = base_stage.run(cells["small/none/s0"].base, source, context)
    output = tune(cells["small/none/s0"])
    facts = FinetuneFacts.of(output)
    of_base = BaseFacts.of(base)
    assert facts == FinetuneFacts(
        weights_sha256=of_base.weights_sha256,
        base_weights_sha256={cells["small/none/s0"].base.key: of_base.weights_sha256},
        sources=of_base.sources,
        **NONE.facts,
    )
    assert (facts.images_seen, facts.steps, facts.seconds) == (0, 0, 0.0)
    other_seed = tune(cells["small/none/s1"])
    assert not other_seed.is_fresh
    assert other_seed.folder == output.folder


def test_a_method_trains_from_the_base_and_says_what_it_cost(cells, source, context, tune):
    base = base_stage.run(cells["small/mle/s0"].base, source, context)
    output = tune(cells["small/mle/s0"])
    facts = FinetuneFacts.of(output)
    assert facts.weights_sha256 == state_dicts.sha256(state_dicts.load(output.folder / base_stage.WEIGHTS))
    assert facts.weights_sha256 != BaseFacts.of(base).weights_sha256
    assert (facts.images_seen, facts.steps) == (256, 4)
    assert facts.network_evaluations == 256  # one evaluation an image: the pretraining loss alone
    assert (facts.forward_evaluations, facts.backward_evaluations, facts.selection_evaluations) == (0, 256, 0)
    assert facts.seconds > 0
    assert (facts.curve, facts.selected_images) == ([], None)


def test_the_code_that_encoded_the_training_data_is_part_of_the_facts(tiny, source, context, tune, request):
    for base in tiny.bases:
        base_stage.run(base, source, context)
    encoder = request.getfixturevalue("encoder")
    cells = {cell.name: cell for cell in tiny.cells}
    assert encoder in FinetuneFacts.of(tune(cells["small/mle/s0"])).sources
    assert encoder not in FinetuneFacts.of(tune(cells["small/none/s0"])).sources


@pytest.mark.parametrize("method", ["mle: {}", "near: {method: {name: neon, w: 0.5, bank_size: 32}}"])
def test_the_code_of_stored_real_features_that_the_curve_compares_with_is_part_of_the_facts(
    read_board, new_context, monkeypatch, method
):
    text = (
        IMAGES.replace("mle: {}", method)
        .replace("]}\n", "]}\n    sampler: {name: heun, steps: 2}\n")
        .replace("metrics: {", 'metrics: {"kid[digits-cnn]": {metric: {name: kid, subset_size: 4}}, ')
    )
    (cell,) = read_board(text + 'curve: {metric: "kid[digits-cnn]", points: 1, samples: 40}\n').cells
    column, context = cell.columns[0], new_context()
    with monkeypatch.context() as patched:
        before = edit(patched, "dataset digits")
        source = context.dataset(cell.base.dataset)
        images = RealExamples(source, draws.selection(cell.seed), 40, is_selection=True).images()
        features.extracted(images, column.metric.component.real_needs, column.extractor, context, column.extraction)
    context = new_context()
    source = context.dataset(cell.base.dataset)
    made = FinetuneFacts.of(finetune.run(cell, base_stage.run(cell.base, source, context), source, context)).sources
    assert before in {facts.sha256 for facts in made if facts.component == "dataset digits"}
    assert len([facts for facts in made if facts.component == "dataset digits"]) == 2


def test_seeds_give_other_weights_and_a_second_call_finds_them(cells, tune):
    first, second = (tune(cells[f"small/mle/s{seed}"]) for seed in (0, 1))
    assert FinetuneFacts.of(first).weights_sha256 != FinetuneFacts.of(second).weights_sha256
    assert (first.is_fresh, tune(cells["small/mle/s0"]).is_fresh) == (True, False)


def test_an_interrupted_cell_goes_on_from_its_checkpoint_to_the_same_weights(cells, source, context, tmp_path, monkeypatch):
    cell = by(cells["small/mle/s0"], DRIFTING)
    base = base_stage.run(cell.base, source, context)
    elsewhere = Context(RunsFolder(tmp_path / "undisturbed"), context.options, "test")
    undisturbed = finetune.run(cell, base, source, elsewhere)

    def step_and_stop(self, batch, generator, index):
        if index == 1:
            stop.request()
        return step(self, batch, generator, index)

    step = Drifting.step
    monkeypatch.setattr(Drifting, "step", step_and_stop)
    with pytest.raises(Interrupted):
        finetune.run(cell, base, source, context)
    work = context.runs.work("finetune", cell.finetune_key)
    assert sorted(path.name for path in work.iterdir()) == ["bases.json", "log.jsonl", "sources.json", "step-0000000002"]
    assert not list(context.runs.root.glob("stages/finetune/*"))
    stop.clear()
    output = finetune.run(cell, base, source, context)
    assert FinetuneFacts.of(output).weights_sha256 == FinetuneFacts.of(undisturbed).weights_sha256
    assert not work.exists()
    logs = [(made.folder / "log.jsonl").read_bytes() for made in (output, undisturbed)]
    assert logs[0] == logs[1]
    assert output.files["log.jsonl"]


def test_a_methods_own_randomness_is_the_cells_seed(cells, tune):
    hashes = [FinetuneFacts.of(tune(by(cells[f"small/mle/s{seed}"], DRIFTING))).weights_sha256 for seed in (0, 1)]
    assert hashes[0] != hashes[1]


def test_banks_are_drawn_by_the_boards_sampler_and_counted_with_the_networks_that_it_calls(
    read_board, tiny_text, with_sampler, source, context, tune
):
    board = read_board(tiny_text.replace("  mle:\n", "  ddo: {method: {name: ddo, bank_size: 20, n_mc: 1}}\n"))
    cell = next(cell for cell in board.cells if cell.name == "small/ddo/s0")
    alone = FinetuneFacts.of(tune(with_sampler(cell, Prepared)))
    beside = FinetuneFacts.of(tune(with_sampler(cell, Beside, bases=(cell.base,))))
    # A sample of the bank costs one evaluation of the model, and one of the network beside it.
    assert beside.network_evaluations == alone.network_evaluations + 20
    assert beside.forward_evaluations == alone.forward_evaluations + 20
    assert beside.backward_evaluations == alone.backward_evaluations == 2 * 256  # real and generated examples
    assert len(list(context.runs.root.glob("stages/bank/*"))) == 2


def test_bases_of_equal_weights_that_draw_otherwise_have_banks_of_their_own(read_board, tiny_text, source, context, tune):
    """The settings of sampling are no weights: the chain's variance changes what is drawn, and nothing of the pretraining."""
    text = tiny_text.replace("  mle:\n", "  ddo: {method: {name: ddo, bank_size: 20, n_mc: 1}}\n")
    boards = [read_board(text), read_board(text.replace("width: 8}", "width: 8, variance: posterior}", 1), "other")]
    both = [next(cell for cell in board.cells if cell.name == "small/ddo/s0") for board in boards]
    weights = {BaseFacts.of(base_stage.run(cell.base, source, context)).weights_sha256 for cell in both}
    assert len(weights) == 1
    for cell in both:
        tune(cell)
    assert len(list(context.runs.root.glob("stages/bank/*"))) == 2


def test_a_bank_is_drawn_again_where_a_base_that_the_sampler_calls_has_other_weights(
    read_board, tiny_text, with_sampler, new_context, context, tune
):
    called = "  called: {model: {name: ddpm-mlp, steps: 3, width: 8}, pretrain: {method: mle, training: {images: 64, batch: 64}}}"
    text = tiny_text.replace("  mle:\n", "  ddo: {method: {name: ddo, bank_size: 20, n_mc: 1}}\n")
    board = read_board(text.replace("bases:\n", f"bases:\n{called}\n", 1))
    guide = next(base for base in board.bases if base.name == "called")
    cell = with_sampler(next(cell for cell in board.cells if cell.name == "small/ddo/s0"), Beside, bases=(guide,))

    def tune_anew():
        renewal.set_aside_output(context.runs, "finetune", cell.finetune_key)
        assert tune(cell).is_fresh
        return len(list(context.runs.root.glob("stages/bank/*")))

    assert [tune_anew(), tune_anew()] == [1, 1]
    make_base_anew(guide, new_context(), add=1.0)
    assert tune_anew() == 2
    assert len(list(context.runs.root.glob("stages/bank/*.replaced-*"))) == 1


def test_weights_that_were_tuned_from_other_weights_of_the_base_are_made_again(cells, context, tune):
    for name in ("small/none/s0", "small/mle/s0"):
        first = FinetuneFacts.of(tune(cells[name]))
        assert not tune(cells[name]).is_fresh
        make_base_anew(cells[name].base, context, add=0.5)
        again = tune(cells[name])
        assert again.is_fresh
        assert FinetuneFacts.of(again).weights_sha256 != first.weights_sha256
    assert len(list(context.runs.root.glob("stages/finetune/*.replaced-*"))) == 2


@pytest.mark.parametrize("setting", ["workers: 2", "data: disk", "data: host, workers: 1", "data: device"])
def test_weights_and_keys_do_not_depend_on_where_the_data_lie_and_who_reads_them(
    cells, tune, read_board, tiny_text, tmp_path, setting
):
    expected = tune(cells["small/mle/s0"])
    budget = "training: {images: 256, batch: 64"
    assert budget in tiny_text
    board = read_board(tiny_text.replace(budget, f"{budget}, {setting}"))
    (cell,) = [cell for cell in board.cells if cell.name == "small/mle/s0"]
    assert cell.key == cells["small/mle/s0"].key
    context = Context(RunsFolder(tmp_path / "elsewhere"), JobOptions(device="cpu"), "test")
    source = context.dataset(board.dataset)
    again = finetune.run(cell, base_stage.run(cell.base, source, context), source, context)
    assert again.is_fresh
    assert FinetuneFacts.of(again).weights_sha256 == FinetuneFacts.of(expected).weights_sha256


def test_flipped_images_are_another_training(read_board, context):
    board = read_board(IMAGES)
    flipped = read_board(IMAGES.replace("batch: 32}\nmethods", "batch: 32, flip: true}\nmethods"), "flipped")
    hashes = []
    for cell in (board.cells[0], flipped.cells[0]):
        source = context.dataset(cell.base.dataset)
        output = finetune.run(cell, base_stage.run(cell.base, source, context), source, context)
        hashes.append(FinetuneFacts.of(output).weights_sha256)
    assert board.cells[0].base.key == flipped.cells[0].base.key
    assert board.cells[0].finetune_key != flipped.cells[0].finetune_key
    assert hashes[0] != hashes[1]


def test_augmented_images_are_another_training_of_base_and_cell(read_board, context):
    labelled = IMAGES.replace("attn_resolutions: []", "attn_resolutions: [], augment_dim: 9")
    augmented = labelled.replace("batch: 32}", "batch: 32, augment: {name: edm, p: 0.5}}")
    plain, told = read_board(labelled), read_board(augmented, "augmented")
    assert plain.cells[0].base.key != told.cells[0].base.key
    hashes = []
    for cell in (plain.cells[0], told.cells[0]):
        source = context.dataset(cell.base.dataset)
        base = base_stage.run(cell.base, source, context)
        output = finetune.run(cell, base, source, context)
        hashes += [BaseFacts.of(base).weights_sha256, FinetuneFacts.of(output).weights_sha256]
    assert len(set(hashes)) == 4


def test_a_base_without_a_place_for_labels_is_not_pretrained_on_augmented_images(read_board):
    with pytest.raises(UserError, match=r"board.yaml:6: .*augment gives 9 labels for each image, and augment_dim is 0: set it"):
        read_board(IMAGES.replace("training: {images: 32, batch: 32}", "training: {images: 32, batch: 32, augment: {name: edm}}"))


def test_the_seconds_of_steps_are_those_without_banks_and_curve(context):
    def bank(seconds):
        key = f"{seconds:024.0f}"
        outputs.once(context.runs, "bank", key, lambda _: {"seconds": seconds})
        return key

    trained = TrainingResult({}, 10.0, 0, [], None, seconds_training=8.0)
    assert finetune._seconds_of_steps(trained, [], context) == 8.0
    assert finetune._seconds_of_steps(trained, [bank(1.0), bank(2.0)], context) == 5.0
    assert finetune._seconds_of_steps(trained, [bank(1.0), "0" * 24], context) is None  # the bank is gone, and its seconds


def test_steps_take_a_part_of_the_seconds_of_a_training(cells, tune):
    facts = FinetuneFacts.of(tune(cells["small/mle/s0"]))
    assert 0 < facts.seconds_steps <= facts.seconds
    assert FinetuneFacts.of(tune(cells["small/none/s0"])).seconds_steps is None


def test_costs_and_code_of_banks_are_read_without_the_banks(read_board, tiny_text, context, hashed):
    board = read_board(tiny_text.replace("  mle:\n", "  ddo: {method: {name: ddo, bank_size: 20}}\n"))
    cell, source = next(cell for cell in board.cells if cell.trains), context.dataset(board.dataset)
    facts = FinetuneFacts.of(finetune.run(cell, base_stage.run(cell.base, source, context), source, context))
    assert len(facts.banks) == 1
    assert 0 < facts.seconds_steps < facts.seconds
    assert hashed.count(f"bank/{BANK}") == 1, "when it is written"
