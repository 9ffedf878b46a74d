"""The names of a new plugin: its component, distribution, module and class, and whether they are free."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from harness.components import KINDS
from harness.errors import UserError, unknown
from harness.hookspecs import GROUP
from harness.plugins import registry

NEW_KINDS = ("method", "metric", "model", "sampler", "dataset", "extractor", "executor", "tracker", "listener")
"""The kinds of plugins that can be written: those of components, and listeners."""
LONGEST = 48
"""Characters of a name. Folders and modules carry it, and tables show it."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Names:
    """The kind of a new plugin, the name that boards write, and what follows from both.

    Args:
        kind: one of NEW_KINDS.
        name: the component's name, or the listener's: `l2-sp`.
    """

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        """The name for pip: `harness-l2-sp`."""
        return f"harness-{self.name}"

    @property
    def plugin(self) -> str:
        """The name of the entry point: `l2_sp`."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """The import package: `harness_l2_sp`."""
        return f"harness_{self.plugin}"

    @property
    def cls(self) -> str:
        """The class that does the work: `L2SpMethod`."""
        return "".join(part.capitalize() for part in (*self.name.split("-"), self.kind))

    @property
    def variable(self) -> str:
        """The environment variable of a listener: `HARNESS_L2_SP_FILE`."""
        return f"HARNESS_{self.plugin.upper()}_FILE"

    @property
    def target(self) -> str:
        """How `harness check` names it: `method:l2-sp`; a listener by its plugin, `listener:l2_sp`."""
        return f"{self.kind}:{self.plugin if self.kind == 'listener' else self.name}"


def checked_names(kind: str, name: str) -> Names:
    """Return the names of a new plugin.

    Raises: UserError where the kind is unknown, the name is no name for a component, a package and a class, or something that
        is installed has one of the names.
    """
    if kind not in NEW_KINDS:
        raise unknown("kind", kind, NEW_KINDS, where="new")
    _check_form(name)
    names = Names(kind, name)
    _check_is_free(names)
    return names


def _check_form(name: str) -> None:
    if name.startswith("harness-"):
        raise UserError(f"new: the package is called harness-NAME by itself; write {name.removeprefix('harness-')!r}")
    if _NAME.fullmatch(name) is None:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f"such as {near!r}" if _NAME.fullmatch(near) and len(near) <= LONGEST else "such as 'l2-sp'"
        raise UserError(
            f"new: {name!r} is no name for a plugin: lower-case letters and digits, a letter first, words joined by single "
            f"hyphens, {hint}"
        )
    if len(name) > LONGEST:
        raise UserError(f"new: a name has at most {LONGEST} characters, and this one has {len(name)}")


def _check_is_free(names: Names) -> None:
    """Raises: UserError where a component, a plugin, a distribution or a module that is installed has one of the names."""
    installed = registry()
    if names.kind in KINDS and (taken := installed.find(names.kind, names.name)) is not None:
        raise UserError(f"new: {names.kind} {names.name!r} is already provided by plugin {taken.plugin!r}; take another name")
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if (entry := entries.get(names.plugin)) is not None:
        owner = f" of {entry.dist.name}" if entry.dist is not None else ""
        raise UserError(f"new: a plugin {names.plugin!r}{owner} is installed; take another name, or uninstall it")
    try:
        metadata.distribution(names.distribution)
    except metadata.PackageNotFoundError:
        pass
    else:
        raise UserError(f"new: a distribution {names.distribution!r} is installed; take another name, or uninstall it")
    if (spec := find_spec(names.module)) is not None and spec.origin is not None:
        raise UserError(f"new: there is a module {names.module} already, {spec.origin}; take another name")
