"""From what the user wrote, a path or the name of a dataset, to sets of images."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from harness.components import Dataset
from harness.errors import UserError, nearest
from harness.images.image_files import archive, folder
from harness.measure.array_sources import array_source
from harness.measure.dataset_sources import dataset_source
from harness.measure.folder_sources import image_files_source
from harness.measure.image_source import ImageSource
from harness.measure.reading_options import ReadingOptions
from harness.measure.sample_sources import draws_in_file, is_stage_output, sample_set_of_record, stored_draws
from harness.measure.store_sources import is_store, store_source
from harness.plugins import registry
from harness.stages.context import Context


def read_sources(text: str, options: ReadingOptions, context: Context, *, where: str) -> list[ImageSource]:
    """Return the sets of images behind a path or a name: one, or one for each draw of a sample set.

    A path is a folder of images, a .zip of them, a store, an .npz or .npy array, a sample set of `harness run` (or the record of
    its cell), or a file of statistics. A dataset is NAME (its held-out draw 0), NAME@DRAW or NAME@train, or a mapping
    {name: …, settings} with the same endings.
    Raises: UserError, beginning with `where` and the text, when the text is none of these.
    """
    if not text.strip():
        raise UserError(f"{where}: is empty, and not taken for this folder; write . for that")
    try:
        if _is_dataset(text, where):
            return [dataset_source(text, options, context, where=where)]
        return _sources_at(_existing_path(text, where), options, where)
    except PermissionError as error:
        raise UserError(f"{where} {text}: cannot be read: {error.strerror}; change its permissions") from error


def _is_dataset(text: str, where: str) -> bool:
    """Whether the text names a dataset. Raises: UserError when a path has the same name, and both could be meant."""
    path = Path(text)
    is_dataset = text.startswith("{") or _dataset_name(text) in registry().names("dataset")
    if is_dataset and path.exists() and path.parent == Path() and not text.startswith("./"):
        if not _is_ready(text):
            return False
        raise UserError(f"{where} {text}: is a dataset and a path; write ./{text} for the path, or run this elsewhere")
    return is_dataset


def _is_ready(name: str) -> bool:
    """Whether a dataset can be read by its name alone: `images` needs a store, and a folder may well have its name."""
    component = registry().get(Dataset, name, where="dataset")
    try:
        component.check_readiness(component.config())
    except (UserError, ValidationError):
        return False
    return True


def _dataset_name(text: str) -> str:
    return text.partition("@")[0]


def _existing_path(text: str, where: str) -> Path:
    path = Path(text)
    if not path.exists():
        datasets = registry().names("dataset")
        hint = f"{nearest(_dataset_name(text), datasets)}datasets: {', '.join(datasets)}"
        raise UserError(f"{where} {text}: no such file or folder, and no dataset; {hint}")
    return path


def _sources_at(path: Path, options: ReadingOptions, where: str) -> list[ImageSource]:
    if path.is_dir():
        if is_store(path):
            return [store_source(path)]
        return stored_draws(path) if is_stage_output(path) else [image_files_source(folder(path), "folder")]
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return [image_files_source(archive(path), "zip")]
    if suffix == ".json":
        return stored_draws(sample_set_of_record(path))
    if suffix == ".safetensors":
        return stored_draws(path.parent) if is_stage_output(path.parent) else draws_in_file(path)
    if suffix in (".npz", ".npy", ".pkl", ".pt", ".pth"):
        return [array_source(path, options)]
    raise UserError(
        f"{where} {path}: a {path.suffix or 'file without a suffix'} is nothing that is read here; give a folder or a .zip of "
        "images, an .npz or .npy array, a sample set, a record, or statistics (.npz, .pkl, .pt)"
    )
