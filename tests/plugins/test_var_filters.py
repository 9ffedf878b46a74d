"""Guidance and filters of VAR: by hand, and against plain loops over codes."""

import pytest
import torch

from harness.streams import stream
from harness_var import VARSamplerConfig, guidance_formula
from harness_var.filters import UNGUIDED, guidance_weight, is_guided, surviving


def config(guidance, cfg):
    return VARSamplerConfig(guidance=guidance, cfg=cfg)


def kept_by_loops(logits, top_k, top_p):
    """The rules, one code after the other: drop below the k-th largest; then drop the least likely ones up to 1 - top_p."""
    codes = list(range(len(logits)))
    if top_k:
        kth = sorted(logits, reverse=True)[min(top_k, len(logits)) - 1]
        codes = [code for code in codes if logits[code] >= kth]
    if not top_p:
        return set(codes)
    weights = torch.tensor([logits[code] for code in codes], dtype=torch.float64).softmax(0).tolist()
    ascending = sorted(zip(weights, codes, strict=True))
    kept_codes, total = set(), 0.0
    for place, (weight, code) in enumerate(ascending):
        total += weight
        if total > 1 - top_p or place == len(ascending) - 1:
            kept_codes.add(code)
    return kept_codes


@pytest.mark.parametrize("top_k", [0, 1, 4, 30])
@pytest.mark.parametrize("top_p", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_filters_are_the_rules_one_code_after_the_other(top_k, top_p):
    logits = 2 * torch.randn(6, 12, generator=stream(0, "logits"), dtype=torch.float64)
    for row, keep in zip(logits.tolist(), surviving(logits, top_k=top_k, top_p=top_p), strict=True):
        assert set(keep.nonzero().flatten().tolist()) == kept_by_loops(row, top_k, top_p)


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 1e-6}, {"top_k": 3, "top_p": 1e-6}])
def test_the_likeliest_code_always_survives(settings):
    logits = torch.randn(5, 7, 9, generator=stream(1, "logits"))
    keep = surviving(logits, **settings)
    assert keep.gather(-1, logits.argmax(-1, keepdim=True)).all()
    assert (keep.sum(-1) == 1).all()


def test_top_p_of_one_keeps_every_code_that_has_a_probability():
    logits = torch.tensor([[0.0, -1.0, -torch.inf, 2.0]])
    assert surviving(logits, top_p=1.0).tolist() == [[True, True, False, True]]


def test_top_p_counts_the_probability_among_the_codes_that_top_k_left():
    # Of 0.4, 0.3, 0.2, 0.1 the first two are 4/7 and 3/7 of what top_k = 2 leaves: 0.5 needs the first one alone.
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    assert surviving(logits, top_k=2, top_p=0.5).tolist() == [[True, False, False, False]]
    assert surviving(logits, top_p=0.5).tolist() == [[True, True, False, False]]


def test_nothing_is_filtered_by_default_whatever_the_logits():
    logits = torch.tensor([[-torch.inf, 0.0, torch.nan]])
    assert surviving(logits).all()


@pytest.mark.parametrize("guidance", UNGUIDED)
@pytest.mark.parametrize("cfg", [0.0, 0.3, 1.0, 4.0])
def test_a_sampler_is_guided_where_some_scale_has_a_weight(guidance, cfg):
    weights = [guidance_weight(config(guidance, cfg), scale, 10) for scale in range(10)]
    assert is_guided(config(guidance, cfg)) == any(weights)


@pytest.mark.parametrize("guidance", UNGUIDED)
def test_the_unguided_strength_leaves_every_scale_alone(guidance):
    weights = {guidance_weight(config(guidance, UNGUIDED[guidance]), scale, 5) for scale in range(5)}
    assert weights == {0}


def test_a_ramp_goes_from_none_to_all_in_equal_steps():
    weights = [guidance_weight(config("ramp", 4.0), scale, 5) for scale in range(5)]
    assert weights == [0, 1, 2, 3, 4]
    assert guidance_weight(config("ramp", 4.0), 0, 1) == 0  # a single scale is the first one


def test_a_scale_of_cfg_is_a_constant_of_one_less():
    for cfg in (0.0, 0.5, 2.5):
        assert guidance_weight(config("scale", cfg), 2, 5) == cfg - 1
        assert guidance_weight(config("constant", cfg), 2, 5) == cfg


@pytest.mark.parametrize(
    ("guidance", "words"), [("ramp", "t = 1.5 * k / (K - 1)"), ("constant", "t = 1.5"), ("scale", "t = 1.5 - 1")]
)
def test_records_say_the_formula_with_its_number(guidance, words):
    formula = guidance_formula(config(guidance, 1.5))
    assert formula == f"logits = (1 + t) * cond - t * null, {words} at scale k of 0 ... K - 1"
