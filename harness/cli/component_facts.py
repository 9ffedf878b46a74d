"""The facts about an installed component that `list` and `show` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plugins import Provided


def capabilities(provided: Provided) -> str:
    """Return what a model provides, or what a method or sampler needs: `provides Likelihood, Trains`."""
    names = {word: sorted(getattr(provided.component, word, ())) for word in ("provides", "needs")}
    return "; ".join(f"{word} {', '.join(listed)}" for word, listed in names.items() if listed)


def component_facts(provided: Provided) -> dict[str, str]:
    """Return everything about a component but its settings; an empty text where there is nothing to say."""
    component = provided.component
    return {
        "name": component.name,
        "kind": component.kind,
        "summary": component.summary,
        "plugin": provided.plugin,
        "version": provided.version,
        "capabilities": capabilities(provided),
        "sampler": getattr(component, "sampler", ""),
        "outputs": ", ".join(f"{name} {size}" for name, size in getattr(component, "outputs", {}).items()),
        "archives": "; ".join(f"{name}: {where}" for name, where in getattr(component, "archives", {}).items()),
        "build": component.build,
    }
