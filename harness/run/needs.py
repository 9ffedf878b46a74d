"""Check that all is there that cells need: packages, files of data, weights. Checks of data and weights import torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.board.bases import Base, Loaded
from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.components import Component, Sampler
from harness.config import Config
from harness.errors import Faults, UserError, noted
from harness.inner_components import inner_samplers
from harness.interfaces import DataSpec
from harness.presets import WeightsFile
from harness.references import Reference
from harness.weights import cache

if TYPE_CHECKING:
    from harness.stages.process_cache import ProcessCache


@dataclass(frozen=True)
class Needs:
    """The packages and files that some cells and floors of a board need.

    Args:
        cells: the cells that are to run; skipped cells need nothing.
        floors: the floors that are to be measured.
    """

    board: Board
    cells: tuple[Cell, ...]
    floors: tuple[Floor, ...]

    @classmethod
    def of_whole(cls, board: Board) -> Needs:
        """Return what every cell and floor of the board needs, whether it is done or not."""
        return cls(board, board.cells, board.floors)

    def check(self) -> list[str]:
        """Check everything before the first job. Weights are read from disk, and compared with the network's tensors.

        Returns: a remark for each file of weights of which the user should know what was read.
        Raises: Faults, with a line for each preset that does not fit the data; if there is none, for each package that is not
            installed and each file that is absent; if there is none, for each component that cannot be built and each dataset
            that cannot give the examples; if there is none either, for each base whose network cannot be built; then for each
            method and sampler that cannot run on a network; then for each base whose weights have another hash, are damaged or
            do not fit.
        """
        packages = self.absent_packages()
        if not packages:
            _raise_all(self.unfit_data())
        _raise_all([*packages, *self.absent_files()])
        _raise_all(self.broken_targets() or self.lacking_data())
        _raise_all(self.unbuildable_networks() or self.unfit_usages() or self.unfit_weights())
        return self.weights_remarks()

    def absent_packages(self) -> list[str]:
        """Return a message for each package that is needed and not installed."""
        faults: list[str] = []
        for component, _ in self._components:
            with noted(faults):
                component.check_packages()
        return list(dict.fromkeys(faults))

    def absent_files(self, *, only_brought: bool = False) -> list[str]:
        """Return a message for each file that is absent: weights of bases, data, weights of extractors.

        Args:
            only_brought: leave out the files in `published_files`, which `harness prefetch` can fetch; the user has to bring
                the others.
        """
        faults = self.absent_weights(only_brought=only_brought)
        if not only_brought:
            for reference in self._references:
                with noted(faults):
                    if not cache.path(reference.file).exists():
                        raise cache.absent(reference.file, f"the reference {reference.name} is not here")
        for component, settings in self._components:
            with noted(faults):
                if not (only_brought and component.needed_files(settings)):
                    component.check_readiness(settings)
        return list(dict.fromkeys(faults))  # columns share extractors

    def absent_weights(self, *, only_brought: bool = False) -> list[str]:
        """Return a message for each file of weights of a base that is absent. only_brought: see `absent_files`."""
        faults: list[str] = []
        told: set[WeightsFile] = set()  # networks of one family share a tokenizer
        for base in self.bases:
            for file in base.origin.files:
                if file.published is not None:
                    if only_brought or file.published in told:
                        continue
                    told.add(file.published)
                with noted(faults):
                    file.check_there()
        return faults

    def unfit_data(self) -> list[str]:
        """Return a message for each preset that generates other data than the dataset's, where the dataset is here."""
        faults: list[str] = []
        dataset = self.board.dataset
        presets = [
            (base, base.origin.weights) for base in self.bases if isinstance(base.origin, Loaded) and base.origin.weights.spec
        ]
        for base, weights in presets:
            spec = self.known_data
            if spec is not None and (fault := weights.data_fault(spec, dataset.name)) is not None:
                faults.append(f"base {base.name}: {fault}")
        return faults

    def missing_targets(self) -> list[str]:
        """Return a message for each component whose `build` names nothing, as far as sources tell. Imports no torch."""
        faults: list[str] = []
        for component, _ in self._components:
            with noted(faults):
                component.check_build()
        return list(dict.fromkeys(faults))

    def broken_targets(self) -> list[str]:
        """Return a message for each component whose `build` cannot be imported. Imports what it names, and torch before it."""
        # In too small an address space torch fails with the reason, and SciPy's OpenBLAS tries again for ever.
        import torch  # noqa: F401

        faults: list[str] = []
        for component, _ in self._components:
            with noted(faults):
                component.load()
        return list(dict.fromkeys(faults))

    def lacking_data(self) -> list[str]:
        """Return a message for each dataset that cannot give the examples that cells and floors ask for, and for statistics.

        Those of published references are looked at where their files are here. Imports torch.
        """
        if not (self.bases or self.floors):
            return []
        from harness.run.data_needs import data_faults

        return [*data_faults(self.board, self.cells, self.floors, self._cache), *self._unfit_references()]

    def _unfit_references(self) -> list[str]:
        """Return a message for each file of published statistics that is here and is another one, damaged, or has none."""
        from harness.stages.published import PublishedStatistics

        faults: list[str] = []
        for reference in self._references:
            with noted(faults):
                if cache.path(reference.file).exists():
                    PublishedStatistics(reference).check()
        return faults

    def unbuildable_networks(self) -> list[str]:
        """Return a message for each base whose network cannot be built on the board's data. Imports torch."""
        if not self.bases or (data := self.known_data) is None:
            return []
        from harness.stages.buildable import build_fault

        faults = (build_fault(base, data) for base in self.bases)
        return [fault for fault in faults if fault is not None]

    def unfit_usages(self) -> list[str]:
        """Return a message for each method and sampler that cannot run on the network of a base. Imports torch."""
        rows = [row for row in self._rows if row.base.has_network]
        if not rows or (data := self.known_data) is None:
            return []
        from harness.stages.buildable import usage_faults

        faults: list[str] = []
        for name, base in {row.base.name: row.base for row in rows}.items():  # seeds of a base have one network
            of_base = [row for row in rows if row.base.name == name]
            methods = {row.method_name: row.method for row in of_base if row.method.component.trains}
            samplers = {id(sampler): sampler for row in of_base for sampler in _drawing(row)}
            faults += usage_faults(base, methods.values(), samplers.values(), data)
        return list(dict.fromkeys(faults))

    def unfit_weights(self) -> list[str]:
        """Return a message for each base whose files have another hash than the board says, are damaged, or do not fit.

        Bases of which a file is absent are left out.
        """
        return self._examined[0]

    def weights_remarks(self) -> list[str]:
        """Return what the user should know of weights: the notes of presets, and which table of a file was read, or how."""
        loaded = [(base, base.origin) for base in self.bases if isinstance(base.origin, Loaded)]
        notes = [f"base {base.name}: {origin.weights.note}" for base, origin in loaded if origin.weights.note]
        return [*dict.fromkeys(notes), *self._examined[1]]

    @cached_property
    def _examined(self) -> tuple[list[str], list[str]]:
        """The faults and the remarks of reading all files of weights that are here."""
        bases = [(base, base.origin) for base in self.bases if isinstance(base.origin, Loaded)]
        bases = [(base, loaded) for base, loaded in bases if all(file.path.exists() for file in loaded.files)]
        faults: list[str] = []
        remarks: list[str] = []
        if bases and (data := self.known_data) is not None:
            from harness.stages import loading

            for base, loaded in bases:
                with noted(faults):
                    remarks += loading.check(base, loaded, data)
        return list(dict.fromkeys(faults)), list(dict.fromkeys(remarks))

    @cached_property
    def known_data(self) -> DataSpec | None:
        """The spec of the dataset; None where it is absent, as `absent_files` says, or cannot be read, as `lacking_data` says."""
        dataset = self.board.dataset
        if (spec := dataset.component.known_spec(dataset.settings)) is not None:
            return spec
        try:
            dataset.component.check_readiness(dataset.settings)
            return self._cache.dataset(dataset).spec
        except UserError:
            return None

    @property
    def training_examples(self) -> int | None:
        """The number of training examples; None where the dataset is absent, or cannot be read."""
        dataset = self.board.dataset
        try:
            dataset.component.check_readiness(dataset.settings)
            return len(self._cache.dataset(dataset).training_set)
        except UserError:
            return None

    @cached_property
    def _cache(self) -> ProcessCache:
        """The datasets, which are read once for all checks."""
        from harness.stages.process_cache import ProcessCache

        return ProcessCache()

    def published_files(self) -> list[WeightsFile]:
        """Return the files that can be fetched, each once: published weights of bases, and what components ask for."""
        files: dict[str, WeightsFile] = {}
        for base in self.bases:
            for file in base.origin.files:
                if file.published is not None:
                    files.setdefault(file.published.name, file.published)
        for component, settings in self._components:
            for needed in component.needed_files(settings):
                files.setdefault(needed.name, needed)
        files |= {reference.file.name: reference.file for reference in self._references}
        return list(files.values())

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        """The published statistics that columns compare with."""
        if not (self.bases or self.floors):
            return ()
        return tuple({column.reference: None for column in self.board.columns if column.reference is not None})

    @cached_property
    def bases(self) -> tuple[Base, ...]:
        """Every base of the cells, with the bases that their samplers call."""
        bases: dict[tuple[object, ...], Base] = {}
        for row in self._rows:
            for base in _with_guides(row.base, row.sampler):
                # Bases of one network have one key while their files are absent and not pinned.
                bases.setdefault((base.key, *(file.path for file in base.origin.files)), base)
        return tuple(bases.values())

    @cached_property
    def _rows(self) -> tuple[Row, ...]:
        """The rows of the cells, without skipped ones."""
        return tuple({id(cell.row): cell.row for cell in self.cells if cell.skip_reason is None}.values())

    @cached_property
    def _components(self) -> tuple[tuple[Component, Config], ...]:
        """Every component that does some of the work, with its settings."""
        return tuple(_with_inner_samplers(self._parts()))

    def _parts(self) -> Iterator[Resolved[Component]]:
        if not (self.bases or self.floors):
            return
        yield self.board.dataset
        for base in self.bases:
            yield from base.origin.components
        for row in self._rows:
            yield from (row.method, row.sampler)
        for column in self.board.columns:
            yield from (column.metric, *([column.extractor] if column.extractor is not None else []))


def _with_guides(base: Base, *samplers: Resolved[Component]) -> Iterator[Base]:
    """Yield a base, and those that its own sampler and some others call."""
    yield base
    for sampler in (base.origin.recorded_sampler, *samplers):
        for guide in sampler.bases:
            yield from _with_guides(guide)


def _drawing(row: Row) -> tuple[Resolved[Sampler], ...]:
    """Return the samplers that draw from the base of a row: its own one draws what training needs, where the row has another."""
    drawn = row.network_sampler
    return (drawn, row.base.network.sampler) if row.method.component.trains else (drawn,)


def _with_inner_samplers(parts: Iterable[Resolved[Component]]) -> Iterator[tuple[Component, Config]]:
    for part in parts:
        yield part.component, part.settings
        for inner in inner_samplers(part.settings):
            yield inner.component, inner.config


def _raise_all(faults: Sequence[str]) -> None:
    if faults:
        raise Faults(faults)
