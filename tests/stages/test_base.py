"""Stage 1: weights of a base are made once, by pretraining in steps or from files."""

import pytest
import torch

from harness.components import Model
from harness.errors import UserError
from harness.plugins import registry
from harness.stages import base as base_stage
from harness.stages import finetune
from harness.stages.facts import BaseFacts
from harness.store import outputs
from harness.store.records import WeightsRead
from harness.toolkit.image_denoiser import ImageDenoiser
from harness.weights import state_dicts

ONE_STEP = "pretrain: {method: mle, training: {images: 128, batch: 64}}"
STILL = "{method: {name: mle, optimizer: {name: sgd, lr: 1.0e-30}}, training: {images: 64, batch: 64}}"
"""A step that leaves the weights as they are."""
LOADED = """\
title: Loaded
dataset: digits
bases:
  loaded: {weights: {preset: edm-tiny-8, file: ../w.pt}, sampler: {name: heun, steps: 3}}
training: {images: 64, batch: 32}
methods: {none: }
seeds: [0]
evaluation: {samples: 16, batch: 16}
metrics: {sliced-w2: }
"""


def weights(output):
    return state_dicts.load(output.folder / base_stage.WEIGHTS)


def test_a_base_is_made_once_whoever_asks(tiny, source, context, new_context):
    (base,) = tiny.bases
    made = base_stage.run(base, source, context)
    assert made.is_fresh
    elsewhere = new_context()
    found = base_stage.run(base, elsewhere.dataset(tiny.dataset), elsewhere)
    assert not found.is_fresh
    assert (found.folder, found.facts) == (made.folder, made.facts)


DROPS = """\
title: Drops
dataset: digits
bases:
  small:
    model: {name: edm-unet, model_channels: 4, channel_mult: [1], num_blocks: 1, attn_resolutions: [], dropout: 0.5}
    pretrain: {method: mle, training: {images: 64, batch: 32}}
training: {images: 64, batch: 32}
methods: {mle: }
seeds: [1]
evaluation: {samples: 4, batch: 4}
metrics: {sliced-w2: }
"""


def test_dropout_acts_in_pretraining_and_not_in_fine_tuning(read_board, context, monkeypatch):
    """As DDO and SFT-PG are published; keys say so, since older versions pretrained without."""
    modes = []
    loss = ImageDenoiser.training_loss_at

    def seen(self, *arguments):
        modes.append(self.training)
        return loss(self, *arguments)

    monkeypatch.setattr(ImageDenoiser, "training_loss_at", seen)
    dropping, plain = read_board(DROPS), read_board(DROPS.replace(", dropout: 0.5", ""), "plain")
    source = context.dataset(dropping.dataset)
    outputs_of = [base_stage.run(board.bases[0], source, context) for board in (dropping, plain)]
    assert modes == [True] * 2 + [False] * 2
    assert BaseFacts.of(outputs_of[0]).weights_sha256 != BaseFacts.of(outputs_of[1]).weights_sha256
    finetune.run(dropping.cells[0], outputs_of[0], source, context)
    assert modes[4:] == [False] * 2
    assert "drops" in dropping.bases[0].origin.identity
    assert "drops" not in plain.bases[0].origin.identity


def test_the_facts_are_those_of_the_weights(tiny, source, context):
    output = base_stage.run(tiny.bases[0], source, context)
    facts = BaseFacts.of(output)
    assert facts.weights_sha256 == state_dicts.sha256(weights(output))
    network = base_stage.build(tiny.bases[0], source, context)
    assert facts.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert (output.facts["images_seen"], output.facts["seed"]) == (128, 0)
    assert output.facts["method"]["name"] == "mle"


def test_the_code_that_encoded_the_training_data_is_part_of_the_facts(tiny, source, context, encoder):
    assert encoder in BaseFacts.of(base_stage.run(tiny.bases[0], source, context)).sources


def test_training_changes_the_initial_weights_and_leaves_no_checkpoint(tiny, source, context):
    (base,) = tiny.bases
    output = base_stage.run(base, source, context)
    initial = base_stage.build(base, source, context, seed=base.network.seed)
    assert state_dicts.sha256(initial.state_dict()) != BaseFacts.of(output).weights_sha256
    assert not context.runs.work("base", base.key).exists()


def test_loading_gives_the_weights_in_eval_mode(tiny, source, context):
    output = base_stage.run(tiny.bases[0], source, context)
    network = base_stage.load(tiny.bases[0], output, source, context)
    assert not network.training
    assert state_dicts.sha256(network.state_dict()) == BaseFacts.of(output).weights_sha256


def test_each_step_of_pretraining_goes_on_from_the_one_before_and_is_kept(read_board, tiny_text, context, source):
    first = ONE_STEP.removeprefix("pretrain: ")
    board = read_board(tiny_text.replace(ONE_STEP, f"pretrain: [{first}, {STILL}]"))
    (base,) = board.bases
    output = base_stage.run(base, source, context)
    assert len(list(context.runs.root.glob("stages/base/*"))) == 2
    earlier = base_stage.run(base.network.after, source, context)
    assert not earlier.is_fresh
    assert earlier.folder != output.folder
    # The second step moves the weights by its learning rate at most, 1e-30: less than float32 can see.
    assert state_dicts.sha256(weights(earlier)) == state_dicts.sha256(weights(output))


def test_weights_from_a_file_are_the_files_own(read_board, tmp_path, context):
    preset = registry().presets["edm-tiny-8"]
    torch.manual_seed(1)
    network = registry().get(Model, preset.model, where="this test").create(preset.config, preset.spec)
    torch.save({"ema": network.state_dict()}, tmp_path / "w.pt")
    board = read_board(LOADED)
    output = base_stage.run(board.bases[0], context.dataset(board.dataset), context)
    assert state_dicts.sha256(weights(output)) == state_dicts.sha256(network.state_dict())
    assert (output.facts["seconds"], output.facts["images_seen"]) == (0.0, 0)
    read = {"part": "", "table": "ema", "not_read": [], "casts": []}
    assert BaseFacts.of(output).weights_read == [WeightsRead(**read)]
    assert output.facts["weights"] == [{"part": "", "sha256": board.bases[0].origin.files[0].known_sha256}]


@pytest.fixture
def older(read_board, tmp_path, context):
    """A base of which an older version made the output, from the table that it is told."""

    def make(table):
        preset = registry().presets["edm-tiny-8"]
        network = registry().get(Model, preset.model, where="this test").create(preset.config, preset.spec)
        averaged = network.state_dict()
        tables = {"model": {name: value + 1 for name, value in averaged.items()}, "model_ema": averaged}
        torch.save(tables, tmp_path / "w.pt")
        board = read_board(LOADED)
        facts = {"weights_sha256": state_dicts.sha256(tables[table]), "parameters": 1}

        def write(folder):
            state_dicts.save(tables[table], folder / base_stage.WEIGHTS)
            return facts

        outputs.once(context.runs, "base", board.bases[0].key, write)
        return board

    return make


def test_an_output_that_an_older_version_made_from_other_tensors_is_refused(older, context):
    board = older("model")
    with pytest.raises(UserError, match=r"read other tensors of .*w\.pt than 'model_ema', .*; write `part: model_ema` beside"):
        base_stage.run(board.bases[0], context.dataset(board.dataset), context)


def test_an_output_that_an_older_version_made_from_the_same_tensors_is_used(older, context):
    board = older("model_ema")
    assert not base_stage.run(board.bases[0], context.dataset(board.dataset), context).is_fresh


def test_a_base_that_cannot_be_made_leaves_nothing(read_board, tmp_path, context):
    torch.save({"ema": {"model.x": torch.zeros(1)}}, tmp_path / "w.pt")
    board = read_board(LOADED)
    with pytest.raises(UserError, match=r"unexpected: model\.x"):
        base_stage.run(board.bases[0], context.dataset(board.dataset), context)
    assert not list(context.runs.root.glob("stages/base/*"))
