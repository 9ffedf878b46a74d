"""Both generations of MaskGIT's transformer, against plain operations from their description."""

import math

import pytest
import torch
from torch.nn import functional

from harness.streams import stream
from harness_maskgit import MaskGITConfig, VQGANConfig
from harness_maskgit.network_v1 import MaskGITv1
from harness_maskgit.network_v2 import EPSILON, GatedFeedForward, MaskGITv2, RMSNorm, unit

WIDTH, HEADS, SIDE, CODES, CLASSES = 16, 2, 3, 6, 4
L = SIDE * SIDE


def network(generation, seed=0, **settings):
    config = MaskGITConfig(
        generation=generation,
        input_size=SIDE,
        hidden_dim=WIDTH,
        heads=HEADS,
        mlp_dim=24,
        tokenizer=VQGANConfig(codebook_size=CODES, ch_mult=(1,)),
        **settings,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (MaskGITv1 if generation == "v1" else MaskGITv2)(config, CLASSES).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return model.requires_grad_(False)


def inputs(n=3):
    return torch.randint(CODES + 1, (n, L), generator=stream(0, "tokens")), torch.arange(n) % (CLASSES + 1)


def layer_norm(x, norm, eps):
    normed = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + eps).sqrt()
    return normed * norm.weight + norm.bias


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def attend(query, key, value):
    """One head after the other."""
    outputs = []
    for part in (slice(0, WIDTH // HEADS), slice(WIDTH // HEADS, WIDTH)):
        logits = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(WIDTH / HEADS)
        outputs.append(logits.softmax(-1) @ value[..., part])
    return torch.cat(outputs, -1)


def first_by_hand(model, tokens, labels):
    x = model.tok_emb.weight[torch.cat([tokens, labels[:, None] + CODES + 1], 1)] + model.pos_emb
    first, last = model.first_layer, model.last_layer
    x = gelu(layer_norm(x, first[0], 1e-12) @ first[2].weight.T + first[2].bias)
    x = layer_norm(x, first[4], 1e-12) @ first[6].weight.T + first[6].bias
    for attention, feed_forward in model.transformer.layers:
        normed, mha = layer_norm(x, attention.norm, 1e-5), attention.fn.mha
        query, key, value = (normed @ mha.in_proj_weight.T + mha.in_proj_bias).chunk(3, -1)
        x = x + attend(query, key, value) @ mha.out_proj.weight.T + mha.out_proj.bias
        net = feed_forward.fn.net
        hidden = gelu(layer_norm(x, feed_forward.norm, 1e-5) @ net[0].weight.T + net[0].bias)
        x = x + hidden @ net[3].weight.T + net[3].bias
    h = gelu(layer_norm(x, last[0], 1e-12) @ last[2].weight.T + last[2].bias)
    logits = layer_norm(h, last[4], 1e-12) @ model.tok_emb.weight.T + model.bias
    return logits[:, :L, : CODES + 1]


def root_mean_square(x):
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def second_by_hand(model, tokens, labels):
    condition = functional.silu(model.cls_emb.weight[labels])
    x = model.tok_emb.weight[tokens] + model.pos_emb.weight
    if model.config.registers:
        x = torch.cat([x, model.reg_tokens.weight.expand(len(x), -1, -1)], 1)
    for layer in model.transformer.layers:
        six = (condition @ layer.mlp[1].weight.T + layer.mlp[1].bias)[:, None].chunk(6, -1)
        shift1, scale1, gate1, shift2, scale2, gate2 = six
        normed = (1 + scale1) * root_mean_square(x) * layer.ln1.weight + shift1
        query, key, value = (normed @ projection.weight.T for projection in (layer.attn.wq, layer.attn.wk, layer.attn.wv))
        x = x + gate1 * (attend(root_mean_square(query), root_mean_square(key), value) @ layer.attn.wo.weight.T)
        normed = (1 + scale2) * root_mean_square(x) * layer.ln2.weight + shift2
        hidden = functional.silu(normed @ layer.ff.w1.weight.T) * (normed @ layer.ff.w3.weight.T)
        x = x + gate2 * (hidden @ layer.ff.w2.weight.T)
    shift, scale = (condition @ model.last_norm.mlp[1].weight.T + model.last_norm.mlp[1].bias)[:, None].chunk(2, -1)
    norm = model.last_norm.norm_final
    x = (1 + scale) * (root_mean_square(x[:, :L]) * norm.weight + norm.bias) + shift
    return x @ model.tok_emb.weight.T + model.head.bias


def test_the_first_generation_is_its_formulas():
    model, (tokens, labels) = network("v1"), inputs()
    torch.testing.assert_close(model(tokens, labels), first_by_hand(model, tokens, labels))


@pytest.mark.parametrize("registers", [0, 2])
def test_the_second_generation_is_its_formulas(registers):
    model, (tokens, labels) = network("v2", registers=registers), inputs()
    torch.testing.assert_close(model(tokens, labels), second_by_hand(model, tokens, labels))


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_logits_are_of_all_positions_over_codes_and_the_mask_token(generation):
    model, (tokens, labels) = network(generation), inputs()
    assert model(tokens, labels).shape == (3, L, CODES + 1)


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_every_position_depends_on_every_token_and_on_the_label(generation):
    model, (tokens, labels) = network(generation), inputs(1)
    before = model(tokens, labels)
    for position in (0, L - 1):
        changed = tokens.clone()
        changed[:, position] = (changed[:, position] + 1) % (CODES + 1)
        assert (model(changed, labels) - before).abs().amax(-1).min() > 1e-6
    assert (model(tokens, labels + 1) - before).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_dropout_is_of_training_alone(generation):
    model, (tokens, labels) = network(generation, dropout=0.5), inputs()
    assert torch.equal(model(tokens, labels), model(tokens, labels))
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(model(tokens, labels), model(tokens, labels))


def test_a_root_mean_square_of_one_whatever_the_scale():
    x = torch.randn(4, 50, generator=stream(0, "x"), dtype=torch.float64) * 100
    torch.testing.assert_close(unit(x).square().mean(-1), torch.ones(4, dtype=torch.float64), rtol=1e-4, atol=0)
    assert unit(torch.zeros(3)).isfinite().all()
    assert EPSILON == 1e-5


def test_a_norm_has_a_bias_where_it_is_asked_for():
    assert {name for name, _ in RMSNorm(4).named_parameters()} == {"weight"}
    norm = RMSNorm(4, bias=True)
    with torch.no_grad():
        norm.bias.fill_(2.0)
    torch.testing.assert_close(norm(torch.ones(1, 4)), unit(torch.ones(1, 4)) + 2)


@pytest.mark.parametrize(("mlp_dim", "hidden"), [(2, 256), (384, 256), (386, 512), (4096, 2816), (4608, 3072)])
def test_hidden_units_are_two_thirds_rounded_up_to_a_multiple_of_256(mlp_dim, hidden):
    with torch.device("meta"):
        layer = GatedFeedForward(8, mlp_dim, 0.0)
    assert layer.w1.weight.shape == (hidden, 8)
    assert layer.w2.weight.shape == (8, hidden)


def test_the_second_generations_head_is_the_embedding_of_tokens():
    model = network("v2")
    assert model.head.weight is model.tok_emb.weight
    assert not hasattr(model, "reg_tokens")


def fresh(generation, **settings):
    config = MaskGITConfig(
        generation=generation, hidden_dim=64, heads=4, mlp_dim=256, tokenizer=VQGANConfig(codebook_size=500), **settings
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return (MaskGITv1 if generation == "v1" else MaskGITv2)(config, 10)


def test_the_first_generation_starts_as_bert_does():
    model = fresh("v1")
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.dim() > 1:
            assert parameter.abs().max() <= 0.04, name
    # A normal distribution that is cut at two deviations has 0.88 of its deviation.
    assert model.tok_emb.weight.std().item() == pytest.approx(0.88 * 0.02, rel=0.03)
    assert (model.first_layer[0].weight == 1).all()


def test_the_second_generation_starts_with_blocks_that_are_the_identity():
    model = fresh("v2")
    assert not model.transformer.layers[0].mlp[1].weight.any()
    assert model.last_norm.mlp[1].weight.any()
    assert model.tok_emb.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert model.transformer.layers[0].attn.wq.weight.abs().max() <= math.sqrt(6 / 128)  # Xavier's bound
    x, condition = torch.randn(2, 16, 64, generator=stream(0, "x")), torch.randn(2, 64, generator=stream(0, "c"))
    assert torch.equal(model.transformer(x, condition), x)
