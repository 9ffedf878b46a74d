"""The dataset whose images are corrupted. Importing this module costs no torch."""

from __future__ import annotations

from typing import cast

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


def check(config: Config) -> None:
    """Check the named dataset. Raises: UserError when it is not installed, or lacks its files."""
    inner = component(cast(CorruptedConfig, config))
    inner.check_readiness(inner.config())
