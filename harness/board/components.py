"""A component that a board names, with its settings checked and every default filled in. Picklable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.components import Component
from harness.config import Config

if TYPE_CHECKING:
    from harness.board.bases import Base

ComponentT = TypeVar("ComponentT", bound=Component, covariant=True)


@dataclass(frozen=True)
class Resolved(Generic[ComponentT]):
    """A component with checked settings.

    Args:
        plugin: the entry point that provides the component.
        version: "plugin version/component version".
        full: the settings that the board asks for, where a smoke run replaces them by smaller `settings`; else None.
        bases: bases of the board that the settings name, for a sampler that calls their networks.
    """

    component: ComponentT
    settings: Config
    plugin: str
    version: str
    full: Config | None = None
    bases: tuple[Base, ...] = ()

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name

    @cached_property
    def identity(self) -> dict[str, object]:
        """The component as keys hold it: JSON values."""
        identity: dict[str, object] = {"name": self.name, "version": self.version, "settings": self.settings.identity}
        if self.bases:
            identity["bases"] = {base.name: base.key for base in self.bases}
        return identity
