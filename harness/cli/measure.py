"""`harness measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import value_completion
from harness.cli.arguments import AsJson, Device, RunsDir
from harness.cli.output import print_json, remark
from harness.errors import Interrupted

if TYPE_CHECKING:
    from harness.measure.measurement import Measurement
    from harness.measure.request import MeasurementRequest
    from harness.stages.context import Context

Samples = Annotated[
    list[str],
    typer.Argument(
        metavar="SAMPLES...",
        help="Folder or .zip of images, .npz or .npy array, sample set of `harness run`, dataset; several are repetitions.",
    ),
]
Reference = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REF",
        help="Like SAMPLES, or statistics (.npz, .pkl, .pt). A dataset is NAME (held-out draw 0), NAME@DRAW or NAME@train.",
        autocompletion=value_completion.names_of("dataset"),
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Names with commas; see harness list metrics. [default: the metric that a plugin marks as the default]",
        autocompletion=value_completion.names_of("metric", with_commas=True),
    ),
]
ExtractorName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Network that gives the features; see harness list extractors. [default: the one that a plugin marks as default]",
        autocompletion=value_completion.names_of("extractor"),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME.KEY=VALUE",
        help="A setting of a metric or the extractor.",
        autocompletion=value_completion.settings_of("metric", "extractor"),
    ),
]
ImageCount = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="How many images to take of a dataset. [default: all it gives]")
]
ValueRange = Annotated[
    str | None,
    typer.Option("--range", metavar="LOW,HIGH", help="What black and white are where images are floats: 0,1 or -1,1 or 0,255."),
]
AsImages = Annotated[bool, typer.Option("--as-images", help="Take the images of an .npz that has statistics too.")]
WriteStatistics = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the statistics of SAMPLES, an .npz that says which images they describe."),
]
Batch = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Images that go through the extractor at once; large extractors take fewer on a CPU."),
]


def measure(
    samples: Samples,
    reference: Reference = None,
    metrics: Metrics = None,
    extractor: ExtractorName = None,
    settings: Settings = None,
    images: ImageCount = None,
    value_range: ValueRange = None,
    as_images: AsImages = False,
    write_statistics: WriteStatistics = None,
    batch: Batch = 250,
    device: Device = "auto",
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Example: harness measure samples/ --reference digits --metrics fid,fid-se --extractor digits-cnn

    Measure images that lie in files: FID and the other metrics of images, and what exactly was measured.
    """
    from harness.measure.named_components import parse_names, parse_settings
    from harness.measure.reading_options import ReadingOptions
    from harness.measure.request import MeasurementRequest

    names = None if metrics is None else parse_names(metrics)
    chosen = parse_settings(settings or [], where="--set")
    options = ReadingOptions(images, value_range, as_images)
    request = MeasurementRequest(samples, reference or [], names, extractor, chosen, options, batch, write_statistics)
    _measure(request, runs_dir, device, as_json)


def _measure(request: MeasurementRequest, runs_dir: Path | None, device: str, as_json: bool) -> None:
    from harness.cli.measurement import as_content, print_measurement
    from harness.process import devices, memory
    from harness.stages.context import Context
    from harness.stages.options import JobOptions
    from harness.store.runs_folder import RunsFolder

    request.check()
    devices.check(device)
    memory.keep_freed()
    runs = RunsFolder.of(runs_dir)
    runs.check_writable()
    context = Context(runs, JobOptions(device=device), "measure")
    measurement = _measurement(request, context)
    if as_json:
        print_json(as_content(measurement, context.device.type))
    else:
        print_measurement(measurement)
    if request.write_statistics is not None:
        remark(f"wrote {request.write_statistics}")


def _measurement(request: MeasurementRequest, context: Context) -> Measurement:
    """Measure, while a line on the terminal shows how far it is."""
    from harness.cli.progress import show_progress
    from harness.measure import measuring
    from harness.measure.request import plan_measurement

    plan = plan_measurement(request, context)
    try:
        with show_progress(context.runs):
            return measuring.measure(plan, context, remark)
    except KeyboardInterrupt:
        raise Interrupted from None  # typer would end the process without a word
    finally:
        context.reporter.end()
