"""Find the sample sets of a cell of a record: those under the cell's own key, not any with the hash that the record names."""

from __future__ import annotations

from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import UserError
from harness.stages.example_sets import SAMPLES, draw_rows
from harness.stages.facts import SampleFacts
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder
from harness.submission.findings import RECOMPUTED, Finding, contradicted, unconfirmed


def own_samples(board: Board, cell: Cell, record: Record, runs: RunsFolder) -> Output | Finding:
    """Return the sample sets that a record was measured from, or the finding that they are not there.

    Cells may have equal samples: where selection keeps the base's weights, they are the base's. Each cell has its own output of
    them all the same. What `--fresh` has set aside counts too: the published record may be of the time before.

    Raises: UserError for a damaged output.
    """
    found = list(outputs.folders_with(runs, "sample", "samples_sha256", record.samples_sha256))
    own = next((folder for folder, key in found if key == cell.sample_key), None)
    if own is not None:
        samples = outputs.read(own)
        facts = SampleFacts.of(samples)
        # Nothing else vouches for the hashes of draws in the manifest of an older version.
        for draw, sha256 in enumerate(facts.kept_sha256 or facts.draws_sha256):
            if draw_rows(own / SAMPLES, draw).sha256("x") != sha256:
                raise UserError(f"{own / SAMPLES} holds other samples than those that were measured")
        if facts.weights_sha256 not in ("", record.weights_sha256):
            return contradicted(RECOMPUTED, f"{cell.name}: its samples are of other weights than those that the record names")
        return samples
    if not found:
        raise UserError(
            f"the samples of its record (sha256 {record.samples_sha256[:16]}…) are not in the runs folder {runs.root}: the cell "
            "ran elsewhere, or they were deleted; name the folder with --runs-dir"
        )
    keys = {key for _, key in found}
    other = next((each.name for each in board.cells if each.sample_key in keys), "a cell of another board, or of other settings")
    text = f"{cell.name}: the samples that its record names are those of {other}"
    # Equal samples are honest where both were drawn from the base's weights, and this cell's own output may be of a later run.
    keeps_base = record.weights_sha256 == record.base_weights_sha256
    if keeps_base or outputs.find_facts(runs, "sample", cell.sample_key) is None:
        return unconfirmed(RECOMPUTED, f"{text}, and the runs folder has none of its own that are equal")
    return contradicted(RECOMPUTED, f"{text}; its own are others")
