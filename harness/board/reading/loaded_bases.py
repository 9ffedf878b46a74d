"""Bases whose weights are loaded: a preset by name, files by path, or both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.board.bases import Base, Loaded
from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import check_sampler, read_sampler
from harness.board.reading.yaml_file import Location
from harness.board.schema import BaseConfig, ReferenceConfig, WeightsConfig
from harness.components import Dataset, Model
from harness.presets import Preset
from harness.weights import cache
from harness.weights.base_files import BaseFile, BaseWeights


def loaded_base(
    reading: BoardReader, name: str, entry: BaseConfig, given: WeightsConfig, dataset: Resolved[Dataset] | None
) -> Base | None:
    """None after a fault that leaves no base. dataset: the board's, None after a fault in it."""
    at: Location = ("bases", name)
    preset: Preset | None = None
    if given.preset is not None:
        with reading.faults.noted():
            preset = reading.plugins.preset(given.preset, where=reading.source.where((*at, "weights")))
        if preset is None:
            return None
    model, weights = _model(reading, entry, preset, at), _weights(reading, given, preset, at)
    if model is None or weights is None or dataset is None:
        return None
    sampler = read_sampler(reading, entry, model, at)
    if sampler is None:
        return None
    check_sampler(reading, sampler, model, at)
    return Base(name, entry.label or name, dataset, Loaded(model, sampler, weights))


def _model(reading: BoardReader, entry: BaseConfig, preset: Preset | None, at: Location) -> Resolved[Model] | None:
    """The network that the weights are for: smoke runs cannot make it smaller."""
    if preset is None:
        assert entry.model is not None
        return reading.resolve(Model, entry.model, (*at, "model"), shrinks=False)
    named = entry.model or ReferenceConfig(name=preset.model)
    if named.name != preset.model:
        reading.fault((*at, "model"), f"the preset {preset.name} is of the model {preset.model}, not {named.name}")
        return None
    settings = {**preset.config.model_dump(exclude_unset=True), **named.settings}
    return reading.resolve(Model, ReferenceConfig(name=preset.model, **settings), (*at, "model"), shrinks=False)


def _weights(reading: BoardReader, given: WeightsConfig, preset: Preset | None, at: Location) -> BaseWeights | None:
    """The files, each with the line that names it."""
    where = reading.source.where((*at, "weights"))
    published = preset.files if preset else ()
    files = {file.part: BaseFile(cache.path(file), file.part, file.sha256, file, where) for file in published}
    if given.file is not None:
        files[""] = _file(reading, given.file, given.sha256, (*at, "weights", "file"))
    elif "" in files and given.sha256 is not None:
        files[""] = replace(files[""], sha256=given.sha256)
    for part, one in given.parts.items():
        files[part] = _file(reading, one.file, one.sha256, (*at, "weights", "parts", part), part)
    if "" not in files:
        reading.fault((*at, "weights"), f"no file of {given.preset} is published: give weights.file")
        return None
    if preset is None:
        return BaseWeights(tuple(files.values()))
    return BaseWeights(tuple(files.values()), preset.name, preset.spec)


def _file(reading: BoardReader, path: str, sha256: str | None, at: Location, part: str = "") -> BaseFile:
    folder = reading.source.path.resolve().parent
    return BaseFile(folder / Path(path).expanduser(), part, sha256, where=reading.source.where(at))
