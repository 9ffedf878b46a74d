"""Which datasets share examples, as far as their settings tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.components import Dataset
from harness.measure.image_source import ImagesIdentity
from harness.plugins import registry


def may_share(first: ImagesIdentity, second: ImagesIdentity) -> bool:
    """Return whether two sets of images are of datasets that share examples.

    They do where their fingerprints are equal, and where both are made of the same dataset: the one whose name stands in the
    settings, as in `{name: corrupted, dataset: digits}`, or else the dataset itself. Texts in the settings that are no such name
    tell data apart, as the path of a folder does. Numbers do not: they say how images are changed, or how many are kept apart.
    """
    if first.get("fingerprint") is not None and first.get("fingerprint") == second.get("fingerprint"):
        return True
    one, other = _origin(first.get("dataset")), _origin(second.get("dataset"))
    return one is not None and one == other


def _origin(dataset: object) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the datasets that the images of a dataset are made of, and the other texts in its settings; None for no dataset."""
    if not isinstance(dataset, Mapping) or not isinstance(name := dataset.get("name"), str):
        return None
    texts = frozenset(_texts(dataset.get("settings")))
    inside = frozenset(text for text in texts if registry().find(Dataset.kind, text) is not None)
    return inside or frozenset({name}), texts - inside


def _texts(value: object) -> Iterator[str]:
    """Yield every text among JSON values, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
