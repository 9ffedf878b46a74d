"""The registry of components: finds plugins by entry point, guards each one, and looks components up by name.

Only this module and `harness.hookspecs` import pluggy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar, cast

import pluggy

from harness import hookspecs, plugin_code
from harness.capabilities import PROTOCOLS
from harness.components import KINDS, Component
from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.presets import Preset
    from harness.references import Reference

log = logging.getLogger(__name__)
C = TypeVar("C", bound=Component)
N = TypeVar("N", "Preset", "Reference")
LISTEN_HOOKS = (
    "harness_run_started",
    "harness_step_logged",
    "harness_checkpoint_written",
    "harness_cell_finished",
    "harness_table_rendered",
)
"""The hooks that report an event, in the order in which a run calls them."""


@dataclass(frozen=True)
class Provided:
    """A component and the plugin that it comes from.

    Args:
        plugin: name of the plugin's entry point.
        version: "plugin version/component version". It is part of the key of every result that the component had a part in, so
            that results of another version are stale.
        entry: the plugin's entry point, which knows the distribution.
    """

    component: Component
    plugin: str
    version: str
    entry: metadata.EntryPoint | None = None


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be used, and the reason."""

    plugin: str
    target: str
    reason: str


class Registry:
    """All components of all plugins that work, and a list of the broken plugins with their reasons."""

    def __init__(self, entry_points: Sequence[metadata.EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.broken: list[Broken] = []
        self.disabled: list[str] = []
        self._failed_listeners: set[tuple[str, str]] = set()
        self._components: dict[str, dict[str, Provided]] = {kind: {} for kind in KINDS}
        self._presets: dict[str, Preset] = {}
        self._references: dict[str, Reference] = {}
        installed = metadata.entry_points(group=hookspecs.GROUP) if entry_points is None else entry_points
        self._entries: dict[str, metadata.EntryPoint] = {}
        seconds, left_out = plugin_code.seconds_allowed(plugin_code.MODULE_SECONDS), plugin_code.disabled_plugins()
        # The harness's own plugins enter first: where two plugins use the same name, the other one counts as broken.
        for entry in sorted(installed, key=lambda entry: (not _is_ours(entry), entry.name, _distribution(entry))):
            if entry.name in left_out:
                self.disabled.append(entry.name)
            else:
                self._enter(entry, seconds)
        for name in set(left_out) - set(self.disabled):
            fault = unknown("plugin", name, self._entries, where="plugins", given="installed")
            log.warning("%s=%s: %s", plugin_code.DISABLED, name, fault)

    def _enter(self, entry: metadata.EntryPoint, seconds: float) -> None:
        # All components of a plugin are registered, or none: an error in one hook must not leave some of them behind.
        registered = False
        try:
            self._check_is_alone(entry)
            with plugin_code.guarded(f"plugin {entry.name}", seconds):
                module = _module(entry)
                self._check_module_is_new(module)
                self._manager.register(module, name=entry.name)
                registered = True
                self._manager.check_pending()
                _check_marks(module)
                provided = self._provided_by(entry, module)
                presets = self._presets_of(entry.name)
                references = self._references_of(entry.name)
        except plugin_code.UserInterrupt:
            raise
        except BaseException as error:
            if registered:
                self._manager.unregister(name=entry.name)
            self.broken.append(Broken(entry.name, entry.value, plugin_code.fault_of(error)))
            return
        self._entries[entry.name] = entry
        for each in provided:
            self._components[each.component.kind][each.component.name] = each
        self._presets.update(presets)
        self._references.update(references)

    def _check_is_alone(self, entry: metadata.EntryPoint) -> None:
        """Raises: UserError when another distribution provides a plugin of this name."""
        if (first := self._entries.get(entry.name)) is not None:
            raise UserError(
                f"two distributions provide a plugin {entry.name!r}: {_distribution(first)} (used) and {_distribution(entry)} "
                "(left out); uninstall one of them, or give one entry point another name"
            )

    def _check_module_is_new(self, module: ModuleType) -> None:
        """Raises: UserError when the module is a plugin already, under another name."""
        if (name := self._manager.get_name(module)) is not None:
            first = self._entries[name]
            raise UserError(
                f"its module {module.__name__} is plugin {name!r} of {_distribution(first)} already: the plugin is installed "
                "twice, under two names; uninstall one of the two"
            )

    def _call(self, plugin: str, hook: str) -> Iterator[object]:
        """Call a provide hook of one plugin, and yield the components or presets that it returned.

        Raises: TypeError for a hook that returns None, which pluggy would pass over in silence.
        """
        others = [module for name, module in self._manager.list_name_plugin() if name != plugin and module is not None]
        caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
        answers = caller()
        if len(answers) < len(caller.get_hookimpls()):
            raise TypeError(f"{hook} gave None; expected a list: is a return missing?")
        for answer in answers:
            yield from answer

    def _provided_by(self, entry: metadata.EntryPoint, module: ModuleType) -> list[Provided]:
        plugin_version = str(getattr(module, "__version__", None) or (entry.dist.version if entry.dist else "0"))
        provided: list[Provided] = []
        for kind, cls in KINDS.items():
            for component in self._call(entry.name, f"harness_{kind}s"):
                if not isinstance(component, cls):
                    raise TypeError(f"harness_{kind}s gave {component!r}; expected harness.{cls.__name__}")
                _check_capabilities(component)
                self._check_is_new(component, provided)
                provided.append(Provided(component, entry.name, f"{plugin_version}/{component.version}", entry))
        return provided

    def _check_is_new(self, component: Component, provided: Sequence[Provided]) -> None:
        """Raises: UserError when the name is taken, or when the kind has a default already."""
        kind = component.kind
        for earlier in (*self._components[kind].values(), *(each for each in provided if each.component.kind == kind)):
            if earlier.component.name == component.name:
                raise _taken(component, earlier, is_own=earlier in provided)
            if earlier.component.is_default and component.is_default:
                raise UserError(
                    f"{kind} {component.name!r} cannot be the default: {earlier.component.name!r} is, of plugin "
                    f"{earlier.plugin!r}"
                )

    def _presets_of(self, plugin: str) -> dict[str, Preset]:
        return _by_name("preset", cast("Iterator[Preset]", self._call(plugin, "harness_presets")), self._presets)

    def _references_of(self, plugin: str) -> dict[str, Reference]:
        return _by_name("reference", cast("Iterator[Reference]", self._call(plugin, "harness_references")), self._references)

    @property
    def references(self) -> Mapping[str, Reference]:
        """Return all published references by name, sorted."""
        return dict(sorted(self._references.items()))

    def reference(self, name: str, *, where: str) -> Reference:
        """Return the published reference of this name. Raises: UserError with the nearest name."""
        if name not in self._references:
            raise unknown("reference", name, self._references, where=where, given="installed")
        return self._references[name]

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Return all presets by name, sorted."""
        return dict(sorted(self._presets.items()))

    def preset(self, name: str, *, where: str) -> Preset:
        """Return the preset of this name. Raises: UserError with the nearest name."""
        if name not in self._presets:
            raise unknown("preset", name, self._presets, where=where, given="installed")
        return self._presets[name]

    def names(self, kind: str) -> list[str]:
        """Return the names of all components of a kind, sorted."""
        return sorted(self._components[kind])

    def all(self, kind: str) -> Mapping[str, Provided]:
        """Return all components of a kind by name, sorted."""
        return dict(sorted(self._components[kind].items()))

    def get(self, cls: type[C], name: str, *, where: str) -> C:
        """Return the component of this kind and name. Raises: UserError with the nearest name, and why plugins are broken."""
        return cast(C, self.provided(cls.kind, name, where=where).component)

    def find(self, kind: str, name: str) -> Provided | None:
        """Return the component of this kind and name with its plugin and version; None when there is none."""
        return self._components[kind].get(name) if kind in self._components else None

    def provided(self, kind: str, name: str, *, where: str) -> Provided:
        """Return the component of this kind and name with its plugin and version. Raises: UserError, like `get`."""
        try:
            return self._components[kind][name]
        except KeyError:
            error = unknown(kind, name, self._components[kind], where=where, given="installed")
            reasons = "".join(f"; plugin {broken.plugin!r} is broken: {broken.reason}" for broken in self.broken)
            reasons += f"; left out by {plugin_code.DISABLED}: {', '.join(self.disabled)}" if self.disabled else ""
            raise UserError(f"{error}{reasons}") from None

    def default(self, cls: type[C], *, where: str) -> C:
        """Return the component of this kind whose `is_default` is True. Raises: UserError when there is none."""
        for name, provided in self.all(cls.kind).items():
            if provided.component.is_default:
                return self.get(cls, name, where=where)
        names = ", ".join(self.names(cls.kind)) or "none"
        raise UserError(f"{where}: no installed {cls.kind} is the default; name one of: {names}")

    def entry(self, plugin: str) -> metadata.EntryPoint | None:
        """Return the entry point of a plugin that works; None when there is none of this name."""
        return self._entries.get(plugin)

    def listen(self, hook: str, is_first: Callable[[str], bool] = lambda _: True, /, **arguments: object) -> None:
        """Call a listen hook of every plugin. One that raises is logged, and the others are still called.

        The failure of a plugin's hook is shown once in a process; a training may call a hook a thousand times.

        Args:
            is_first: called with the plugin's name when a hook fails; False where another process has shown the failure.
        """
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            plugin = implementation.plugin_name
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except (Exception, SystemExit):
                if (plugin, hook) not in self._failed_listeners and is_first(plugin):
                    log.exception("plugin %s: %s failed; going on, and later failures of it are not shown", plugin, hook)
                self._failed_listeners.add((plugin, hook))

    def listeners(self) -> Mapping[str, Sequence[str]]:
        """Return the listen hooks of each plugin that has any, by the plugin's name, sorted."""
        heard: dict[str, list[str]] = {}
        for hook in LISTEN_HOOKS:
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                heard.setdefault(implementation.plugin_name, []).append(hook)
        return dict(sorted(heard.items()))

    @property
    def plugins(self) -> list[str]:
        """The names of all plugins that work, sorted: those that provide components or presets, and those that only listen."""
        return sorted(name for name, module in self._manager.list_name_plugin() if module is not None)


def _by_name(kind: str, given: Iterable[N], known: Mapping[str, object]) -> dict[str, N]:
    """Return what a hook gave by name. Raises: UserError for a name that is taken."""
    named: dict[str, N] = {}
    for each in given:
        if each.name in named or each.name in known:
            raise UserError(f"{kind} {each.name!r} is already provided; rename one of the two, or uninstall one plugin")
        named[each.name] = each
    return named


def _check_marks(module: ModuleType) -> None:
    """Raises: UserError for a function with the name of a hook and without the mark; pluggy would silently ignore it."""
    for name in vars(hookspecs):
        function = getattr(module, name, None)
        if name.startswith("harness_") and callable(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            raise UserError(f"{module.__name__}.{name} is not marked; write @harness.hookimpl above it")


def _check_capabilities(component: Component) -> None:
    """Raises: UserError for a capability that does not exist. A typo would otherwise look like a capability that no model has."""
    for field in ("needs", "provides"):
        for name in sorted(getattr(component, field, ())):
            if name not in PROTOCOLS:
                raise unknown("capability", name, PROTOCOLS, where=f"{component.kind} {component.name!r}, {field}")


def _taken(component: Component, earlier: Provided, *, is_own: bool) -> UserError:
    """Return the error for a name that an earlier component has; is_own: whether the same plugin provides both."""
    named = f"{component.kind} {component.name!r}"
    if is_own:
        return UserError(f"it provides {named} twice; give one of the two another name")
    return UserError(
        f"{named} is already provided by plugin {earlier.plugin!r}{_of_distribution(earlier.entry)}; rename one of the two, "
        f"uninstall one plugin, or name it in {plugin_code.DISABLED}"
    )


def _module(entry: metadata.EntryPoint) -> ModuleType:
    """Import the module of an entry point. Raises: UserError where the entry point names no module; what the module raises."""
    advice = 'write NAME = "MODULE" under [project.entry-points.harness]'
    if entry.pattern.match(entry.value) is None:
        raise UserError(f"its entry point says {entry.value!r}, which is no name of a module; {advice}")
    module: object = entry.load()
    if not isinstance(module, ModuleType):
        raise UserError(f"its entry point {entry.value!r} is a {type(module).__name__}, and must be a module; {advice}")
    return module


def _distribution(entry: metadata.EntryPoint) -> str:
    """Return the name and the version of an entry point's distribution: `harness-shrink 0.1`; its value where there is none."""
    return entry.value if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _of_distribution(entry: metadata.EntryPoint | None) -> str:
    return "" if entry is None or entry.dist is None else f" of {_distribution(entry)}"


def _is_ours(entry: metadata.EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == "finetune-harness"


@cache
def registry() -> Registry:
    """Return the registry of all installed plugins, which is made once in each process."""
    return Registry()
