"""What the loop promises: resume is exact wherever it stopped, divergence is noticed, costs are counted once."""

import pytest
import torch

from harness.errors import Diverged, Interrupted, UserError
from harness.interfaces import Batch
from harness.process import stop
from harness.streams import stream
from harness.training import checkpoint
from harness.training.surroundings import LOG_EVERY, Listener

STEPS = 7


def assert_same(result, expected):
    assert result.weights.keys() == expected.weights.keys()
    assert all(torch.equal(result.weights[name], expected.weights[name]) for name in result.weights)
    assert (result.curve, result.selected_images) == (expected.curve, expected.selected_images)
    assert result.network_evaluations == expected.network_evaluations


@pytest.fixture(params=["best", "last"])
def select(request):
    return request.param


@pytest.fixture
def whole(make_loop, select):
    """An undisturbed run, in a runs folder of its own."""
    return make_loop("whole", runs="whole-runs", select=select).run()


@pytest.mark.parametrize("step", range(STEPS))
def test_a_stop_in_any_step_changes_nothing(make_loop, whole, select, step):
    loop = make_loop(select=select)
    loop.method.after = lambda index: stop.request() if index == step else None
    with pytest.raises(Interrupted):
        loop.run()
    assert checkpoint.read_newest(loop.around.folder).step == step + 1
    stop.clear()
    assert_same(make_loop(select=select).run(), whole)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_a_kill_in_any_step_changes_nothing(make_loop, whole, select, step, every, where):
    """With a checkpoint after each step, and with older ones."""
    loop = make_loop(select=select, seconds=-1.0)
    write = loop._save
    loop._save = lambda: write() if loop.step % every == 0 else None

    def die(index):
        if index == step:
            raise Killed

    setattr(loop.method, where, die)
    with pytest.raises(Killed):
        loop.run()
    assert_same(make_loop(select=select).run(), whole)


def test_a_stop_in_every_step_in_turn_changes_nothing(make_loop, whole, select):
    for _ in range(STEPS):
        loop = make_loop(select=select)
        loop.method.after = lambda _: stop.request()
        with pytest.raises(Interrupted):
            loop.run()
        stop.clear()
    assert_same(make_loop(select=select).run(), whole)


def test_a_stop_while_a_bank_is_drawn_leaves_the_last_checkpoint(make_loop, whole, select):
    loop = make_loop(select=select, seconds=-1.0)
    loop.method.before = lambda index: stop.request() if index == STEPS // 2 else None  # a step that draws
    with pytest.raises(Interrupted):
        loop.run()
    assert checkpoint.read_newest(loop.around.folder).step == STEPS // 2
    stop.clear()
    assert_same(make_loop(select=select).run(), whole)


def test_a_stop_while_the_curve_is_measured_loses_no_point_and_counts_none_twice(make_loop, whole, select):
    loop = make_loop(select=select)
    measure, calls = loop.curve.measure, []

    def interrupted(weights):
        calls.append(measure(weights))
        if len(calls) == 3:
            raise Interrupted
        return calls[-1]

    loop.curve.measure = interrupted
    with pytest.raises(Interrupted):
        loop.run()
    assert len(checkpoint.read_newest(loop.around.folder).state["curve"]["values"]) == 2
    assert_same(make_loop(select=select).run(), whole)


def test_a_damaged_checkpoint_changes_nothing(make_loop, whole, select):
    stop_at(make_loop, 3, select)
    stop_at(make_loop, 5, select)
    newest = max(make_loop(select=select).around.folder.glob("step-*"))
    content = (newest / "state.pt").read_bytes()
    (newest / "state.pt").write_bytes(content[: len(content) // 2])
    assert_same(make_loop(select=select).run(), whole)


def stop_at(make_loop, step, select):
    loop = make_loop(select=select)
    loop.method.after = lambda index: stop.request() if index == step else None
    with pytest.raises(Interrupted):
        loop.run()
    stop.clear()


def test_the_best_point_is_the_result_and_its_cost_is_the_methods(make_loop):
    values = iter([5.0, 2.0, 1.0, 3.0])
    measured = []

    def measure(weights):
        measured.append(weights)
        return next(values)

    best = make_loop("best", measure=measure, points=3).run()
    assert [point["value"] for point in best.curve] == [5.0, 2.0, 1.0, 3.0]
    assert best.selected_images == best.curve[2]["images"] == 5 * 4  # two thirds of 7 steps, of 4 images
    assert all(torch.equal(best.weights[name], measured[2][name]) for name in best.weights)


def test_a_curve_costs_nothing_unless_it_selects(make_loop):
    without = make_loop("without", runs="a", select="last", points=0).run()
    looked_at = make_loop("last", runs="b", select="last").run()
    selecting = make_loop("best", runs="c", select="best").run()
    assert looked_at.network_evaluations == without.network_evaluations
    # 4 points of 2 evaluations each, as the fixture's measure makes them.
    assert selecting.network_evaluations == without.network_evaluations + 4 * 2
    assert looked_at.selected_images is None
    assert all(torch.equal(looked_at.weights[name], without.weights[name]) for name in without.weights)
    # 7 steps of 4 examples, and two banks of 6.
    assert without.network_evaluations == 7 * 4 + 2 * 6


def test_the_average_is_evaluated_where_there_is_one(make_loop):
    loop = make_loop("ema", runs="a", select="last", ema=0.9, points=0)
    averaged = loop.run()
    plain = make_loop("plain", runs="b", select="last", ema=None, points=0).run()
    live = loop.task.model.state_dict()
    assert all(torch.equal(plain.weights[name], live[name]) for name in live)
    assert not all(torch.equal(averaged.weights[name], live[name]) for name in live)


def test_a_loss_that_is_not_finite_ends_training_and_is_never_saved(make_loop):
    loop = make_loop(seconds=-1.0)
    step = loop.method.step
    loop.method.step = lambda batch, generator, index: (
        {"loss": torch.tensor(float("nan"))} if index == 4 else step(batch, generator, index)
    )
    with pytest.raises(Diverged, match="loss is nan by step 5 of 7"):
        loop.run()
    assert checkpoint.read_newest(loop.around.folder).step == 4


@pytest.mark.parametrize("points", [0, 1])
def test_weights_that_are_not_finite_end_training(make_loop, points):
    loop = make_loop(points=points, select="last")

    def spoil(index):
        if index == 6:
            with torch.no_grad():
                next(loop.task.model.parameters()).fill_(float("inf"))

    loop.method.after = spoil
    step = loop.method.step
    loop.method.step = lambda *arguments: {**step(*arguments), "loss": torch.tensor(1.0)}  # the loss hides it
    with pytest.raises(Diverged, match="weights are not finite"):
        loop.run()


def test_a_curve_that_is_not_finite_ends_training(make_loop):
    with pytest.raises(Diverged, match="curve's metric is nan at step 0 of 7"):
        make_loop(measure=lambda _: float("nan")).run()


def test_listeners_hear_means_and_checkpoints(make_loop):
    logged, saved = [], []
    listener = Listener(lambda *what: logged.append(what), lambda *what: saved.append(what))
    steps = LOG_EVERY + 3
    loop = make_loop(points=0, select="last", listener=listener, steps=steps)
    loop.method.step = lambda _batch, _generator, index: {"index": torch.tensor(index)}
    loop.run()
    assert logged == [(LOG_EVERY, steps, {"index": (LOG_EVERY - 1) / 2}), (steps, steps, {"index": LOG_EVERY + 1.0})]
    assert saved == []
    again = make_loop("again", listener=listener)
    again.method.after = lambda _: stop.request()
    with pytest.raises(Interrupted):
        again.run()
    assert saved == [(1, again.around.folder / "step-0000000001")]


def test_each_step_gets_its_own_stream_and_its_own_batch(make_loop, data):
    loop = make_loop(points=0, select="last")
    seen = []
    loop.method.step = lambda batch, generator, index: (
        seen.append((index, batch.x.clone(), torch.rand(1, generator=generator).item())) or {}
    )
    loop.run()
    assert [index for index, _, _ in seen] == list(range(STEPS))
    assert len({number for _, _, number in seen}) == STEPS
    epoch = torch.cat([x for _, x, _ in seen])[: len(data)]
    assert sorted(epoch.tolist()) == sorted(data.x.tolist())


class Constrained(torch.nn.Module):
    """Keeps its weight at length 1, and remembers the lengths that it was called back from."""

    def __init__(self):
        super().__init__()
        self.weight, self.lengths = torch.nn.Parameter(torch.tensor([1.0, 0.0])), []

    def forward(self, x):
        return x * self.weight

    @torch.no_grad()
    def constrain(self):
        self.lengths.append(self.weight.norm().item())
        self.weight.div_(self.weight.norm())


def test_weights_are_called_back_after_each_step_and_after_the_average_has_followed(make_loop):
    loop = make_loop(points=0, select="last", ema=0.5, model=Constrained())

    def lengthen(_batch, _generator, _index):
        with torch.no_grad():
            loop.task.model.weight.mul_(3)
        return {}

    loop.method.step = lengthen
    averaged = loop.run().weights["weight"]
    assert loop.task.model.lengths == pytest.approx([1.0] + STEPS * [3.0])
    # The average sees 3 at each step: 3 - 2 / 2^7, from 1 at the start.
    assert averaged.tolist() == pytest.approx([3 - 2 * 0.5**STEPS, 0.0])


class InLatents(torch.nn.Module):
    """Latents are what was kept, with noise."""

    latent_shape = (2,)

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)

    def autoencoder_identity(self):
        return {}

    def encode_images(self, x):
        return x

    def draw_latents(self, kept, generator):
        return kept + torch.randn(kept.shape, generator=generator)

    def decode_latents(self, latents):
        return latents


def test_a_model_in_latents_sees_new_latents_of_its_batch_at_each_step(make_loop, data):
    loop = make_loop(points=0, select="last", model=InLatents(), banks=False)
    seen = []
    loop.method.step = lambda batch, _generator, _index: seen.append(batch) or {}
    loop.run()
    for index, batch in enumerate(seen):
        rows = loop.reader.order.indices(index)
        noise = torch.randn(len(rows), 2, generator=stream(3, "latents", index))
        torch.testing.assert_close(batch.x, data.x[rows] + noise)
        assert batch.rows is None


def test_batches_say_which_rows_of_the_data_they_are(make_loop, data):
    loop = make_loop(points=0, select="last")
    seen = []
    loop.method.step = lambda batch, _generator, _index: seen.append(batch) or {}
    loop.run()
    assert all(torch.equal(batch.x, data.x[batch.rows]) for batch in seen)
    assert isinstance(seen[0], Batch)


def test_a_method_may_turn_trained_weights_into_others(make_loop):
    loop = make_loop(points=0, select="last", ema=None)
    loop.method.result = lambda weights: {name: 2 * value for name, value in weights.items()}
    found = loop.run().weights
    assert all(torch.equal(found[name], 2 * value) for name, value in loop.task.model.state_dict().items())


def test_seconds_are_those_of_steps_and_reused_banks_and_of_the_curve_where_it_selects(make_loop, monkeypatch):
    """With a clock that moves by 1 at each look, and measuring that takes 100."""
    now = [0.0]

    def clock():
        now[0] += 1
        return now[0]

    monkeypatch.setattr("time.perf_counter", clock)

    def measure(weights):
        now[0] += 100
        return float(len(weights))

    looked_at = make_loop("a", runs="a", select="last", measure=measure).run()
    selecting = make_loop("b", runs="b", select="best", measure=measure).run()
    assert looked_at.seconds < 100  # four points of 100 are not among them
    assert 400 < selecting.seconds < 500
    reused = make_loop("c", runs="a", select="last", measure=measure)
    reused.task.take_seconds_of_reused_banks = lambda: 1000.0
    assert reused.run().seconds > 1000


def test_the_time_of_a_point_whose_measuring_is_interrupted_is_not_counted(make_loop, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def measure(weights):
        now[0] += 100
        raise Interrupted

    loop = make_loop(measure=measure)
    with pytest.raises(Interrupted):
        loop.run()
    assert checkpoint.read_newest(loop.around.folder).state["seconds"] == 0.0


def test_a_checkpoint_holds_the_tracks_that_training_has(make_loop):
    loop = make_loop(select="best", ema=0.9, seconds=-1.0)
    loop.run()
    newest = checkpoint.read_newest(loop.around.folder)
    assert {name.split("/")[0] for name in newest.tensors} == {"model", "ema", "best"}
    assert newest.state.keys() == {
        "method", "seconds", "evaluations", "evaluations_with_graph", "bank_costs", "unlogged", "curve", "lost"
    }  # fmt: skip
    plain = make_loop("plain", runs="plain", select="last", ema=None, points=0, seconds=-1.0)
    plain.run()
    newest = checkpoint.read_newest(plain.around.folder)
    assert {name.split("/")[0] for name in newest.tensors} == {"model"}
    assert "curve" not in newest.state


def test_a_finished_training_that_is_asked_again_ends_alike(make_loop):
    first = make_loop(select="last", points=0, seconds=-1.0)
    whole = first.run()
    assert_same(make_loop(select="last", points=0).run(), whole)


def test_what_is_logged_as_whole_numbers_is_a_mean_too(make_loop):
    logged = []
    loop = make_loop(points=0, select="last", listener=Listener(lambda *what: logged.append(what), lambda *_: None))
    loop.method.step = lambda _batch, _generator, index: {
        "count": torch.tensor(index),
        **({"rare": torch.tensor(4.0)} if index else {}),
    }
    loop.run()
    assert logged == [(STEPS, STEPS, {"count": 3.0, "rare": 4.0})]


def test_a_step_that_does_not_fit_says_which_setting_to_lower(make_loop):
    loop = make_loop()

    def hungry(index):
        torch.empty(2**50)

    loop.method.before = hungry
    said = r"4 training examples at once were tried: lower `training: micro_batch` \(now the whole batch of 4; 2 takes"
    with pytest.raises(UserError, match=said):
        loop.run()


def test_a_bank_that_does_not_fit_says_the_setting_of_sampling_and_not_that_of_steps(make_loop):
    def hungry(model, spec, streams, labels):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(UserError, match=r"5 samples at once were tried: lower `evaluation: batch` \(now 5; 2 takes about half\)"):
        make_loop(sampler=hungry).run()
