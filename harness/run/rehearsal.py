"""A rehearsal of a board: every network at its full size on the meta device, and its published names. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from harness.board.bases import Base, Loaded
from harness.errors import UserError, in_one_line
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.presets import Preset
from harness.stages.meta_task import network_on_meta
from harness.weights.published_names import check_names, unlisted_parts


@dataclass(frozen=True)
class Rehearsal:
    """The result of rehearsing some bases.

    Args:
        lines: a sentence for each base.
        faults: networks that cannot be built, or that published files do not fit.
    """

    lines: tuple[str, ...]
    faults: tuple[str, ...]


def rehearse(bases: Sequence[Base], data: DataSpec) -> Rehearsal:
    """Build the networks of these bases, and compare them with what is published. Nothing is downloaded.

    Args:
        data: what the board's dataset holds.
    """
    lines: list[str] = []
    faults: list[str] = []
    for base in bases:
        if not base.has_network:
            continue
        try:
            network, _ = network_on_meta(base.network, data)
        except Exception as error:  # whatever a plugin's code raises
            faults.append(f"base {base.name}: the network cannot be built: {in_one_line(error)}")
            continue
        parameters = sum(value.numel() for value in network.parameters() if value.requires_grad)
        comparison, base_faults = _compared(base, network, parameters)
        faults += base_faults
        lines.append(f"{base.name}: the network has {parameters:,} parameters{comparison}")
    return Rehearsal(tuple(lines), tuple(faults))


def _compared(base: Base, network: nn.Module, parameters: int) -> tuple[str, list[str]]:
    """Return how a network compares with what is published of its preset, and the faults.

    A file of the board's own may be of another size than the preset's, on purpose: a difference is then no fault.
    """
    preset = _preset(base)
    if preset is None or not isinstance(base.origin, Loaded):
        return "", []
    faults = _differences(preset, base, network, parameters)
    is_own = any(not file.part and file.published is None for file in base.origin.files)
    if faults and is_own and base.origin.model.settings != preset.config:
        return f"; the board's own file must hold it, which is not {preset.name} as published", []
    return ("" if faults else _as_published(preset)), [f"base {base.name}: {fault}" for fault in faults]


def _preset(base: Base) -> Preset | None:
    """Return the preset of a base; None where there is none."""
    if not isinstance(base.origin, Loaded) or not base.origin.weights.preset:
        return None
    return registry().presets.get(base.origin.weights.preset)


def _differences(preset: Preset, base: Base, network: nn.Module, parameters: int) -> list[str]:
    if parameters != preset.parameters:
        return [f"has {parameters:,} parameters, and {preset.parameters:,} are published"]
    try:
        check_names(preset, base.network.model.component, network)
    except UserError as error:
        return [str(error)]
    return []


def _as_published(preset: Preset) -> str:
    """Return what was found to be as published."""
    unlisted = unlisted_parts(preset)
    if "" in unlisted:
        return ", as published; no list of published names is known"
    parts = f"; no list is known for its {' and '.join(unlisted)}" if unlisted else ""
    of_base = " of its base's file" if preset.fine_tuned_by else ""
    return f", with the published names and shapes{of_base}{parts}"
