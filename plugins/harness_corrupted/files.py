"""The dataset whose images are corrupted. Importing this module costs no torch."""

from __future__ import annotations

from typing import cast

from pydantic import ValidationError

from harness.components import Dataset
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness_corrupted import CorruptedConfig


def component(config: CorruptedConfig) -> Dataset:
    """Return the named dataset. Raises: UserError when no dataset has the name, or the name is that of this one."""
    if config.dataset == "corrupted":
        raise UserError("dataset corrupted: `dataset` names itself; name a dataset of images, such as digits")
    return registry().get(Dataset, config.dataset, where="dataset corrupted")


def settings(config: CorruptedConfig) -> Config:
    """Return the settings of the named dataset. Raises: UserError when it cannot keep so many images for the curve, or any."""
    inner = component(config).config
    if not config.selection:
        return inner()
    where = f"dataset corrupted: `selection: {config.selection}`: dataset {config.dataset}"
    if "selection" not in inner.model_fields:
        raise UserError(f"{where} has no such setting; leave it out")
    try:
        return inner.model_validate({"selection": config.selection})
    except ValidationError as error:
        raise UserError(f"{where} cannot keep so many images: {error.errors()[0]['msg']}") from None


def spec(config: Config) -> DataSpec | None:
    """Return what the named dataset says of its images without reading them; None where only the data tell."""
    inner = _inner(config)
    return None if inner is None else inner[0].known_spec(inner[1])


def stratified(config: Config) -> str:
    """Return how draws of the named dataset are more alike than independent ones; "" where they are not."""
    inner = _inner(config)
    return "" if inner is None else inner[0].stratification(inner[1])


def held_out(config: Config) -> int | None:
    """Return how many images the draws are taken from; None with dropped classes, of which only the data tell the number."""
    inner = _inner(config)
    if inner is None:
        return None
    known = inner[0].known_held_out(inner[1])
    return None if known and cast(CorruptedConfig, config).dropped_classes else known


def is_made_up(config: Config) -> bool:
    """Return whether the named dataset makes its images up."""
    inner = _inner(config)
    return inner is not None and inner[0].is_made_up(inner[1])


def _inner(config: Config) -> tuple[Dataset, Config] | None:
    """Return the named dataset and its settings; None where there is no such dataset, of which `check` tells."""
    corrupted = cast(CorruptedConfig, config)
    try:
        return component(corrupted), settings(corrupted)
    except UserError:
        return None


def check(config: Config) -> None:
    """Check the named dataset. Raises: UserError when it is not installed, or lacks its files."""
    corrupted = cast(CorruptedConfig, config)
    component(corrupted).check_readiness(settings(corrupted))
