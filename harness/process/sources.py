"""The source code behind components: which files it is, and a hash that shows whether it was edited. Imports no plugin."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import harness
from harness.components import KINDS, Component
from harness.plugins import Provided, registry
from harness.process import environment, source_files

CORE = "harness"
"""The import package of the core, and its name among the sources of a record."""
CORE_DISTRIBUTION = "finetune-harness"
MAKE_NO_NUMBER = frozenset(
    {"cli", "measure", "report", "results", "run", "scaffold", "site", "statistics", "submission", "testing"}
)
"""Rooms of the core that no result of a cell depends on. An edit of a page's layout does not make records questionable."""


@dataclass(frozen=True)
class Source:
    """The source code of a component.

    Args:
        distribution, version: the installed distribution that the code belongs to; empty where none is known.
        sha256: hash of the files; "" where they cannot be found or read, as in a zip archive.
        packages: the folders or files of the code; none where none is found.
    """

    distribution: str
    version: str
    sha256: str
    packages: tuple[Path, ...]

    @property
    def folder(self) -> Path | None:
        """The first folder or file of the code."""
        return self.packages[0] if self.packages else None

    @property
    def commit(self) -> str:
        """Commit of the git checkout that the code lies in, with `+` when tracked files were changed; else ""."""
        return "" if self.folder is None else environment.commit_of(self.folder)


@cache
def core_source() -> Source:
    """Return the source of the core, without the rooms in MAKE_NO_NUMBER."""
    folder = Path(harness.__file__).parent
    return Source(CORE_DISTRIBUTION, harness.__version__, source_files.sha256((folder,), MAKE_NO_NUMBER), (folder,))


@cache
def plugin_source(packages: tuple[Path, ...], distribution: str, version: str) -> Source:
    """Return the source in some packages, which are read once in each process."""
    return Source(distribution, version, source_files.sha256(packages), packages)


_at_start: dict[tuple[Path, ...], Source] = {}
"""The code as it was when the process that forked this one started, by packages."""


def note_start() -> None:
    """Note the code of the core and of every installed component. A process that forks workers calls it when it starts.

    Such a process imports plugins once for all its children. A child that is forked after an edit would read the hash of code
    that it does not run: `edited_since_start` tells. Children find commits and versions read already.
    """
    found = [core_source()]
    found += [component_source(each.component, each) for kind in KINDS for each in registry().all(kind).values()]
    for source in found:
        _at_start[source.packages] = source
        _ = source.commit  # of a checkout it is read once: git takes long
    core_source.cache_clear()
    plugin_source.cache_clear()


def edited_since_start(source: Source) -> Source | None:
    """Return the code as it was at the start, where it was edited since; None where it was not, or where nobody noted it."""
    before = _at_start.get(source.packages)
    return before if before is not None and before.sha256 != source.sha256 else None


def component_source(component: Component, provided: Provided | None) -> Source:
    """Return the source of a component: of the packages of its plugin, of its `build` target, and of its settings class.

    A package that another distribution installed is left out: its version says what it is.

    Args:
        provided: how the registry knows the component; None for a component that it does not know.
    """
    entry = None if provided is None else provided.entry
    own = None if entry is None else _package(entry.module)
    named = [_package(component.build.partition(":")[0]), _package(component.config.__module__)]
    dist = None if entry is None else entry.dist
    packages = [own, *(package for package in named if package is not None and _belongs(package, own, dist))]
    found = sorted({package for package in packages if package is not None} - {Path(harness.__file__).parent})
    return plugin_source(tuple(found), *("", "") if dist is None else _name_and_version(dist))


@cache
def _name_and_version(dist: metadata.Distribution) -> tuple[str, str]:
    """Return what the metadata of a distribution say, which take milliseconds to read."""
    return dist.name, dist.version


def _belongs(package: Path, own: Path | None, dist: metadata.Distribution | None) -> bool:
    """Return whether a package is code of the plugin whose top module is in the package `own`."""
    if own is None or package == own:
        return True
    if not environment.is_installed_copy(package):  # code in a source folder has no version that says what it is
        return package.parent != Path(os.__file__).parent  # Python's own modules have
    return dist is not None and any(file.parts[:1] == (package.name,) for file in dist.files or ())


@cache
def _package(module: str) -> Path | None:
    """Return the folder of the package that a module lives in, or the file of a module without a package.

    Of a namespace package, which several distributions may share, the part below it counts. The module is not imported.
    """
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        try:
            spec = find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return None
        if spec is None or spec.origin is not None:
            return _place(spec)
    return None


def _place(spec: ModuleSpec | None) -> Path | None:
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if not origin.is_file():  # built in, frozen, or in an archive
        return None
    return origin.parent if spec.submodule_search_locations else origin
