"""A training of several rounds equals rounds that are run by hand, one training after the other, bit for bit."""

import itertools
import json
import math

import pytest
import torch
from torch import nn

from harness.errors import Diverged
from harness.interfaces import Batch, DataSpec
from harness.store.runs_folder import RunsFolder
from harness.streams import stream
from harness.training.config import TrainingConfig
from harness.training.curve import Curve
from harness.training.ema import make_average
from harness.training.loop import TrainingLoop
from harness.training.order import BatchOrder
from harness.training.surroundings import Surroundings
from harness.training.task import BankSource, TrainingTask
from harness.training.training_log import TrainingLog
from harness.weights import state_dicts
from harness_ddo import DDOConfig
from harness_ddo.method import DDO

SPEC, BATCH, SEED = DataSpec((2,)), 4, 3
ROUNDS, LENGTH = 3, 4
DATA = Batch(torch.randn(10, 2, generator=stream(0, "data")), None, torch.arange(10))
OPTIMIZER: dict[str, object] = {"lr": 0.05, "warmup": 0.5, "decay": "cosine"}
SMALL: dict[str, object] = {"bank_size": 6, "beta": 0.5, "optimizer": OPTIMIZER}
RUNS = [*itertools.product(("last", "best"), ("averaged", "raw"), (0.7,)), ("best", "averaged", None)]


class Point(nn.Module):
    """A normal density around a learned point, seen through the noise of the draw."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def log_likelihood(self, x, labels, draw):
        return -(x + draw - self(x)).square().sum(1)

    def forward(self, x):
        return self.mean.expand_as(x)


def sampler(model, spec, streams, labels):
    noise = streams.normal(*spec.shape)
    return model(noise) + noise


def quality(weights):
    """A metric without a trend, so that the best point lies anywhere."""
    return float((weights["mean"].double() * 40).sin().sum())


def task_of(folder, steps, start=None):
    model = Point()
    if start is not None:
        model.load_state_dict(start)
    banks = BankSource(RunsFolder(folder), sampler, {"name": "fake"}, SEED, 5)
    return TrainingTask(model, SPEC, torch.device("cpu"), TrainingConfig(images=steps * BATCH, batch=BATCH), banks)


def loop_of(tmp_path, config, ema, folder="work", seconds=1e9, points=2 * ROUNDS, in_round=None):
    task = task_of(tmp_path / "runs", ROUNDS * LENGTH)
    training = TrainingConfig(images=ROUNDS * LENGTH * BATCH, batch=BATCH, ema=ema, select="best")
    log = TrainingLog(tmp_path / folder / "log.jsonl", "key")
    return TrainingLoop(
        task, DDO(config, task), DATA, training, seed=SEED,
        around=Surroundings(tmp_path / folder, seconds, log_every=3, log=log),
        curve=Curve(quality, points, higher_is_better=False, keeps_best=True, points_in_round=in_round),
    )  # fmt: skip


def single_round(folder, number, start, ema, in_round=2, **settings):
    """Train one round in new objects. Returns: the weights and averages at the points of the round, with their values."""
    task = task_of(folder, LENGTH, start)
    bank = task.bank
    task.bank = lambda model, n, _, **how: bank(model, n, f"round-{number}", **how)  # other samples in each round
    method = DDO(DDOConfig(**{**SMALL, **settings}), task)
    training = TrainingConfig(images=LENGTH * BATCH, batch=BATCH, ema=ema)
    average = make_average(task.model, training)
    order, points = BatchOrder(len(DATA), BATCH, SEED), []
    for index in range(LENGTH):
        step = number * LENGTH + index  # data and noise go on from round to round
        method.step(DATA[order.indices(step)], stream(SEED, "step", step), index)
        if average is not None:
            average.update((index + 1) * BATCH)
        if (index + 1) % (LENGTH // in_round) == 0:
            raw = state_dicts.snapshot(task.model)
            weights = raw if average is None else average.weights()
            points.append((quality(weights), {"averaged": weights, "raw": raw}))
    return points


def by_hand(folder, reference, kind, ema, grid=({},), in_round=2):
    """Run the rounds one after the other. Returns: the values of all points, and the last and the best weights."""
    base = state_dicts.snapshot(Point())
    best = quality(base), {"averaged": base, "raw": base}
    values, start = [best[0]], base
    for number in range(ROUNDS):
        for settings in grid:
            points = single_round(folder, number, start, ema, in_round, **settings)
            values += [value for value, _ in points]
            best = min([best, *points], key=lambda point: point[0])
        start = best[1][kind] if reference == "best" else points[-1][1][kind]
    return values, points[-1][1]["raw"], best[1]["averaged"]


def assert_equal(loop, result, expected):
    values, last, best = expected
    assert [point["value"] for point in result.curve] == values
    assert torch.equal(state_dicts.snapshot(loop.task.model)["mean"], last["mean"])
    assert torch.equal(result.weights["mean"], best["mean"])


@pytest.mark.parametrize(("reference", "kind", "ema"), RUNS)
def test_three_rounds_are_three_trainings_with_the_chosen_weights_passed_on(tmp_path, reference, kind, ema):
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference=reference, reference_weights=kind)
    loop = loop_of(tmp_path, config, ema)
    assert_equal(loop, loop.run(), by_hand(tmp_path / "hand", reference, kind, ema))


@pytest.mark.parametrize(("reference", "grid"), [("last", None), ("best", None), ("best", {"alpha": (1.0, 3.0)})])
def test_each_round_and_candidate_has_the_points_that_the_curve_gives_a_round(tmp_path, reference, grid):
    """The share of a round would be one point, at its end."""
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference=reference, search_each_round=grid)
    loop = loop_of(tmp_path, config, 0.7, points=1, in_round=LENGTH)
    result = loop.run()
    tried = [{"alpha": alpha} for alpha in grid["alpha"]] if grid else [{}]
    assert_equal(loop, result, by_hand(tmp_path / "hand", reference, "averaged", 0.7, tried, in_round=LENGTH))
    assert len(result.curve) == config.curve_points(ROUNDS * LENGTH, 1, LENGTH)


@pytest.mark.parametrize(("reference", "kind", "ema"), RUNS)
def test_rounds_that_stop_after_every_step_give_the_same(tmp_path, reference, kind, ema):
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference=reference, reference_weights=kind)
    whole = loop_of(tmp_path, config, ema, "whole").run()
    loop = stopped_after_every_step(tmp_path, config, ema)
    again = loop.end()
    assert_equal(loop, again, by_hand(tmp_path / "hand", reference, kind, ema))
    assert again.network_evaluations == whole.network_evaluations


def stopped_after_every_step(tmp_path, config, ema):
    """Take each step in new objects, restored from the checkpoint before. Returns: the loop after the last step."""
    loop = loop_of(tmp_path, config, ema)
    for step in range(1, loop.rounds.total + 1):
        loop = loop_of(tmp_path, config, ema)
        loop._begin()
        loop.advance(step)
        loop.save(tmp_path / "work")
    return loop


GRID = {"alpha": (1.0, 3.0), "rate": (0.05, 0.2)}


def test_a_search_in_each_round_is_every_candidate_by_hand_from_one_start(tmp_path):
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=GRID)
    grid = [{"alpha": a, "optimizer": {**OPTIMIZER, "lr": rate}} for a, rate in itertools.product(*GRID.values())]
    expected = by_hand(tmp_path / "hand", "best", "averaged", 0.7, grid)
    loop = loop_of(tmp_path, config, 0.7, "whole")
    whole = loop.run()
    assert_equal(loop, whole, expected)
    again = stopped_after_every_step(tmp_path, config, 0.7)
    assert_equal(again, result := again.end(), expected)
    assert result.network_evaluations == whole.network_evaluations
    assert result.steps == 4 * ROUNDS * LENGTH  # of all candidates


def diverging(loop, is_lost):
    """Let candidates of a loop diverge at their second step. is_lost: called with the numbers of round and candidate."""
    take = loop.method.step

    def step(*arguments):
        part = loop.rounds.of_next_step(loop.step)
        logged = take(*arguments)
        if is_lost(part.number, part.candidate) and loop.step == part.starts_after + 1:
            with torch.no_grad():
                loop.task.model.mean.fill_(torch.nan)
            return {"loss": torch.tensor(torch.nan)}
        return logged

    loop.method.step = step
    return loop


ALPHAS = {"alpha": (1.0, 3.0)}


@pytest.mark.parametrize("lost", [0, 1])
def test_a_candidate_that_diverges_loses_and_the_others_go_on(tmp_path, lost):
    """By hand: the rounds with the other candidate alone."""
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS)
    values, _, best = by_hand(tmp_path / "hand", "best", "averaged", 0.7, [{"alpha": ALPHAS["alpha"][1 - lost]}])
    loop = diverging(loop_of(tmp_path, config, 0.7), lambda _, candidate: candidate == lost)
    result = loop.run()
    assert [point["value"] for point in result.curve] == values
    assert {point.get("candidate") for point in result.curve[1:]} == {2 - lost}
    assert torch.equal(result.weights["mean"], best["mean"])
    assert result.steps == ROUNDS * (LENGTH + 2)  # the lost one ends at the first point of the curve in each round
    assert loop.around.log.path.read_text().count('"round/diverged": 1.0') == ROUNDS


def test_a_candidate_whose_last_loss_is_not_finite_loses_itself_and_not_the_next_one(tmp_path):
    """Steps are logged every third, so that the last of four had its loss looked at in the steps of the next candidate."""
    loop = loop_of(tmp_path, DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS), 0.7)
    take = loop.method.step

    def step(*arguments):
        part, logged = loop.rounds.of_next_step(loop.step), take(*arguments)
        is_last = loop.step == part.starts_after + part.steps - 1
        return {"loss": torch.tensor(torch.inf)} if is_last and part.candidate == 0 else logged

    loop.method.step = step
    result = loop.run()
    lines = [json.loads(line)["values"] for line in loop.around.log.path.read_text().splitlines()[1:]]
    lost = [line["round/candidate"] for line in lines if "round/diverged" in line]
    assert lost == [1.0] * ROUNDS
    ends = [point["candidate"] for point in result.curve if point["images"] % (LENGTH * BATCH) == 0 and point["images"]]
    assert ends == [2] * ROUNDS


def breaking(loop, broken, is_broken, sign=1.0):
    """Let the curve of a loop measure a broken value where `is_broken`, called with step and candidate, says so."""

    def measure(weights):
        candidate = loop.rounds.of_last_step(loop.step).candidate
        return broken if is_broken(loop.step, candidate) else sign * quality(weights)

    loop.curve.measure, loop.curve.higher_is_better = measure, sign < 0
    return loop


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_start_whose_value_is_not_finite_diverges_also_where_candidates_are_left(tmp_path, broken):
    """A curve that holds NaN has no better point, so that the base would be the result of a training without a fault."""
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS)
    loop = breaking(loop_of(tmp_path, config, 0.7), broken, lambda step, _: step == 0)
    with pytest.raises(Diverged, match=f"the curve's metric is {broken} at step 0 of {2 * ROUNDS * LENGTH}"):
        loop.run()
    assert (loop.curve.values, loop.curve.best) == ([], {})


@pytest.mark.parametrize(("broken", "sign"), [(torch.nan, 1.0), (torch.nan, -1.0), (torch.inf, -1.0)])
@pytest.mark.parametrize("lost", [0, 1])
def test_a_candidate_with_a_value_that_is_not_finite_loses_and_leaves_no_point(tmp_path, lost, broken, sign):
    """By hand: the rounds with the other candidate alone. Without the check, the infinite value would win."""
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS)
    values, _, best = by_hand(tmp_path / "hand", "best", "averaged", 0.7, [{"alpha": ALPHAS["alpha"][1 - lost]}])
    loop = breaking(loop_of(tmp_path, config, 0.7), broken, lambda step, candidate: step > 0 and candidate == lost, sign)
    result = loop.run()
    assert [point["value"] for point in result.curve] == [sign * value for value in values]
    assert torch.equal(result.weights["mean"], best["mean"])
    assert loop.around.log.path.read_text().count('"round/diverged": 1.0') == ROUNDS


def test_a_lost_candidate_stays_lost_when_a_killed_training_goes_on(tmp_path):
    def is_lost(number, candidate):
        return number == 1 and candidate == 0

    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS)
    whole = diverging(loop_of(tmp_path, config, 0.7, "whole"), is_lost).run()
    loop = loop_of(tmp_path, config, 0.7)
    for step in range(1, loop.rounds.total + 1):
        loop = diverging(loop_of(tmp_path, config, 0.7), is_lost)
        loop._begin()
        if loop.step < step:
            loop.advance(step)
        loop.save(tmp_path / "work")
    again = loop.end()
    assert (again.curve, again.steps) == (whole.curve, whole.steps)
    assert torch.equal(again.weights["mean"], whole.weights["mean"])


def test_a_round_of_which_all_candidates_diverge_ends_the_training(tmp_path):
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS)
    with pytest.raises(Diverged):
        diverging(loop_of(tmp_path, config, 0.7), lambda number, _: number == 1).run()


def test_the_time_of_a_point_at_which_a_candidate_diverges_is_the_curves_alone(tmp_path, monkeypatch):
    """With a clock that stands still but for measuring, which takes 100."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    loop = loop_of(tmp_path, DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=ALPHAS), 0.7)
    measure, measured = loop.curve.measure, []

    def slowly(weights):
        now[0] += 100
        measured.append(loop.rounds.of_last_step(loop.step).candidate)
        return math.nan if measured[-1] == 1 else measure(weights)

    loop.curve.measure = slowly
    result = loop.run()
    assert measured.count(1) == ROUNDS
    assert result.seconds_training == 0.0
    assert result.seconds == 100.0 * len(measured)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.parametrize("search", [None, {"alpha": (1.0, 3.0)}])
@pytest.mark.parametrize("seconds", [-1.0, 1e9])
def test_a_kill_near_the_border_of_a_round_changes_no_line_of_the_log(tmp_path, search, seconds):
    """With a checkpoint after each step, and with none."""
    config = DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round=search)
    whole = loop_of(tmp_path, config, 0.7, "whole")
    expected = whole.run()
    for step in (0, LENGTH - 1, LENGTH, LENGTH + 1, 2 * LENGTH):
        loop = loop_of(tmp_path, config, 0.7, f"killed-{step}", seconds)
        take = loop.method.step

        def die(*arguments, loop=loop, step=step, take=take):
            if loop.step == step:
                raise Killed
            return take(*arguments)

        loop.method.step = die
        with pytest.raises(Killed):
            loop.run()
        again = loop_of(tmp_path, config, 0.7, f"killed-{step}")
        result = again.run()
        assert again.around.log.path.read_text() == whole.around.log.path.read_text(), step
        assert torch.equal(result.weights["mean"], expected.weights["mean"])
        assert (result.curve, result.evaluations) == (expected.curve, expected.evaluations)


def test_a_search_of_one_candidate_is_no_search(tmp_path):
    plain = loop_of(tmp_path, DDOConfig(**{**SMALL, "alpha": 3.0}, rounds=ROUNDS, reference="best"), 0.7, "plain").run()
    searched = loop_of(
        tmp_path, DDOConfig(**SMALL, rounds=ROUNDS, reference="best", search_each_round={"alpha": (3.0,)}), 0.7, "searched"
    ).run()
    assert torch.equal(plain.weights["mean"], searched.weights["mean"])
    assert plain.curve == searched.curve


def test_settings_by_round_are_those_of_the_round(tmp_path):
    config = DDOConfig(**{**SMALL, "beta": {1: 0.5, 3: 0.1}}, rounds=ROUNDS, alpha=(1.0, 2.0), rate=0.1)
    loop = loop_of(tmp_path, config, None)
    loop.run()
    start = state_dicts.snapshot(Point())
    for number, (alpha, beta) in enumerate([(1.0, 0.5), (2.0, 0.5), (2.0, 0.1)]):
        optimizer = {**OPTIMIZER, "lr": 0.1}
        start = single_round(tmp_path / "hand", number, start, None, alpha=alpha, beta=beta, optimizer=optimizer)[-1][1]["raw"]
    assert torch.equal(state_dicts.snapshot(loop.task.model)["mean"], start["mean"])


def test_a_round_that_made_nothing_better_starts_the_next_from_its_own_start(tmp_path):
    loop = loop_of(tmp_path, DDOConfig(**SMALL, rounds=ROUNDS, reference="best"), None)
    loop.curve.measure = lambda weights: float(weights["mean"].abs().sum())  # the base, at 0, is best
    starts = []
    begin = loop.method.begin_round
    loop.method.begin_round = lambda part: (starts.append(state_dicts.snapshot(loop.task.model)["mean"]), begin(part))
    loop.run()
    assert [start.tolist() for start in starts] == [[0.0, 0.0]] * (ROUNDS - 1)
