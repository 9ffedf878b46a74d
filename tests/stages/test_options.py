"""How a job runs changes no result."""

from harness.stages import base as base_stage
from harness.stages import finetune
from harness.stages.context import Context
from harness.stages.facts import FinetuneFacts
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder


def test_how_often_checkpoints_are_written_changes_no_weights(cells, source, tmp_path):
    cell = cells["small/mle/s0"]
    hashes = set()
    for name, seconds in (("often", 0.0), ("never", 3600.0)):
        options = JobOptions("cpu", checkpoint_seconds=seconds)
        other = Context(RunsFolder(tmp_path / name), options, "test")
        output = finetune.run(cell, base_stage.run(cell.base, source, other), source, other)
        hashes.add(FinetuneFacts.of(output).weights_sha256)
    assert len(hashes) == 1
