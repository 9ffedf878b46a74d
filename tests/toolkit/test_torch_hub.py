"""Where torch.hub keeps weights: the folders are the ones that torch itself names."""

import os
from pathlib import Path

import pytest
import torch

from harness.toolkit import torch_hub


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_the_folders_are_those_of_torch(variable, monkeypatch, tmp_path):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / variable))
    own = Path(torch.hub.get_dir()) / "checkpoints"
    places = [Path(os.path.expandvars(place)).expanduser() for place in torch_hub.FOLDERS]
    assert own == next(place for place in places if "$" not in str(place))
