"""VAR's sampler on a model whose logits are known: which rows it asks for, what it draws, and what it hands on."""

import pytest
import torch
from torch import nn

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness_var import VARSamplerConfig
from harness_var.sampler import VARSampler, build

SPEC = DataSpec((1, 2, 2), classes=3, preview="images")


class Table(nn.Module):
    """Scales of 1 and 4 tokens over five codes. Logits depend on the label, the scale, and the first token."""

    patch_nums, null_label = (1, 2), 3

    def __init__(self):
        super().__init__()
        self.table = torch.randn(2, 4, 5, generator=stream(0, "table"), dtype=torch.float64)
        self.calls = []

    def new_cache(self):
        return []

    def scale_logits(self, smaller, labels, cache):
        self.calls.append((labels.tolist(), [tokens.clone() for tokens in smaller], cache))
        scale = len(smaller)
        logits = self.table[scale][labels][:, None].expand(-1, (1, 4)[scale], -1)
        return logits if not smaller else logits + smaller[0][..., None] * 0.1

    def decode(self, tokens):
        return tokens[:, 1:].reshape(-1, 1, 2, 2).double()


def tokens(model, labels, n=6, **settings):
    return VARSampler(VARSamplerConfig(**settings)).tokens(model, SampleStreams(0, "sample", range(n)), labels)


LABELS = torch.arange(6) % 3


def test_an_unguided_call_has_a_row_an_image():
    model = Table()
    tokens(model, LABELS)
    assert [labels for labels, _, _ in model.calls] == [LABELS.tolist()] * 2


def test_a_guided_call_has_the_labels_and_then_the_null_labels_with_the_same_tokens():
    model = Table()
    drawn = tokens(model, LABELS, cfg=2.0)
    assert [labels for labels, _, _ in model.calls] == [LABELS.tolist() + [3] * 6] * 2
    (first,) = model.calls[1][1]
    assert torch.equal(first, drawn[:, :1].repeat(2, 1))


def test_data_without_labels_are_drawn_as_the_null_class():
    model = Table()
    tokens(model, None)
    assert model.calls[0][0] == [3] * 6


@pytest.mark.parametrize(("guidance", "unguided"), [("ramp", 0), ("constant", 0), ("scale", 1)])
def test_guidance_without_labels_names_the_strength_that_needs_none(guidance, unguided):
    with pytest.raises(UserError, match=f"sampler var: cfg = 2 guides by labels, but the data has none; set cfg = {unguided}$"):
        tokens(Table(), None, guidance=guidance, cfg=2.0)


def test_one_cache_goes_through_all_scales_or_none():
    cached, anew = Table(), Table()
    tokens(cached, LABELS)
    tokens(anew, LABELS, kv_cache=False)
    assert cached.calls[0][2] is cached.calls[1][2] is not None
    assert anew.calls[0][2] is anew.calls[1][2] is None


def test_tokens_come_as_often_as_the_softmax_says():
    model, n = Table(), 4000
    drawn = tokens(model, torch.ones(n, dtype=torch.int64), n=n)
    first = torch.bincount(drawn[:, 0], minlength=5) / n
    torch.testing.assert_close(first.double(), model.table[0][1].softmax(0), rtol=0, atol=0.03)  # standard error 0.008
    for token in drawn[:, 0].unique():
        later = drawn[drawn[:, 0] == token][:, 1:].flatten()
        expected = (model.table[1][1] + 0.1 * token).softmax(0)
        frequency = torch.bincount(later, minlength=5) / len(later)
        torch.testing.assert_close(frequency.double(), expected, rtol=0, atol=4 / len(later) ** 0.5)


@pytest.mark.parametrize("guidance", ["ramp", "constant"])
def test_strong_guidance_takes_the_code_that_the_label_raises_most(guidance):
    model = Table()
    drawn = tokens(model, LABELS, guidance=guidance, cfg=1000.0)
    favoured = (model.table[1][LABELS] - model.table[1][3]).argmax(1)
    assert torch.equal(drawn[:, 1:], favoured[:, None].expand(-1, 4))
    first = (model.table[0][LABELS] - model.table[0][3]).argmax(1)
    assert torch.equal(drawn[:, 0], first) == (guidance == "constant")  # a ramp leaves the first scale unguided


def test_top_k_of_one_is_the_likeliest_code_everywhere():
    model = Table()
    drawn = tokens(model, LABELS, top_k=1)
    assert torch.equal(drawn[:, 0], model.table[0][LABELS].argmax(1))
    assert torch.equal(drawn[:, 1:], model.table[1][LABELS].argmax(1)[:, None].expand(-1, 4))


def test_each_image_draws_from_its_own_stream():
    model = Table()
    whole = tokens(model, LABELS)
    alone = VARSampler(VARSamplerConfig()).tokens(model, SampleStreams(0, "sample", [4]), LABELS[4:5])
    assert torch.equal(alone[0], whole[4])


def test_images_are_decoded_tokens_in_float32():
    model, sampler = Table(), build(VARSamplerConfig())
    images = sampler(model, SPEC, SampleStreams(0, "sample", range(6)), LABELS)
    assert images.dtype == torch.float32
    assert torch.equal(images.flatten(1).long(), tokens(model, LABELS)[:, 1:])
