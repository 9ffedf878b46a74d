"""How a run goes: what the command line says, else the project's file, else the person's, else the default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.run_components import run_components
from harness.errors import UserError
from harness.process import devices as process_devices

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.components import Resolved
    from harness.components import Executor, Tracker
    from harness.run.resources import ResourceLayer
    from harness.run.user_files import UserFile

ALL_AT_ONCE = 1_000_000
"""Jobs at once where they wait in the queue of a cluster."""


@dataclass(frozen=True)
class RunSettings:
    """How a run goes.

    Args:
        devices: how many devices each job uses; None for as many as it has cards, where an executor with a queue gives them.
        resources: what is asked of the machines of jobs, the command line's word first.
        remarks: a line for each file of the user that says something of this run.
    """

    executor: Resolved[Executor]
    trackers: tuple[Resolved[Tracker], ...]
    jobs: int
    device: str
    devices: int | None
    resources: tuple[ResourceLayer, ...]
    remarks: tuple[str, ...]


def run_settings(
    executor: str | None,
    track: str | None,
    settings: Sequence[str],
    *,
    jobs: int | None = None,
    device: str | None = None,
    devices: int | None = None,
    resources: Sequence[str] = (),
) -> RunSettings:
    """Return how a run goes. The arguments are those of the command line, None where it says nothing.

    Raises: UserError or Faults for files that are wrong, for unknown names, wrong settings, and a device that is not here.
    """
    from harness.run.user_files import user_files

    files = user_files()
    where, trackers = run_components(executor, track, settings, files)
    chosen = device or next((file.config.device for file in files if file.config.device), "auto")
    on_cards = where.component.has_queue and chosen != "cpu"
    # Files say it to executors that give cards through the resources of jobs, beside those of methods and bases.
    each = devices if on_cards else devices or next((file.config.devices for file in files if file.config.devices), 1)
    try:
        if where.component.has_queue:
            process_devices.check_name(chosen)  # the device is one of the machines of the cluster
        else:
            process_devices.check(chosen, each or 1)
    except UserError as error:
        raise UserError("; ".join([str(error), *_devices_of_files(files, device, devices)])) from None
    cards = devices if on_cards and devices != 1 else None
    of_files = (file.layer(where.name, cards=file.config.devices if on_cards else None) for file in files)
    layers = (_command_line(where.name, resources, settings, cards), *of_files)
    at_once = jobs or next((file.config.jobs for file in files if file.config.jobs), None)
    default = ALL_AT_ONCE if where.component.has_queue else process_devices.slots(chosen, each or 1)
    given = {"executor": executor, "track": track, "jobs": jobs, "device": device, "devices": devices}
    remarks = (*_remarks(files, where.name, {name for name, value in given.items() if value is not None}), *_ignored(files))
    return RunSettings(where, trackers, at_once or default, chosen, each, layers, remarks)


def _devices_of_files(files: Sequence[UserFile], device: str | None, devices: int | None) -> Iterator[str]:
    """Say which file names the device and their number, where the command line does not: the message has the options' names."""
    for key, given in (("device", device), ("devices", devices)):
        file = next((file for file in files if getattr(file.config, key)), None)
        if given is None and file is not None:
            yield f"{file.path} says `{key} = {getattr(file.config, key)}`"


def _command_line(executor: str, resources: Sequence[str], settings: Sequence[str], cards: int | None) -> ResourceLayer:
    """Return what the command line asks of the machines of jobs.

    Args:
        cards: of each job in a queue that computes on several, where neither `--resources` nor `--set` says it.
    """
    from harness.interfaces import Resources
    from harness.measure.named_components import parse_settings
    from harness.run.resources import ResourceLayer
    from harness.run.user_files import asked_of_executor, parse_resources

    asked = parse_resources(list(resources), where="--resources")
    own = parse_settings(settings, where="--set").get(executor, {})
    return ResourceLayer(asked.over(asked_of_executor(own)).over(Resources(gpus=cards)))


def _remarks(files: Sequence[UserFile], executor: str, given: set[str]) -> Iterator[str]:
    """Give a line for each file that says something which neither the command line nor an earlier file replaces."""
    known = set(given)
    for file in files:
        config = file.config
        values = {name: getattr(config, name) for name in ("executor", "jobs", "device", "devices", "runs_dir")}
        said = {name: str(value) for name, value in values.items() if value is not None and name not in known}
        if config.track is not None and "track" not in known:
            said["track"] = ", ".join(config.track) or "nothing"
        said |= {f"{executor}.{key}": str(value) for key, value in config.executors.get(executor, {}).items()}
        if config.resources.model_fields_set:
            table = config.resources
            of_some = [f"{kind}.{name}" for kind in ("methods", "bases") for name in getattr(table, kind)]
            said["resources"] = ", ".join([*sorted(table.model_fields_set - {"methods", "bases"}), *of_some])
        known |= said.keys()
        if said:
            yield f"{file.path}: " + "; ".join(f"{name} = {value}" for name, value in said.items())


def unused_resources(board: Board) -> Iterator[str]:
    """Give a line for each name under `resources` in a file that no cell of the board has. One file may serve many boards."""
    from harness.board.grids import split_point
    from harness.errors import unknown
    from harness.run.resources import matches
    from harness.run.user_files import user_files

    rows = [cell.row for cell in board.cells]
    methods = {name for row in rows for name in (row.method_name, split_point(row.method_name)[0])}
    bases = {row.base.name for row in rows}
    for file in user_files():
        table = file.config.resources
        for kind, asked, known in (("method", table.methods, methods), ("base", table.bases, bases)):
            for name in asked:
                if not any(matches(name, other) for other in known):
                    where = f"{file.path}: [resources.{kind}s.{name}]"
                    fault = unknown(kind, name, known, where=where, given="the board has")
                    yield f"{fault}; what stands there has no effect on it"


def _ignored(files: Sequence[UserFile]) -> Iterator[str]:
    """Give a line for each executor in a file that is not installed: a person's file may serve several environments."""
    from harness.errors import unknown
    from harness.plugins import registry

    installed = registry().names("executor")
    for file in files:
        for name in file.config.executors.keys() - set(installed):
            fault = unknown("executor", name, installed, where=f"{file.path}: [executors.{name}]", given="installed")
            yield f"{fault}; what stands there has no effect"
