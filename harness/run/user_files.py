"""The files in which users keep how their runs go: `harness.toml` of a project, and `config.toml` of a person.

They say where and how cells run, and nothing that changes a number. docs/configuration.md says whose word goes first.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, PositiveInt, ValidationError

from harness.board.resources import ResourcesConfig
from harness.config import Config
from harness.errors import Faults, UserError, nearest
from harness.interfaces import Resources
from harness.run.resources import ResourceLayer
from harness.validation import Location, SettingFault, setting_faults

PROJECT_FILE = "harness.toml"
PERSONAL_FILE = Path("harness") / "config.toml"
"""Below $XDG_CONFIG_HOME, which is ~/.config where it is not set."""
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"\s*([\w.\"'*?-]+)\s*=")


def _list_of_names(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


class ResourcesTable(ResourcesConfig):
    """Demands of all jobs on their machines, and in tables below those of some methods and bases."""

    methods: dict[str, ResourcesConfig] = Field({}, description="the same by the name of a method; `*` and `?` stand for letters")
    bases: dict[str, ResourcesConfig] = Field({}, description="the same by the name of a base, likewise")


class UserFileConfig(Config):
    """Settings of a project or of a person."""

    executor: str | None = Field(None, description="where cells run, as `--executor`")
    executors: dict[str, dict[str, object]] = Field({}, description="settings of executors by their names, as `--set NAME.KEY`")
    resources: ResourcesTable = Field(ResourcesTable(), description="what jobs ask of their machines, as `--resources`")
    jobs: PositiveInt | None = Field(None, description="cells at once, as `--jobs`")
    device: str | None = Field(None, description="device, as `--device`")
    devices: PositiveInt | None = Field(None, description="devices of each cell, as `--devices`")
    runs_dir: str | None = Field(None, description="runs folder, as `--runs-dir`; a relative path begins at the file's folder")
    track: Annotated[list[str], BeforeValidator(_list_of_names)] | None = Field(None, description="trackers, as `--track`")


@dataclass(frozen=True)
class UserFile:
    """A file of settings that was read and checked."""

    path: Path
    config: UserFileConfig

    @property
    def runs_dir(self) -> Path | None:
        """The runs folder that the file names."""
        return None if self.config.runs_dir is None else self.path.parent / Path(self.config.runs_dir).expanduser()

    def layer(self, executor: str, *, cards: int | None = None) -> ResourceLayer:
        """Return what the file asks of the machines of jobs, where they run with this executor.

        An executor's settings of the same names (`[executors.slurm] gpus`) count as asked for every job.

        Args:
            cards: of each job, where the file says no other number under `resources` or of the executor.
        """
        table = self.config.resources
        return ResourceLayer(
            asked_of_executor(self.config.executors.get(executor, {})).over(table.resources).over(Resources(gpus=cards)),
            {name: entry.resources for name, entry in table.methods.items()},
            {name: entry.resources for name, entry in table.bases.items()},
        )


def user_files() -> tuple[UserFile, ...]:
    """Read the project's file and the person's, as far as they exist; the first goes before the second.

    The project's file is the nearest `harness.toml` in this folder or in one above it. Raises: UserError or Faults, which name
    file, line and key.
    """
    paths = [path for path in (_project_file(), _personal_file()) if path is not None]
    return tuple(UserFile(path, _read(path)) for path in paths)


def _project_file() -> Path | None:
    here = Path.cwd()
    return next((folder / PROJECT_FILE for folder in (here, *here.parents) if os.path.isfile(folder / PROJECT_FILE)), None)


def _personal_file() -> Path | None:
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = Path(folder) / PERSONAL_FILE
    # A home folder that this user may not look into, as services have, holds no file for it.
    return path if os.path.isfile(path) else None


def asked_of_executor(settings: Mapping[str, object]) -> Resources:
    """Return those of an executor's settings that are resources of a job, such as whole cards."""
    asked = {}
    for name in ResourcesConfig.model_fields.keys() & settings.keys():
        try:
            asked[name] = getattr(ResourcesConfig.model_validate({name: settings[name]}), name)
        except ValidationError:
            continue  # the executor's own check finds what is wrong; a part of a card, which Ray gives, stays its default
    return Resources(**asked)


def parse_resources(texts: list[str], *, where: str) -> Resources:
    """Read texts such as `gpus=4,hours=12`. Raises: UserError for another form; Faults for wrong values."""
    values: dict[str, object] = {}
    for text in (part for whole in texts for part in whole.replace(",", " ").split()):
        key, equals_sign, value = text.partition("=")
        if not equals_sign:
            raise UserError(f"{where} {text}: write KEY=VALUE, e.g. gpus=4,hours=12")
        values[key] = value
    try:
        return ResourcesConfig.model_validate(values).resources
    except ValidationError as error:
        raise Faults(f"{where} {_message(fault, ResourcesConfig)}" for fault in setting_faults(error, values)) from None


def _read(path: Path) -> UserFileConfig:
    try:
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a TOML file: {error}") from None
    try:
        return UserFileConfig.model_validate(value)
    except ValidationError as error:
        faults = setting_faults(error, value, UserFileConfig)
        raise Faults(f"{path}:{line_of(text, fault.location)}: {_message(fault, UserFileConfig)}" for fault in faults) from None


def _message(fault: SettingFault, schema: type[BaseModel]) -> str:
    if fault.kind != "extra_forbidden":
        return str(fault)
    key = str(fault.location[-1])
    known = _keys_beside(fault.location, schema)
    return f"{fault.key}: there is no such key; {nearest(key, known)}there are: {', '.join(known)}"


def _keys_beside(location: Location, schema: type[BaseModel]) -> list[str]:
    """Return the keys that may stand where an unknown one stands."""
    tables: dict[int, type[BaseModel]] = {1: schema, 2: ResourcesTable, 4: ResourcesConfig}
    return list(tables.get(len(location), schema).model_fields)


def line_of(text: str, location: Location) -> int:
    """Return the line of a key in a TOML file; that of its table, or 1, where the key is written in a form of its own."""
    wanted = tuple(map(str, location))
    table: tuple[str, ...] = ()
    nearest_line, nearest_depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            place = table = _parts(header[1])
        elif key := _KEY.match(line):
            place = (*table, *_parts(key[1]))
        else:
            continue
        depth = len(place)
        if place == wanted[:depth] and depth > nearest_depth:
            nearest_line, nearest_depth = number, depth
    return nearest_line


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
