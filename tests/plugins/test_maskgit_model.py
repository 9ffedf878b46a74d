"""MaskGIT with its tokenizer: its loss by hand, its bound, its labels, and what is left out of a state dict."""

import math

import pytest
import torch

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import seeded, stream
from harness.testing import models
from harness.training.micro_batches import rows_of
from harness_maskgit import MaskGITConfig, harness_models
from harness_maskgit.check import fits
from harness_maskgit.model import MaskDraw, TrainingDraw
from harness_maskgit.schedules import mask_probability

GENERATIONS = pytest.mark.parametrize("generation", ["v1", "v2"])
SPEC = DataSpec((1, 8, 8), classes=3, preview="images")
L, CODES = 16, 12


def model(generation="v2", seed=0, **settings):
    config = MaskGITConfig(
        generation=generation,
        hidden_dim=16,
        heads=2,
        mlp_dim=24,
        tokenizer={"codebook_size": CODES, "ch": 4, "ch_mult": (1, 1), "layout": "taming" if generation == "v1" else "llamagen"},
        **{"drop_label": 0.0, **settings},
    )
    network = models.build(harness_models()[0], config, SPEC, seed).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("tokenizer"):
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return network


def images(n=5):
    return torch.randn(n, 1, 8, 8, generator=stream(0, "images"), dtype=torch.float64), torch.arange(n) % 3


@GENERATIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_mean_cross_entropy_over_all_tokens_of_a_masked_image(generation, smoothing):
    network, (x, labels) = model(generation, label_smoothing=smoothing, schedule="cosine"), images()
    again = stream(0, "loss")
    share = mask_probability("cosine", torch.rand(5, 1, generator=again), generation=generation)
    mask = torch.rand(5, L, generator=again) < share
    tokens = network.encode(x)
    log_p = network(torch.where(mask, CODES, tokens), labels).log_softmax(-1)
    target = torch.nn.functional.one_hot(tokens, CODES + 1) * (1 - smoothing) + smoothing / (CODES + 1)
    expected = -(target * log_p).sum(-1).mean(1)
    torch.testing.assert_close(network.training_loss(x, labels, stream(0, "loss")), expected)


@GENERATIONS
@torch.no_grad()
def test_a_step_in_half_precision_has_the_tokens_of_float32(generation):
    network, (x, _) = model(generation).float(), images(64)
    tokens = network.encode(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(network.tokenizer.encode(x.float()).flatten(1), tokens)
        assert torch.equal(network.encode(x), tokens)


@GENERATIONS
def test_the_bound_is_the_weighed_sum_over_masked_tokens_among_the_codes(generation):
    network, (x, labels) = model(generation), images()
    mask, weight = network.draw(x, stream(0, "draw"))
    tokens = network.encode(x)
    logits = network(torch.where(mask, CODES, tokens), labels)[..., :CODES]
    log_p = logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    expected = torch.stack([L / row.sum() * values[row].sum() for row, values in zip(mask, log_p, strict=True)])
    torch.testing.assert_close(network.log_likelihood(x, labels, MaskDraw(mask, weight)), expected)


def test_a_network_that_knows_nothing_has_the_bound_of_a_uniform_guess():
    network, (x, labels) = model(), images()
    with torch.no_grad():
        network.tok_emb.weight.zero_()
        network.head.bias.zero_()
    for seed in range(3):
        value = network.log_likelihood(x, labels, network.draw(x, stream(seed, "draw")))
        assert value.tolist() == pytest.approx([-L * math.log(CODES)] * 5)


def test_two_networks_at_one_draw_differ_only_by_their_weights():
    network, (x, labels) = model(), images()
    draw = network.draw(x, stream(0, "draw"))
    assert torch.equal(network.log_likelihood(x, labels, draw), network.log_likelihood(x, labels, draw))
    other = network.log_likelihood(x, labels, network.draw(x, stream(1, "draw")))
    assert not torch.equal(network.log_likelihood(x, labels, draw), other)


def test_a_draw_masks_one_token_at_least_and_all_at_most():
    mask, weight = model().draw(torch.zeros(500, 1, 8, 8), stream(0, "draw"))
    number = mask.sum(1)
    assert (number.min(), number.max()) == (1, L)
    torch.testing.assert_close(weight, L / number)
    assert mask.shape == (500, L)


@GENERATIONS
def test_the_likelihoods_gradient_reaches_the_transformer_and_not_the_tokenizer(generation):
    network, (x, labels) = model(generation), images()
    network.log_likelihood(x, labels, network.draw(x, stream(0, "draw"))).sum().backward()
    moved = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert "tokenizer" not in moved
    assert {"tok_emb", "transformer"} <= moved


@GENERATIONS
def test_without_labels_the_null_class_stands_in(generation):
    network, (x, _) = model(generation), images()
    draw, null = network.draw(x, stream(0, "draw")), torch.full((5,), network.null_label)
    assert torch.equal(network.log_likelihood(x, None, draw), network.log_likelihood(x, null, draw))
    assert torch.equal(network.training_loss(x, None, stream(0, "loss")), network.training_loss(x, null, stream(0, "loss")))


def test_dropout_uses_its_generator_and_no_global_randomness():
    network, (x, labels) = model(dropout=0.5).train(), images()
    before = torch.get_rng_state()
    first, again = (network.training_loss(x, labels, stream(0, "loss")) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not network.tokenizer.training


def test_fine_tuning_has_no_dropout_since_networks_are_in_eval_mode_there():
    with_dropout, without, (x, labels) = model(dropout=0.5), model(), images()
    without.load_state_dict(with_dropout.state_dict())
    losses = [network.training_loss(x, labels, stream(0, "loss")) for network in (with_dropout, without)]
    assert torch.equal(*losses)


def test_dropout_of_a_whole_batch_has_the_seed_that_is_drawn_last_and_a_micro_batch_one_of_its_own():
    network, (x, labels) = model(dropout=0.5).train(), images()
    generator = stream(0, "loss")
    torch.rand(5, 1, generator=generator), torch.rand(5, L, generator=generator), torch.rand(5, generator=generator)
    seed = int(torch.randint(1 << 62, (), generator=generator))
    draw = network.training_draw(x, stream(0, "loss"))
    assert draw.seeds.tolist() == [seed, seed + 1, seed + 2, seed + 3, seed + 4]
    tokens, dropped = network.encode(x), torch.where(draw.dropped, network.null_label, labels)
    with seeded(seed):
        logits = network(torch.where(draw.mask, CODES, tokens), dropped)
    expected = network.losses(logits, tokens).mean(1)
    assert torch.equal(network.training_loss(x, labels, stream(0, "loss")), expected)
    rows = slice(2, 5)
    part = [network.training_loss_at(x[rows], labels[rows], rows_of(draw, rows)) for _ in range(2)]
    assert torch.equal(*part)
    part_draw = rows_of(draw, rows)
    assert isinstance(part_draw, TrainingDraw)
    assert part_draw.seeds is not None
    assert part_draw.seeds[0] == seed + 2


def test_the_mode_is_restored_after_a_fault_under_dropout():
    network, (x, _) = model(dropout=0.5), images()
    with pytest.raises(ValueError, match="but there are 3 classes"):
        network.training_loss(x, torch.full((5,), 9), stream(0, "loss"))
    assert not network.training


def test_half_precision_gives_logits_in_float32():
    network, (x, labels) = model().to(torch.bfloat16), images()
    tokens = network.encode(x.float())
    assert network.token_logits(tokens, labels).dtype == torch.float32


@GENERATIONS
def test_images_and_tokens_go_both_ways(generation):
    network, (x, _) = model(generation), images()
    tokens = network.encode(x)
    assert tokens.shape == (5, L)
    decoded = network.decode(tokens)
    assert decoded.shape == x.shape
    assert decoded.abs().max() <= 1
    grid = network.tokenizer.encode(x)
    assert torch.equal(tokens, grid.flatten(1))  # row after row
    assert network.side == 4
    assert network.mask_token == CODES


def test_the_second_generations_state_dict_has_the_tied_weight_once():
    network, other = model(seed=0), model(seed=1)
    state = network.state_dict()
    assert "head.weight" not in state
    assert "head.bias" in state
    other.load_state_dict(state, strict=True)
    assert torch.equal(other.head.weight, network.tok_emb.weight)
    first = model("v1").state_dict()
    assert "tok_emb.weight" in first
    assert "bias" in first


def test_a_state_dict_without_the_embedding_is_reported_as_torch_does():
    network = model()
    state = {name: value for name, value in network.state_dict().items() if name != "tok_emb.weight"}
    with pytest.raises(RuntimeError, match=r"Missing key.*tok_emb\.weight"):
        network.load_state_dict(state, strict=True)


def test_what_methods_ask_of_a_tokenizer_is_the_tokenizers_own():
    network, (x, _) = model(), images()
    assert network.codebook is network.tokenizer.quantize.embedding.weight
    assert len(network.tokenizer_parameters()) == len(list(network.tokenizer.parameters()))
    assert torch.equal(network.tokenizer_terms(x).tokens, network.encode(x))
    with pytest.raises(ValueError, match=r"images are \(1, 4, 4\), but the model makes \(1, 8, 8\)"):
        network.tokenizer_terms(torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("shape", [(1, 8, 16), (3, 4, 4), (2,)])
def test_data_of_another_size_are_refused_by_their_shape_alone(shape):
    config = MaskGITConfig(tokenizer={"ch_mult": (1, 1)})
    with pytest.raises(
        UserError, match=r"model maskgit: 4 tokens a side of 2 pixels make images of 8×8, but .*change input_size"
    ):
        fits(config, ModelUsage(DataSpec(shape)))
    fits(config, ModelUsage(DataSpec((7, 8, 8))))
