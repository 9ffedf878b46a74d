"""Bases whose weights are loaded: from a preset, from files by path, or from both.

In a smoke run, a tiny network with random weights stands in for that of a preset: no file is read, so that the run passes on any
machine. A file that a board names without a preset is read in smoke runs too.
"""

from __future__ import annotations

from dataclasses import replace

from harness.board.bases import Base, Loaded
from harness.board.components import Resolved
from harness.board.reading.base_entry import BaseEntry
from harness.board.reading.data_fit import spec_of
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import check_sampler, read_sampler
from harness.board.reading.yaml_file import Location
from harness.board.schema import ComponentEntry, WeightsConfig
from harness.components import Model
from harness.paths import expanded
from harness.presets import Preset
from harness.weights import cache
from harness.weights.base_files import BaseFile, BaseWeights


def read_loaded(reader: BoardReader, base: BaseEntry, config: WeightsConfig) -> Base | None:
    """Read a base with `weights`. Returns: None after a fault that leaves no base."""
    preset: Preset | None = None
    if config.preset is not None:
        with reader.faults.catching(base.at("weights")):
            preset = reader.plugins.preset(config.preset, where=reader.source.where(base.at("weights")))
        if preset is None:
            return None
    model, weights = _read_model(reader, base, preset), _read_weights(reader, base, config, preset)
    if model is None or weights is None or base.dataset is None:
        return None
    spec = spec_of(base.dataset)
    if spec is not None and (fault := weights.data_fault(spec, base.dataset.name)) is not None:
        reader.add_fault(base.at("weights"), fault)
        return None
    sampler = read_sampler(reader, base, model)
    if sampler is None:
        return None
    check_sampler(reader, sampler, model, base)
    label = f"{base.label}, random weights" if weights.is_stand_in else base.label
    return Base(base.name, label, base.dataset, Loaded(model, sampler, weights))


def _read_model(reader: BoardReader, base: BaseEntry, preset: Preset | None) -> Resolved[Model] | None:
    """Read the network that the weights are for. A smoke run can make it smaller where it reads no weights, as with a preset."""
    written, location = base.config.model, base.at("model")
    if preset is None:
        assert written is not None  # BaseConfig sees to it
        return reader.resolve(Model, written, location, may_shrink=False)
    changes = written or ComponentEntry(name=preset.model)
    if changes.name != preset.model:
        reader.add_fault(location, f"the preset {preset.name} is of the model {preset.model}, not {changes.name}")
        return None
    settings = {**preset.config.model_dump(exclude_unset=True), **changes.settings}
    return reader.resolve(Model, ComponentEntry(name=preset.model, **settings), location)


def _read_weights(reader: BoardReader, base: BaseEntry, config: WeightsConfig, preset: Preset | None) -> BaseWeights | None:
    """Read the files of the base, each with the line that names it. A file of the board replaces the preset's."""
    where = reader.source.where(base.at("weights"))
    published = preset.files if preset else ()
    files = {file.part: BaseFile(cache.path(file), file.part, file.sha256, file, where) for file in published}
    if config.file is not None:
        files[""] = _file(reader, config.file, config.sha256, base.at("weights", "file"))
    elif "" in files and config.sha256 is not None:
        files[""] = replace(files[""], sha256=config.sha256)
    if "" in files:
        files[""] = replace(files[""], table=config.part)
    for part, file in config.parts.items():
        named = _file(reader, file.file, file.sha256, base.at("weights", "parts", part), part)
        files[part] = replace(named, table=file.part)
    if "" not in files:
        note = f" ({preset.note})" if preset is not None and preset.note else ""
        reader.add_fault(base.at("weights"), f"no file of {config.preset} is published: give weights.file{note}")
        return None
    if preset is None:
        return BaseWeights(tuple(files.values()))
    if reader.is_smoke:
        return BaseWeights(tuple(files.values()), preset.name, preset.spec, is_stand_in=True)
    return BaseWeights(tuple(files.values()), preset.name, preset.spec, preset.note if config.file is None else "")


def _file(reader: BoardReader, path: str, sha256: str | None, location: Location, part: str = "") -> BaseFile:
    folder = reader.source.path.resolve().parent
    return BaseFile(folder / expanded(path), part, sha256, where=reader.source.where(location))
