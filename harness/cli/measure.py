"""`harness measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, RunsDir
from harness.cli.output import print_json, print_table, remark, result

if TYPE_CHECKING:
    from harness.measure.run import Measured, Value
    from harness.measure.sources import Source
    from harness.stages.context import Context


def measure(
    samples: Annotated[
        list[str],
        typer.Argument(
            metavar="SAMPLES...",
            help="Folder or .zip of images, .npz or .npy array, sample set of `harness run`, dataset; several: repetitions.",
        ),
    ],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REF",
            help="The same, or statistics (.npz, .pkl, .pt). A dataset is NAME (held-out draw 0), NAME@DRAW or NAME@train.",
        ),
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option(metavar="NAMES", help="Names with commas. [default: fid]")] = None,
    extractor: Annotated[str, typer.Option(metavar="NAME", help="Whose features; harness list extractors.")] = "inception",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.KEY=VALUE", help="A setting of a metric or the extractor.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many images to take of a dataset. [default: all it gives]")
    ] = None,
    value_range: Annotated[
        str | None, typer.Option("--range", metavar="LOW,HIGH", help="Black and white of floats: 0,1 -1,1 0,255.")
    ] = None,
    as_images: Annotated[
        bool, typer.Option("--as-images", help="Of an .npz with statistics and images, take the images.")
    ] = False,
    write_statistics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the statistics of SAMPLES, an .npz that says what it is of.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images through the extractor at once; on a CPU a large one takes fewer.")
    ] = 250,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, or auto.")] = "auto",
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Example: harness measure samples/ --reference fashion-mnist --metrics fid,kid --extractor fashion-cnn

    Measure images that lie in files: FID and the other metrics of images, and what exactly was measured.
    """
    from harness.cli.progress import show_progress
    from harness.errors import Faults, Interrupted, UserError, noted
    from harness.images.arrays import RANGES
    from harness.measure import requested
    from harness.measure.run import Plan, run
    from harness.measure.sources import Reading, sources
    from harness.process import devices, memory
    from harness.stages.context import Context
    from harness.stages.options import JobOptions
    from harness.store.runs_folder import RunsFolder

    only_writes = write_statistics is not None and not reference
    named = ",".join(metrics or ([] if only_writes else ["fid"]))
    if reference and len(reference) > 1:
        raise UserError(f"--reference: is given {len(reference)} times, and there is one: {', '.join(reference)}")
    if value_range is not None and value_range not in RANGES:
        raise UserError(f"--range {value_range}: there are {', '.join(RANGES)}")
    devices.check(device)
    memory.keep_freed()
    given = requested.settings_of(settings or [], where="--set")
    layout = RunsFolder.of(runs_dir)
    layout.check_writable()
    at = Context(layout, JobOptions(device=device), "measure")
    reading = Reading(images, value_range, as_images)
    faults: list[str] = []
    found = network = None
    with noted(faults):
        found, network = requested.chosen(named, extractor, given, none_is_fine=only_writes)
    sets, others = [], []
    for text in samples:
        with noted(faults):
            sets += sources(text, reading, at, where="SAMPLES")
    for text in reference or []:
        with noted(faults):
            others = sources(text, reading, at, where="--reference")
        if len(others) > 1:
            faults.append(f"--reference {text}: holds {len(others)} draws; a reference is one set")
    if faults or found is None or network is None:
        raise Faults(faults)
    reading.check_used([*sets, *others])
    plan = Plan(found, network, sets, others[0] if others else None, batch, write_statistics)
    try:
        with show_progress(layout):
            measured = run(plan, at, remark)
    except KeyboardInterrupt:
        raise Interrupted from None  # else typer ends the process without a word
    finally:
        at.reporter.end()
    if as_json:
        print_json(content(measured, at))
    else:
        _print(measured)
    if write_statistics is not None:
        remark(f"wrote {write_statistics}")


def content(measured: Measured, at: Context) -> dict[str, object]:
    """Everything, for `--json`."""
    from harness.measure.sources import facts
    from harness.process import environment

    plan = measured.plan

    def said(source: Source) -> dict[str, object]:
        return facts(source, measured.identified[source.name])

    return {
        "metrics": [_value_content(value) for value in measured.values],
        "samples": [said(source) for source in plan.samples],
        "reference": said(plan.reference) if plan.reference is not None else None,
        "extractor": measured.extractor.model_dump(mode="json"),
        "notes": list(measured.notes),
        "environment": environment.describe(at.device.type),
    }


def _value_content(value: Value) -> dict[str, object]:
    return {
        "name": value.label,
        "metric": value.metric.name,
        "higher_is_better": value.component.higher_is_better if value.component.ranks else None,
        "mean": value.mean,
        "min": min(value.values),
        "max": max(value.values),
        "sd": value.deviation,
        "values": list(value.values),
        "also": {name: list(values) for name, values in value.also.items()},
        "definition": value.metric.component.summary,
        "settings": value.metric.settings.model_dump(mode="json"),
        "version": value.metric.version,
        "seconds": value.seconds,
    }


def _print(measured: Measured) -> None:
    """The numbers, then what they are numbers of."""
    plan = measured.plan
    print_table([_row(value) for value in measured.values])
    result("" if measured.values else "no metric was asked for")
    sizes = [("samples", source) for source in plan.samples] + ([("reference", plan.reference)] if plan.reference else [])
    for role, source in sizes:
        result(f"{role:<11}{source.name}: {_described(source)}")
    used = measured.extractor
    settings = f", settings {used.settings}" if used.settings else ""
    result(f"extractor  {used.name} {used.version}{settings}, weights sha256 {used.weights_sha256}")
    result(f"images     {used.preprocessing}")
    for value in measured.values:
        given = value.metric.settings.model_dump(mode="json", exclude_none=True)
        chosen = ", ".join(f"{key} {setting}" for key, setting in given.items())
        result(f"{value.metric.name:<11}{value.metric.component.summary}" + (f" ({chosen})" if chosen else ""))
    for note in measured.notes:
        result(f"note       {note}")


def _row(value: Value) -> dict[str, str]:
    """One repetition has a value; several have a mean, a deviation, and the extremes: papers quote the best."""
    arrow = "" if not value.component.ranks else "higher is better" if value.component.higher_is_better else "lower is better"
    row = {"metric": value.label, "": arrow, "mean" if value.deviation is not None else "value": f"{value.mean:.6g}"}
    if value.deviation is not None:
        row |= {"sd": f"{value.deviation:.3g}", "min": f"{min(value.values):.6g}", "max": f"{max(value.values):.6g}"}
        row["repetitions"] = str(len(value.values))
    return row | {"also": ", ".join(f"{name} {sum(values) / len(values):.3g}" for name, values in value.also.items())}


def _described(source: Source) -> str:
    parts = [source.kind]
    if source.images is not None:
        shape = source.images.shape
        parts.append(f"{source.images.n:,} images of {shape[2]}x{shape[1]}, {'grey' if shape[0] == 1 else 'colour'}")
    if source.statistics is not None:
        of = source.statistics.metadata
        parts.append(f"statistics of {of.n:,} images of {of.source} {of.split}".rstrip() if of else "number of images unknown")
    return ", ".join(parts)
