"""A network of a few weights, and a method that uses everything that the harness offers."""

import pytest
import torch
from torch import nn

from harness.interfaces import Batch, DataSpec
from harness.process import stop
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams, stream
from harness.training.config import TrainingConfig
from harness.training.curve import Curve
from harness.training.loop import TrainingLoop
from harness.training.method import FinetuneMethod
from harness.training.optimizer import Optimizer, OptimizerConfig
from harness.training.surroundings import Listener, Surroundings
from harness.training.task import BankSource, TrainingTask

SPEC = DataSpec((2,))
STEPS, BATCH = 7, 4


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).eval()


def nothing(*_):
    """A listener that does not listen."""


class CountingSampler:
    """The network of noise; `calls` counts."""

    calls = 0

    def __call__(self, model, spec, streams: SampleStreams, labels):
        self.calls += 1
        return model(streams.normal(*spec.shape))


class Fit(FinetuneMethod):
    """Pulls noised data and a bank of own samples to the data; refreshes the bank half way."""

    task: TrainingTask

    def __init__(self, config, task):
        super().__init__(config, task)
        settings = OptimizerConfig(lr=0.01, warmup=0.5, decay="cosine")
        self.optimizer = Optimizer(settings, task.model.parameters(), task.steps)
        self.reference = task.frozen_copy()
        self.keep(optimizer=self.optimizer, reference=self.reference)
        self.before = self.after = nothing

    def step(self, batch, generator, index):
        self.before(index)
        if index == self.task.steps // 2:
            self.reference.load_state_dict(self.task.model.state_dict())
        if self.task._banks is not None:
            name = "late" if index >= self.task.steps // 2 else "early"
            fake = self.task.bank(self.reference, 6, name).x[: len(batch)]
        else:
            fake = torch.zeros_like(batch.x)
        noise = torch.randn(batch.x.shape, generator=generator)
        loss = ((self.task.model(batch.x + 0.1 * noise) - batch.x + 0.1 * fake) ** 2).mean()
        self.optimizer.update(loss)
        self.after(index)
        return {"loss": loss.detach()}


@pytest.fixture
def data():
    return Batch(torch.randn(10, 2, generator=stream(0, "data")))


@pytest.fixture
def make_task(tmp_path):
    def make(*, steps=STEPS, batch=BATCH, banks=True, seed=0, sampler=None, runs="runs", model=None, spec=SPEC, **options):
        source = BankSource(RunsFolder(tmp_path / runs), sampler or CountingSampler(), {"name": "fake"}, seed, 5)
        training = TrainingConfig(images=steps * batch, batch=batch, **options)
        return TrainingTask(model or network(), spec, torch.device("cpu"), training, source if banks else None)

    return make


@pytest.fixture
def make_loop(make_task, data, tmp_path):
    """A loop at its start (or at the newest checkpoint of its folder) with new objects, as after a restart."""

    def make(folder="work", *, select="best", ema=0.9, measure=None, points=3, seconds=1e9, listener=None, log=None, **task):
        live = make_task(**task)
        training = TrainingConfig(images=live.steps * live.batch, batch=live.batch, ema=ema, select=select)

        def size(weights):
            live.model(torch.zeros(2, 2))  # costs two evaluations
            return float(sum(weight.double().square().sum() for weight in weights.values()))

        curve = Curve(measure or size, points, higher_is_better=False, keeps_best=select == "best") if points else None
        return TrainingLoop(
            live,
            Fit(None, live),
            data,
            training,
            seed=3,
            around=Surroundings(tmp_path / folder, seconds, listener or Listener(), log=log),
            curve=curve,
        )

    return make


@pytest.fixture(autouse=True)
def _no_stop_request():
    stop.clear()
    yield
    stop.clear()
