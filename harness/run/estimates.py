"""Estimates of what cells will take, before anything starts: memory, disk, and hours on a card. Imports torch.

Nothing here is measured: networks are built on the meta device, and steps are taken without values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar, cast

from harness.board.bases import Base, Pretrained
from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.board.evaluation_schema import EvaluationConfig
from harness.components import Method, Sampler
from harness.errors import in_one_line
from harness.interfaces import DataSpec
from harness.process.cards import Card
from harness.process.inference_precision import FULL, Precision
from harness.run.disk_estimate import KEPT_CHECKPOINTS, Disk, averages, feature_bytes, sample_bytes
from harness.stages.step_cost import (
    Flops,
    NetworkSize,
    SamplingCost,
    StepCost,
    loss_cost,
    network_size,
    sampling_cost,
    step_cost,
)
from harness.training.config import TrainingConfig
from harness.training.placement import SHARE_OF_CARD
from harness.training.rounds import rounds_of

T = TypeVar("T")
Sets = Sequence[tuple[int, int]]
"""How many sets of samples, and the samples of each; a set is drawn in batches of its own."""
LARGE = 10_000_000
"""Trainable scalars from which on a network's memory and time are worth an estimate that nobody asked for."""
IN_BRIEF = "without --card and --rehearse, it is that of the pretraining loss"


class Launches(NamedTuple):
    """Operations of torch that a card gets one after another, by what they are for."""

    training: float = 0.0
    banks_and_curve: float = 0.0
    samples: float = 0.0


@dataclass(frozen=True)
class Work:
    """Operations by what they are for, and by precision.

    Args:
        unknown: what is not in them, and why.
        launches: the operations of torch that they come in.
    """

    training: Flops = field(default_factory=dict)
    banks_and_curve: Flops = field(default_factory=dict)
    samples: Flops = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    launches: Launches = field(default_factory=Launches)


@dataclass(frozen=True)
class RowEstimate:
    """The cells of one base and method, and all that they take together; what cells have in common counts once.

    Args:
        name: `base/method`, or `base` for the job of a base that the board pretrains.
        cells: number of cells.
        size: of the network.
        step: of its training; text says why it is not known; None where nothing is trained.
        resident_bytes: what lies on the device beside a step: averages of the weights, and the copy that the curve draws from.
        sampling: by sampler, with the samples drawn at once; text says why one is not known.
        disk: bytes that the cells take.
        work: operations; None where nobody asked.
    """

    name: str
    cells: int
    size: NetworkSize
    step: StepCost | str | None
    resident_bytes: int
    sampling: Mapping[str, tuple[int, SamplingCost | str]]
    disk: Disk
    work: Work | None = None

    @property
    def step_bytes(self) -> int | None:
        """The largest memory of a training step; None where it is not known, or nothing is trained."""
        return self.step.peak_bytes + self.resident_bytes if isinstance(self.step, StepCost) else None

    @property
    def sampling_bytes(self) -> int | None:
        """The largest memory of a batch of samples; None where none is known."""
        known = [cost.fixed_bytes + n * cost.sample_bytes for n, cost in self.sampling.values() if isinstance(cost, SamplingCost)]
        return max(known, default=None)

    def on(self, card: Card | None) -> RowEstimate:
        """Return the row as it runs on a card: a bank that is too large for the card stays on the host."""
        if card is None or not isinstance(self.step, StepCost):
            return self
        return replace(self, step=self.step.with_banks_up_to(SHARE_OF_CARD * card.memory_gib * 2**30))

    def hours(self, card: Card) -> tuple[float, float, float] | None:
        """Return hours of training, of banks and curve, and of samples, on one card; None where nobody asked."""
        if self.work is None:
            return None
        parts = (self.work.training, self.work.banks_and_curve, self.work.samples)
        training, between, samples = (
            card.seconds(flops, launches) / 3600 for flops, launches in zip(parts, self.work.launches, strict=True)
        )
        return training, between, samples


class Estimator:
    """Estimates rows of a board; what rows have in common is found once.

    Args:
        data: what the board's dataset holds.
        in_full: whether steps of methods are taken, and samples drawn; else steps of the pretraining loss alone.
    """

    def __init__(self, data: DataSpec, *, in_full: bool) -> None:
        self.data, self.in_full = data, in_full
        self._known: dict[str, object] = {}
        self._paid: set[str] = set()
        """Keys of trainings whose time and weights an earlier row has."""

    def rows(self, cells: Sequence[Cell]) -> Iterator[RowEstimate]:
        """Estimate the jobs of bases that are pretrained, and the cells of each base and method. Networks that cannot be built
        are left out."""
        groups: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells:
            if cell.skip_reason is None and cell.base.has_network:
                groups.setdefault((cell.base.name, cell.method_name), []).append(cell)
        trained: dict[str, Base] = {}  # bases of several names that share a training have the first one's
        for cell in (cell for group in groups.values() for cell in group):
            trained.setdefault(cell.base.key, cell.base)
        for base in trained.values():
            if isinstance(base.origin, Pretrained) and self.size(base) is not None:
                yield self._pretraining(base, base.origin)
        for group in groups.values():
            if self.size(group[0].base) is not None:
                yield self._row(group)

    def size(self, base: Base) -> NetworkSize | None:
        """Return the size of a base's network; None where it cannot be built."""
        found = self._once(lambda: _built(base, self.data), "size", base.network.model.identity, base.network.spec_on(self.data))
        return found if isinstance(found, NetworkSize) else None

    def _once(self, make: Callable[[], T], *key: object) -> T:
        place = repr(key)
        if place not in self._known:
            self._known[place] = make()
        return cast(T, self._known[place])

    def _pretraining(self, base: Base, origin: Pretrained) -> RowEstimate:
        """Estimate the job of a base: its last step is the one that is shown, and the time is that of all steps."""
        size = self._size_of(base)
        steps = [(step, self._step(base, step.method, step.training, FULL, has_banks=False)) for step in origin.steps]
        work: Work | None = None
        if self.in_full:
            unknown = tuple(f"training by {step.method.name}: {reason}" for step, cost in steps if (reason := _fault(cost)))
            known = [(cost, step.training.images) for step, cost in steps if isinstance(cost, StepCost)]
            launches = Launches(training=sum(cost.launches * images / cost.examples for cost, images in known))
            work = Work(added(scaled(cost.flops, images) for cost, images in known), unknown=unknown, launches=launches)
        disk = Disk(weights=size.weight_bytes, checkpoints=_checkpoints(size, steps[-1][1], origin.training))
        return RowEstimate(base.full_name, 1, size, steps[-1][1], averages(origin.training) * 4 * size.parameters, {}, disk, work)

    def _row(self, cells: Sequence[Cell]) -> RowEstimate:
        first = cells[0]
        size, step = self._size_of(first.base), None
        if first.trains:
            step = self._step(first.base, first.method, first.training, first.evaluation.sampling_precision, has_banks=True)
        resident = 0
        if first.trains:
            copies_of_curve = size.weight_bytes if first.curve is not None else 0
            resident = averages(first.training) * 4 * size.parameters + copies_of_curve
        sampling = {
            cell.row.sampler_name or cell.row.network_sampler.name: self._sampling(cell) for cell in cells if self.in_full
        }
        new = [key for key in dict.fromkeys(map(_training_key, cells)) if first.trains and key not in self._paid]
        self._paid.update(new)
        disk = Disk(
            weights=size.weight_bytes * (len({cell.finetune_key for cell in cells}) + self._new_base(first.base)),
            banks=len(new) * rounds_of(first.method.settings).rounds * _bank_bytes(step),
            samples=sample_bytes(cells, self.data),
            features=feature_bytes(cells),
            checkpoints=_checkpoints(size, step, first.training),
        )
        work = self._work(cells, step, len(new)) if self.in_full else None
        return RowEstimate(f"{first.base.name}/{first.method_name}", len(cells), size, step, resident, sampling, disk, work)

    def _size_of(self, base: Base) -> NetworkSize:
        size = self.size(base)
        assert size is not None, "rows of such bases are left out"
        return size

    def _new_base(self, base: Base) -> int:
        """Return 1 for the first row of a base whose weights are copied from a file; a base that is trained has its own row."""
        is_new = not isinstance(base.origin, Pretrained) and base.key not in self._paid
        self._paid.add(base.key)
        return int(is_new)

    def _step(
        self, base: Base, method: Resolved[Method], training: TrainingConfig, sampling: Precision, *, has_banks: bool
    ) -> StepCost | str:
        network, at_once = base.network, training.micro_batch or training.batch
        facts = (network.model.identity, network.spec_on(self.data), training.precision)
        if not self.in_full:  # one step for each network
            cost = self._once(lambda: loss_cost(network, self.data, training, IN_BRIEF), "loss", *facts)
            return cost.of(at_once) if isinstance(cost, StepCost) else cost
        return self._once(
            lambda: step_cost(network, self.data, method, training, sampling, has_banks=has_banks),
            "step",
            *facts,
            at_once,
            method.identity,
            network.sampler.identity,
            sampling,
            has_banks,
        )

    def _sampling(self, cell: Cell) -> tuple[int, SamplingCost | str]:
        at_once = min(cell.evaluation.batch, cell.evaluation.samples)
        return at_once, self._sampled(cell.base, cell.row.network_sampler, cell.evaluation.sampling_precision)

    def _sampled(self, base: Base, sampler: Resolved[Sampler], precision: Precision) -> SamplingCost | str:
        network = base.network
        called = [other.network.model.identity for other in sampler.bases]
        return self._once(
            lambda: sampling_cost(network, self.data, sampler, precision),
            "sampling",
            network.model.identity,
            network.spec_on(self.data),
            {**sampler.identity, "bases": None},
            called,
            precision,
        )

    def _work(self, cells: Sequence[Cell], step: StepCost | str | None, trainings: int) -> Work:
        """Return the operations of cells, of which so many train."""
        samples: list[tuple[Flops, float]] = []
        unknown: dict[str, None] = {}

        def drawn(base: Base, sampler: Resolved[Sampler], evaluation: EvaluationConfig, sets: Sets) -> tuple[Flops, float]:
            cost = self._sampled(base, sampler, evaluation.sampling_precision)
            if isinstance(cost, SamplingCost):
                batches = sum(count * math.ceil(n / evaluation.batch) for count, n in sets)
                return scaled(cost.flops, sum(count * n for count, n in sets)), cost.launches * batches
            unknown[f"samples of {sampler.name}: {cost}"] = None
            return {}, 0.0

        for cell in {cell.sample_key: cell for cell in cells}.values():
            evaluation = cell.evaluation
            sets = [(evaluation.draws, evaluation.samples)]
            samples.append(drawn(cell.base, cell.row.network_sampler, evaluation, sets))
        training: Flops = {}
        between: Flops = {}
        launches = launches_between = 0.0
        if trainings and step is not None:
            first, plan = cells[0], rounds_of(cells[0].method.settings)
            if reason := _fault(step):
                unknown[f"training: {reason}"] = None
            if isinstance(step, StepCost):
                images = trainings * first.training.images * len(plan.candidates)
                training, launches = scaled(step.flops, images), step.launches * images / step.examples
            banks = [(trainings * plan.rounds, n) for n, _ in step.banks] if isinstance(step, StepCost) else []
            if sets := [*banks, *((trainings * count, n) for count, n in _curve_sets(first))]:
                between, launches_between = drawn(first.base, first.base.network.sampler, first.evaluation, sets)
        in_all = Launches(launches, launches_between, sum(count for _, count in samples))
        return Work(training, between, added(flops for flops, _ in samples), tuple(unknown), in_all)


def _built(base: Base, data: DataSpec) -> NetworkSize | str:
    try:
        return network_size(base.network, data)
    except Exception as error:
        return in_one_line(error)


def _fault(step: StepCost | str) -> str:
    """Return why the operations of a step are not known, or not all of them; "" where they are."""
    return step if isinstance(step, str) else step.reason


def _training_key(cell: Cell) -> str:
    return cell.shared_training_key if cell.row.shares_training else cell.finetune_key


def _curve_sets(cell: Cell) -> Sets:
    """Return the samples that the curve of a training draws: a set for each of its points."""
    return [] if cell.curve is None else [(cell.row.curve_points, cell.curve.samples)]


def _bank_bytes(step: StepCost | str | None) -> int:
    return sum(size for _, size in step.banks) if isinstance(step, StepCost) else 0


def _checkpoints(size: NetworkSize, step: StepCost | str | None, training: TrainingConfig) -> int:
    """Return about what the checkpoints of a training take: all that stays between steps, but gradients and banks."""
    if not isinstance(step, StepCost):
        return 0
    copies = averages(training) + (training.select == "best")
    state = step.state_bytes - 4 * size.parameters - _bank_bytes(step)
    return KEPT_CHECKPOINTS * (state + copies * size.weight_bytes)


def scaled(flops: Flops, count: float) -> dict[Precision, float]:
    """Return so many times these operations."""
    return {kind: each * count for kind, each in flops.items()}


def added(parts: Iterable[Flops]) -> dict[Precision, float]:
    """Return the sum of operations, by precision."""
    total: dict[Precision, float] = {}
    for part in parts:
        for kind, count in part.items():
            total[kind] = total.get(kind, 0.0) + count
    return total
