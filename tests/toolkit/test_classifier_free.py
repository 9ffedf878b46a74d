"""Classifier-free guidance: the rows of a guided call, and what becomes of its logits."""

import pytest
import torch

from harness.streams import stream
from harness.toolkit.classifier_free import all_null, guided_logits, rows_with_null, wide


def test_a_guided_call_has_the_labels_and_then_as_many_null_labels():
    assert rows_with_null(torch.tensor([2, 0, 1]), 3).tolist() == [2, 0, 1, 3, 3, 3]


def test_null_labels_can_be_looked_up_in_an_embedding():
    labels = all_null(4, 7, torch.device("cpu"))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [7] * 4


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_guided_logits_go_from_null_through_cond_and_beyond(weight):
    cond, null = torch.randn(2, 4, 6, 5, generator=stream(0, "logits")).double()
    torch.testing.assert_close(guided_logits(torch.cat([cond, null]), weight), cond + weight * (cond - null))


def test_guidance_sharpens_the_posterior_of_the_label():
    # softmax((1 + t) cond - t null) is proportional to p(x | c) (p(x | c) / p(x))^t, which is p(x | c) p(c | x)^t up to p(c)^t.
    given, any_class = torch.tensor([[0.6, 0.3, 0.1]]), torch.tensor([[0.4, 0.4, 0.2]])
    guided = guided_logits(torch.cat([given.log(), any_class.log()]), 2.0).softmax(-1)
    expected = given * (given / any_class) ** 2
    torch.testing.assert_close(guided, expected / expected.sum())


def test_weight_0_gives_the_logits_of_the_label_bit_for_bit():
    logits = torch.randn(6, 3, 5, generator=stream(1, "logits"))
    assert torch.equal(guided_logits(logits, 0.0), logits[:3])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype):
    logits = torch.randn(3, 5, generator=stream(2, "logits")).to(dtype)
    assert wide(logits).dtype == torch.float32
    assert torch.equal(wide(logits).to(dtype), logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wider_types_stay_as_they_are(dtype):
    logits = torch.zeros(2, dtype=dtype)
    assert wide(logits) is logits
