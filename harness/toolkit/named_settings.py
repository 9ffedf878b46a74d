"""Settings by name: a preset gives the settings that a user leaves out. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Mapping


def filled(settings: object, presets: Mapping[str, Mapping[str, object]]) -> object:
    """Return the settings, after their `preset` has filled in those that are absent.

    A name that no preset has adds nothing, and neither do settings that are no mapping: the checks of the settings'
    class report both.
    """
    if not isinstance(settings, Mapping):
        return settings
    return {**presets.get(str(settings.get("preset")), {}), **settings}
