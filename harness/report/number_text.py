"""Numbers as readers see them: counts, seconds, and the factor that a column is shown in."""

from __future__ import annotations

import math


def count(number: float) -> str:
    """Return a count with a unit from 10,000 on: `35`, `12.5`, `9999`, `50.2k`, `3.0M`."""
    # A unit begins where the smaller unit would round to 1000.
    for smallest, size, letter in ((999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (1e4, 1e3, "k")):
        if number >= smallest:
            scaled = number / size
            return f"{scaled:.3g}{letter}" if scaled >= 100 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}"


def decimals(number: float, digits: int) -> str:
    """Return a number with so many decimals. What rounds to zero has no sign: `0.00`, and never `-0.00`."""
    return f"{number:z.{digits}f}"


def seconds(number: float) -> str:
    """Return seconds without false precision: `12`, `3.2`, `0`."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number > 0 else "0"


def p_value(p: float) -> str:
    """Return how often chance alone would do it: `0.35`, `0.043`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def factor(number: float) -> str:
    """Return the factor of a column in plain text: `×1e-2`, `×0.05`."""
    exponent = power_of_ten(number)
    return f"×{number:g}" if exponent is None else f"×1e{exponent}"


def power_of_ten(number: float) -> int | None:
    """Return the exponent of a power of ten; None for other positive numbers."""
    exponent = round(math.log10(number))
    return exponent if math.isclose(number, 10.0**exponent, rel_tol=1e-12) else None
