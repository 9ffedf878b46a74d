"""How checks fail: through `expect`, which python -O does not remove."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytest

import harness.testing
from harness.testing.expect import expect, expect_offers


@runtime_checkable
class Swims(Protocol):
    depth: float

    def swim(self) -> None: ...


class Fish:
    depth = 3.0

    def swim(self):
        pass


class Stone:
    depth = 9.0


def test_a_true_condition_passes_and_a_false_one_is_its_message():
    expect([1], "not shown")
    with pytest.raises(AssertionError, match=r"^no examples$"):
        expect([], "no examples")


def test_a_value_that_offers_all_members_is_returned():
    fish = Fish()
    assert expect_offers(fish, Swims, "the animal") is fish
    assert expect_offers(2.5, float, "the depth") == 2.5


def test_missing_members_are_named():
    with pytest.raises(AssertionError, match=r"^the animal is a Stone without swim; it must be a .*\.Swims$"):
        expect_offers(Stone(), Swims, "the animal")
    with pytest.raises(AssertionError, match=r"^config is a list; it must be a builtins\.dict$"):
        expect_offers([], dict, "config")


def test_checks_fail_under_optimisation_too():
    code = "from harness.testing.expect import expect\nassert False\nexpect(False, 'still here')"
    run = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.strip().endswith("AssertionError: still here")


@pytest.mark.parametrize("file", sorted(Path(harness.testing.__file__).parent.glob("*.py")), ids=lambda file: file.stem)
def test_no_check_is_a_bare_assert(file):
    lines = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
    assert lines == []
