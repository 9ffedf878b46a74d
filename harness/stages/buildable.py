"""Check beforehand that the network of a base can be built on the board's data, and that methods and samplers can run on it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch

from harness.board.bases import Base, Examples
from harness.board.components import Resolved
from harness.board.reading import data_fit
from harness.components import Method, Model, Sampler, SamplerUsage
from harness.config import Config
from harness.errors import PluginFault, UserError, one_line
from harness.inner_components import inner_samplers
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


def usage_faults(
    base: Base, methods: Iterable[Resolved[Method]], samplers: Iterable[Resolved[Sampler]], data: DataSpec
) -> list[str]:
    """Return why methods and samplers cannot run on the network of a base; nothing where it cannot be built (see `build_fault`).

    Only the network tells whether it works on latents, and how long its chain is. A smoke run checks the board's own network and
    samplers, not its smaller ones: the full run would fail only after the base is trained.

    Args:
        base: has a network. data: what the board's dataset holds.
    """
    origin = base.network
    methods = [method for method in methods if method.component.check]
    checked = [part for sampler in samplers for part in _with_inner(sampler) if part[0].check]
    if not (methods or checked):
        return []
    try:
        network = _built(origin.model, origin.model.full or origin.model.settings, origin.spec_on(data))
    except UserError:
        return []
    spec = latents.network_spec(network, data)
    faults = [data_fit.method_fault(method, origin.model.component, spec, origin.sampler.component) for method in methods]
    faults += [_sampler_fault(sampler, settings, network) for sampler, settings in checked]
    return [f"base {base.name}: {fault}" for fault in faults if fault is not None]


def _with_inner(sampler: Resolved[Sampler]) -> list[tuple[Sampler, Config]]:
    """Return a sampler and those inside it, with the settings that the board asks for."""
    settings = sampler.full or sampler.settings
    return [(sampler.component, settings), *((inner.component, inner.config) for inner in inner_samplers(settings))]


def _sampler_fault(sampler: Sampler, settings: Config, network: torch.nn.Module) -> str | None:
    """Return why the settings of a sampler do not fit the network; None where they do."""
    try:
        sampler.check_usage(settings, SamplerUsage(network))
    except PluginFault:
        raise  # no fault of the board
    except UserError as error:
        return f"{sampler.title}: {error}"
    return None


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
