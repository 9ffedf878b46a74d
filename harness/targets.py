"""Lazy targets: objects that a component names as text, and that are imported only when needed. This module imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Generic, TypeVar, cast

from harness.errors import PluginFault, UserError, nearest
from harness.plugin_code import TARGET_SECONDS, UserInterrupt, fault_of, guarded, seconds_allowed

T = TypeVar("T")


@dataclass(frozen=True)
class Target(Generic[T]):
    """The text "module:attribute", which stands for an object of type T in that module.

    Args:
        path: the text. Plugins write it as a plain string in the fields of their components.
    """

    path: str

    def load(self, *, where: str = "") -> T:
        """Import the module and return the attribute.

        Args:
            where: the component and its field, with which the message begins: `method ddo, build`.
        Raises: PluginFault when there is no such module or attribute, or when the module cannot be imported.
        """
        module_name, _, attribute = self.path.partition(":")
        begin = f"{where}: " if where else ""
        try:
            module = _imported(module_name, where or self.path)
        except UserInterrupt:
            raise
        except BaseException as error:
            raise PluginFault(f"{begin}{self.path!r} cannot be imported: {fault_of(error)}; mend the plugin") from error
        if not attribute or not hasattr(module, attribute):
            hint = nearest(attribute, vars(module))
            raise PluginFault(
                f"{begin}{self.path!r}: {module_name} has no {attribute!r}; {hint}write module:attribute in the plugin"
            )
        # The attribute's type T is not checked here; `conforming` checks the object that the target builds.
        return cast(T, getattr(module, attribute))


def _imported(name: str, where: str) -> ModuleType:
    """Import a module, guarded, if it is not imported yet. Raises: PluginStopped; what the module raises."""
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    with guarded(where, seconds_allowed(TARGET_SECONDS)):
        return import_module(name)


def conforming(built: object, expected: type[T], *, where: str) -> T:
    """Return `built`, the object that a target built, after checking that it is an instance of `expected`.

    Args:
        expected: a class, or a Protocol. Of a Protocol, only the names of the members are checked.
        where: the component and its target, with which the message begins.
    Raises: UserError, which names the members that are missing.
    """
    if isinstance(built, expected):
        return built
    missing = [name for name in protocol_members(expected) if not hasattr(built, name)]
    lacks = f" without {', '.join(missing)}" if missing else ""
    kind = f"{expected.__module__}.{expected.__qualname__}"
    raise UserError(
        f"{where} gave a {type(built).__name__}{lacks}; it must give a {kind}: derive from that, or define every member"
    )


def class_path(built: object) -> str:
    """Return "module.Class" of an object that a plugin built: its name in messages where its component is not at hand."""
    cls = type(built)
    return f"{cls.__module__}.{cls.__qualname__}"


def protocol_members(protocol: type) -> Iterable[str]:
    """Return the names of the members of a Protocol, in alphabetical order; nothing for a class that is no Protocol."""
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    names = {name for base in bases for name in (*vars(base), *vars(base).get("__annotations__", {}))}
    return sorted(name for name in names if name == "__call__" or not name.startswith("_"))


def require(package: str, install: str, *, where: str) -> None:
    """Check that a package is installed.

    Args:
        install: the command that installs the package.
        where: the component that needs the package, with which the message begins.
    Raises: UserError when the package is not installed.
    """
    if find_spec(package) is None:
        raise UserError(f"{where}: needs {package}, which is not installed; {install}")
