"""Files of labels: EDM's dataset.json, tables of names and labels, one label a line, arrays, and ImageNet's ground truth."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from harness.errors import UserError
from harness.images.arrays import stored
from harness.store.reading import read_bytes, read_text

LARGEST = 2**29
"""Bytes of the largest file of labels that is read. EDM's dataset.json of ImageNet has 60,000,000."""
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
_HEADERS = {"imageid", "image_id", "image", "file", "filename", "file_name", "name", "path", "id"}
"""The first words of headers of tables, in lower case."""

Label = int | str


@dataclass(frozen=True)
class LabelTable:
    """Labels that stand in a file: numbers, or names of classes.

    Args:
        where: the file, with which messages begin.
        by_name: labels by the names of images; None where the file has them in the order of the images alone.
        in_order: labels in the order of the images.
    """

    where: str
    by_name: Mapping[str, Label] | None = None
    in_order: Sequence[Label] = ()

    def of(self, names: Sequence[str]) -> list[Label]:
        """Return the label of each image. Names of images agree whole, without their folders, or without their suffixes too.

        Raises: UserError when an image has no label, or when the file has another number of labels than there are images.
        """
        if self.by_name is None:
            if len(self.in_order) != len(names):
                raise UserError(f"{self.where}: {len(self.in_order):,} labels for {len(names):,} images; it needs one for each")
            return list(self.in_order)
        return [self._of(name, self.by_name) for name in names]

    def _of(self, name: str, table: Mapping[str, Label]) -> Label:
        base = PurePosixPath(name).name
        for key in (name, base, base.partition(".")[0]):
            if key in table:
                return table[key]
        raise UserError(f"{self.where}: no label for {name}; write one for every image, or leave the labels out: --labels none")


def read_labels(path: Path) -> LabelTable:
    """Return the labels in a file: .json of EDM, .npy, or text. Raises: UserError for a file that is none of these."""
    try:
        if path.suffix.lower() == ".json":
            table = edm_labels(read_bytes(path, largest=LARGEST), str(path))
            if table is None:
                raise UserError(f"{path}: its labels are null; leave it out, or add --labels none")
            return table
        if path.suffix.lower() == ".npy":
            return LabelTable(str(path), in_order=_array(path))
        if path.name == GROUND_TRUTH:
            return _ground_truth(path)
        return _text_labels(read_text(path, largest=LARGEST), str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def edm_labels(content: bytes, where: str) -> LabelTable | None:
    """Return the labels in EDM's dataset.json, `{"labels": [["00000/img00000000.png", 6], …]}`; None where they are null."""
    try:
        fields = json.loads(content)
        labels = fields["labels"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise UserError(f'{where}: no file of labels: expected {{"labels": [["NAME", 6], …]}}') from None
    if labels is None:
        return None
    try:
        table = {str(name).replace("\\", "/"): _number(label, where) for name, label in labels}
    except (TypeError, ValueError):
        raise UserError(f'{where}: no file of labels: expected pairs ["NAME", 6]') from None
    return LabelTable(where, table)


def _number(label: object, where: str) -> int:
    if type(label) is not int:
        raise UserError(f"{where}: the label {json.dumps(label)[:60]} is no whole number")
    return label


def _array(path: Path) -> list[Label]:
    array = stored(path)[""]
    if len(array.shape) != 1 or array.dtype.kind not in "iu":
        raise UserError(f"{path}: {array.dtype} {array.shape}; labels are whole numbers, (n,)")
    return array.read(largest=LARGEST).astype(np.int64).tolist()


def _text_labels(text: str, where: str) -> LabelTable:
    """Read a table of a name and a label in each line, with commas, tabs or blanks between them; or one label a line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{where}: no labels in it")
    rows = [_columns(line) for line in lines]
    is_solution = len(rows[0]) == 2 and rows[0][1].lower() == "predictionstring"
    if len(rows[0]) == 2 and rows[0][0].lower() in _HEADERS:
        rows = rows[1:]
    if all(len(row) == 1 for row in rows):
        return LabelTable(where, in_order=_numbers_or_names([row[0] for row in rows]))
    wrong = next((line for line, row in zip(lines, rows, strict=False) if len(row) != 2), None)
    if wrong is not None:
        raise UserError(f"{where}: {wrong[:60]!r} is no name and label, as other lines are")
    # Kaggle's LOC_val_solution.csv has boxes after the class: `ILSVRC2012_val_00048981,n03995372 85 1 499 272`.
    labels = [row[1].split()[0] if is_solution else row[1] for row in rows]
    return LabelTable(where, dict(zip((row[0] for row in rows), _numbers_or_names(labels), strict=True)))


def _columns(line: str) -> list[str]:
    for separator in (",", "\t"):
        if separator in line:
            return [column.strip() for column in line.split(separator, 1)]
    return line.rsplit(maxsplit=1)


def _numbers_or_names(labels: Sequence[str]) -> list[Label]:
    """Return labels as numbers where all are whole numbers, else as names of classes."""
    if all(re.fullmatch(r"\d{1,9}", label) for label in labels):
        return [int(label) for label in labels]
    return list(labels)


def _ground_truth(path: Path) -> LabelTable:
    """Return the classes of ImageNet's validation images, whose numbers are those of the development kit.

    They are not the numbers of the classes in the order of their names, which everybody trains with. Raises: UserError where the
    kit's meta.mat, which says which is which, is not beside the file.
    """
    meta = path.with_name(META)
    if not meta.is_file():
        raise UserError(
            f"{path}: its numbers are those of the development kit and not those of the classes in the order of their names; "
            f"put the kit's {META} beside it (ILSVRC2012_devkit_t12/data), or give --labels with a class a line (n01440764)"
        )
    names = _classes_of_kit(meta)
    numbers = _text_labels(read_text(path), str(path)).in_order
    unknown = next((number for number in numbers if number not in names), None)
    if unknown is not None:
        raise UserError(f"{path}: {META} has no class {unknown}")
    return LabelTable(str(path), in_order=[names[number] for number in numbers])


def _classes_of_kit(meta: Path) -> dict[Label, str]:
    """Return the name of each class by its number: n01440764 by 490."""
    from scipy.io import loadmat

    try:
        synsets = loadmat(meta, simplify_cells=True)["synsets"]
        return {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets if not int(synset["num_children"])}
    except Exception as error:  # damaged bytes can make the reader raise anything
        raise UserError(f"{meta}: no {META} of ImageNet's development kit: {error or type(error).__name__}") from None
