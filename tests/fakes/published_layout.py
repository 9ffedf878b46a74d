"""The names and shapes in published files, which the tests of presets compare with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import torch

from harness.presets import Preset

GOLDEN = Path(__file__).parents[1] / "golden"


def published(path: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes by name of a key list under tests/golden."""
    stored = json.loads(gzip.decompress((GOLDEN / path).read_bytes()))
    return {name: tuple(shape) for name, (shape, _) in stored["keys"].items()}


def check_layout(preset: Preset, build: Callable[..., torch.nn.Module], path: str, *, apart: str = "-") -> None:
    """Raises: AssertionError unless the preset, built without memory, has the published names, shapes and size.

    apart: how the names of a part begin that is published by itself.
    """
    with torch.device("meta"):
        model = build(preset.config, preset.spec)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith(apart)}
    assert {name: tuple(value.shape) for name, value in state.items()} == published(path)
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) == preset.parameters
