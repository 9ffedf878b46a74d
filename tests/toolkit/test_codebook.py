"""Nearest codes, and tokens that name none."""

import pytest
import torch

from harness.streams import stream
from harness.toolkit.codebook import check_codes, nearest_code


def test_the_nearest_code_is_the_one_at_the_least_distance():
    latents, codes = (
        torch.randn(5, 7, 3, generator=stream(0, "z")).double(),
        torch.randn(40, 3, generator=stream(0, "e")).double(),
    )
    expected = torch.cdist(latents.flatten(0, 1), codes).argmin(1).view(5, 7)
    assert torch.equal(nearest_code(latents, codes), expected)


def test_long_codes_are_not_favoured():
    # (10, 0) has the largest product with (3, 0), and (2, 0) is nearer.
    codes = torch.tensor([[2.0, 0.0], [10.0, 0.0]])
    assert nearest_code(torch.tensor([3.0, 0.0]), codes) == 0


def test_a_code_is_nearest_to_itself():
    codes = torch.randn(25, 6, generator=stream(1, "e")).double()
    assert nearest_code(codes, codes).tolist() == list(range(25))


def test_of_two_equal_codes_the_first_is_taken():
    codes = torch.tensor([[5.0], [1.0], [1.0]])
    assert nearest_code(torch.tensor([[1.2]]), codes).tolist() == [1]


def test_tokens_inside_the_codebook_pass():
    check_codes(torch.tensor([[0, 3], [2, 1]]), 4)
    check_codes(torch.zeros(0, 5, dtype=torch.int64), 4)


@pytest.mark.parametrize(("tokens", "span"), [([0, 4], "0 to 4"), ([-1, 2], "-1 to 2"), ([99], "99 to 99")])
def test_tokens_outside_are_named_with_the_range_that_there_is(tokens, span):
    with pytest.raises(ValueError, match=f"tokens run from {span}, but the codebook has codes 0 to 3"):
        check_codes(torch.tensor(tokens), 4)
