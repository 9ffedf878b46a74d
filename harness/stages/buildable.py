"""Check beforehand that the network of a base can be built on the board's data, and that methods can run on what it works on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch

from harness.board.bases import Base, Examples
from harness.board.components import Resolved
from harness.board.reading import data_fit
from harness.components import Method, Model
from harness.config import Config
from harness.errors import UserError, one_line
from harness.interfaces import DataSpec
from harness.sampling import latents
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
        try:
            _built(model, settings, spec)
        except UserError as error:
            return f"base {base.name}: {error}"
    return None


def usage_faults(base: Base, methods: Iterable[Resolved[Method]], data: DataSpec) -> list[str]:
    """Return why methods cannot run on the network of a base; nothing where it cannot be built, as `build_fault` says.

    Only the network tells whether it works on latents: a board that is read knows what the dataset holds.

    Args:
        base: has a network. data: what the board's dataset holds.
    """
    origin = base.network
    try:
        network = _built(origin.model, origin.model.settings, origin.spec_on(data))
    except UserError:
        return []
    spec = latents.network_spec(network, data)
    faults = (data_fit.method_fault(method, origin.model.component, spec, origin.sampler.component) for method in methods)
    return [f"base {base.name}: {fault}" for fault in faults if fault is not None]


def _built(model: Resolved[Model], settings: Config, spec: DataSpec) -> torch.nn.Module:
    """Return the network, on the meta device where that works. Raises: UserError where it cannot be built."""
    reason = ""
    for device in ("meta", "cpu"):
        try:
            # A tokenizer that loads its own file warns that a meta tensor takes no values.
            with torch.device(device), seeded(0), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return model.component.create(settings, spec)
        except UserError:
            raise  # says which model cannot be built, and why
        except Exception as error:  # whatever a plugin's code raises
            where = f"model {model.name} cannot be built with these settings on data of shape {spec.shape}"
            reason = f"{where}: {type(error).__name__}: {one_line(str(error))}"
    raise UserError(reason)
