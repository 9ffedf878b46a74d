"""Names, and entries of board.yaml that may be written in a short form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from harness import validation
from harness.config import Config

Name = Annotated[str, StringConstraints(pattern=validation.NAME, max_length=60)]
"""The name of a base or a method."""

ColumnName = Annotated[str, StringConstraints(pattern=validation.COLUMN, max_length=60)]
"""The name of a column. Where the metric compares features, the name says whose: `fid[fashion-cnn]`."""

Sha256 = Annotated[str, StringConstraints(pattern=validation.SHA256)]


def not_empty(value: str | list[str]) -> str | list[str]:
    """Return a filter as it is written. Raises: ValueError for an empty one, which would add the cells that were left out."""
    texts = [value] if isinstance(value, str) else value
    if not texts or not all(text.strip() for text in texts):
        raise ValueError(
            "is an empty filter: leave `only` out to keep all cells, or write `base=*` in the place of another's filter"
        )
    return value


FilterText = Annotated[str | list[str], AfterValidator(not_empty)]


def split_column(name: str) -> tuple[str, str | None]:
    """Return the metric and the extractor of a column: `fid` and `fashion-cnn` of `fid[fashion-cnn]`, `w2` and None of `w2`."""
    metric, bracket, extractor = name.partition("[")
    return metric, extractor.removesuffix("]") if bracket else None


# A board may write many values in a short form; these functions write them in full before they are checked.


def name_in_full(value: object) -> object:
    """Return a component's name as `{name: …}`."""
    return {"name": value} if isinstance(value, str) else value


def file_in_full(value: object) -> object:
    """Return a path as `{file: …}`."""
    return {"file": value} if isinstance(value, str) else value


def weights_in_full(value: object) -> object:
    """Return a path as `{file: …}`, and the name of a preset as `{preset: …}`."""
    if isinstance(value, str):
        is_path = "/" in value or "." in value  # the name of a preset has neither a slash nor an ending
        return {"file" if is_path else "preset": value}
    return value


def mapping_in_full(value: object) -> object:
    """Return an empty mapping where nothing stands after a key."""
    return {} if value is None else value


def list_of_mappings(value: object) -> object:
    """Return one mapping as a list of one."""
    return [value] if isinstance(value, Mapping) else value


def list_of_texts(value: object) -> object:
    """Return one text as a list of one."""
    return [value] if isinstance(value, str) else value


class ComponentEntry(Config):
    """A component by its name, with its settings beside the name: `{name: ddo, beta: 0.02}`, or just `ddo`."""

    model_config = {**Config.model_config, "extra": "allow"}

    name: str = Field(description="name of an installed component")

    @property
    def settings(self) -> dict[str, object]:
        """Everything beside the name."""
        return dict(self.__pydantic_extra__ or {})


ComponentField = Annotated[ComponentEntry, BeforeValidator(name_in_full)]
