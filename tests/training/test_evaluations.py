"""Forward, backward and selection are counted apart: exact counts of a method whose every pass is known."""

import dataclasses

import pytest
import torch

from harness.errors import Interrupted
from harness.process import stop
from harness.streams import stream
from harness.training import checkpoint
from harness.training.curve import Curve
from harness.training.evaluations import NONE, Evaluations
from harness.training.loop import TrainingLoop
from harness.training.method import FinetuneMethod
from harness.training.surroundings import Surroundings

STEPS, BATCH, BANK, N_MC, ONLINE, CHAIN, POINTS, MEASURED = 6, 4, 10, 3, 5, 4, 3, 8


class Known(FinetuneMethod):
    """Each step: N_MC passes of the batch and of fakes through model and reference, in micro-batches; online samples; and a
    gradient through a chain of CHAIN calls of the model."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.optimizer = torch.optim.SGD(task.model.parameters(), lr=1e-3)
        self.keep(optimizer=self.optimizer, reference=self.reference)
        self.after = lambda _: None

    def step(self, batch, generator, index):
        task = self.task
        fake = task.bank(self.reference, BANK, "fakes").x[: len(batch)]
        self.optimizer.zero_grad()
        for part in task.micro_batches(len(batch)):
            for _ in range(N_MC):
                x = torch.cat([batch.x[part], fake[part]])
                against = self.reference(x)  # gradients are enabled here, and nothing asks for any
                (task.model(x) - against).square().mean().backward()
        with torch.no_grad():
            task.model(batch.x)
        task.sample(task.model, ONLINE, None, generator)
        state = torch.randn(2, 2, generator=generator)
        for _ in range(CHAIN):
            state = task.model(state)
        state.square().mean().backward()
        self.optimizer.step()
        self.after(index)
        return {}


FORWARD = STEPS * (2 * BATCH * N_MC + BATCH + ONLINE) + BANK
BACKWARD = STEPS * (2 * BATCH * N_MC + 2 * CHAIN)
SELECTION = (POINTS + 1) * MEASURED


@pytest.fixture
def known(make_task, make_loop, tmp_path):
    """A loop with the method, at its start or at the newest checkpoint of its folder."""

    def make(folder="work", *, select="last", points=POINTS, seconds=1e9, **options):
        task = make_task(steps=STEPS, batch=BATCH, select=select, runs=f"{folder}-runs", **options)
        twin = task.frozen_copy()

        @torch.no_grad()
        def measure(_):
            twin(torch.zeros(MEASURED, 2))
            return 1.0

        curve = Curve(measure, points, higher_is_better=False, keeps_best=select == "best") if points else None
        data = make_loop("data").reader.examples
        around = Surroundings(tmp_path / folder, seconds)
        return TrainingLoop(task, Known(None, task), data, task._training, seed=0, around=around, curve=curve)

    return make


@pytest.mark.parametrize("micro_batch", [None, 1, 3])
@pytest.mark.parametrize("select", ["last", "best"])
def test_every_pass_is_counted_as_what_it_was(known, select, micro_batch):
    result = known(select=select, micro_batch=micro_batch).run()
    assert result.evaluations == Evaluations(FORWARD, BACKWARD, SELECTION)
    assert result.network_evaluations == FORWARD + BACKWARD + (SELECTION if select == "best" else 0)


def test_a_training_without_a_curve_selects_for_nothing(known):
    assert known(points=0).run().evaluations == Evaluations(FORWARD, BACKWARD, 0)


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("select", ["last", "best"])
def test_counts_go_on_from_a_checkpoint(known, select, step):
    loop = known(select=select)
    loop.method.after = lambda index: stop.request() if index == step else None
    with pytest.raises(Interrupted):
        loop.run()
    stop.clear()
    result = known(select=select).run()
    assert result.evaluations == Evaluations(FORWARD, BACKWARD, SELECTION)
    assert result.network_evaluations == FORWARD + BACKWARD + (SELECTION if select == "best" else 0)


@pytest.mark.parametrize("call", range(POINTS + 1))
def test_a_point_that_is_interrupted_counts_once(known, call):
    loop = known(select="best")
    measure, calls = loop.curve.measure, []

    def interrupted(weights):
        calls.append(measure(weights))
        if len(calls) == call + 1:
            raise Interrupted
        return calls[-1]

    loop.curve.measure = interrupted
    with pytest.raises(Interrupted):
        loop.run()
    assert known(select="best").run().evaluations == Evaluations(FORWARD, BACKWARD, SELECTION)


def test_a_bank_that_is_reused_counts_as_if_it_were_drawn_now(known):
    assert known("a", points=0).run().evaluations == Evaluations(FORWARD, BACKWARD, 0)
    again = known("a", points=0)
    again.around = dataclasses.replace(again.around, folder=again.around.folder / "again")
    assert again.run().evaluations == Evaluations(FORWARD, BACKWARD, 0)


@pytest.mark.parametrize("select", ["last", "best"])
def test_a_checkpoint_of_an_older_version_gives_the_sum_alone(known, select, monkeypatch):
    """Such a checkpoint counted the curve with the rest where it selects, and no graphs."""
    write = checkpoint.write

    def write_as_before(folder, saved):
        of_curve = saved.state["curve"].pop("evaluations")
        del saved.state["evaluations_with_graph"]
        saved.state["evaluations"] += of_curve if select == "best" else 0
        return write(folder, saved)

    monkeypatch.setattr(checkpoint, "write", write_as_before)
    stop_at(known(select=select), 2)
    monkeypatch.setattr(checkpoint, "write", write)
    stop_at(known(select=select), 4)  # a checkpoint of this version, of a training that began with an older one
    result = known(select=select).run()
    assert result.evaluations is None
    assert result.network_evaluations == FORWARD + BACKWARD + (SELECTION if select == "best" else 0)


def stop_at(loop, step):
    loop.method.after = lambda index: stop.request() if index == step else None
    with pytest.raises(Interrupted):
        loop.run()
    stop.clear()


def test_gradients_with_respect_to_inputs_of_a_frozen_network_are_backward(make_task):
    task = make_task()
    reference, x = task.frozen_copy(), torch.randn(3, 2, generator=stream(0, "x"), requires_grad=True)
    reference(x).sum().backward()
    assert (task.counter.examples, task.counter.examples_with_graph) == (3, 3)


def test_facts_have_the_names_of_records():
    assert Evaluations(1, 2, 3).facts == {"forward_evaluations": 1, "backward_evaluations": 2, "selection_evaluations": 3}
    assert set(NONE.facts.values()) == {0}
