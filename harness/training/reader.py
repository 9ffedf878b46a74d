"""The batches of a training: rows in their order, read ahead in the background where that helps, converted on the device.

The rows of a step depend on the seed and the step alone. So the batches are the same, bit for bit, whoever reads them, and
wherever a resume begins.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from harness.errors import UserError
from harness.indexed import IndexedExamples, StoredExamples
from harness.indexed_sets import InMemory
from harness.interfaces import Batch
from harness.process import worker
from harness.streams import stream
from harness.training.augmentation import augmented
from harness.training.augmentation_settings import EDMAugmentation
from harness.training.config import TrainingConfig
from harness.training.order import BatchOrder
from harness.training.placement import is_kept

WORKERS = 2
"""Processes that read for a card, where the examples are not in memory and the settings name no number."""
AHEAD = 4
"""Batches that each of them reads ahead."""


class BatchReader:
    """Reads the batches of a training, each of which is a function of the seed and its index.

    Args:
        examples: the training set, where `harness.training.placement` has put it.
        order: the rows of each batch.
        device: where batches come.
        workers: processes that read ahead; by default WORKERS where a card would wait for the disk, else none.
        seed: seed of the changes of images.
        flip: whether half of the images are mirrored.
        augment: how images are augmented, with labels for the network; None for images as they are.
    """

    def __init__(
        self,
        examples: IndexedExamples,
        order: BatchOrder,
        device: torch.device,
        *,
        workers: int | None = None,
        seed: int = 0,
        flip: bool = False,
        augment: EDMAugmentation | None = None,
    ) -> None:
        self.examples, self.order, self.device = examples, order, device
        self.seed, self.flip, self.augment = seed, flip, augment
        self.workers = processes(examples, device, workers)
        self._ahead: _ReadAhead | None = None

    @classmethod
    def of(cls, data: IndexedExamples | Batch, training: TrainingConfig, device: torch.device, *, seed: int) -> BatchReader:
        """Return the reader of a training. seed: of the order, and of the changes of images."""
        examples = InMemory.of(data) if isinstance(data, Batch) else data
        order = BatchOrder(len(examples), training.batch, seed)
        return cls(examples, order, device, workers=training.workers, seed=seed, flip=training.flip, augment=training.augment)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Read batches in the block, and end the processes that read ahead at its end.

        Raises: UserError where such a process was killed.
        """
        try:
            with _naming_dead_workers():
                yield
        finally:
            self.close()

    def batch(self, index: int) -> Batch:
        """Return batch number `index`, on the device. Raises: what reading the set raises."""
        rows = self.order.indices(index)
        stored = self.examples.read(rows) if self.workers == 0 else self._read_ahead(index)
        stored = stored.to(self.device, non_blocking=True)
        batch = Batch(self.examples.examples(stored.values), stored.labels, rows.to(self.device, copy=True))
        if self.augment is not None:
            return augmented(batch, self.augment, seed=self.seed, index=index)
        return self._flipped(batch, index) if self.flip else batch

    def close(self) -> None:
        """End the processes that read ahead. The next batch starts them again."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _read_ahead(self, index: int) -> StoredExamples:
        if self._ahead is None or self._ahead.next != index:  # rounds may begin again with an earlier batch
            self.close()
            self._ahead = _ReadAhead(self.examples, self.order, index, self.workers, pins=self.device.type == "cuda")
        return self._ahead.take()

    def _flipped(self, batch: Batch, index: int) -> Batch:
        """Mirror half of the images, left to right. A mirrored image is another example: its row is beyond all others."""
        is_flipped = torch.randint(2, (len(batch),), generator=stream(self.seed, "flip", index)).bool().to(self.device)
        shape = (-1, *[1] * (batch.x.dim() - 1))
        rows = None if batch.rows is None else batch.rows + self.order.n * is_flipped
        return Batch(torch.where(is_flipped.view(shape), batch.x.flip(-1), batch.x), batch.labels, rows)


def processes(examples: IndexedExamples, device: torch.device, asked: int | None) -> int:
    """Return how many processes read ahead: none where the examples are on the card, else what the settings ask for.

    Args:
        asked: None for WORKERS where a card would wait for the disk, and none elsewhere.
    """
    if device.type != "cuda":
        return asked or 0
    if is_kept(examples, on=device):
        return 0
    return (0 if is_kept(examples) else WORKERS) if asked is None else asked


@contextmanager
def _naming_dead_workers() -> Iterator[None]:
    """Say what a user can do where a process that reads ahead was killed. torch raises that in whatever the loop does then.

    Raises: UserError in the place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise UserError(
            f"a process that reads training examples ended ({reason}): it may have been killed for its memory. Run again, which "
            "goes on from the checkpoint; `training: {workers: 0}` reads without such processes"
        ) from error


class _ReadAhead:
    """Processes that read the batches from `first` on.

    Args:
        pins: whether batches come in memory from which a card copies in the background.
    """

    def __init__(self, examples: IndexedExamples, order: BatchOrder, first: int, workers: int, *, pins: bool) -> None:
        self.next = first
        with warnings.catch_warnings():
            # Python warns of forks beside threads: the workers use none of the locks that a thread could hold. torch warns of
            # more processes than cores: the number is the user's.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
            loader = DataLoader(
                _Rows(examples),
                batch_sampler=_Order(order, first),
                collate_fn=_whole_batch,
                num_workers=workers,
                prefetch_factor=AHEAD,
                pin_memory=pins,
                multiprocessing_context="fork",
                worker_init_fn=partial(_begin_worker, os.getpid()),
                # Without a generator of its own, the loader takes a number from torch's global one.
                generator=torch.Generator(),
            )
            self._batches = iter(loader)

    def take(self) -> StoredExamples:
        """Return the next batch. Raises: UserError, as it was raised in the process that read."""
        self.next += 1
        read: StoredExamples | UserError = next(self._batches)
        if isinstance(read, UserError):
            raise read
        return read

    def close(self) -> None:
        """End the processes, and wait for them."""
        assert isinstance(self._batches, _MultiProcessingDataLoaderIter), "there is a worker at least"
        # An error on its way through torch's frames would keep the iterator, and with it the processes, alive.
        self._batches._shutdown_workers()


@dataclass(frozen=True)
class _Rows(Dataset[StoredExamples | UserError]):
    """The set as torch's loader asks for it: the rows of a batch at once."""

    examples: IndexedExamples

    def __getitems__(self, rows: list[int]) -> list[StoredExamples | UserError]:
        try:
            return [self.examples.read(torch.tensor(rows, dtype=torch.int64))]
        except UserError as error:  # raised in the parent: torch would add a traceback to its message
            return [error]


@dataclass(frozen=True)
class _Order(Sampler[list[int]]):
    """The rows of all batches from `first` on, without end."""

    order: BatchOrder
    first: int

    def __iter__(self) -> Iterator[list[int]]:
        index = self.first
        while True:
            yield self.order.indices(index).tolist()
            index += 1


def _whole_batch(parts: list[StoredExamples | UserError]) -> StoredExamples | UserError:
    (batch,) = parts
    return batch


def _begin_worker(parent: int, number: int) -> None:  # noqa: ARG001 - the signature of torch's hook
    """Leave stop signals to the parent, which saves its state and then ends this process; end when the parent is killed."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    worker.end_with(parent)
