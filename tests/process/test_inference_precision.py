"""Precisions of sampling and extraction: what torch computes in inside the block, and that nothing is left behind."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from harness.process import inference_precision, tf32
from harness.process.inference_precision import PrecisionField, as_float32, computing_in

CPU = torch.device("cpu")


def product():
    return torch.nn.Linear(3, 3)(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
@pytest.mark.parametrize("around", ["fp32", "bf16", "fp16"])
def test_the_block_computes_in_its_precision_whatever_is_around_it(precision, dtype, around):
    with computing_in(around, CPU):
        before = product().dtype
        with computing_in(precision, CPU):
            assert product().dtype == dtype
        assert product().dtype == before


def test_a_block_does_not_take_the_rounded_weights_of_the_step_around_it():
    layer, x = torch.nn.Linear(3, 3), torch.ones(2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)  # the rounded weights are kept
        with torch.no_grad():
            layer.weight.add_(1.0)  # an update
            with computing_in("bf16", CPU):
                inside = layer(x)
    with computing_in("bf16", CPU):
        torch.testing.assert_close(inside, layer(x))


def test_tf32_is_on_in_the_block_alone_and_on_cards_alone():
    tf32.switch_off()
    with computing_in("tf32", CPU):
        assert not tf32.is_on()
    try:
        with tf32.switched_on():
            assert tf32.is_on()
        assert not tf32.is_on()
        with pytest.raises(KeyError), tf32.switched_on():
            raise KeyError
        assert not tf32.is_on()
    finally:
        tf32.switch_off()


def test_half_precision_becomes_float32_and_nothing_else_changes():
    for dtype in (torch.float16, torch.bfloat16):
        assert as_float32(torch.ones(2, dtype=dtype)).dtype == torch.float32
    for dtype in (torch.float64, torch.int64, torch.float32):
        value = torch.ones(2, dtype=dtype)
        assert as_float32(value) is value


def test_float32_is_another_name_of_fp32_and_other_names_are_refused():
    setting = TypeAdapter(PrecisionField)
    assert setting.validate_python("float32") == setting.validate_python("fp32") == inference_precision.FULL
    with pytest.raises(ValidationError, match="'fp32', 'tf32', 'bf16' or 'fp16'"):
        setting.validate_python("half")
