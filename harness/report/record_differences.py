"""Two records of cells: which settings, weights, software and numbers differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.store.records import Record

GROUPS: Mapping[str, tuple[str, ...]] = {
    "settings": (
        "board",
        "protocol",
        "base",
        "method",
        "seed",
        "size",
        "sampler_name",
        "is_smoke",
        "model",
        "pretraining",
        "sampler",
        "training_sampler",
        "finetuning",
        "dataset",
        "training",
        "evaluation",
    ),
    "weights and data": (
        "parameters",
        "weights_read",
        "base_weights_sha256",
        "called_weights_sha256",
        "weights_sha256",
        "dataset_fingerprint",
        "samples_sha256",
        "references",
    ),
    "software and machine": ("extractors", "environment", "sources", "unsealed"),
    "numbers": ("status", "reason", "metrics", "selected_images", "curve", "costs"),
}
"""The fields of a record by what they are about, in the order that they are shown. `key` and `created` always differ."""
_ABSENT = "(absent)"


@dataclass(frozen=True)
class FieldDifference:
    """A field that two records have otherwise.

    Args:
        field: its path, such as `finetuning.settings.beta`.
        first, second: its values as text; `(absent)` where a record has no such field.
    """

    field: str
    first: str
    second: str


def record_differences(first: Record, second: Record) -> dict[str, list[FieldDifference]]:
    """Return, for each of GROUPS, the fields that differ; an empty list where none does."""
    a, b = first.model_dump(mode="json"), second.model_dump(mode="json")
    return {group: [each for name in fields for each in _differing(name, a, b)] for group, fields in GROUPS.items()}


def _differing(name: str, a: Mapping[str, object], b: Mapping[str, object]) -> Iterator[FieldDifference]:
    first, second = dict(_leaves(name, a.get(name))), dict(_leaves(name, b.get(name)))
    for path in dict.fromkeys([*first, *second]):
        if first.get(path) != second.get(path):
            yield FieldDifference(path, first.get(path, _ABSENT), second.get(path, _ABSENT))


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield (path, text) for each value that is no mapping or list. Lists of named parts go by the names of their parts."""
    match value:
        case dict():
            for key, part in value.items():
                yield from _leaves(f"{path}.{key}", part)
        case list() if path == "sources":
            for part in value:
                of_component = {name: text for name, text in part.items() if name != "component"}
                yield from _leaves(f"sources[{part['component']}]", of_component)
        case list() if path == "curve":
            for part in value:
                yield f"curve[{_place(part)}]", str(part["value"])
        case None:
            return
        case _:
            yield path, str(value)


def _place(point: Mapping[str, object]) -> str:
    """Return where a point of a curve is: `32000 images`, and the candidate of a round after the first one."""
    candidate = point.get("candidate", 1)
    return f"{point['images']} images" + ("" if candidate == 1 else f", candidate {candidate}")
