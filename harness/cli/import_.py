"""`harness import`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.output import remark, result
from harness.errors import Interrupted

if TYPE_CHECKING:
    from harness.images.importing.run import Imported, Request, Tell

EVERY_SECONDS = 30.0
"""The time between two lines of progress where stderr is no terminal."""

SourceName = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder or .zip of images, .npz or .npy, webdataset's .tar, CIFAR-10's or CelebA's archive.",
    ),
]
StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="The folder to write, which is not there yet.")]
Size = Annotated[int | None, typer.Option(min=1, metavar="N", help="Height and width of the images, with --resize.")]
Rule = Annotated[
    str, typer.Option("--resize", metavar="RULE", help="none, center-crop, center-crop-dhariwal (ADM, EDM2) or celeba-ddim.")
]
Channels = Annotated[
    int | None,
    typer.Option(
        min=1, max=3, metavar="N", help="3: grey and CMYK images become RGB. 1: grey images alone. [default: as they are]"
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(metavar="WHAT", help="none, folders, or a file: dataset.json, `NAME LABEL` lines, .npy. [default: found]"),
]
ValueRange = Annotated[
    str | None,
    typer.Option("--range", metavar="LOW,HIGH", help="What black and white are in an array of floats: 0,1 or -1,1 or 0,255."),
]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help="Leave damaged images out, and name them.")]


def import_images(
    source: SourceName,
    store: StorePath,
    size: Size = None,
    resize: Rule = "none",
    channels: Channels = None,
    labels: Labels = None,
    value_range: ValueRange = None,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Example: harness import photos/ stores/photos --size 64 --resize center-crop

    Write images as a store, which datasets read. Stop it at any time: the same command goes on at the next shard.
    """
    from harness.errors import UserError
    from harness.images.importing.preparing import Preparation
    from harness.images.importing.recognise import found, source_of
    from harness.images.importing.run import Request
    from harness.weights import cache

    if channels == 2:
        raise UserError("--channels 2: images are grey (1) or RGB (3)")
    preparation = Preparation(resize, size, channels)
    preparation.check()
    images = source_of(found(source, cache.data_folders(), _archives()), labels=labels, value_range=value_range)
    parts = ", ".join(f"{name} {count:,}" for name, count in images.parts) if len(images.parts) > 1 else f"{len(images):,} images"
    remark(f"{images.name}: {images.form}: {parts}" + (f"; {len(images.classes):,} classes" if images.classes else "; no labels"))
    for line in images.remarks:
        remark(line)
    imported = _import(Request(images, store, preparation, skips_damaged=skip_damaged))
    _report(imported, store)


def _archives() -> dict[str, str]:
    """Return the published archives that installed datasets name, and where a user gets each."""
    from harness.components import Dataset
    from harness.plugins import registry

    datasets = (registry().get(Dataset, name, where="import") for name in registry().names("dataset"))
    return {archive: where for dataset in datasets for archive, where in dataset.archives.items()}


def _import(request: Request) -> Imported:
    from harness.images.importing import run

    try:
        with _progress() as tell:
            return run.import_images(request, tell)
    except KeyboardInterrupt:
        raise Interrupted from None  # typer would end the process without a word


@contextmanager
def _progress() -> Iterator[Tell]:
    """Give a function that shows how many images are done: a line that changes on a terminal, else a line now and then."""
    began, last = time.monotonic(), [time.monotonic()]
    is_terminal = sys.stderr.isatty()

    def tell(done: int, total: int) -> None:
        now = time.monotonic()
        if now - last[0] >= (0.2 if is_terminal else EVERY_SECONDS):
            last[0] = now
            line = f"{done:,} of {total:,} images, {done / total:.0%}, {now - began:.0f} s"
            print(f"\r{line}\033[K" if is_terminal else line, end="" if is_terminal else "\n", file=sys.stderr, flush=True)  # noqa: T201

    try:
        yield tell
    finally:
        if is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)  # noqa: T201


def _report(imported: Imported, store: Path) -> None:
    from harness.images.importing.preparing import described

    index = imported.index
    for line in index.skipped:
        remark(f"left out: {line}")
    for name, count in imported.unapplied.items():
        remark(f"{count:,} images have {name}, which viewers apply; the store holds the pixels as the files do")
    verb = "is there already, and whole" if imported.was_there else "written"
    parts = ", ".join(f"{part.name} {part.images:,}" for part in index.parts)
    classes = f"{len(index.classes):,} classes" if index.classes else "no labels"
    remark(f"{store}: {verb}: {parts}; {described(index.shape)}; {classes}; fingerprint {index.fingerprint}")
    result(str(store))
