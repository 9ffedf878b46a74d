"""The base of all components that plugins provide: a name, typed settings, targets. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from harness.config import Config, NoConfig
from harness.errors import PluginFault
from harness.target_sources import fault_in_source
from harness.targets import Target, require

if TYPE_CHECKING:
    from harness.presets import WeightsFile


@dataclass(frozen=True)
class Component:
    """A name, its typed settings, and the targets that do the work.

    Args:
        name: the name that boards write: lower case, words joined by hyphens.
        build: target that builds the object. The docstring of each kind of component, below, says how it is called.
        summary: one line for `harness list`.
        config: settings class; it must live in a module that does not import torch.
        smoke: settings that `--smoke` replaces, so that any board passes in seconds.
        shrink: function `(config)`, without torch, that returns further settings that `--smoke` replaces, where they depend on
            those of the board: the sizes of a network inside the network, the levels of an autoencoder. None: no further ones.
        version: raise it when a change of the code makes the same settings give other numbers. Records of older versions then
            become stale.
        check_ready: target of a function `(config)`, without torch, that is called before any work starts. It raises UserError
            when something that the user must bring is absent: the message names the file, where it was looked for, and how to
            get it. Empty for a component that brings everything along.
        files: target of a function `(config)`, without torch, that returns the `harness.presets.WeightsFile`s that these
            settings need. `harness prefetch` downloads them to `harness.weights.cache.path(file)`. Empty: none.
        packages: optional packages that the component needs, each with the command that installs it. When one is missing, a
            board that names the component fails before any work; `harness list` works without them.
        is_default: True for the component that a command takes when the user names none. At most one installed component of
            each kind may be the default.
    """

    kind: ClassVar[str]

    name: str
    _: KW_ONLY
    build: str
    summary: str
    config: type[Config] = NoConfig
    smoke: Mapping[str, object] = field(default_factory=dict)
    shrink: Callable[[Config], Mapping[str, object]] | None = None
    version: str = "1"
    check_ready: str = ""
    files: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    is_default: bool = False

    @property
    def title(self) -> str:
        """The kind and the name, with which messages begin: `metric fid`."""
        return f"{self.kind} {self.name}"

    def smoke_settings(self, config: Config) -> Mapping[str, object]:
        """Return the settings that a smoke run replaces on a board that asks for `config`."""
        return {**self.smoke, **({} if self.shrink is None else self.shrink(config))}

    def check_packages(self) -> None:
        """Raises: UserError when one of `packages` is not installed."""
        for package, install in self.packages.items():
            require(package, install, where=self.title)

    def check_readiness(self, config: Config) -> None:
        """Call `check_ready`. Raises: UserError when something that the user must bring is absent."""
        if self.check_ready:
            Target[Callable[[Config], None]](self.check_ready).load(where=self._field("check_ready"))(config)

    def needed_files(self, config: Config) -> Sequence[WeightsFile]:
        """Call `files`. Raises: PluginFault when the target cannot be loaded."""
        if not self.files:
            return ()
        return Target[Callable[[Config], "Sequence[WeightsFile]"]](self.files).load(where=self._field("files"))(config)

    def load(self) -> Callable[..., object]:
        """Import `build` without calling it. Raises: PluginFault when the target cannot be loaded."""
        return Target[Callable[..., object]](self.build).load(where=self._field("build"))

    def check_build(self) -> None:
        """Check that `build` names something, without importing it. Raises: PluginFault where its module's source says no."""
        if (fault := fault_in_source(self.build)) is not None:
            raise PluginFault(f"{self._field('build')}: {fault}")

    def _field(self, name: str) -> str:
        """The component and one of its fields, with which a message about a target begins."""
        return f"{self.title}, {name}"

    @property
    def _where(self) -> str:
        return f"{self.title}: {self.build}"
