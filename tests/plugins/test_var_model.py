"""VAR with its tokenizer: its loss by hand, its likelihood's gradient, half precision, and the scales one by one."""

import pytest
import torch

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness.training.micro_batches import rows_of
from harness_var import VARConfig, harness_models
from harness_var.check import fits
from harness_var.model import ScaleCache

SPEC = DataSpec((1, 8, 8), classes=3, preview="images")


def model(seed=0, **settings):
    defaults = {
        "depth": 2,
        "embed_dim": 16,
        "num_heads": 2,
        "cond_drop_rate": 0.0,
        "patch_nums": (1, 2, 4),
        "tokenizer": {"ch": 4, "ch_mult": (1, 1), "vocab_size": 12},
    }
    config = VARConfig(**{**defaults, **settings})
    network = models.build(harness_models()[0], config, SPEC, seed).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("tokenizer"):
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return network


def images(n=5):
    return torch.randn(n, 1, 8, 8, generator=stream(0, "images"), dtype=torch.float64), torch.arange(n) % 3


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_smoothed_targets(smoothing):
    network, (x, labels) = model(label_smoothing=smoothing), images()
    tokens = network.encode(x)
    log_p = network(network.tokenizer.teacher_input(tokens), labels).log_softmax(-1)
    target = torch.nn.functional.one_hot(tokens, 12) * (1 - smoothing) + smoothing / 12
    expected = -(target * log_p).sum(-1).mean(1)
    torch.testing.assert_close(network.training_loss(x, labels, stream(0, "loss")), expected)


def test_the_likelihood_is_the_sum_over_tokens_of_each_ones_log_probability():
    network, (x, labels) = model(), images()
    per_token = network.token_log_probs(network.encode(x), labels)
    assert per_token.shape == (5, 21)
    assert (per_token < 0).all()
    torch.testing.assert_close(network.log_likelihood(x, labels, None), per_token.sum(1))


def test_without_labels_the_likelihood_is_that_of_the_null_class():
    network, (x, _) = model(), images()
    null = torch.full((5,), network.null_label)
    torch.testing.assert_close(network.log_likelihood(x, None, None), network.log_likelihood(x, null, None))
    assert network.draw(x, stream(0, "draw")) is None


def test_the_likelihoods_gradient_is_that_of_finite_differences():
    network, (x, labels) = model(), images(2)
    weight = network.blocks[0].ffn.fc1.bias

    def value(bias):
        return torch.func.functional_call(network, {"blocks.0.ffn.fc1.bias": bias}, (inputs, labels)).log_softmax(-1).sum()

    with torch.no_grad():
        inputs = network.tokenizer.teacher_input(network.encode(x))
    assert torch.autograd.gradcheck(value, (weight.detach()[:64].clone().requires_grad_(),))


def test_training_moves_the_transformer_and_not_the_tokenizer():
    network, (x, labels) = model(), images()
    network.training_loss(x, labels, stream(0, "loss")).mean().backward()
    moved = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert "tokenizer" not in moved
    assert {"blocks", "head", "word_embed", "class_emb", "pos_start", "lvl_embed"} <= moved


def test_stochastic_depth_drops_branches_by_the_generator_and_the_mean_stays():
    network, (x, labels) = model(drop_path_rate=0.5).train(), images()
    first, again, other = (network.training_loss(x, labels, stream(seed, "loss")) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert network._keep(4, stream(0, "keep")).shape == (4, 2, 2)
    assert not network.tokenizer.training
    assert model().train()._keep(4, stream(0, "keep")) is None
    assert network.eval()._keep(4, stream(0, "keep")) is None  # as in fine-tuning


def test_an_image_in_a_micro_batch_loses_the_label_and_the_branches_that_it_loses_in_its_batch():
    network, (x, labels) = model(drop_path_rate=0.5, cond_drop_rate=0.5).train(), images()
    whole, draw = network.training_loss(x, labels, stream(0, "loss")), network.training_draw(x, stream(0, "loss"))
    assert 0 < draw.dropped.sum() < 5
    for rows in (slice(0, 3), slice(3, 5)):
        torch.testing.assert_close(network.training_loss_at(x[rows], labels[rows], rows_of(draw, rows)), whole[rows])


@torch.no_grad()
def test_scales_one_by_one_are_the_teachers_pass_with_a_cache_and_without():
    network, (x, labels) = model(), images()
    scales = network.tokenizer.scales(network.encode(x))
    whole = network(network.tokenizer.teacher_input(torch.cat(scales, 1)), labels)
    for cache in (network.new_cache(), None):
        parts = [network.scale_logits(scales[:scale], labels, cache) for scale in range(3)]
        torch.testing.assert_close(torch.cat(parts, 1), whole)


@torch.no_grad()
def test_the_cache_holds_the_sum_of_the_tokens_that_it_has_seen():
    network, (x, labels) = model(), images()
    scales, cache = network.tokenizer.scales(network.encode(x)), network.new_cache()
    assert isinstance(cache, ScaleCache)
    for scale in range(3):
        network.scale_logits(scales[:scale], labels, cache)
    # The last scale is no input of any.
    *_, total = network.tokenizer.quantize.partial_sums(scales[:2])
    torch.testing.assert_close(cache.total, total)


@torch.no_grad()
def test_half_precision_gives_logits_and_likelihoods_in_float32():
    network, (x, labels) = model().to(torch.bfloat16), images()
    tokens = network.encode(x.float())
    assert network.token_log_probs(tokens, labels).dtype == torch.float32
    assert network.scale_logits([], labels, None).dtype == torch.float32


@torch.no_grad()
def test_a_step_in_half_precision_has_the_tokens_and_the_inputs_of_float32():
    network, (x, labels) = model().float(), images(64)
    x, seen = x.float(), []
    tokens = network.encode(x)
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network.training_loss(x, labels, stream(0, "loss"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(network.tokenizer.encode(x), tokens)
        assert torch.equal(network.encode(x), tokens)
        network.training_loss(x, labels, stream(0, "loss"))
    assert torch.equal(*seen)


def test_a_state_dict_has_the_tokenizer_and_no_constants_and_loads_with_them():
    network, other = model(0), model(1)
    state = network.state_dict()
    assert any(name.startswith("tokenizer.") for name in state)
    assert not {"lvl_1L", "attn_bias_for_masking"} & state.keys()
    other.load_state_dict({**state, "lvl_1L": torch.zeros(1), "attn_bias_for_masking": torch.zeros(1)}, strict=True)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in state.items())


def test_what_methods_ask_of_a_tokenizer_is_the_tokenizers_own():
    network, (x, _) = model(), images()
    assert network.codebook is network.tokenizer.quantize.embedding.weight
    assert {id(parameter) for parameter in network.tokenizer_parameters()} == {
        id(parameter) for parameter in network.tokenizer.parameters()
    }
    assert torch.equal(network.tokenizer_terms(x).tokens, network.encode(x))
    assert network.patch_nums == (1, 2, 4)


@pytest.mark.parametrize("shape", [(1, 8, 16), (3, 4, 4), (2,)])
def test_data_of_another_size_are_refused_by_their_shape_alone(shape):
    config = VARConfig(patch_nums=(1, 2, 4), tokenizer={"ch_mult": (1, 1)})
    with pytest.raises(UserError, match=r"model var: 4 tokens a side of 2 pixels make images of 8×8, but .*change the last"):
        fits(config, ModelUsage(DataSpec(shape)))
    fits(config, ModelUsage(DataSpec((7, 8, 8))))
