"""The context of a job, which all its stages share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from harness.board.components import Resolved
from harness.components import Dataset, Extractor
from harness.interfaces import FeatureExtractor
from harness.process import devices
from harness.process.crew import ALONE, Crew
from harness.stages import listening, renewal
from harness.stages.checked import CheckedSource
from harness.stages.extracted_features import ExtractedFeatures
from harness.stages.most_recent import MostRecent
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.stages.tracking import Tracking
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.progress import Reporter
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder
from harness.training import training_log
from harness.training.resume_check import LoopMaker, run_checked
from harness.training.surroundings import Listener, Surroundings
from harness.training.training_log import TrainingLog
from harness.training.training_result import TrainingResult

FEATURE_SETS = 8
"""Image sets whose features stay in memory: moments of 2048 features are 34 MB each."""


@dataclass(frozen=True)
class Context:
    """The folders, options, device, data, features and progress reporter of one job, which every stage of the job shares.

    Args:
        runs: the runs folder that the job reads and writes.
        job: name of the job, for progress.
        cache: holds the objects that this job shares with other jobs of the process; by default the job shares nothing.
        makes_anew: whether outputs that other code has made are made anew, where this job shares them with other jobs: banks,
            features, measured pairs, preparations of samplers, encoded training data.
        crew: the processes of the job, of which this is one.
    """

    runs: RunsFolder
    options: JobOptions
    job: str
    cache: ProcessCache = field(default_factory=ProcessCache, repr=False, compare=False)
    makes_anew: bool = False
    crew: Crew = field(default=ALONE, repr=False, compare=False)

    @cached_property
    def reporter(self) -> Reporter:
        """Where stages report their progress; the job ends it."""
        return Reporter(self.runs, self.job)

    @cached_property
    def tracking(self) -> Tracking:
        """The trackers that show the runs of this job; the job ends them."""
        return Tracking(self.options.trackers, self.runs, self.options.board)

    @cached_property
    def device(self) -> torch.device:
        """The device that the options name."""
        return devices.use(self.options.device, is_deterministic=self.options.is_deterministic)

    @cached_property
    def feature_sets(self) -> MostRecent[str, ExtractedFeatures]:
        """Features of image sets, by key, kept in memory for the next metric."""
        return MostRecent(FEATURE_SETS)

    def once(
        self,
        stage: str,
        key: str,
        make: Callable[[Path], Mapping[str, object]],
        made_by: Sequence[SourceFacts],
        *,
        is_outdated: Callable[[Output], bool] = lambda _: False,
        resumes: bool = False,
    ) -> Output:
        """Return the output under the key, like `outputs.once`. It is made anew where `makes_anew` says so.

        Args:
            made_by: the code with which this process would make the output.
            is_outdated, resumes: see `outputs.once`.
        """

        def is_replaced(output: Output) -> bool:
            return is_outdated(output) or (self.makes_anew and renewal.is_of_other_code(output, made_by))

        return outputs.once(self.runs, stage, key, make, is_outdated=is_replaced, resumes=resumes)

    def dataset(self, dataset: Resolved[Dataset]) -> CheckedSource:
        """Return the dataset, which the cache keeps for later stages."""
        return self.cache.dataset(dataset)

    def extractor(self, extractor: Resolved[Extractor]) -> FeatureExtractor:
        """Return the extractor on the job's device, kept for the next metric. Raises: UserError when its weights are absent."""
        return self.cache.extractor(extractor, self.device)

    def surroundings(self, name: str, stage: str, key: str, config: Mapping[str, object]) -> Surroundings:
        """Return the files and functions around a training loop.

        Args:
            name: name of the cell or base.
            stage, key: of the output that the training makes.
            config: method, budget and seed, for listeners.
        """
        folder, options = self.runs.work(stage, key), self.options
        self.tracking.follow(name, config, stage, key)
        log = TrainingLog(folder / training_log.FILE, key)
        return Surroundings(folder, options.checkpoint_seconds, self.listener(name, config), options.log_every, log)

    def train(self, make: LoopMaker, around: Surroundings) -> TrainingResult:
        """Train, and check in smoke runs on one device that training resumes exactly. make: makes the loop."""
        checks_resume = self.options.checks_resume and self.crew.size == 1
        return run_checked(make, around) if checks_resume else make(around).run()

    def member_surroundings(self, stage: str, key: str) -> Surroundings:
        """Return what is around the training loop of a process that is not the lead of its job: it writes and tells nothing."""
        return Surroundings(self.runs.work(stage, key), math.inf, log_every=self.options.log_every)

    def listener(self, name: str, config: Mapping[str, object]) -> Listener:
        """Return the training loop's listener, which tells the progress file and the plugins. name: of the cell or base."""
        facts = {"board": self.options.board, "cell": name, "config": config}
        images_per_step = _batch(config)

        def step_logged(step: int, steps: int, values: Mapping[str, float]) -> None:
            self.reporter.step(step, steps, values, images_per_step=images_per_step)
            self.tracking.wake()
            listening.tell(self.runs, "harness_step_logged", step=step, steps=steps, values=values, **facts)

        def checkpoint_written(step: int, folder: Path) -> None:
            listening.tell(self.runs, "harness_checkpoint_written", step=step, folder=folder, **facts)

        return Listener(step_logged, checkpoint_written)


def _batch(config: Mapping[str, object]) -> float | None:
    """Return the images of a training step, as the facts for listeners have them; None where they do not say it."""
    training = config.get("training")
    batch = training.get("batch") if isinstance(training, Mapping) else None
    return batch if isinstance(batch, int) else None
