"""Settings by name: a preset fills what a user does not say. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Mapping


def filled(settings: object, presets: Mapping[str, Mapping[str, object]]) -> object:
    """Return the settings with those of their `preset` added where they say nothing.

    A name that no preset has adds nothing, and neither do settings that are no mapping: the checks of the settings'
    class report both.
    """
    if not isinstance(settings, Mapping):
        return settings
    return {**presets.get(str(settings.get("preset")), {}), **settings}
