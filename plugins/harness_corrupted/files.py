"""The dataset whose images are corrupted. Importing this module costs no torch."""

from __future__ import annotations

from typing import cast

from pydantic import ValidationError

from harness.components import Dataset
from harness.config import Config
from harness.errors import UserError
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


def check(config: Config) -> None:
    """Check the named dataset. Raises: UserError when it is not installed, or lacks its files."""
    corrupted = cast(CorruptedConfig, config)
    component(corrupted).check_readiness(settings(corrupted))
