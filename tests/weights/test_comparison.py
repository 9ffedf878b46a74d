"""Tensors that have a network's names and shapes are weights only if they are dense, of its kind of numbers, and finite."""

import pytest
import torch

from harness.errors import UserError
from harness.weights.comparison import casts, check, check_numbers, differences, have_same_values

NETWORK = {"w": torch.zeros(3, 3), "count": torch.tensor(0)}


def fault(value, name="w"):
    with pytest.raises(UserError) as caught:
        check_numbers({name: value}, NETWORK, where="net.pt")
    return str(caught.value)


def quantised():
    return torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore")  # torch warns that sparse, nested and quantised tensors are experimental
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.eye(3).to_sparse(), "net.pt: w is a tensor of the layout sparse_coo; weights are dense"),
        (lambda: torch.eye(3).to_sparse_csr(), "net.pt: w is a tensor of the layout sparse_csr"),
        (lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), "net.pt: w is a tensor of the layout nested"),
        (quantised, "net.pt: w is quantised (qint8); save the weights before quantisation"),
        (lambda: torch.eye(3, device="meta"), "net.pt: w is on the meta device, and has no values"),
        (lambda: torch.eye(3).to(torch.int8), "net.pt: w holds int8, and the network has float32"),
        (lambda: torch.eye(3).to(torch.complex64), "net.pt: w holds complex64, and the network has float32"),
    ],
)
def test_tensors_that_are_no_weights_are_refused_in_one_line(make, message):
    assert fault(make()).startswith(message)
    assert "\n" not in fault(make())


@pytest.mark.filterwarnings("ignore")
def test_only_dense_tensors_have_the_same_values():
    own = torch.eye(3)
    assert have_same_values(own, own.half())
    assert have_same_values(own, torch.eye(3, device="meta"))
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    for other in (own + 1, torch.eye(2), torch.eye(2, device="meta"), own.to_sparse(), quantised(), nested):
        assert not have_same_values(own, other)
        assert not have_same_values(other, own)


def test_fractions_are_no_counts():
    assert fault(torch.tensor(0.5), "count").startswith("net.pt: count holds float32, and the network has int64")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_that_are_not_finite_are_a_fault_of_the_file(value, dtype):
    weights = torch.zeros(3, 3, dtype=dtype)
    weights[1, 1] = weights[0, 2] = value
    assert fault(weights).startswith("net.pt: w has 2 values that are NaN or infinite")


def test_numbers_too_large_for_the_network_are_infinite_there():
    assert "w has 1 values" in fault(torch.diag(torch.tensor([1e300, 0, 0], dtype=torch.float64)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_other_fractions_are_cast_and_said(dtype):
    tensors = {"w": torch.eye(3).to(dtype), "count": torch.tensor(3, dtype=torch.int32)}
    check_numbers(tensors, NETWORK, where="net.pt")
    name = str(dtype).removeprefix("torch.")
    assert casts(tensors, NETWORK) == sorted([f"{name} was read as float32", "int32 was read as int64"])


def test_differences_are_listed_by_kind_with_shapes():
    found = differences({"w": torch.zeros(2), "x": torch.zeros(())}, NETWORK)
    assert (
        found.text == "1 missing: count (); 1 unexpected: x (); 1 another shape: w is (2) in the file and (3, 3) in the network"
    )
    assert not found.is_empty
    with pytest.raises(
        UserError, match=r"^net\.pt: 1 missing: .* Is it another preset's file, or are the model's settings others"
    ):
        check({"w": NETWORK["w"]}, NETWORK, where="net.pt")


@pytest.mark.filterwarnings("ignore")
def test_a_nested_tensor_has_another_shape():
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    assert differences({**NETWORK, "w": nested}, NETWORK).text == (
        "1 another shape: w is (nested) in the file and (3, 3) in the network"
    )
