"""VAR's transformer: against plain operations of its own, and what its cache, mask and factors of branches do."""

import math

import pytest
import torch

from harness.streams import stream
from harness_var import VARConfig
from harness_var.network import Attention, Block, Cache, VARTransformer, initialise

SIDES = (1, 2, 3)
L = 14
WIDTH, HEADS = 16, 2


def network(classes=3, constants=False, seed=0, **settings):
    config = VARConfig(**{"depth": 2, "embed_dim": WIDTH, "num_heads": HEADS, "patch_nums": SIDES, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VARTransformer(config, classes, 10, 4, constants=constants).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return model.requires_grad_(False)


def inputs(n=2, seed=0):
    return torch.randn(n, L - 1, 4, generator=stream(seed, "x"), dtype=torch.float64), torch.arange(n) % 4


def layer_norm(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()


def attend(attention, x, visible, *, l2_norm):
    """Attention one head after the other, by its formula."""
    query, key, value = (x @ weight.T for weight in attention.mat_qkv.weight.chunk(3))
    query, value = query + attention.q_bias, value + attention.v_bias
    outputs = []
    for head in range(HEADS):
        part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        q, k, v = query[..., part], key[..., part], value[..., part]
        if l2_norm:
            scale = math.exp(min(attention.scale_mul_1H11[0, head, 0, 0].item(), math.log(100)))
            q, k = q / q.norm(dim=-1, keepdim=True) * scale, k / k.norm(dim=-1, keepdim=True)
        else:
            q = q * 0.25 / math.sqrt(WIDTH / HEADS)
        logits = (q @ k.transpose(1, 2)).masked_fill(~visible, -torch.inf)
        outputs.append(logits.softmax(-1) @ v)
    return torch.cat(outputs, -1) @ attention.proj.weight.T + attention.proj.bias


def by_hand(model, x, labels, *, l2_norm=True):
    """The whole transformer by the formulas of its description, without a cache."""
    condition = model.class_emb.weight[labels]
    levels = torch.repeat_interleave(torch.arange(len(SIDES)), torch.tensor([side**2 for side in SIDES]))
    h = torch.cat([condition[:, None] + model.pos_start, x @ model.word_embed.weight.T + model.word_embed.bias], 1)
    h = h + model.lvl_embed.weight[levels] + model.pos_1LC
    visible = levels[:, None] >= levels[None, :]
    silu = condition * torch.sigmoid(condition)
    for block in model.blocks:
        if model.shared_ada_lin is None:
            six = silu @ block.ada_lin[1].weight.T + block.ada_lin[1].bias
        else:
            six = silu @ model.shared_ada_lin[1].weight.T + model.shared_ada_lin[1].bias + block.ada_gss.flatten()
        gate1, gate2, scale1, scale2, shift1, shift2 = six[:, None].chunk(6, -1)
        h = h + gate1 * attend(block.attn, (1 + scale1) * layer_norm(h) + shift1, visible, l2_norm=l2_norm)
        hidden = ((1 + scale2) * layer_norm(h) + shift2) @ block.ffn.fc1.weight.T + block.ffn.fc1.bias
        hidden = 0.5 * hidden * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
        h = h + gate2 * (hidden @ block.ffn.fc2.weight.T + block.ffn.fc2.bias)
    scale, shift = (silu @ model.head_nm.ada_lin[1].weight.T + model.head_nm.ada_lin[1].bias)[:, None].chunk(2, -1)
    return ((1 + scale) * layer_norm(h) + shift) @ model.head.weight.T + model.head.bias


@pytest.mark.parametrize("settings", [{}, {"shared_aln": True}, {"attn_l2_norm": False}])
def test_the_transformer_is_its_formulas(settings):
    model, (x, labels) = network(**settings), inputs()
    expected = by_hand(model, x, labels, l2_norm=settings.get("attn_l2_norm", True))
    torch.testing.assert_close(model(x, labels), expected)


def test_a_scale_above_the_largest_one_is_cut():
    model = network()
    x, labels = inputs()
    for block in model.blocks:
        block.attn.scale_mul_1H11.fill_(7.0)
    cut = model(x, labels)
    for block in model.blocks:
        block.attn.scale_mul_1H11.fill_(Attention.largest_scale)
    assert torch.equal(model(x, labels), cut)


@pytest.mark.parametrize("shared_aln", [False, True])
def test_scale_after_scale_with_a_cache_is_all_scales_at_once(shared_aln):
    model, (x, labels) = network(shared_aln=shared_aln), inputs()
    cache = Cache(2)
    parts = [model(part, labels, cache=cache) for part in (x[:, :0], x[:, :4], x[:, 4:])]
    assert [part.shape[1] for part in parts] == [1, 4, 9]
    assert cache.length == L
    torch.testing.assert_close(torch.cat(parts, 1), model(x, labels))


def test_a_cache_returns_all_that_it_holds():
    cache = Cache(1)
    first, second = torch.zeros(1, 2, 3, 4), torch.ones(1, 2, 5, 4)
    cache.extend(0, first, 2 * first)
    keys, values = cache.extend(0, second, 2 * second)
    assert torch.equal(keys, torch.cat([first, second], 2))
    assert torch.equal(values, 2 * keys)


def test_fewer_scales_give_the_logits_of_those_scales():
    model, (x, labels) = network(), inputs()
    whole = model(x, labels)
    torch.testing.assert_close(model(x[:, :4], labels), whole[:, :5])
    torch.testing.assert_close(model(x[:, :0], labels), whole[:, :1])


@pytest.mark.parametrize("length", [1, 3, 5, 12])
def test_positions_that_end_inside_a_scale_are_refused(length):
    model, (x, labels) = network(), inputs()
    with pytest.raises(ValueError, match=rf"positions 0 to {length + 1} do not end with a scale; scales have \(1, 4, 9\) tokens"):
        model(x[:, :length], labels)


def test_branches_of_factor_0_leave_the_input_as_it_is():
    """With all branches dropped, only embeddings and the head are left."""
    model, (x, labels) = network(), inputs()
    logits = model(x, labels, keep=torch.zeros(2, 2, 2, dtype=torch.float64))
    empty = network(depth=1)
    for name, value in model.state_dict().items():
        if not name.startswith("blocks"):
            empty.state_dict()[name].copy_(value)
    empty.blocks = torch.nn.ModuleList()
    torch.testing.assert_close(logits, empty(x, labels))


def test_factors_of_1_change_nothing_and_each_image_has_its_own():
    model, (x, labels) = network(), inputs()
    ones = torch.ones(2, 2, 2, dtype=torch.float64)
    torch.testing.assert_close(model(x, labels, keep=ones), model(x, labels))
    ones[0] = 0
    mixed = model(x, labels, keep=ones)
    torch.testing.assert_close(mixed[1], model(x, labels)[1])
    assert not torch.allclose(mixed[0], model(x, labels)[0])


def test_the_null_class_has_an_embedding_of_its_own():
    model, (x, _) = network(classes=3), inputs(4)
    logits = model(x[:1].expand(4, -1, -1), torch.arange(4))
    assert len(logits.flatten(1).unique(dim=0)) == 4


def test_constants_are_in_the_state_dict_where_published_files_have_them():
    with_tables, without = network(constants=True).state_dict(), network().state_dict()
    assert with_tables.keys() - without.keys() == {"lvl_1L", "attn_bias_for_masking"}
    level, mask = with_tables["lvl_1L"][0], with_tables["attn_bias_for_masking"][0, 0]
    assert level.tolist() == [0] + [1] * 4 + [2] * 9
    assert torch.equal(mask == 0, level[:, None] >= level[None, :])
    assert (mask[mask != 0] == -torch.inf).all()


def test_a_block_without_gates_is_the_identity():
    block = Block(VARConfig(embed_dim=WIDTH, num_heads=HEADS)).double().requires_grad_(False)
    x = torch.randn(2, 5, WIDTH, generator=stream(0, "x"), dtype=torch.float64)
    six = list(block.modulation(torch.randn(2, WIDTH, dtype=torch.float64, generator=stream(0, "c")), None))
    six[0], six[1] = torch.zeros_like(six[0]), torch.zeros_like(six[1])
    assert torch.equal(block(x, tuple(six), None, None, 0, None), x)


@pytest.mark.parametrize("shared_aln", [False, True])
def test_initial_weights_have_the_published_scales(shared_aln):
    config = VARConfig(depth=3, embed_dim=128, num_heads=4, patch_nums=SIDES, shared_aln=shared_aln)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VARTransformer(config, 5, 500, 4)
        initialise(model)
    std = math.sqrt(1 / 128 / 3)

    def deviation(weight):
        return weight.std().item() / std

    assert deviation(model.word_embed.weight) == pytest.approx(1, rel=0.1)
    assert deviation(model.head.weight) == pytest.approx(0.02, rel=0.1)
    assert deviation(model.head_nm.ada_lin[1].weight) == pytest.approx(0.5, rel=0.1)
    assert deviation(model.blocks[0].ffn.fc1.weight) == pytest.approx(1, rel=0.1)
    for last in (model.blocks[1].attn.proj, model.blocks[1].ffn.fc2):
        assert deviation(last.weight) == pytest.approx(1 / math.sqrt(6), rel=0.1)
        assert not last.bias.any()
    if shared_aln:
        own = model.blocks[0].ada_gss[0, 0]
        assert own[:2].std().item() == pytest.approx(1e-3 * 128**-0.5, rel=0.2)
        assert own[2:].std().item() == pytest.approx(0.5 * 128**-0.5, rel=0.2)
        assert deviation(model.shared_ada_lin[1].weight) == pytest.approx(1, rel=0.1)
    else:
        gates, others = model.blocks[0].ada_lin[1].weight.split([256, 512])
        assert deviation(gates) == pytest.approx(1e-3, rel=0.1)
        assert deviation(others) == pytest.approx(0.5, rel=0.1)
    torch.testing.assert_close(model.blocks[0].attn.scale_mul_1H11.flatten(), torch.full((4,), math.log(4)))
