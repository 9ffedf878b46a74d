"""A package that an installation leaves out is one message with the command that installs it."""

import pytest

from harness.errors import UserError
from harness.toolkit.optional_packages import DIFFUSERS, require_diffusers


def test_an_absent_package_is_told_with_its_command(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {}.get)
    with pytest.raises(UserError) as caught:
        require_diffusers("sampler dpm-solver++")
    assert str(caught.value) == f"sampler dpm-solver++: needs diffusers, which is not installed; {DIFFUSERS['diffusers']}"


def test_a_package_that_is_there_is_no_message(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {"diffusers": object()}.get)
    require_diffusers("sampler dpm-solver++")
