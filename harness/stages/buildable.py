"""Check beforehand that the network of a base can be built with its settings on the board's data."""

from __future__ import annotations

import warnings

import torch

from harness.board.bases import Base, Examples
from harness.board.components import Resolved
from harness.components import Model
from harness.config import Config
from harness.errors import UserError, one_line
from harness.interfaces import DataSpec
from harness.streams import seeded


def build_fault(base: Base, data: DataSpec) -> str | None:
    """Return why the network of a base cannot be built; None where it can, and for a base without a network.

    A network is built on the meta device, which takes no memory. Where that fails, it is built for good, since the code of some
    networks needs values. In a smoke run the network of the board itself is built too: small settings may hide its fault.

    Args:
        data: what the board's dataset holds.
    """
    if isinstance(base.origin, Examples):
        return None
    model, spec = base.origin.model, base.origin.spec_on(data)
    for settings in (model.settings, *([] if model.full is None else [model.full])):
        if (reason := _reason(model, settings, spec)) is not None:
            return f"base {base.name}: {reason}"
    return None


def _reason(model: Resolved[Model], settings: Config, spec: DataSpec) -> str | None:
    for device in ("meta", "cpu"):
        try:
            # A tokenizer that loads its own file warns that a meta tensor takes no values.
            with torch.device(device), seeded(0), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.component.create(settings, spec)
        except UserError as error:
            return str(error)  # says which model cannot be built, and why
        except Exception as error:  # whatever a plugin's code raises
            where = f"model {model.name} cannot be built with these settings on data of shape {spec.shape}"
            reason = f"{where}: {type(error).__name__}: {one_line(str(error))}"
        else:
            return None
    return reason
