"""The reasons for which a method cannot run on a base: such cells are skipped, with the reason in the table."""

from __future__ import annotations

from harness.board.bases import Base, Network
from harness.board.components import Resolved
from harness.board.reading.data_fit import method_fault, model_fault, spec_of
from harness.board.samplers import EvaluationSampler
from harness.components import Method, Model, Sampler
from harness.inner_components import sampler_needs
from harness.interfaces import DataSpec
from harness.training.config import TrainingConfig


def skip_reason(
    base: Base, method: Resolved[Method], training: TrainingConfig, sampled_with: EvaluationSampler | None = None
) -> str | None:
    """Return why the method cannot run on the base with this budget, or cannot be measured; None when it can.

    Args:
        sampled_with: the sampler that draws what is measured; None where the base's sampler does.
    """
    if not isinstance(base.origin, Network):
        return _examples_reason(method.component)
    model = base.origin.model.component
    return (
        _model_reason(method.component, base.origin.sampler, model)
        or micro_batch_reason(method.component, model, training)
        or flip_reason(method.component, spec_of(base.dataset), training)
        or augment_reason(method.component, base.origin.model, spec_of(base.dataset), training)
        or method_fault(method, model, spec_of(base.dataset), base.origin.sampler.component)
        or (None if sampled_with is None else _sampler_reason(sampled_with.sampler, model))
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


def flip_reason(method: Method, spec: DataSpec | None, training: TrainingConfig) -> str | None:
    """Return why the method cannot train on flipped examples; None when it can, or when the budget does not ask for them."""
    if training.flip and method.trains and spec is not None and spec.preview != "images":
        return f"flip mirrors images, and {method.name} trains on {spec.preview} here"
    return None


def augment_reason(method: Method, model: Resolved[Model], spec: DataSpec | None, training: TrainingConfig) -> str | None:
    """Return why the method cannot train the model on augmented images; None when it can, or when the budget asks for none."""
    if training.augment is None or not method.trains:
        return None
    if not method.augments:
        return f"{method.name} trains by more than the pretraining loss, through which augment tells the network what was changed"
    if "TakesAugmentation" not in model.component.provides:
        return f"{model.name} lacks TakesAugmentation, which augment needs"
    if spec is None:
        return None
    if spec.preview != "images":
        return f"augment changes images, and {method.name} trains on {spec.preview} here"
    return model_fault(model, spec, augmentation=training.augment.LABELS)


def _model_reason(method: Method, sampler: Resolved[Sampler], model: Model) -> str | None:
    """Return why the method cannot run on the model with this sampler; None when it can."""
    if missing := lacks(method.needs, model):
        return f"{model.name} lacks {', '.join(missing)}, which {method.name} needs"
    if reason := _sampler_reason(sampler, model):
        return reason
    if "Transitions" in method.needs and "Transitions" not in sampler_needs(sampler.component, sampler.settings):
        return f"the sampler {sampler.name} does not walk the model's Gaussian steps, which {method.name} trains"
    return None


def _sampler_reason(sampler: Resolved[Sampler], model: Model) -> str | None:
    """Return why the sampler cannot draw from the model; None when it can."""
    if missing := lacks(sampler_needs(sampler.component, sampler.settings), model):
        return f"{model.name} lacks {', '.join(missing)}, which the sampler {sampler.name} needs"
    return None


def _examples_reason(method: Method) -> str | None:
    """Return why the method cannot run on examples in the place of a model; None when it can."""
    if method.trains or method.needs:
        return f"{method.name} needs a model, and this base is data"
    return None
