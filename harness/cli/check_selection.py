"""Which installed things the words of `harness check` name, and the settings that they are checked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.plugins import Broken
    from harness.testing.reports import Subject


def names_of(subject: Subject) -> set[str]:
    """Return the words that name a subject: `method:ddo`, `ddo`, its plugin, its distribution, and `methods` for the kind."""
    distribution = {subject.distribution.partition(" ")[0]} - {""}
    return {subject.title, subject.name, subject.plugin, f"{subject.kind}s", *distribution}


def names_of_broken(plugin: Broken) -> set[str]:
    """Return the words that name a broken plugin: its entry point, its module, and its distribution."""
    from importlib import metadata

    from harness.hookspecs import GROUP

    entries = metadata.entry_points(group=GROUP)
    owners = {entry.dist.name for entry in entries if entry.name == plugin.plugin and entry.dist is not None}
    return {plugin.plugin, f"plugin:{plugin.plugin}", plugin.target, *owners}


def chosen(subjects: Sequence[Subject], broken: Sequence[Broken], words: Sequence[str]) -> tuple[list[Subject], list[Broken]]:
    """Return what the words name, in the order in which it is installed; everything where there is no word.

    Raises: UserError with the nearest name for a word that names nothing.
    """
    if not words:
        return list(subjects), list(broken)
    known = {name for subject in subjects for name in names_of(subject)}
    known |= {name for plugin in broken for name in names_of_broken(plugin)}
    for word in words:
        if word not in known:
            shown = [name for name in known if ":" in word or ":" not in name]
            raise _unknown(word, shown)
    wanted = set(words)
    return (
        [subject for subject in subjects if wanted & names_of(subject)],
        [plugin for plugin in broken if wanted & names_of_broken(plugin)],
    )


def _unknown(word: str, known: Sequence[str]) -> UserError:
    error = unknown("component, plugin or distribution", word, known, where="check")
    return UserError(str(error).partition("there are: ")[0] + "harness list names what is installed")


def settings_by_title(subjects: Sequence[Subject], texts: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
    """Return the settings of `--set NAME.KEY=VALUE` by the title of the subject.

    Raises: UserError for another form, for a name that is not checked, or for one that several kinds have.
    """
    from harness.measure.named_components import parse_settings

    settings: dict[str, Mapping[str, object]] = {}
    for name, values in parse_settings(texts, where="--set").items():
        named = [subject for subject in subjects if name in (subject.name, subject.title) and subject.kind not in _WITHOUT]
        if not named:
            raise UserError(f"--set {name}.…: no component of this name is checked; name it as an argument too")
        if len(named) > 1:
            raise UserError(f"--set {name}.…: write {' or '.join(subject.title for subject in named)}")
        settings[named[0].title] = values
    return settings


_WITHOUT = ("plugin", "preset", "listener")
"""Kinds that have no settings."""
