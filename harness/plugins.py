"""The only module that knows pluggy: finds plugins by entry point, guards each one, and looks components up by name."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar, cast

import pluggy

from harness import hookspecs
from harness.capabilities import PROTOCOLS
from harness.components import KINDS, Component
from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.presets import Preset

log = logging.getLogger(__name__)
C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Provided:
    """A component and where it comes from.

    Args:
        version: "plugin version/component version"; part of every stage key, so that results of another one are stale.
    """

    component: Component
    plugin: str
    version: str


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be used, and why."""

    plugin: str
    target: str
    reason: str


class Registry:
    """All components of all plugins that work, and the reasons of those that do not."""

    def __init__(self, entry_points: Sequence[metadata.EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.broken: list[Broken] = []
        self._found: dict[str, dict[str, Provided]] = {kind: {} for kind in KINDS}
        self._presets: dict[str, Preset] = {}
        found = metadata.entry_points(group=hookspecs.GROUP) if entry_points is None else entry_points
        # What comes with the harness enters first: where names clash, it is the newcomer that is broken.
        for entry in sorted(found, key=lambda entry: (not _is_ours(entry), entry.name)):
            self._enter(entry)

    def _enter(self, entry: metadata.EntryPoint) -> None:
        # A plugin enters whole or not at all: a fault in any of its hooks must not leave half of it behind.
        registered = False
        try:
            module = cast(ModuleType, entry.load())
            self._manager.register(module, name=entry.name)
            registered = True
            self._manager.check_pending()
            provided = self._collect(entry, module)
            presets = self._collect_presets(module)
        except (Exception, SystemExit) as error:
            if registered:
                self._manager.unregister(name=entry.name)
            reason = str(error) if isinstance(error, UserError) else traceback.format_exception_only(error)[-1].strip()
            self.broken.append(Broken(entry.name, entry.value, reason))
            return
        for one in provided:
            self._found[one.component.kind][one.component.name] = one
        self._presets.update(presets)

    def _collect(self, entry: metadata.EntryPoint, module: ModuleType) -> list[Provided]:
        plugin_version = str(getattr(module, "__version__", None) or (entry.dist.version if entry.dist else "0"))
        provided: list[Provided] = []
        for kind, cls in KINDS.items():
            hook = getattr(module, f"harness_{kind}s", None)
            if hook is None:
                continue
            for component in hook():
                if not isinstance(component, cls):
                    raise TypeError(f"harness_{kind}s gave {component!r}; expected harness.{cls.__name__}")
                _check_capabilities(component)
                earlier = [*self._found[kind].values(), *(one for one in provided if one.component.kind == kind)]
                for other in earlier:
                    if other.component.name == component.name:
                        raise ValueError(f"{kind} {component.name!r} is already provided by plugin {other.plugin!r}")
                provided.append(Provided(component, entry.name, f"{plugin_version}/{component.version}"))
        return provided

    def _collect_presets(self, module: ModuleType) -> dict[str, Preset]:
        presets: dict[str, Preset] = {}
        for preset in getattr(module, "harness_presets", list)():
            if preset.name in presets or preset.name in self._presets:
                raise ValueError(f"preset {preset.name!r} is already provided")
            presets[preset.name] = preset
        return presets

    @property
    def presets(self) -> Mapping[str, Preset]:
        """All presets by name, sorted."""
        return dict(sorted(self._presets.items()))

    def preset(self, name: str, *, where: str) -> Preset:
        """The preset of this name. Raises: UserError with the nearest name."""
        if name not in self._presets:
            raise unknown("preset", name, self._presets, where=where)
        return self._presets[name]

    def names(self, kind: str) -> list[str]:
        """Names of all components of a kind, sorted."""
        return sorted(self._found[kind])

    def all(self, kind: str) -> Mapping[str, Provided]:
        """All components of a kind by name, sorted."""
        return dict(sorted(self._found[kind].items()))

    def get(self, cls: type[C], name: str, *, where: str) -> C:
        """The component of this kind and name. Raises: UserError with the nearest name, and why plugins are broken."""
        return cast(C, self.provided(cls.kind, name, where=where).component)

    def provided(self, kind: str, name: str, *, where: str) -> Provided:
        """As `get`, with its plugin and version."""
        try:
            return self._found[kind][name]
        except KeyError:
            error = unknown(kind, name, self._found[kind], where=where)
            broken = "".join(f"; plugin {one.plugin!r} is broken: {one.reason}" for one in self.broken)
            raise UserError(f"{error}{broken}") from None

    def listen(self, hook: str, **arguments: object) -> None:
        """Call a listen hook of every plugin; one that raises is logged, and the others are still called."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception:
                log.exception("plugin %s: %s failed; going on", implementation.plugin_name, hook)


def _check_capabilities(component: Component) -> None:
    """A name with a typo would look like a capability that every model lacks. Raises: UserError."""
    for field in ("needs", "provides"):
        for name in sorted(getattr(component, field, ())):
            if name not in PROTOCOLS:
                raise unknown("capability", name, PROTOCOLS, where=f"{component.kind} {component.name!r}, {field}")


def _is_ours(entry: metadata.EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == "finetune-harness"


@cache
def registry() -> Registry:
    """The registry of what is installed, made once a process."""
    return Registry()
