"""The labels of a layout's images: from its folders, from a file, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.images.importing.labels import Label, LabelTable
from harness.images.importing.layouts import NO_CLASSES, Layout
from harness.images.importing.source import TEST, natural_order

Labels = tuple[tuple[str, ...], "NDArray[np.int64] | None"]
"""The names of the classes, and the label of each image; no names and None where there are no labels."""
NO_LABELS: Labels = ((), None)
MOST_CLASSES = 1_000_000


def labelled(layout: Layout, table: LabelTable | None, where: str) -> tuple[Layout, Labels, tuple[str, ...]]:
    """Return the layout with its labels, and remarks.

    A part whose folders name no class takes its labels from `table`. Test images that lie in no folders of classes are left out
    beside training images that do, as ImageNet's do, whose labels nobody has.

    Raises: UserError where only some images have labels, or where images of another part than training have other classes.
    """
    remarks: tuple[str, ...] = ()
    bare = [part for part, classes in layout.folder_classes.items() if classes is None]
    if TEST in bare and len(bare) < len(layout.parts):
        layout, remarks = layout.without(TEST), (f"{where}: its test images have no labels, and are left out",)
        bare.remove(TEST)
    if table is None and bare:
        if len(bare) == len(layout.parts):
            return layout, NO_LABELS, remarks
        raise UserError(
            f"{where}: the {bare[0]} images do not lie in folders of classes; give their labels with --labels FILE, a line "
            f"for each image (`NAME LABEL`, or a class a line in the order of the names), or {NO_CLASSES}"
        )
    values: list[Label] = []
    for part, names in layout.parts.items():
        folders = layout.folder_classes[part]
        values += list(folders) if folders is not None else [] if table is None else table.of(names)
    return layout, numbered(values, layout.classes, table.where if table is not None else where), remarks


def numbered(values: Sequence[Label], classes: Sequence[str], where: str) -> Labels:
    """Return labels as numbers.

    Args:
        values: numbers, or names of classes.
        classes: the classes that folders name, in the order of their labels; without them, the names that occur.
    Raises: UserError for numbers below 0 and numbers that no class has, and for names that are not among `classes`.
    """
    names = list(classes) or (natural_order(sorted({str(value) for value in values})) if _has_names(values) else [])
    count = len(names) or max(int(value) for value in values) + 1
    if count > MOST_CLASSES:
        raise UserError(f"{where}: the label {count - 1}; the largest that is read is {MOST_CLASSES - 1:,}")
    places: dict[Label, int] = {place: place for place in range(count)}
    places |= {name: place for place, name in enumerate(names)}
    unknown = next((value for value in values if value not in places), None)
    if unknown is not None:
        known = f": {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names else ", which are numbered from 0"
        raise UserError(f"{where}: {unknown!r} is none of the {count} classes{known}")
    labels = np.fromiter((places[value] for value in values), np.int64, len(values))
    return tuple(names) or tuple(map(str, range(count))), labels


def _has_names(values: Sequence[Label]) -> bool:
    return any(isinstance(value, str) for value in values)
