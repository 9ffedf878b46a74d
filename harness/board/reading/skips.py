"""The reasons for which a method cannot run on a base: such cells are skipped, with the reason in the table."""

from __future__ import annotations

from harness.board.bases import Base, Network
from harness.board.components import Resolved
from harness.board.reading.data_fit import method_fault, spec_of
from harness.components import Method, Model, Sampler
from harness.inner_components import sampler_needs
from harness.training.config import TrainingConfig


def skip_reason(base: Base, method: Resolved[Method], training: TrainingConfig) -> str | None:
    """Return why the method cannot run on the base with this budget; None when it can."""
    if not isinstance(base.origin, Network):
        return _examples_reason(method.component)
    model = base.origin.model.component
    return (
        _model_reason(method.component, base.origin.sampler, model)
        or micro_batch_reason(method.component, model, training)
        or method_fault(method, model, spec_of(base.dataset), base.origin.sampler.component)
    )


def lacks(needs: frozenset[str], model: Model) -> list[str]:
    """Return the needed capabilities that the model does not provide, sorted."""
    return sorted(needs - model.provides)


def micro_batch_reason(method: Method, model: Model, training: TrainingConfig) -> str | None:
    """Return why the method cannot train the model in micro-batches; None when it can, or when the budget asks for none."""
    if training.micro_batch is None or not method.trains:
        return None
    if not method.accumulates:
        return f"{method.name} takes whole batches and cannot follow micro_batch"
    if "Trains" in method.needs and "TrainsInParts" not in model.provides:
        return f"{model.name} lacks TrainsInParts, which {method.name} needs for micro_batch"
    return None


def _model_reason(method: Method, sampler: Resolved[Sampler], model: Model) -> str | None:
    """Return why the method cannot run on the model with this sampler; None when it can."""
    if missing := lacks(method.needs, model):
        return f"{model.name} lacks {', '.join(missing)}, which {method.name} needs"
    walked = sampler_needs(sampler.component, sampler.settings)
    if missing := lacks(walked, model):
        return f"{model.name} lacks {', '.join(missing)}, which the sampler {sampler.name} needs"
    if "Transitions" in method.needs and "Transitions" not in walked:
        return f"the sampler {sampler.name} does not walk the model's Gaussian steps, which {method.name} trains"
    return None


def _examples_reason(method: Method) -> str | None:
    """Return why the method cannot run on examples in the place of a model; None when it can."""
    if method.trains or method.needs:
        return f"{method.name} needs a model, and this base is data"
    return None
