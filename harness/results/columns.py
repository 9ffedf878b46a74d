"""The columns of the tables of results: names, types and what they hold. docs/results.md shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TableColumn:
    """A column of a table of results.

    Args:
        dtype: its type in pandas. `Int64` and `boolean` hold whole numbers and truth values of which some may be absent.
        meaning: what it holds, with its unit; shown in the documentation.
    """

    name: str
    dtype: str
    meaning: str


_CELL = (
    TableColumn("board", "string", "name of the board"),
    TableColumn("protocol", "Int64", "number of the board's protocol; absent for floors"),
    TableColumn("kind", "string", "`cell`, or `floor` for a metric between two sets of real examples"),
    TableColumn("cell", "string", "name of the cell, `base/method/s0`; absent for floors"),
    TableColumn("base", "string", "name of the base"),
    TableColumn("method", "string", "name of the method on the board"),
    TableColumn("seed", "Int64", "seed of the cell"),
    TableColumn("size", "Int64", "number of samples of the row, on a board of several sizes"),
    TableColumn("sampler_name", "string", "name of the row's sampler, on a board of several samplers"),
)
"""What says which cell or floor a row belongs to; both tables begin with it."""

_ORIGIN = (
    TableColumn("status", "string", "`done`, `diverged`, `failed` or `skipped`"),
    TableColumn("reason", "string", "why the cell is not done"),
    TableColumn("is_smoke", "boolean", "whether a smoke run made the record: its numbers mean nothing"),
    TableColumn(
        "is_current",
        "boolean",
        "whether the board gives the cell this key now, and no newer result of it is there; absent where no board was read",
    ),
    TableColumn("origin", "string", "`published` with the board, or `run` in a runs folder"),
    TableColumn("file", "string", "path of the record"),
    TableColumn("key", "string", "key of the record: a hash of everything that the result depends on"),
    TableColumn("created", "datetime64[us, UTC]", "when the record was made"),
)

_VALUES = (
    TableColumn("metric", "string", "name of the column of the board; absent where nothing was measured"),
    TableColumn("part", "string", "`value` of the metric, or the name of a further one that the metric gives beside it"),
    TableColumn("draw", "Int64", "number of the evaluation draw; of a floor, of the pair of sets"),
    TableColumn("value", "float64", "in the metric's own unit, unrounded"),
    TableColumn("seconds_metric", "float64", "seconds that measuring the metric took, over all draws"),
)

_COMPONENTS = (
    TableColumn("model", "string", "name of the model"),
    TableColumn("sampler", "string", "name of the sampler that drew what was measured"),
    TableColumn("dataset", "string", "name of the dataset"),
    TableColumn("finetuning", "string", "name of the method's component"),
    TableColumn("method_settings", "string", "settings of the method, as JSON"),
    TableColumn("training", "string", "budget and optimiser of the fine-tuning, as JSON"),
    TableColumn("evaluation", "string", "settings of the evaluation, as JSON"),
    TableColumn("parameters", "Int64", "parameters of the network, as scalars"),
    TableColumn("selected_images", "Int64", "training images seen by the chosen weights, where the best point was chosen"),
)

_COSTS = (
    TableColumn("images_seen", "Int64", "training images seen by the fine-tuning"),
    TableColumn("steps", "Int64", "steps of the optimiser"),
    TableColumn("network_evaluations", "Int64", "examples that went through networks in training"),
    TableColumn("forward_evaluations", "Int64", "those of training without a graph"),
    TableColumn("backward_evaluations", "Int64", "those of training with a graph"),
    TableColumn("selection_evaluations", "Int64", "those of the curve"),
    TableColumn("nfe", "float64", "network evaluations for one sample"),
    TableColumn("prepare_evaluations", "Int64", "network evaluations that prepared the sampler"),
    TableColumn("seconds_finetune", "float64", "seconds of fine-tuning"),
    TableColumn("seconds_sample", "float64", "seconds of sampling, over all draws"),
    TableColumn("seconds_prepare", "float64", "seconds of preparing the sampler"),
    TableColumn("peak_memory_bytes", "Int64", "peak memory in bytes: of the process on a CPU, of PyTorch's allocator on a card"),
    TableColumn("seconds_steps", "float64", "seconds of the steps of fine-tuning, without banks and curve"),
    TableColumn("images_extracted", "Int64", "generated images that went through extractors, once for each extractor"),
    TableColumn("seconds_extract", "float64", "seconds of extracting their features"),
    TableColumn("energy_wh", "float64", "energy of the card in Wh, over all processes on it"),
    TableColumn("card_memory_bytes", "Int64", "peak memory of the card in bytes, over all processes on it"),
)

_MADE_BY = (
    TableColumn("device", "string", "name of the card, or `cpu`"),
    TableColumn("harness_version", "string", "version of the harness"),
    TableColumn("commit", "string", "commit of the harness's checkout, with `+` where files were changed"),
    TableColumn("torch", "string", "version of PyTorch"),
    TableColumn("weights_sha256", "string", "hash of the weights that were measured"),
    TableColumn("samples_sha256", "string", "hash of the samples of all draws"),
    TableColumn("dataset_fingerprint", "string", "fingerprint of the dataset"),
)

RESULTS: Sequence[TableColumn] = (*_CELL, *_VALUES, *_ORIGIN, *_COMPONENTS, *_COSTS, *_MADE_BY)
"""Columns of the table of results, in their order."""

CURVES: Sequence[TableColumn] = (
    *_CELL,
    TableColumn("images", "Int64", "training images seen at the point"),
    TableColumn("round", "Int64", "number of the round, from 1"),
    TableColumn("candidate", "Int64", "number of the candidate in the round, from 1"),
    TableColumn("value", "float64", "the curve's metric on data apart from the evaluation's, in its own unit"),
    *_ORIGIN,
)
"""Columns of the table of curves, in their order."""

COST_NAMES = tuple(column.name for column in _COSTS)
"""Names of the costs, which are those of `harness.store.records.Costs`."""
