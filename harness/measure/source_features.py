"""Read the images of a source, then their features. Features are stored for the next measurement of the same pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import Diverged, UserError
from harness.features import FeatureSet
from harness.measure.image_source import ImagesIdentity, ImageSource
from harness.measure.plan import MeasurementPlan
from harness.stages import features
from harness.stages.context import Context
from harness.stages.example_sets import IdentifiedImages

Announce = Callable[[str], None]
"""Called with a line for the user that says what is done next."""


@dataclass(frozen=True)
class FeatureReader:
    """Reads the sources of a plan.

    Args:
        context: whose runs folder keeps the features.
        announce: is told what is done next.
    """

    plan: MeasurementPlan
    context: Context
    announce: Announce

    def identify(self, source: ImageSource) -> ImagesIdentity:
        """Look at every image, and return the identity of the set; it is empty where there are only statistics.

        Raises: UserError for the first image that is damaged, not finite, or of another size or format.
        """
        if source.images is None:
            return {}
        n = source.images.n
        self.announce(f"looking at {source.name}: {n:,} images, {'×'.join(map(str, source.images.shape))}")
        self.context.reporter.stage("look")
        with _faults_of_the_file(source):
            return source.identify(lambda done: self.context.reporter.step(done, n, {}, images_per_step=1))

    def features(self, source: ImageSource, identity: ImagesIdentity, needs: Collection[str]) -> FeatureSet:
        """Return the needed features. The file's own statistics are used where it has them; the rest comes from its images.

        Args:
            needs: names out of FEATURE_NEEDS.
        """
        in_file = {} if source.statistics is None else source.statistics.moments_for(self.plan.outputs)
        moments = {need: in_file[need] for need in in_file if need in needs}
        rest = set(needs) - set(moments)
        if not rest or source.images is None:
            return FeatureSet(source.name, source.n, moments)
        self.announce(f"features of {source.name} by {self.plan.extractor.name}")
        self.context.reporter.stage("extract")
        with _faults_of_the_file(source):
            images = IdentifiedImages(source.images, identity, source.sources)
            made = features.extracted(images, rest, self.plan.extractor, self.context, self.plan.extraction)
        if not moments:
            return made
        return FeatureSet(source.name, made.n, {**made.moments_by_need, **moments}, made.rows_by_need)


@contextmanager
def _faults_of_the_file(source: ImageSource) -> Iterator[None]:
    """Raise Diverged as a UserError: here, values that are not finite are a fault of the file, not of a training run."""
    try:
        yield
    except Diverged as error:
        raise UserError(f"{source.name}: {error}") from error
