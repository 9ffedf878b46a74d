"""The component or preset that `harness show` is asked for, by `[KIND] NAME`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.components import KINDS
from harness.errors import UserError, nearest, unknown
from harness.plugins import registry

if TYPE_CHECKING:
    from harness.plugins import Provided
    from harness.presets import Preset
    from harness.references import Reference


def find_preset(words: Sequence[str]) -> Preset | None:
    """Return the preset that `NAME`, `preset NAME` or `model NAME` means; None when the words mean something else.

    A component goes before a preset of the same name. Raises: UserError when `preset` is followed by an unknown name.
    """
    installed = registry()
    match [_singular(words[0]), *words[1:]]:
        case ["preset", name]:
            return installed.preset(name, where="show")
        case ["model", name] if name not in installed.names("model"):
            return installed.presets.get(name)
        case [_] if not any(words[0] in installed.names(kind) for kind in KINDS):
            return installed.presets.get(words[0])
    return None


def find_reference(words: Sequence[str]) -> Reference | None:
    """Return the published statistics that `reference NAME`, or `NAME` alone, means; None when the words mean something else.

    Raises: UserError when `reference` is followed by an unknown name.
    """
    installed = registry()
    match [_singular(words[0]), *words[1:]]:
        case ["reference", name]:
            return installed.reference(name, where="show")
        case [_] if not any(words[0] in installed.names(kind) for kind in KINDS) and words[0] not in installed.presets:
            return installed.references.get(words[0])
    return None


def find_component(words: Sequence[str]) -> Provided:
    """Return the component that `NAME` or `KIND NAME` means. Raises: UserError when there is none, or one of several kinds."""
    if len(words) > 2:
        raise UserError("show: give a record's path, or a kind and a name, e.g. `harness show method ddo`")
    return _of_kind(words[0], words[1]) if len(words) == 2 else _of_any_kind(words[0])


def _of_kind(word: str, name: str) -> Provided:
    kind = _singular(word)
    if kind not in KINDS:
        raise unknown("kind of component", word, [*KINDS, "preset", "reference"], where="show")
    if kind == "model" and name not in registry().names(kind):
        raise _no_model(name)
    return registry().provided(kind, name, where="show")


def _of_any_kind(name: str) -> Provided:
    installed = registry()
    kinds = [kind for kind in KINDS if name in installed.names(kind)]
    if len(kinds) > 1:
        raise UserError(f"show: {name!r} is several things; write {' or '.join(f'`{kind} {name}`' for kind in kinds)}")
    if not kinds:
        known = {*installed.presets, *(name for kind in KINDS for name in installed.names(kind))}
        raise unknown("record, component or preset", name, known, where="show", given="installed")
    return installed.provided(kinds[0], name, where="show")


def _no_model(name: str) -> UserError:
    """The error for an unknown model. Presets are named, since `show model` shows them; so are broken plugins."""
    installed = registry()
    models, presets = installed.names("model"), installed.presets
    broken = "".join(f"; plugin {plugin.plugin!r} is broken: {plugin.reason}" for plugin in installed.broken)
    return UserError(
        f"show: no model or preset is called {name!r}; {nearest(name, [*models, *presets])}models: {', '.join(models)}; "
        f"{len(presets)} presets: see `harness list presets`{broken}"
    )


def _singular(word: str) -> str:
    return word.removesuffix("s")
