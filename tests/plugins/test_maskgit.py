"""MaskGIT: state-dict names, laws of bound and sampling, guidance, schedules, and what is refused."""

import gzip
import hashlib
import itertools
import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save, save_file

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness_maskgit import (
    ConfidenceConfig,
    HaltonConfig,
    MaskGITConfig,
    VQGANConfig,
    guidance_formula,
    harness_models,
)
from harness_maskgit.check import fits
from harness_maskgit.model import MaskDraw, build
from harness_maskgit.network_v1 import MaskGITv1
from harness_maskgit.network_v2 import MaskGITv2
from harness_maskgit.sampler import Halton, Noise, confidence
from harness_maskgit.schedules import halton_order, known_after_step, tokens_per_step
from harness_maskgit.tokenizer import VQGAN

GOLDEN = Path(__file__).parent.parent / "golden" / "maskgit"
NETWORKS = {"v1": MaskGITv1, "v2": MaskGITv2}
SAMPLERS = {
    "v1": lambda **settings: confidence(ConfidenceConfig(variant="v1", **settings)),
    "v2": lambda **settings: confidence(ConfidenceConfig(variant="v2", **settings)),
    "halton": lambda **settings: Halton(HaltonConfig(**settings)),
}


def published(name):
    stored = json.loads(gzip.decompress((GOLDEN / f"{name}.keys.json.gz").read_bytes()))
    return {key: (tuple(shape), dtype) for key, (shape, dtype) in stored["params"].items()}, stored["total_params"]


def names_and_shapes(module):
    state = module.state_dict()
    return {key: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in state.items()}


@pytest.mark.parametrize(
    ("preset", "file"),
    [
        ("v1-256", "maskgit_v1_256"),
        ("v1-512", "maskgit_v1_512"),
        ("v2-256-base", "maskgit_v2_256_base"),
        ("v2-256-large", "maskgit_v2_256_large"),
        ("v2-384-large", "maskgit_v2_384_large"),
        ("v2-512-large", "maskgit_v2_512_large"),
    ],
)
def test_a_presets_state_dict_is_the_published_one(preset, file):
    (expected, total), config = published(file), MaskGITConfig(preset=preset)
    with torch.device("meta"):
        network = NETWORKS[config.generation](config, 1000)
    assert names_and_shapes(network) == expected
    assert sum(parameter.numel() for parameter in network.parameters()) == total


@pytest.mark.parametrize(
    ("preset", "file"),
    [
        ("taming-f16-1024", "vqgan_v1_taming_f16_1024"),
        ("llamagen-ds16", "vqgan_v2_llamagen_ds16"),
        ("llamagen-ds8", "vqgan_v2_llamagen_ds8"),
    ],
)
def test_a_tokenizers_state_dict_is_the_published_one(preset, file):
    expected, total = published(file)
    with torch.device("meta"):
        tokenizer = VQGAN(VQGANConfig(preset=preset))
    assert names_and_shapes(tokenizer) == expected
    assert sum(parameter.numel() for parameter in tokenizer.parameters()) == total


def test_an_unknown_preset_is_a_fault_that_names_the_others():
    with pytest.raises(ValueError, match="no MaskGIT is called 'v3'; there are v1-256, v1-512"):
        MaskGITConfig(preset="v3")


def tiny(generation="v2", *, side=2, codes=2, seed=0, **others):
    """A MaskGIT in float64 whose outcomes can be counted, its weights large enough that nothing is near uniform."""
    tokenizer = VQGANConfig(codebook_size=codes, ch_mult=(1,))
    config = MaskGITConfig(
        generation=generation, input_size=side, hidden_dim=16, heads=2, mlp_dim=32, tokenizer=tokenizer, **others
    )
    model = models.build(harness_models()[0], config, DataSpec((1, side, side), 2, "images"), seed).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("tokenizer"):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return model


def tokens_of(sampler, model, n, *, batch=None):
    numbers, labels = list(range(n)), torch.arange(n) % 2
    parts = [numbers[i : i + (batch or n)] for i in range(0, n, batch or n)]
    return torch.cat([sampler.tokens(model, SampleStreams(0, "sample", part), labels[part]) for part in parts])


def outcomes(model):
    return torch.tensor(list(itertools.product(range(model.codes), repeat=model.side**2)))


def in_order(model, tokens, order):
    """log p of each row of tokens, drawn one after the other in this order."""
    total, mask = torch.zeros(len(tokens), dtype=torch.float64), torch.ones_like(tokens, dtype=torch.bool)
    for position in order:
        total += model.token_log_probs(tokens, mask, None)[:, position]
        mask[:, position] = False
    return total


@pytest.mark.parametrize("generation", ["v1", "v2"])
@torch.no_grad()
def test_in_any_order_the_probabilities_of_all_outcomes_sum_to_one(generation):
    model = tiny(generation)
    for order in [(0, 1, 2, 3), (2, 0, 3, 1)]:
        assert in_order(model, outcomes(model), order).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("generation", ["v1", "v2"])
@torch.no_grad()
def test_the_mean_over_masks_is_the_mean_over_orders_of_the_log_probability(generation):
    model = tiny(generation)
    tokens = outcomes(model)
    orders = list(itertools.permutations(range(4)))
    expected = torch.stack([in_order(model, tokens, order) for order in orders]).mean(0)
    total = torch.zeros_like(expected)
    for number in range(1, 5):  # the number of masked tokens is uniform, and so are their places given it
        places = list(itertools.combinations(range(4), number))
        for place in places:
            mask = torch.zeros_like(tokens, dtype=torch.bool)
            mask[:, list(place)] = True
            log_p = (model.token_log_probs(tokens, mask, None) * mask).sum(1)
            total += 4 / number * log_p / len(places) / 4
    torch.testing.assert_close(total, expected)
    assert total.exp().sum() < 1  # a bound: the mean of logarithms is below the logarithm of the mean


def test_draws_mask_each_number_of_tokens_as_often():
    model = tiny()
    mask, weight = model.draw(torch.zeros(8000, 1, 2, 2), stream(0, "draw"))
    number = mask.sum(1)
    torch.testing.assert_close(weight, 4 / number)
    frequency = torch.bincount(number, minlength=5) / len(number)
    # Standard error 0.005.
    torch.testing.assert_close(frequency, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), rtol=0, atol=0.02)
    torch.testing.assert_close(mask.float().mean(0), torch.full((4,), 0.625), rtol=0, atol=0.02)


def test_the_likelihood_weighs_the_masked_tokens_alone():
    model = tiny()
    x, mask = torch.zeros(2, 1, 2, 2), torch.tensor([[True, False, False, True], [True, True, True, True]])
    value = model.log_likelihood(x, None, MaskDraw(mask, torch.tensor([2.0, 1.0])))
    log_p = model.token_log_probs(model.encode(x), mask, None)
    torch.testing.assert_close(value, torch.stack([2 * (log_p[0, 0] + log_p[0, 3]), log_p[1].sum()]))


def test_tokens_that_are_drawn_together_come_as_often_as_the_network_says():
    # In one step all tokens are drawn at once; the mask token's share goes to the last code, as in the reference.
    model, n = tiny(), 2000
    tokens = Halton(HaltonConfig(steps=1)).tokens(model, SampleStreams(0, "sample", range(n)), None)
    with torch.no_grad():
        p = model.token_logits(torch.full((1, 4), model.mask_token), torch.tensor([model.null_label])).softmax(-1)
    # Standard error 0.011.
    torch.testing.assert_close((tokens == 0).double().mean(0), p[0, :, 0], rtol=0, atol=0.04)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("w", [0.0, 2.0])
@pytest.mark.parametrize("name", SAMPLERS)
def test_tokens_do_not_depend_on_the_batch_size(name, w, batch):
    # In float64 no two logits or confidences are near enough for rounding to tell them apart.
    sampler, model = SAMPLERS[name](w=w, steps=4), tiny(side=4, codes=16)
    assert torch.equal(tokens_of(sampler, model, 10), tokens_of(sampler, model, 10, batch=batch))


def test_a_random_start_in_the_order_is_each_images_own():
    sampler, model = Halton(HaltonConfig(steps=4, randomize=True)), tiny(side=4, codes=16)
    assert torch.equal(tokens_of(sampler, model, 6), tokens_of(sampler, model, 6, batch=1))
    ranks = sampler._ranks(4, Noise(SampleStreams(0, "sample", range(6))))
    assert len(ranks.unique(dim=0)) > 1
    assert torch.equal(ranks.sort(1).values, torch.arange(16).expand(6, -1))


@pytest.mark.parametrize("name", SAMPLERS)
def test_guided_passes_count_double_and_no_guidance_costs_nothing(name):
    model, calls = tiny(side=4, codes=16), []
    model.register_forward_pre_hook(lambda _, arguments: calls.append(len(arguments[0])))
    tokens_of(SAMPLERS[name](w=2.0, steps=3), model, 4)
    tokens_of(SAMPLERS[name](w=0.0, steps=3), model, 4)
    assert calls == [8, 8, 8, 4, 4, 4]


@pytest.mark.parametrize("name", SAMPLERS)
def test_guidance_zero_is_the_unguided_path_bit_for_bit(name):
    # With labels that are all the null class guidance has nothing to do either; with w = 0 the label alone counts.
    model, sampler = tiny(side=4, codes=16), SAMPLERS[name](w=0.0, steps=3)
    null = torch.full((6,), model.null_label)
    drawn = [sampler.tokens(model, SampleStreams(0, "sample", range(6)), labels) for labels in (null, None)]
    assert torch.equal(*drawn)


def test_guidance_without_classes_is_an_error_that_says_what_to_do():
    model = tiny()
    with pytest.raises(UserError, match="guides by labels, but the data has none; set w = 0"):
        Halton(HaltonConfig(w=2.0))(model, model.spec, SampleStreams(0, "sample", [0]), None)


@pytest.mark.parametrize("config", [ConfidenceConfig(w=2.0, steps=3), HaltonConfig(w=2.0, steps=3)])
def test_the_formula_of_records_says_what_the_sampler_does(config):
    model, labels = tiny(side=4, codes=16), torch.arange(4) % 2
    sampler = (confidence if isinstance(config, ConfidenceConfig) else Halton)(config)
    seen = []
    noise = Noise(SampleStreams(0, "sample", range(4)))
    noise.draw = lambda probabilities: seen.append(probabilities) or probabilities.argmax(-1)
    steps = list(sampler.steps(model, noise, labels))
    logits, assignment = guidance_formula(config).removesuffix(" at step s of 0 ... S - 1").split(", ")
    for s, (step, p) in enumerate(zip(steps, seen, strict=True)):
        names = {"s": s, "S": 3, "cond": step.logits[:4], "null": step.logits[4:]}
        names["t"] = eval(assignment.removeprefix("t = "), {}, names)
        torch.testing.assert_close(p, eval(logits.removeprefix("logits = "), {}, names).softmax(-1))


@pytest.mark.parametrize("schedule", ["root", "linear", "square", "cosine", "arccos"])
@pytest.mark.parametrize(("steps", "tokens"), [(1, 16), (8, 256), (5, 36)])
def test_schedules_end_with_all_tokens(schedule, steps, tokens):
    assert sum(tokens_per_step(schedule, steps, tokens)) == tokens
    known = known_after_step(schedule, steps, tokens)
    assert known == sorted(known)
    assert steps == 1 or known[-1] == tokens


def test_the_v1_sampler_never_changes_a_known_token_and_the_v2_sampler_does():
    model, labels = tiny(side=4, codes=16), torch.arange(8) % 2
    changes = {}
    for name in ("v1", "v2"):
        sampler, streams = SAMPLERS[name](steps=6), SampleStreams(0, "sample", range(8))
        steps = list(sampler.steps(model, Noise(streams), labels))
        pairs = itertools.pairwise(steps)
        changes[name] = sum(int((one.settled & (one.after != other.after)).sum()) for one, other in pairs)
    assert changes["v1"] == 0
    assert changes["v2"] > 0


def test_more_steps_than_tokens_end_early_or_rewrite_but_do_not_fail():
    model = tiny()
    for name, make in SAMPLERS.items():
        tokens = tokens_of(make(steps=9), model, 3)
        assert ((tokens >= 0) & (tokens < 2)).all(), name


def test_the_halton_order_visits_each_position_once():
    for side in (1, 3, 5, 24):
        assert halton_order(side).sort().values.tolist() == list(range(side * side))
    # By hand: (1/2, 1/3), (1/4, 2/3), (3/4, 1/9), (1/8, 4/9), … on a 2×2 grid.
    assert halton_order(2).tolist() == [2, 1, 0, 3]


@pytest.mark.parametrize("side", [1, 2, 7, 9, 18, 27])
def test_the_halton_order_is_that_of_exact_fractions(side):
    # On a side of 9 the columns' points fall on edges of the grid, where sums of rounded thirds miss them.
    def digits(index, base):
        return Fraction(0) if index == 0 else (index % base + digits(index // base, base)) / base

    points = ((int(side * digits(index, 2)), int(side * digits(index, 3))) for index in itertools.count(1))
    seen = {}
    while len(seen) < side * side:
        seen.setdefault(next(points))
    assert halton_order(side).tolist() == [row * side + column for row, column in seen]


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (MaskGITConfig, {"generation": "v1", "registers": 1}, "v1 has no registers"),
        (MaskGITConfig, {"mlp_dim": 1}, "needs at least 2"),
        (MaskGITConfig, {"generation": "v1", "schedule": "root"}, "v1 trains with no schedule root"),
        (VQGANConfig, {"ch_mult": (1, 0)}, "must be positive"),
        (VQGANConfig, {"attn_resolutions": (16,)}, "layout llamagen has attention at its last level"),
        (VQGANConfig, {"layout": "taming", "attn_resolutions": (16,)}, r"no level has 16; .* they have \[256, 128, 64\]"),
        (ConfidenceConfig, {"variant": "v2", "steps": 1}, "takes at least 2 steps"),
    ],
)
def test_settings_that_do_not_go_together_are_a_fault(config, settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


def test_the_tied_weight_stands_in_the_state_dict_once_and_files_with_both_load():
    model, other = tiny(seed=1), tiny(seed=2)
    assert "head.weight" not in model.state_dict()
    stored = {name: value.contiguous() for name, value in model.state_dict().items()}
    stored["head.weight"] = stored["tok_emb.weight"].clone()
    other.load_state_dict(load(save(stored)), strict=True)
    assert torch.equal(other.head.weight, model.tok_emb.weight)
    assert other.head.weight is other.tok_emb.weight


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_labels_are_dropped_at_their_rate_only(generation):
    x, labels = torch.zeros(4, 1, 2, 2), torch.arange(4) % 2
    always, never = (tiny(generation, drop_label=rate) for rate in (1.0, 0.0))
    null = torch.full((4,), never.null_label)
    cases = [(always, labels), (never, null), (never, labels)]
    losses = [model.training_loss(x, given, stream(0, "loss")) for model, given in cases]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize("name", SAMPLERS)
def test_unguided_logits_are_the_networks_for_the_label_bit_for_bit(name):
    model, labels = tiny(side=4, codes=16), torch.arange(6) % 2
    noise, seen = Noise(SampleStreams(0, "sample", range(6))), []
    draw = noise.draw
    noise.draw = lambda probabilities: seen.append(probabilities) or draw(probabilities)
    with torch.no_grad():
        for step in SAMPLERS[name](w=0.0, steps=3).steps(model, noise, labels):
            logits = model.token_logits(step.before, labels)
            assert torch.equal(step.logits, logits)
            expected = logits.softmax(-1) if name == "halton" else logits.log_softmax(-1).exp()
            assert torch.equal(seen[-1], expected)


def test_dropout_repeats_with_its_generator_in_train_mode():
    model = tiny(dropout=0.5).train()
    x, labels = torch.zeros(4, 1, 2, 2), torch.arange(4) % 2
    losses = [model.training_loss(x, labels, stream(seed, "loss")) for seed in (0, 0, 1)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize("wrong", [-1, 2])
def test_tokens_outside_the_codebook_are_refused(wrong):
    tokens = torch.zeros(1, 4, dtype=torch.int64)
    tokens[0, 2] = wrong
    with pytest.raises(ValueError, match="the codebook has codes 0 to 1"):
        tiny().decode(tokens)


@pytest.mark.parametrize("wrong", [-1, 3])
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_labels_outside_the_classes_are_refused(generation, wrong):
    model = tiny(generation, drop_label=0.0)
    x, labels = torch.zeros(2, 1, 2, 2), torch.tensor([0, wrong])
    for use in (
        lambda: model.log_likelihood(x, labels, model.draw(x, stream(0, "draw"))),
        lambda: model.training_loss(x, labels, stream(0, "loss")),
        lambda: Halton(HaltonConfig())(model, model.spec, SampleStreams(0, "sample", [0, 1]), labels),
    ):
        with pytest.raises(ValueError, match="but there are 2 classes"):
            use()


UNUSUAL = {
    "one token": {"input_size": 1},
    "registers": {"registers": 5, "input_size": 5},
    "first generation": {"generation": "v1", "heads": 1, "input_size": 3},
    "two codes": {"tokenizer": {"codebook_size": 2}},
    "taming with unit codes": {"tokenizer": {"layout": "taming", "codebook_l2_norm": True, "attn_resolutions": (256, 64)}},
    "llamagen with plain codes": {"generation": "v1", "tokenizer": {"codebook_l2_norm": False, "ch": 7, "ch_mult": (3, 1, 2, 1)}},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_sizes_conform_too(name):
    config = MaskGITConfig.model_validate(UNUSUAL[name])
    size = config.input_size * config.tokenizer.downsample
    models.check_model(harness_models()[0], config=config, spec=DataSpec((3, size, size), 4, "images"))


def test_a_preset_goes_with_its_own_tokenizer_alone():
    with pytest.raises(ValueError, match="preset v1-256 belongs to a tokenizer of 1024 codes, not of 16384"):
        MaskGITConfig(preset="v1-256", tokenizer={"preset": "llamagen-ds16"})


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="make images of 16×16, but the data has shape"):
        build(MaskGITConfig(), DataSpec((1, 28, 28), classes=10))
    with pytest.raises(ValueError, match="images are"):
        tiny().encode(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="2 a side need"):
        tiny().decode(torch.zeros(1, 5, dtype=torch.int64))


def pinned(path):
    """Return the settings of a tokenizer that name a file with its hash."""
    return {"weights": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codebook_size": 33}, r"quantize.embedding.weight is \(32, 4\), but they need \(33, 4\)"),
        ({"num_res_blocks": 2}, "is not of a tokenizer with these settings"),
        ({"sha256": "0" * 64}, "has sha256"),
        ({"weights": "nowhere.safetensors"}, "cannot be read"),
    ],
)
def test_a_tokenizer_file_that_does_not_belong_is_refused(tmp_path, settings, message):
    path, spec = tmp_path / "tokenizer.safetensors", DataSpec((1, 16, 16), 4)
    stored = {**VQGAN(VQGANConfig(), channels=1).state_dict(), "loss.discriminator": torch.zeros(1)}
    save_file(stored, path)
    build(MaskGITConfig(tokenizer=pinned(path)), spec)
    config = MaskGITConfig(tokenizer={**pinned(path), **settings})
    with pytest.raises(UserError, match=message):  # when a board is read, before any work
        fits(config, ModelUsage(spec))
    with pytest.raises(UserError, match=message):
        build(config, spec)


def test_a_tokenizer_of_another_layout_or_family_is_refused_before_work(tmp_path):
    path, spec = tmp_path / "tokenizer.safetensors", DataSpec((1, 16, 16), 4)
    save_file(VQGAN(VQGANConfig(layout="taming", codebook_l2_norm=True), channels=1).state_dict(), path)
    with pytest.raises(UserError, match=r"is not of a tokenizer with these settings: decoder.conv_blocks.\S+ is not there"):
        fits(MaskGITConfig(tokenizer=pinned(path)), ModelUsage(spec))
    fits(MaskGITConfig(tokenizer={**pinned(path), "layout": "taming"}), ModelUsage(spec))
