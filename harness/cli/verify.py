"""`harness verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import AsJson, Device, RunsDir, board_names
from harness.cli.output import print_json, remark, result
from harness.process import devices
from harness.store.runs_folder import RunsFolder

Target = Annotated[
    Path,
    typer.Argument(metavar="PACK", help="A file of harness submit, or a board's folder.", autocompletion=board_names),
]
Recompute = Annotated[
    int,
    typer.Option(min=0, metavar="K", help="Measure K cells again, chosen by --seed, from their sample sets in the runs folder."),
]
Replay = Annotated[bool, typer.Option("--replay", help="Train the first steps of one cell again, and compare the training log.")]
Steps = Annotated[int, typer.Option("--replay-steps", min=1, metavar="STEPS", help="Steps that --replay trains.")]
Seed = Annotated[int, typer.Option(metavar="SEED", help="Which cells are chosen.")]


def verify(
    pack: Target,
    recompute: Recompute = 0,
    replay: Replay = False,
    replay_steps: Steps = 100,
    seed: Seed = 0,
    runs_dir: RunsDir = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Example: harness verify quickstart.zip --recompute 3 --replay

    Say line by line what can be confirmed of published records, what cannot and why. Exit 1 when something is contradicted.
    """
    from harness.submission.findings import is_contradicted
    from harness.submission.verify import VerifyOptions
    from harness.submission.verify import verify as findings_of

    devices.check(device)
    options = VerifyOptions(RunsFolder.of(runs_dir), recompute, replay_steps if replay else 0, seed, device)
    findings = []
    for finding in findings_of(pack, options):
        findings.append(finding)
        if not as_json:
            result(finding.line, at_once=True)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    counts = {
        verdict: sum(each.verdict == verdict for each in findings) for verdict in ("confirmed", "not confirmed", "contradicted")
    }
    remark(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if is_contradicted(findings):
        raise typer.Exit(1)
