"""The options of `harness convert` that say which network a file is of: a preset, a board's base, or a model with settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.interfaces import DataSpec
    from harness.weights.convert import Network


@dataclass(frozen=True)
class NetworkOptions:
    """The options as they are written.

    Args:
        preset: `--preset`. base: `--base`. model: `--model`; alone it only says which model the file must be of.
        settings: `--set`, each KEY=VALUE. shape: `--shape`, such as 3x32x32. classes: `--classes`; None where it is not given.
    """

    preset: str | None
    base: str | None
    model: str | None
    settings: Sequence[str]
    shape: str | None
    classes: int | None

    def network(self) -> Network | None:
        """Return the network that the options name; None where the file must say which it is of.

        Raises: UserError for options that do not go together, and for names and settings that are unknown.
        """
        named = [f"--{name}" for name in ("preset", "base") if getattr(self, name) is not None]
        if len(named) > 1:
            raise UserError("--preset, --base: give one of the two")
        if named and self._has_settings:
            raise UserError(f"{named[0]}: leave --set, --shape and --classes out: it brings its settings and its data")
        if self.preset is not None:
            from harness.weights.convert import preset_network

            return preset_network(self.preset)
        if self.base is not None:
            return _of_board(self.base)
        return self._of_model() if self._has_settings else None

    @property
    def _has_settings(self) -> bool:
        """Whether any option is given that says something of the model that `--model` names."""
        return bool(self.settings) or self.shape is not None or self.classes is not None

    def _of_model(self) -> Network:
        from harness.components import Model, ModelUsage
        from harness.measure.named_components import resolve
        from harness.weights.convert import Network

        if self.model is None:
            raise UserError("--set, --shape, --classes: need --model NAME, the model that they are settings of")
        if self.shape is None:
            raise UserError(
                f"--model {self.model}: with --set or --classes it needs --shape too, the shape of an example, "
                "e.g. --shape 3x32x32"
            )
        resolved = resolve(Model, self.model, _settings(self.settings), where="--model")
        spec = _spec(self.shape, self.classes or 0)
        resolved.component.check_usage(resolved.settings, ModelUsage(spec))
        return Network(resolved.component, resolved.settings, spec)


def _of_board(text: str) -> Network:
    """Return the network of a base of a board, written BOARD:BASE."""
    from harness.board.bases import Network as NetworkOrigin
    from harness.board.reading.load import load_board
    from harness.weights.convert import Network

    path, colon, name = text.rpartition(":")
    if not colon or not path or not name:
        raise UserError(f"--base {text}: write BOARD:BASE, e.g. leaderboards/digits:edm")
    board = load_board(Path(path))
    base = next((base for base in board.named_bases if base.name == name), None)
    if base is None:
        raise unknown("base", name, [base.name for base in board.named_bases], where=f"--base {text}")
    if not isinstance(base.origin, NetworkOrigin):
        raise UserError(f"--base {text}: this base has no network: its samples are examples of {base.origin.dataset.name}")
    spec = board.dataset.component.known_spec(board.dataset.settings)
    if spec is None:
        spec = board.dataset.component.create(board.dataset.settings).spec
    return Network(base.origin.model.component, base.origin.model.settings, base.origin.spec_on(spec))


def _settings(texts: Sequence[str]) -> dict[str, object]:
    from harness.board.reading.yaml_file import parse_value

    settings: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UserError(f"--set {text}: write KEY=VALUE, e.g. --set model_channels=64")
        if key in settings:
            raise UserError(f"--set {text}: {key} is given twice; give it once")
        settings[key] = parse_value(value, where=f"--set {text}")
    return settings


def _spec(shape: str, classes: int) -> DataSpec:
    from harness.interfaces import DataSpec

    sides = re.split(r"[x×,]", shape)
    if not all(side.isascii() and side.isdigit() and 0 < int(side) < 10**6 for side in sides):
        raise UserError(f"--shape {shape}: write the sides of an example with x between them, e.g. 3x32x32")
    return DataSpec(tuple(map(int, sides)), classes, "images" if len(sides) == 3 else "points")
