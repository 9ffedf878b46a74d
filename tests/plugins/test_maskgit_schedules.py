"""Schedules of MaskGIT and the Halton order, by hand and by their formulas in exact arithmetic."""

import itertools
import math

import pytest
import torch

from harness_maskgit.schedules import (
    halton_known_after_step,
    halton_order,
    known_after_step,
    mask_probability,
    radical_inverse,
    tokens_per_step,
)

R = torch.tensor([0.0, 0.25, 0.5, 0.81])


@pytest.mark.parametrize(
    ("generation", "schedule", "formula"),
    [
        ("v1", "linear", lambda r: r),
        ("v1", "square", lambda r: r**2),
        ("v1", "cosine", lambda r: math.cos(math.pi * r / 2)),
        ("v1", "arccos", lambda r: 2 / math.pi * math.acos(r)),
        ("v2", "root", lambda r: 1 - math.sqrt(r)),
        ("v2", "linear", lambda r: 1 - r),
        ("v2", "square", lambda r: 1 - r**2),
        ("v2", "cosine", lambda r: math.cos(math.pi * r / 2)),
        ("v2", "arccos", lambda r: 2 / math.pi * math.acos(r)),
    ],
)
def test_the_share_of_masked_tokens_is_the_published_formula(generation, schedule, formula):
    shares = mask_probability(schedule, R, generation=generation)
    assert shares.tolist() == pytest.approx([formula(r) for r in R.tolist()], abs=1e-6)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_the_first_generation_has_no_root():
    with pytest.raises(ValueError, match="generation v1 has no schedule root"):
        mask_probability("root", R, generation="v1")


def test_tokens_of_each_step_by_hand():
    # linear: shares 0, 1/3, 2/3, 1 of a sum of 2; of 12 tokens 0, 2, 4, 6; a 0 becomes 1, and the last makes up for it.
    assert tokens_per_step("linear", 4, 12) == [1, 2, 4, 5]
    assert tokens_per_step("linear", 1, 12) == [12]


@pytest.mark.parametrize("schedule", ["root", "linear", "square", "cosine", "arccos"])
@pytest.mark.parametrize(("steps", "tokens"), [(2, 16), (8, 256), (15, 1024), (12, 144)])
def test_every_step_fixes_a_token_and_all_steps_fix_all(schedule, steps, tokens):
    counts = tokens_per_step(schedule, steps, tokens)
    assert len(counts) == steps
    assert min(counts) >= 1
    assert sum(counts) == tokens
    assert counts[:-1] == sorted(counts[:-1])  # few at first, when little is known


def test_with_fewer_tokens_than_steps_every_step_still_asks_for_one():
    counts = tokens_per_step("arccos", 9, 4)
    assert min(counts[:-1]) == 1
    assert sum(counts) == 4


@pytest.mark.parametrize(
    ("schedule", "share"),
    [
        ("root", math.sqrt),
        ("linear", lambda r: r),
        ("square", lambda r: r**2),
        ("cosine", lambda r: 1 - math.cos(math.pi * r / 2)),
        ("arccos", lambda r: 1 - 2 / math.pi * math.acos(r)),
    ],
)
def test_the_known_tokens_follow_the_formula_from_none_to_all(schedule, share):
    known = known_after_step(schedule, 7, 100)
    expected = [100 * share(step / 6) for step in range(7)]
    # Truncated: where the product is a whole number, rounding may take it below.
    assert all(value - 1 <= count <= value + 1e-4 for count, value in zip(known, expected, strict=True))
    assert (known[0], known[-1]) == (0, 100)
    assert known == sorted(known)


@pytest.mark.parametrize(("steps", "tokens"), [(1, 16), (8, 16), (32, 576), (12, 4)])
def test_a_halton_step_knows_at_least_one_more_token_than_the_last(steps, tokens):
    known = halton_known_after_step(steps, tokens)
    assert all(after > before for before, after in itertools.pairwise(known))
    assert known[-1] == max(tokens, steps)
    assert known[0] >= 1


def test_half_of_a_halton_schedule_by_hand():
    # 1 - (2 / pi) arccos(1/2) = 1/3 of 600 tokens.
    assert halton_known_after_step(2, 600) in ([200, 600], [199, 600])


@pytest.mark.parametrize(
    ("index", "base", "fraction"),
    [(0, 2, (0, 1)), (1, 2, (1, 2)), (2, 2, (1, 4)), (6, 2, (3, 8)), (5, 3, (7, 9)), (9, 10, (9, 10))],
)
def test_the_radical_inverse_reverses_digits_behind_the_point(index, base, fraction):
    assert radical_inverse(index, base) == fraction


@pytest.mark.parametrize("base", [2, 3, 5])
def test_the_first_powers_of_the_base_are_evenly_spaced(base):
    points = sorted(numerator / denominator for numerator, denominator in (radical_inverse(i, base) for i in range(base**3)))
    assert points == pytest.approx([i / base**3 for i in range(base**3)])


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_halton_order_spreads_over_the_image_where_rows_would_fill_its_top(side):
    """Of the first quarter of the positions, every quadrant has about a quarter."""
    first = halton_order(side)[: side * side // 4]
    quadrants = torch.bincount(2 * (first // side >= side // 2) + (first % side >= side // 2), minlength=4)
    assert (quadrants - len(first) / 4).abs().max() <= max(1, len(first) // 8)


def test_neighbours_are_far_apart_in_the_order():
    side = 16
    rank = halton_order(side).argsort().view(side, side)
    horizontal, vertical = (rank[:, 1:] - rank[:, :-1]).abs(), (rank[1:] - rank[:-1]).abs()
    assert torch.cat([horizontal.flatten(), vertical.flatten()]).float().median() > side * side / 10
