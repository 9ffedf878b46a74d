"""Search for what a runs folder kept of a cell, by the hashes in its record: its network, its samples, its banks of fakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from torch import Tensor

from harness.components import Dataset, Model
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.stages.base import WEIGHTS
from harness.stages.example_sets import SAMPLES, draw_labels, draw_rows
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder
from harness.training.task import BANK
from harness.validation import first_fault
from harness.weights import comparison, state_dicts
from harness.weights.convert import Network
from harness.weights.tensor_rows import TensorRows, tensors


class KeptExamples(NamedTuple):
    """Generated examples of a cell in a file.

    Args:
        title: which they are, for messages: "draw 0", or "bank 2".
        rows: the n examples, (n, …), read by rows.
        labels: (n,) int64; None where the data has none.
    """

    title: str
    rows: TensorRows
    labels: Tensor | None


def network_weights(record: Record, runs: RunsFolder, *, where: str) -> Mapping[str, Tensor]:
    """Return the weights that the cell's samples were drawn from, on the CPU.

    Args:
        where: path of the record, with which messages begin.
    Raises: UserError for a cell without a network or without a result, and when the runs folder does not hold the weights.
    """
    _check_done(record, where)
    if not record.weights_sha256:
        raise UserError(f"{where}: this cell has no network: examples of a dataset stand in the place of samples")
    found = _find(runs, "finetune", "weights_sha256", record.weights_sha256, f"{where}: the weights")
    weights = state_dicts.load(found.folder / WEIGHTS)
    if state_dicts.sha256(weights) != record.weights_sha256:
        raise UserError(f"{where}: {found.folder / WEIGHTS} holds other weights than those that were measured")
    return weights


def samples_file(record: Record, draw: int, runs: RunsFolder, *, where: str) -> Path:
    """Return the file of the cell's samples, which holds the given evaluation draw.

    Args:
        where: path of the record, with which messages begin.
    Raises: UserError for a cell without a result, for a draw that the cell does not have, and when the runs folder does not
        hold the samples.
    """
    _check_done(record, where)
    found = _find(runs, "sample", "samples_sha256", record.samples_sha256, f"{where}: the samples")
    file = found.folder / SAMPLES
    hashes = found.facts.get("kept_sha256") or found.facts.get("draws_sha256")
    count = len(hashes) if isinstance(hashes, list) else 0
    if not 0 <= draw < count:
        raise UserError(f"{where}: has no draw {draw}; its {count} draws have the numbers 0 to {count - 1}")
    if isinstance(hashes, list) and draw_rows(file, draw).sha256("x") != hashes[draw]:
        raise UserError(f"{where}: {file} holds other samples than those that were measured")
    return file


def examples(record: Record, runs: RunsFolder, *, draw: int | None, bank: int | None, where: str) -> KeptExamples:
    """Return one evaluation draw of a cell, or a bank of fakes that its method trained on.

    Args:
        draw: number of the draw, from 0; None means 0.
        bank: number of the bank, from 1. Methods draw one in each round.
        where: path of the record, with which messages begin.
    Raises: UserError for both at once, for a draw or a bank that the cell does not have, and where the runs folder lacks it.
    """
    if bank is None:
        file = samples_file(record, draw or 0, runs, where=where)
        return KeptExamples(f"draw {draw or 0}", draw_rows(file, draw or 0), draw_labels(file, draw or 0))
    if draw is not None:
        raise UserError("--draw and --bank name different samples: give one of them")
    file = _bank_file(record, bank, runs, where=where)
    stored = tensors(file)
    labels = stored.get("labels")
    return KeptExamples(f"bank {bank}", stored["x"], None if labels is None else labels.read(0, len(labels)))


def _bank_file(record: Record, number: int, runs: RunsFolder, *, where: str) -> Path:
    _check_done(record, where)
    if not record.weights_sha256:
        raise UserError(f"{where}: this cell has no network, so nothing was drawn for its training")
    banks = _banks(record, runs, where=where)
    if not banks:
        raise UserError(f"{where}: {record.cell} drew no bank of fakes for its training")
    if not 1 <= number <= len(banks):
        raise UserError(f"{where}: has no bank {number}; its banks have the numbers 1 to {len(banks)}")
    found = outputs.find(runs, "bank", banks[number - 1])
    if found is None:
        raise UserError(f"{where}: bank {number} is not in the runs folder {runs.root}: it was deleted, or damaged")
    return found.folder / BANK


def _banks(record: Record, runs: RunsFolder, *, where: str) -> list[str]:
    """Return the keys of the banks that the training of a record's cell drew.

    Trainings whose selection kept the base's weights have equal weights; their curves tell them apart.

    Raises: UserError when the runs folder does not hold the training, and where nothing tells it from another one.
    """
    first = _find(runs, "finetune", "weights_sha256", record.weights_sha256, f"{where}: the training")
    folders = [folder for folder, _ in outputs.folders_with(runs, "finetune", "weights_sha256", record.weights_sha256)]
    if len(folders) == 1:
        return _list(first, "banks")
    curve, chosen = [point.model_dump(mode="json") for point in record.curve], record.selected_images
    trainings = [outputs.read(folder) for folder in folders]
    own = [each for each in trainings if _list(each, "curve") == curve and each.facts.get("selected_images") == chosen]
    if not own or any(_list(each, "banks") != _list(own[0], "banks") for each in own):
        raise UserError(
            f"{where}: {len(folders)} trainings in {runs.root} ended with these weights, and nothing tells which of them is that "
            "of this cell"
        )
    return _list(own[0], "banks")


def _list(output: Output, fact: str) -> list[Any]:
    found = output.facts.get(fact)
    return found if isinstance(found, list) else []


def network_of(record: Record, weights: Mapping[str, Tensor], *, where: str) -> Network:
    """Return the network of a record: its model, settings, and the data that it generates.

    A preset without labels ignores the labels of its data, which a record does not say; the names of the weights do.
    Raises: UserError when the model or the dataset is not installed, or has changed so that the weights do not fit.
    """
    model = registry().get(Model, record.model.name, where=where)
    try:
        config = model.config.model_validate(record.model.settings)
    except ValidationError as error:
        fault = first_fault(error, record.model.settings)
        raise UserError(f"{where}: its settings of {model.title} are of another version: {fault}") from None
    data = _data(record, where)
    for spec in dict.fromkeys([data, DataSpec(data.shape, 0, data.preview)]):
        network = Network(model, config, spec)
        differences = comparison.differences(weights, network.build().state_dict())
        if differences.is_empty:
            return network
    raise UserError(f"{where}: its weights do not fit {model.title} as it is installed: {differences.text}")


def _data(record: Record, where: str) -> DataSpec:
    dataset = registry().get(Dataset, record.dataset.name, where=where)
    try:
        config = dataset.config.model_validate(record.dataset.settings)
    except ValidationError as error:
        fault = first_fault(error, record.dataset.settings)
        raise UserError(f"{where}: its settings of {dataset.title} are of another version: {fault}") from None
    return dataset.known_spec(config) or dataset.create(config).spec


def _check_done(record: Record, where: str) -> None:
    if record.status != "done":
        raise UserError(f"{where}: the cell is {record.status} ({record.reason}): nothing was kept of it")


def _find(runs: RunsFolder, stage: str, fact: str, value: str, what: str) -> Output:
    """Return the undamaged output of a stage that has this fact. Raises: UserError when there is none."""
    folder = outputs.folder_with(runs, stage, fact, value)
    if folder is None:
        raise UserError(
            f"{what} (sha256 {value[:16]}…) are not in the runs folder {runs.root}: the cell ran elsewhere, or they were "
            "deleted; name the folder with --runs-dir, or run the board again"
        )
    try:
        return outputs.read(folder)
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
