"""Named components: what plugins provide and boards name. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, cast

from harness.config import Config, NoConfig
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.presets import WeightsFile


def load_target(target: str) -> object:
    """Import "module:attribute". Raises: ImportError or AttributeError."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def require(package: str, install: str, *, where: str) -> None:
    """Raises: UserError, beginning with `where`, when the package is not installed; `install` is the command that does it."""
    if find_spec(package) is None:
        raise UserError(f"{where}: needs {package}, which is not installed; {install}")


@dataclass(frozen=True)
class Component:
    """A name, its typed settings, and where to find what does the work.

    Args:
        name: what boards write. Lower case, words joined by hyphens.
        build: lazy target "module:attribute", imported when a cell needs it. Called as its kind says below.
        summary: one line for `harness list`.
        config: settings class; it must live in a module that does not import torch.
        smoke: settings that `--smoke` replaces, so that any board passes in seconds.
        version: raise it when the same settings give other numbers; records of older versions become stale.
        files: lazy target "module:function", without torch; called as `files(config)`. It gives the
            `harness.presets.WeightsFile`s that these settings need, for `harness prefetch`; they are looked for at
            `harness.weights.cache.path(file)`. Empty: none.
        packages: packages that an installation may leave out, with the command that installs each; a board that names the
            component says so before any work, and `harness list` works without them.
    """

    kind: ClassVar[str]

    name: str
    _: KW_ONLY
    build: str
    summary: str
    config: type[Config] = NoConfig
    smoke: Mapping[str, object] = field(default_factory=dict)
    version: str = "1"
    files: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)

    def check_packages(self) -> None:
        """Raises: UserError when one of `packages` is not installed."""
        for package, install in self.packages.items():
            require(package, install, where=f"{self.kind} {self.name}")

    def load(self) -> object:
        """Import the target. Raises: ImportError or AttributeError when the plugin is broken."""
        return load_target(self.build)

    def needed_files(self, config: Config) -> Sequence[WeightsFile]:
        """What `files` gives. Raises: ImportError or AttributeError when the plugin is broken."""
        return cast("Sequence[WeightsFile]", load_target(self.files)(config)) if self.files else ()  # type: ignore[operator]


@dataclass(frozen=True)
class Model(Component):
    """`build(config, spec)` returns a `torch.nn.Module` whose state dict has the published names.

    Args:
        provides: names of the capabilities (harness.capabilities) that the module implements.
        sampler: the native sampler, used where a board names none.
        check: lazy target of a function `(config, spec)` that raises UserError where the settings do not fit the data.
            Boards are checked with it before any work, so its module must not import torch.
        layout: lazy target "module:class" of a `harness.weights.layouts.Layout`: how files of the family name their
            tensors, and what they say of their settings. Empty: the network's own names.
    """

    kind = "model"
    _: KW_ONLY
    provides: frozenset[str]
    sampler: str
    check: str | None = None
    layout: str = ""


@dataclass(frozen=True)
class Method(Component):
    """`build(config, task)` returns a `harness.training.FinetuneMethod`.

    Args:
        needs: names of the capabilities that the model must provide; other cells are skipped, with the reason.
        trains: False for a method that leaves the base as it is: it gets no steps.
        from_scratch: True when it can also pretrain a base from random weights.
        accumulates: True when a step follows `task.micro_batches`; other methods are skipped where a board sets `micro_batch`.
        check: lazy target of a function `(config, model, spec)` that says why the method cannot run on that model component
            and that data, beyond `needs`; None when it can. Its module must not import torch.
    """

    kind = "method"
    _: KW_ONLY
    needs: frozenset[str] = frozenset()
    trains: bool = True
    from_scratch: bool = False
    accumulates: bool = False
    check: str | None = None


@dataclass(frozen=True)
class Sampler(Component):
    """`build(config)` returns a `harness.interfaces.SampleFunction`.

    Args:
        needs: names of the capabilities that the model must provide.
        formula: of its settings, what guidance makes of the network's outputs, in words that records keep: papers mean
            different things by one number. It must not import torch.
    """

    kind = "sampler"
    _: KW_ONLY
    needs: frozenset[str] = frozenset()
    formula: Callable[[Config], str] | None = None


@dataclass(frozen=True)
class Dataset(Component):
    """`build(config)` returns a `harness.interfaces.DataSource`.

    Args:
        check: lazy target "module:function", without torch; called as `check(config)` before any work starts. It raises
            UserError when the files are absent: their names, where they were looked for, and how to get them. Empty for a
            dataset that needs none.
        spec: lazy target of a function `(config)` that gives the DataSpec without reading data, for checks before any work;
            None where only the data tell. Its module must not import torch.
    """

    kind = "dataset"
    _: KW_ONLY
    check: str = ""
    spec: str | None = None

    def check_files(self, config: Config) -> None:
        """Call `check`. Raises: UserError when files are absent."""
        if self.check:
            load_target(self.check)(config)  # type: ignore[operator]


FEATURE_NEEDS: Mapping[str, str] = {
    "moments": "features", "features": "features", "logits": "logits", "spatial": "spatial",
}  # fmt: skip
"""What a metric may need of images, and the extractor's output that gives it: `moments` is mean and covariance of
`features`, `spatial` those of `spatial`; `features` and `logits` are the rows of each image."""


@dataclass(frozen=True)
class Metric(Component):
    """`build(config)` returns a `harness.interfaces.MetricFunction`; a `FeatureMetricFunction` when it compares features.

    Args:
        higher_is_better: the direction of the arrow in tables, and of selection.
        unit: unit of the value, where it has one.
        needs_features: names out of FEATURE_NEEDS; empty for a metric of the samples themselves.
        needs_reference: the same of the real images, where it is less; as `needs_features` when None.
        check: lazy target "module:function", without torch; called as `check(config, n, outputs)` with the number of images
            and the extractor's outputs when a board is read. Raises UserError for what cannot be measured so, and names
            what can.
        ranks: False for what is neither better higher nor lower, such as a standard error.
        repeats_in_any_order: False when the value depends on the order of the images, through subsets or splits.
    """

    kind = "metric"
    _: KW_ONLY
    higher_is_better: bool = False
    unit: str = ""
    needs_features: frozenset[str] = frozenset()
    needs_reference: frozenset[str] | None = None
    check: str = ""
    ranks: bool = True
    repeats_in_any_order: bool = True

    def __post_init__(self) -> None:
        wrong = (self.needs_features | self.real_needs) - FEATURE_NEEDS.keys()
        if wrong:
            named, known = ", ".join(sorted(wrong)), ", ".join(FEATURE_NEEDS)
            raise ValueError(f"metric {self.name}: no features are called {named}; there are {known}")

    def check_size(self, config: Config, n: int, outputs: Mapping[str, int]) -> None:
        """Call `check`. Raises: UserError when n images are too few."""
        if self.check:
            load_target(self.check)(config, n, outputs)  # type: ignore[operator]

    @property
    def real_needs(self) -> frozenset[str]:
        """What it needs of the real images."""
        return self.needs_features if self.needs_reference is None else self.needs_reference


@dataclass(frozen=True)
class Extractor(Component):
    """`build(config)` returns a `harness.interfaces.FeatureExtractor`.

    Args:
        outputs: names and dimensions of what it gives, as the built object's, so that boards are checked without it.
            `features` is there always; `logits` (of classes) and `spatial` (of positions) where it has them.
        check: lazy target "module:function", without torch; called as `check(config)` before any work starts. It raises
            UserError when weights are absent: the file's name, where it was looked for, its address and its hash. Empty
            for an extractor that brings its weights along.
    """

    kind = "extractor"
    _: KW_ONLY
    outputs: Mapping[str, int]
    check: str = ""

    def check_weights(self, config: Config) -> None:
        """Call `check`. Raises: UserError when weights are absent."""
        if self.check:
            load_target(self.check)(config)  # type: ignore[operator]


@dataclass(frozen=True)
class Executor(Component):
    """`build(config)` returns a `harness.interfaces.JobExecutor`."""

    kind = "executor"


KINDS: Mapping[str, type[Component]] = {
    kind.kind: kind for kind in (Model, Method, Metric, Extractor, Dataset, Sampler, Executor)
}
