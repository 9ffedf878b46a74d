"""A `result` that is no set of weights of the network is named in one line, before anything is drawn from it."""

import pytest
import torch

from harness.errors import UserError
from harness.training.method_result import checked_result

WEIGHTS = {"layer.weight": torch.ones(2, 2), "layer.bias": torch.zeros(2)}


@pytest.mark.parametrize(("result", "message"), [
    (lambda _: None, "it gave None"),
    (lambda weights: list(weights.values()), "it gave a list"),
    (lambda weights: {"layer.weight": weights["layer.weight"]}, "it left out layer.bias"),
    (lambda _: {}, "it left out layer.weight, layer.bias"),
    (lambda weights: {**weights, "extra": torch.zeros(1)}, "it added extra"),
    (lambda weights: {**weights, "layer.bias": [0.0, 0.0]}, "layer.bias is a list"),
    (lambda weights: {**weights, "layer.bias": torch.zeros(3)},
     r"layer.bias is torch.float32 of shape \(3,\), not torch.float32 of shape \(2,\)"),
    (lambda weights: {**weights, "layer.bias": torch.zeros(2).double()}, "layer.bias is torch.float64 of shape"),
])  # fmt: skip
def test_results_that_are_no_weights_are_named_in_one_line(result, message):
    must = "method fit: result must give the weights of the network, each with its name, shape and dtype; "
    with pytest.raises(UserError, match=must + message):
        checked_result(result, WEIGHTS, "method fit")


def test_weights_pass_as_they_are():
    assert checked_result(lambda weights: weights, WEIGHTS, "method fit") == WEIGHTS


def test_many_names_are_counted():
    weights = {f"layer.{number}": torch.zeros(1) for number in range(5)}
    with pytest.raises(UserError, match=r"left out layer\.0, layer\.1, layer\.2 and 2 more"):
        checked_result(lambda _: {}, weights, "method fit")
