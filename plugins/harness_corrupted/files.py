"""The dataset whose images are corrupted. Importing it costs no torch."""

from __future__ import annotations

from typing import cast

from harness.components import Dataset
from harness.config import Config
from harness.errors import UserError
from harness.plugins import registry
from harness_corrupted import CorruptedConfig


def component(config: CorruptedConfig) -> Dataset:
    """The named dataset. Raises: UserError when none has the name, or it is this one."""
    if config.dataset == "corrupted":
        raise UserError("dataset corrupted: `dataset` names itself; name one of images, as digits")
    return registry().get(Dataset, config.dataset, where="dataset corrupted")


def check(config: Config) -> None:
    """Raises: UserError when the named dataset is not there or lacks its files."""
    inner = component(cast(CorruptedConfig, config))
    inner.check_readiness(inner.config())
