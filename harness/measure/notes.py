"""Remarks that the reader of a number should see: what was ignored, and what was compared with itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.measure.image_source import ImagesIdentity, ImageSource
from harness.measure.plan import MeasurementPlan
from harness.measure.shared_examples import may_share


def notes(plan: MeasurementPlan, identities: Mapping[str, ImagesIdentity]) -> Iterator[str]:
    """Give every remark on a measurement whose images were all read, each once.

    Args:
        identities: identity of the images by the name of their source; empty where there are only statistics.
    """
    of_sources = (note for source in plan.sources for note in (*source.notes, *source.notes_of_images()))
    yield from dict.fromkeys(of_sources)  # a source may be on both sides
    yield from _different_shapes(plan)
    yield from _same_images(plan, identities)
    yield from _overlapping_draws(plan, identities)
    yield from _same_draws(plan, identities)


def _different_shapes(plan: MeasurementPlan) -> Iterator[str]:
    shapes_of = [(source, _shape(source)) for source in plan.sources]
    names = {shape: source.name for source, shape in shapes_of if shape is not None}
    if len(names) > 1:
        shapes = "; ".join(f"{name} {'×'.join(map(str, shape))}" for shape, name in names.items())
        yield f"images of different shapes are compared, each resized on its own: {shapes}"


def _shape(source: ImageSource) -> tuple[int, ...] | None:
    """Return channels, height and width of the images of a source; None of statistics in a file that does not say it."""
    if source.images is not None:
        return source.images.shape
    made_of = None if source.statistics is None else source.statistics.metadata
    return None if made_of is None else made_of.shape


def _same_images(plan: MeasurementPlan, identities: Mapping[str, ImagesIdentity]) -> Iterator[str]:
    """Name sets that hold the same images as the reference or as another repetition: the user seldom means that."""
    first_with: dict[str, str] = {}
    for source in [*([] if plan.reference is None else [plan.reference]), *plan.samples]:
        if not (identity := identities[source.name]):
            continue
        first = first_with.get(str(identity))
        if first == source.name:
            yield f"{source.name} is compared with itself"
        elif first is not None:
            yield f"{source.name} holds the same images as {first}"
        first_with.setdefault(str(identity), source.name)


def _overlapping_draws(plan: MeasurementPlan, identities: Mapping[str, ImagesIdentity]) -> Iterator[str]:
    """Name sets that may share images with the reference: only held-out draws 2k and 2k + 1 are disjoint by contract."""
    if plan.reference is None:
        return
    reference = identities[plan.reference.name]
    for source in plan.samples:
        identity = identities[source.name]
        if not may_share(identity, reference):
            continue
        draw, reference_draw = identity.get("draw"), reference.get("draw")
        if isinstance(draw, int) and isinstance(reference_draw, int) and reference_draw not in (draw, draw ^ 1):
            yield f"{source.name} and {plan.reference.name} may share images: only draws 2k and 2k + 1 share none"


def _same_draws(plan: MeasurementPlan, identities: Mapping[str, ImagesIdentity]) -> Iterator[str]:
    """Name sets that are the same draw as the reference, of a dataset that has examples of the reference's under other settings.

    Such a dataset makes its images of the other one's, as with blur, or is the same one, of which it keeps some examples apart.
    """
    if plan.reference is None:
        return
    reference = identities[plan.reference.name]
    for source in plan.samples:
        identity = identities[source.name]
        draw = identity.get("draw")
        if draw is None or draw != reference.get("draw") or identity == reference or not may_share(identity, reference):
            continue
        other = "@0 for one of the two" if draw == "train" else f"@{int(str(draw)) ^ 1} for one of the two"
        yield (
            f"{source.name} and {plan.reference.name} are the same draw of datasets that share examples: images are compared "
            f"with themselves, or with images made of them; take {other}"
        )
