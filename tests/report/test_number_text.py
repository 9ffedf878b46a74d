import re

import pytest

from harness.report.number_text import count, decimals, factor, power_of_ten, seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (35, "35"),
        (2344, "2344"),
        (50_178, "50.2k"),
        (300_032, "300k"),
        (2_560_000, "2.6M"),
        (1.5, "1.5"),
        (3e9, "3.0G"),
    ],
)
def test_counts_are_short(number, text):
    assert count(number) == text


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [(-0.001, 2, "0.00"), (-0.0, 0, "0"), (-0.005001, 2, "-0.01"), (0.004, 2, "0.00"), (-1.25, 1, "-1.2"), (1e-9, 3, "0.000")],
)
def test_what_rounds_to_zero_has_no_sign(number, digits, text):
    assert decimals(number, digits) == text


@pytest.mark.parametrize("number", [999_499, 999_500, 999_999, 999_499_999, 999_500_000, 1e9])
def test_a_count_never_has_a_thousand_of_its_unit(number):
    assert float(re.fullmatch(r"([\d.]+)[kMG]", count(number))[1]) < 1000


def test_a_larger_number_never_has_a_smaller_count():
    sizes = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
    numbers = [round(10 ** (exponent / 50)) for exponent in range(600)]
    values = []
    for number in numbers:
        figure, unit = re.fullmatch(r"([\d.]+)(\w?)", count(number)).groups()
        values.append(float(figure) * sizes[unit])
        assert values[-1] == pytest.approx(number, rel=0.05), "of two digits the second rounds"
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("number", "text"), [(0.0, "0"), (0.04, "0.0"), (3.24, "3.2"), (9.99, "10.0"), (10.0, "10"), (754.4, "754")]
)
def test_seconds_have_no_false_precision(number, text):
    assert seconds(number) == text


@pytest.mark.parametrize(("number", "exponent"), [(1e-2, -2), (0.001, -3), (1.0, 0), (1e6, 6), (0.05, None), (2.0, None)])
def test_powers_of_ten_are_told_from_other_factors(number, exponent):
    assert power_of_ten(number) == exponent


@pytest.mark.parametrize(("number", "text"), [(1e-2, "×1e-2"), (1000.0, "×1e3"), (0.05, "×0.05"), (2.5, "×2.5")])
def test_a_factor_is_written_as_short_as_it_is(number, text):
    assert factor(number) == text
