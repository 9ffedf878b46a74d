"""VAR: state-dict names, laws of likelihood and sampling, guidance, filters, and what is refused."""

import gzip
import hashlib
import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness_var import (
    PRESETS,
    SCALES_256,
    SCALES_512,
    VARConfig,
    VARSamplerConfig,
    VQVAEConfig,
    guidance_formula,
    harness_models,
)
from harness_var.check import fits
from harness_var.filters import guidance_weight, surviving
from harness_var.model import build
from harness_var.network import VARTransformer
from harness_var.quantizer import nearest_tick
from harness_var.sampler import VARSampler
from harness_var.tokenizer import VQVAE

GOLDEN = Path(__file__).parent.parent / "golden" / "var"
IMAGES = DataSpec((1, 16, 16), classes=4, preview="images")


def published(name):
    stored = json.loads(gzip.decompress((GOLDEN / f"{name}.keys.json.gz").read_bytes()))
    return {key: (tuple(shape), dtype) for key, (shape, dtype) in stored["params"].items()}, stored["total_params"]


def names_and_shapes(module):
    state = module.state_dict()
    return {key: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in state.items()}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_presets_state_dict_is_the_published_one(preset):
    expected, total = published(f"var_{preset}")
    with torch.device("meta"):
        network = VARTransformer(VARConfig(preset=preset), 1000, 4096, 32)
    assert names_and_shapes(network) == expected
    assert count(network) == total


@pytest.mark.parametrize(("name", "sides"), [("vae_ch160v4096z32", SCALES_256), ("vae_ch160v4096z32_512", SCALES_512)])
def test_the_tokenizers_state_dict_is_the_published_one(name, sides):
    expected, total = published(name)
    with torch.device("meta"):
        tokenizer = VQVAE(VQVAEConfig(preset="ch160v4096z32"), sides)
    assert names_and_shapes(tokenizer) == expected
    assert count(tokenizer) == total


def test_the_model_takes_published_files_of_transformer_and_tokenizer():
    with torch.device("meta"):
        model = build(VARConfig(preset="d16"), DataSpec((3, 256, 256), classes=1000))
    names = set(published("var_d16")[0]) | {f"tokenizer.{name}" for name in published("vae_ch160v4096z32")[0]}
    # The two tables follow from the settings; they are taken, and not given back.
    assert set(model.state_dict()) == names - {"lvl_1L", "attn_bias_for_masking"}
    tables = {name: torch.empty(0, device="meta") for name in ("lvl_1L", "attn_bias_for_masking")}
    model.load_state_dict({**model.state_dict(), **tables}, strict=True)


def test_settings_beside_a_preset_win():
    config = VARConfig(preset="d16", depth=3)
    assert (config.depth, config.embed_dim, config.tokenizer.vocab_size) == (3, 1024, 4096)


def tiny(seed=0, *, patch_nums=(1, 2), codes=2, classes=2, levels=1, **others):
    """A VAR in float64 whose outcomes can be counted, its weights large enough that nothing is near uniform."""
    tokenizer = VQVAEConfig(vocab_size=codes, z_channels=4, ch=8, ch_mult=(1,) * levels)
    config = VARConfig(depth=2, embed_dim=16, num_heads=2, patch_nums=patch_nums, tokenizer=tokenizer, **others)
    size = patch_nums[-1] * tokenizer.downsample
    model = models.build(harness_models()[0], config, DataSpec((1, size, size), classes, "images"), seed).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("tokenizer"):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=stream(seed, name)))
    return model


def outcomes(codes, length):
    return torch.tensor(list(itertools.product(range(codes), repeat=length)))


def tokens_of(model, n, *, labels=None, batch=None, seed=0, **settings):
    sampler, labels = VARSampler(VARSamplerConfig(**settings)), torch.arange(n) % 2 if labels is None else labels
    numbers = list(range(n))
    parts = [numbers[i : i + (batch or n)] for i in range(0, n, batch or n)]
    return torch.cat([sampler.tokens(model, SampleStreams(seed, "sample", part), labels[part]) for part in parts])


@pytest.mark.parametrize("others", [{}, {"shared_aln": True}, {"attn_l2_norm": False}, {"patch_nums": (1, 3)}])
@pytest.mark.parametrize("label", [0, None])
def test_the_likelihoods_of_all_outcomes_sum_to_one(others, label):
    model = tiny(**others)
    every = outcomes(2, sum(model.lengths))
    labels = None if label is None else torch.full((len(every),), label)
    with torch.no_grad():
        total = model.token_log_probs(every, labels).sum(1).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


def chi_square(model, tokens, label):
    every = outcomes(2, tokens.shape[1])
    with torch.no_grad():
        expected = len(tokens) * model.token_log_probs(every, torch.full((len(every),), label)).sum(1).exp()
    place = 2 ** torch.arange(tokens.shape[1] - 1, -1, -1)
    observed = torch.bincount((tokens * place).sum(1), minlength=len(every))
    return float(((observed - expected) ** 2 / expected).sum()), len(every) - 1


def test_samples_come_as_often_as_their_likelihood_says():
    model = tiny()
    tokens = tokens_of(model, 3000, labels=torch.ones(3000, dtype=torch.int64))
    statistic, freedom = chi_square(model, tokens, 1)
    # 31 degrees of freedom: above 61.1 once in a thousand seeds. The seed is fixed.
    assert freedom == 31
    assert statistic < 61.1
    assert chi_square(model, tokens, 0)[0] > 200  # and the other class would not pass


@pytest.mark.parametrize("settings", [{}, {"cfg": 1.5}, {"cfg": 2.0, "top_k": 5, "top_p": 0.9}])
@pytest.mark.parametrize("shared_aln", [False, True])
def test_the_cache_changes_no_token(settings, shared_aln):
    model = tiny(patch_nums=(1, 2, 3, 5), codes=16, shared_aln=shared_aln)
    assert torch.equal(tokens_of(model, 12, **settings), tokens_of(model, 12, kv_cache=False, **settings))


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("cfg", [0.0, 1.5])
def test_tokens_do_not_depend_on_the_batch_size(batch, cfg):
    # In float64 no two logits are near enough for rounding to tell them apart.
    model = tiny(patch_nums=(1, 2, 4), codes=16)
    assert torch.equal(tokens_of(model, 12, cfg=cfg), tokens_of(model, 12, batch=batch, cfg=cfg))


@pytest.mark.parametrize(("guidance", "cfg"), [("ramp", 0.0), ("constant", 0.0), ("scale", 1.0)])
def test_guidance_of_nothing_is_the_unguided_path_bit_for_bit(guidance, cfg):
    model, streams = tiny(patch_nums=(1, 2, 4), codes=16), [SampleStreams(0, "sample", range(8)) for _ in range(2)]
    calls = []
    model.register_forward_pre_hook(lambda _, arguments: calls.append(len(arguments[0])))
    labels = torch.arange(8) % 2
    images = VARSampler(VARSamplerConfig(guidance=guidance, cfg=cfg))(model, model.spec, streams[0], labels)
    assert calls == [8, 8, 8]  # no row without a class
    expected, cache = [], model.new_cache()
    with torch.no_grad():
        for _ in model.patch_nums:
            expected.append(streams[1].categorical(model.scale_logits(expected, labels, cache).softmax(-1)))
    assert torch.equal(images, model.decode(torch.cat(expected, 1)).float())


def test_guided_passes_count_double():
    model, calls = tiny(patch_nums=(1, 2, 4), codes=16), []
    model.register_forward_pre_hook(lambda _, arguments: calls.append(len(arguments[0])))
    tokens_of(model, 4, cfg=1.5)
    assert calls == [8, 8, 8]


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({"guidance": "ramp", "cfg": 1.0}, [0, 0.5, 1]),  # so 1 is guided: only 0 is not
        ({"guidance": "ramp", "cfg": 0.0}, [0, 0, 0]),
        ({"guidance": "constant", "cfg": 1.5}, [1.5, 1.5, 1.5]),
        ({"guidance": "scale", "cfg": 2.5}, [1.5, 1.5, 1.5]),
        ({"guidance": "scale", "cfg": 1.0}, [0, 0, 0]),
    ],
)
def test_each_guidance_is_what_its_name_says(settings, weights):
    assert [guidance_weight(VARSamplerConfig(**settings), k, 3) for k in range(3)] == weights


def test_the_formula_of_records_says_what_the_sampler_does():
    for settings in ({"cfg": 1.5}, {"guidance": "constant", "cfg": 0.5}, {"guidance": "scale", "cfg": 3.0}):
        config = VARSamplerConfig(**settings)
        logits, assignment = guidance_formula(config).removesuffix(" at scale k of 0 ... K - 1").split(", ")
        cond, null = torch.randn(2, 4, 6, generator=stream(0, "logits"))
        for k in range(3):
            names = {"k": k, "K": 3, "cond": cond, "null": null}
            names["t"] = eval(assignment.removeprefix("t = "), {}, names)
            expected = eval(logits.removeprefix("logits = "), {}, names)
            torch.testing.assert_close(VARSampler(config).guided(torch.cat([cond, null]), k, 3, 4), expected)


def test_guidance_without_classes_is_an_error_that_says_what_to_do():
    model = models.build(harness_models()[0], VARConfig(), DataSpec((1, 16, 16)))
    with pytest.raises(UserError, match="guides by labels, but the data has none; set cfg = 0"):
        VARSampler(VARSamplerConfig(cfg=1.5))(model, DataSpec((1, 8, 8)), SampleStreams(0, "sample", [0]), None)


def test_filters_by_hand():
    logits = torch.tensor([[0.5, 0.2, 0.2, 0.1]]).log()
    assert surviving(logits).tolist() == [[True] * 4]
    assert surviving(logits, top_k=2).tolist() == [[True, True, True, False]]  # ties with the last one stay
    assert surviving(logits, top_p=0.6).tolist() in ([[True, True, False, False]], [[True, False, True, False]])
    assert surviving(logits, top_p=0.01).tolist() == [[True, False, False, False]]
    assert surviving(logits, top_k=100).tolist() == [[True] * 4]


def test_a_tie_between_two_convolutions_goes_to_the_first():
    assert [nearest_tick(scale, 3, 2) for scale in range(3)] == [0, 0, 1]
    assert [nearest_tick(scale, 10, 4) for scale in range(10)] == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]


def test_a_token_sees_no_token_of_its_own_scale_or_a_later_one():
    model = tiny(patch_nums=(1, 2, 3), codes=8)
    tokens = torch.randint(8, (1, 14), generator=stream(0, "tokens"))
    changed = tokens.clone()
    changed[:, 1:5] = (changed[:, 1:5] + 1) % 8
    with torch.no_grad():
        before, after = (model(model.tokenizer.teacher_input(one), torch.tensor([0])) for one in (tokens, changed))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_labels_are_dropped_at_their_rate_only():
    model = tiny(cond_drop_rate=0.0)
    x, labels = torch.zeros(4, 1, 2, 2), torch.arange(4) % 2
    losses = model.training_loss(x, labels, stream(0, "loss"))
    torch.testing.assert_close(losses * 5, -model.log_likelihood(x, labels, None))
    dropped = tiny(cond_drop_rate=1.0).training_loss(x, labels, stream(0, "loss"))
    torch.testing.assert_close(dropped * 5, -model.log_likelihood(x, None, None))


def test_stochastic_depth_keeps_the_first_block_and_the_mean():
    model = tiny(drop_path_rate=0.5).train()
    keep = model._keep(4000, stream(0, "keep"))
    assert (keep[:, 0] == 1).all()
    assert set(keep[:, 1].flatten().tolist()) == {0.0, 2.0}
    assert keep[:, 1].mean().item() == pytest.approx(1, abs=0.05)  # standard error 0.011


@pytest.mark.parametrize("wrong", [-1, 16])
def test_tokens_outside_the_codebook_are_refused(wrong):
    model = tiny(codes=16)
    tokens = torch.zeros(2, 5, dtype=torch.int64)
    tokens[1, 3] = wrong
    for use in (model.decode, lambda tokens: model.token_log_probs(tokens, None)):
        with pytest.raises(ValueError, match="the codebook has codes 0 to 15"):
            use(tokens)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_labels_outside_the_classes_are_refused(wrong):
    model = tiny()  # two classes; label 2 is that of none
    x, labels = torch.zeros(2, 1, 2, 2), torch.tensor([0, wrong])
    for use in (
        lambda: model.log_likelihood(x, labels, None),
        lambda: model.training_loss(x, labels, stream(0, "loss")),
        lambda: VARSampler(VARSamplerConfig())(model, model.spec, SampleStreams(0, "sample", [0, 1]), labels),
    ):
        with pytest.raises(ValueError, match="but there are 2 classes"):
            use()


def test_a_preset_goes_with_its_own_tokenizer_alone():
    with pytest.raises(ValueError, match="preset d16 belongs to a tokenizer of 4096 codes with 32 channels, not of 32 with 4"):
        VARConfig(preset="d16", tokenizer={"ch_mult": (1, 1, 1, 1, 1)})


def test_another_number_of_tokens_is_refused():
    with pytest.raises(ValueError, match=r"scales \(1, 2\) need \(B, 5\)"):
        tiny().decode(torch.zeros(1, 6, dtype=torch.int64))


def test_an_image_size_that_the_scales_do_not_give_is_refused_before_and_at_work():
    with pytest.raises(UserError, match="make images of 16×16, but the data has shape"):
        build(VARConfig(), DataSpec((1, 28, 28), classes=10))
    with pytest.raises(ValueError, match="images are 14×16"):
        models.build(harness_models()[0], VARConfig(), IMAGES).encode(torch.zeros(1, 1, 14, 16))


@pytest.mark.parametrize("patch_nums", [(1, 1, 2), (2, 1), (0, 2)])
def test_scales_that_do_not_grow_are_a_fault(patch_nums):
    with pytest.raises(ValueError, match="must be positive and increase"):
        VARConfig(patch_nums=patch_nums)


def test_sizes_that_leave_a_layer_empty_are_a_fault():
    with pytest.raises(ValueError, match="leaves no hidden unit"):
        VARConfig(mlp_ratio=0.01)
    with pytest.raises(ValueError, match="must be positive"):
        VQVAEConfig(ch_mult=(1, 0))


UNUSUAL = {
    "first scale of four tokens": {"patch_nums": (2, 3)},
    "scales that no other divides": {"patch_nums": (1, 3, 4, 7)},
    "shared norm, plain attention": {"shared_aln": True, "attn_l2_norm": False},
    "a head of one channel": {"num_heads": 32},
    "no convolution": {"tokenizer": {"quant_resi": 0.0, "share_quant_resi": 0}},
    "a convolution a scale": {"tokenizer": {"share_quant_resi": 0}},
    "more convolutions than scales": {"tokenizer": {"share_quant_resi": 7, "quant_resi": -1.0}},
    "cosine and large kernels": {"tokenizer": {"using_znorm": True, "quant_conv_ks": 5, "z_channels": 1}},
    "odd channels": {"tokenizer": {"ch": 7, "ch_mult": (3, 1, 2), "num_res_blocks": 2}},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_sizes_conform_too(name):
    config = VARConfig.model_validate(UNUSUAL[name])
    size = config.patch_nums[-1] * config.tokenizer.downsample
    models.check_model(harness_models()[0], config=config, spec=DataSpec((3, size, size), 4, "images"))


def pinned(path):
    """Return the settings of a tokenizer that name a file with its hash."""
    return {"weights": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_tokenizer_comes_from_its_file_and_takes_no_gradient(tmp_path):
    trained = models.build(harness_models()[0], VARConfig(), IMAGES, seed=7).tokenizer
    save_file(trained.state_dict(), tmp_path / "tokenizer.safetensors")
    config = VARConfig(tokenizer=pinned(tmp_path / "tokenizer.safetensors"))
    model = models.build(harness_models()[0], config, IMAGES)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in model.tokenizer.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.tokenizer.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 33}, r"quantize.embedding.weight is \(32, 4\), but they need \(33, 4\)"),
        ({"num_res_blocks": 2}, "is not of a tokenizer with these settings"),
        ({"sha256": "0" * 64}, "has sha256"),
        ({"weights": "nowhere.safetensors"}, "cannot be read"),
    ],
)
def test_a_tokenizer_file_that_does_not_belong_is_refused(tmp_path, settings, message):
    path = tmp_path / "tokenizer.safetensors"
    save_file(VQVAE(VQVAEConfig(), (1, 2, 4), channels=1).state_dict(), path)
    config = VARConfig(tokenizer={**pinned(path), **settings})
    with pytest.raises(UserError, match=message):  # when a board is read, before any work
        fits(config, ModelUsage(IMAGES))
    with pytest.raises(UserError, match=message):
        build(config, IMAGES)
