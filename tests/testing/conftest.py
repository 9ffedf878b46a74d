"""Targets for components that a test makes itself, and the message of a check that fails."""

import itertools
import sys
from types import ModuleType

import pytest

NUMBERS = itertools.count()


@pytest.fixture
def target(monkeypatch):
    """Turns an object into a target, "module:attribute", which exists as long as the test runs."""

    def make(value):
        module = ModuleType(f"made_by_a_test_{next(NUMBERS)}")
        vars(module)["value"] = value
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return f"{module.__name__}:value"

    return make


@pytest.fixture
def failure():
    """Calls a check that must fail, and returns its message; any other exception passes through."""

    def message_of(check, *arguments, **options):
        with pytest.raises(AssertionError) as caught:
            check(*arguments, **options)
        return str(caught.value)

    return message_of
