import pytest
from board_fixtures import fake_record
from search_boards import Trained

from harness.run.searching.outcomes import rung_outcome
from harness.run.states import CellState
from harness.store.records import Costs, CurvePoint, Measured

POINT = {"strength": 0.5, "optimizer.lr": 0.3, "bank": 7}


@pytest.fixture
def outcome(study):
    """The outcome of the trial's cells, whose records have these fields, one for each seed."""

    def of(*fields, is_by_curve=True):
        cells = study.board([POINT], 0).cells
        states = [CellState(cell, "done", record=fake_record(cell, **own)) for cell, own in zip(cells, fields, strict=True)]
        return rung_outcome(states, study.column, is_by_curve=is_by_curve)

    return of


def curve(*values):
    return [CurvePoint(images=images, value=value) for images, value in enumerate(values)]


def test_the_value_is_the_mean_over_seeds_of_the_curves_end(outcome):
    assert outcome({"curve": curve(9, 1, 3)}, {"curve": curve(9, 9, 5)}).value == 4


def test_where_the_curve_selects_its_best_counts(outcome):
    fields = [{"curve": curve(9, 1, 3), "selected_images": 1}, {"curve": curve(9, 9, 5), "selected_images": 2}]
    assert outcome(*fields).value == 3


@pytest.mark.parametrize(("selected", "kept_base"), [((0, 0), True), ((0, 1), False), ((None, None), False)])
def test_the_base_is_kept_where_selection_took_its_weights_on_every_seed(outcome, selected, kept_base):
    fields = [{"curve": curve(1, 9, 9), "selected_images": images} for images in selected]
    assert outcome(*fields).kept_base == kept_base


def test_of_another_column_the_evaluation_counts(outcome):
    fields = [{"metrics": {"distance": Measured(values=[1, 3])}}, {"metrics": {"distance": Measured(values=[4, 6])}}]
    assert outcome(*fields, is_by_curve=False).value == 3.5


def test_the_cost_counts_training_the_curve_and_sampling(outcome):
    costs = Costs(
        images_seen=64, network_evaluations=100, forward_evaluations=70, backward_evaluations=30, selection_evaluations=50,
        nfe=2, seconds_finetune=3, seconds_sample=1,
    )  # fmt: skip
    fields = {"curve": curve(1), "costs": costs, "evaluation": {"samples": 10, "draws": 3}, "metrics": {}}
    (cost, _) = outcome(fields, fields).cells.values()
    assert (cost.images, cost.network_evaluations, cost.seconds) == (64, 70 + 30 + 50 + 2 * 10 * 3, 4)


@pytest.mark.parametrize(("state", "fault"), [("diverged", "diverged"), ("failed", "failed"), ("to run", "failed")])
def test_a_seed_without_a_value_leaves_the_trial_without_one(study, state, fault):
    trained = Trained()
    first, second = (trained.state(cell) for cell in study.board([POINT], 0).cells)
    outcome = rung_outcome([first, CellState(second.cell, state, "why")], study.column, is_by_curve=True)
    assert (outcome.value, outcome.fault) == (None, fault)
    assert outcome.reason == f"{second.cell.name}: why"
