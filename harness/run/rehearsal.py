"""A rehearsal of a board: every network at its full size on the meta device. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.bases import Base, Loaded
from harness.errors import in_one_line
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.stages.step_cost import network_size


@dataclass(frozen=True)
class Rehearsal:
    """The result of rehearsing some cells.

    Args:
        lines: a sentence for each base.
        faults: networks that cannot be built, or have another number of parameters than is published.
    """

    lines: tuple[str, ...]
    faults: tuple[str, ...]


def rehearse(bases: Sequence[Base], data: DataSpec) -> Rehearsal:
    """Build the networks of these bases, and compare their sizes with what is published. Nothing is downloaded.

    Args:
        data: what the board's dataset holds.
    """
    lines: list[str] = []
    faults: list[str] = []
    for base in bases:
        if not base.has_network:
            continue
        try:
            parameters = network_size(base.network, data).parameters
        except Exception as error:  # whatever a plugin's code raises
            faults.append(f"base {base.name}: the network cannot be built: {in_one_line(error)}")
            continue
        published = _published(base)
        if published not in (None, parameters):
            faults.append(f"base {base.name}: has {parameters:,} parameters, and {published:,} are published")
        as_published = ", as published" if published == parameters else ""
        lines.append(f"{base.name}: the network has {parameters:,} parameters{as_published}")
    return Rehearsal(tuple(lines), tuple(faults))


def _published(base: Base) -> int | None:
    """Return the number of parameters that the preset of a base gives; None where there is no preset."""
    if not isinstance(base.origin, Loaded) or not base.origin.weights.preset:
        return None
    preset = registry().presets.get(base.origin.weights.preset)
    return None if preset is None else preset.parameters
