"""Memory and operations on the meta device, by hand, and the values that code asks for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.stages.meta_recorder import META, MetaRecorder, TooManyOperations, recording, repeating
from harness.training import precision
from harness.training.config import TrainingConfig


@pytest.fixture
def recorder():
    return MetaRecorder()


def test_a_convolution_counts_two_operations_for_each_product(recorder):
    layer = nn.Conv2d(3, 8, 3, padding=1, bias=False, device=META)
    with recording(recorder):
        out = layer(torch.empty(2, 3, 5, 5, device=META))
    assert recorder.flops == {"fp32": 2 * (2 * 8 * 5 * 5) * (3 * 3 * 3)}
    with recording(recorder):
        out.sum().backward()  # the gradient of the weights takes as many; the input asks for none
    assert recorder.flops == {"fp32": 2 * 21600}


def test_memory_is_that_of_the_tensors_that_live_at_once(recorder):
    with recording(recorder):
        first = torch.empty(256, device=META)
        second = first + 1
        view = second[:10]
        del second
        assert (recorder.bytes, recorder.peak_bytes) == (2048, 2048)  # the view keeps the whole storage
        del view, first
        assert (recorder.bytes, recorder.peak_bytes) == (0, 2048)
        torch.empty(10, device=META)
    assert recorder.peak_bytes == 2048


def test_operations_that_write_a_tensor_are_launches_and_views_are_none(recorder):
    x = torch.zeros(256, device=META)
    with recording(recorder):
        y = (x + 1)[:10].view(2, 5)  # one
        y += 1  # two
        del y
        assert recorder.launches == 2
    layer = nn.Sequential(nn.Linear(4, 4, device=META), nn.ReLU())
    recorder.hold(layer)
    with recording(recorder), repeating(layer, recorder), torch.no_grad():
        before = recorder.launches
        layer(torch.empty(2, 4, device=META))
        once = recorder.launches - before
        layer(torch.empty(2, 4, device=META))
    assert once == 3  # the input, the product with its bias, the rectifier
    assert recorder.launches - before == 2 * once


def test_half_precision_is_that_of_the_training_step_unless_samples_are_drawn(recorder):
    square = torch.empty(4, 4, device=META)
    with recording(recorder):
        with precision.autocast(META, TrainingConfig(images=16, batch=16, precision="bf16")):
            square @ square
            with precision.in_float32(META):
                square @ square
            recorder.precision = "tf32"
            square @ square
        recorder.precision = None
        square @ square
    assert recorder.flops == {"bf16": 128, "tf32": 128, "fp32": 256}


def test_small_tensors_of_the_cpu_keep_their_values_and_what_follows_from_them(recorder):
    with recording(recorder):
        levels = torch.linspace(80, 0, 5).to(META)
        first, *_, last = levels / 2
        assert (first.item(), bool(last == 0), bool(first == 0)) == (40.0, True, False)
        first += 1
        assert first.item() == 0.0  # changed in place: not followed


def test_unknown_values_pass_checks_of_ranges(recorder):
    tokens = torch.empty(3, 4, dtype=torch.int64, device=META)
    with recording(recorder):
        assert 0 <= int(tokens.min()) <= int(tokens.max()) < 16
        assert (tokens < 16).all()
        assert tokens.tolist() == [[0] * 4] * 3


@pytest.mark.parametrize("heads", [(), (2,)])
def test_attention_keeps_no_table_of_all_pairs_and_counts_its_products(recorder, heads):
    length, width = 512, 8
    query, key, value = (torch.empty(3, *heads, length, width, device=META, requires_grad=True) for _ in range(3))
    bias = torch.empty(1, 1, length, length, device=META)
    with recording(recorder):
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        assert mixed.shape == query.shape
        of_forward = recorder.flops["fp32"]
        mixed.sum().backward()
    images = 3 * (heads[0] if heads else 1)
    assert of_forward == images * 2 * (2 * length * length * width)  # q k^T, and its product with v
    assert recorder.flops["fp32"] > 3 * of_forward  # the table is computed again
    assert recorder.peak_bytes < images * length * length * 4


def test_equal_calls_without_a_graph_are_followed_once_and_counted_each_time(recorder):
    layer, calls = nn.Linear(4, 4, device=META), []
    layer.register_forward_pre_hook(lambda *_: calls.append(1))
    with recording(recorder), repeating(layer, recorder), torch.no_grad():
        for _ in range(3):
            assert layer(torch.empty(2, 4, device=META)).shape == (2, 4)
        operations_left = recorder._left
        layer(torch.empty(2, 4, device=META))
        assert operations_left - recorder._left == 2  # the input and the output alone
        layer(torch.empty(5, 4, device=META))
    assert recorder.flops["fp32"] == (4 * 2 + 5) * 2 * 4 * 4
    assert len(calls) == 5
    assert "forward" not in layer.__dict__


def test_what_never_ends_is_not_followed(recorder):
    recorder.follow(3)
    with recording(recorder):
        for _ in range(3):
            torch.empty(1, device=META)
        with pytest.raises(TooManyOperations, match="more operations than are followed"):
            torch.empty(1, device=META)
