import pytest
from search_boards import SEARCH_BOARD, written

from harness.board.reading.chosen_settings import read_chosen
from harness.run.searching.found import found
from harness.run.searching.trials import CellCost, Trial
from harness.store.runs_folder import RunsFolder


def trial(number, value, end="done", cells=("key",), **point):
    cost = CellCost(images=10, network_evaluations=20, seconds=1.5)
    point = {"strength": 1.0, "optimizer.lr": 0.5, "bank": 5, **point}
    return Trial(number=number, point=point, end=end, values=[value], cells=dict.fromkeys(cells, cost))


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def test_the_best_whole_trial_is_chosen(study, runs):
    trials = [trial(0, 2.0), trial(1, 1.0, bank=7), trial(2, 0.5, "stopped"), trial(3, 1.0, bank=9), trial(4, 0.1, "diverged")]
    facts = found(study, trials, runs)
    assert (facts.value, facts.settings["bank"], facts.trials) == (1.0, 7, 5)
    assert (facts.metric, facts.measured, facts.seeds, facts.edges) == ("distance", "curve", [100, 101], [])
    assert facts.study == facts.digest
    assert [each.end for each in facts.all_trials] == ["done", "done", "stopped", "done", "diverged"]


def test_higher_is_better_where_the_metric_says_so(studies, runs):
    (study,) = studies(SEARCH_BOARD.replace("trials: 12", "metric: likeness"))
    assert found(study, [trial(0, 2.0), trial(1, 1.0)], runs).value == 2.0


def test_without_a_whole_trial_nothing_is_chosen(study, runs):
    assert found(study, [trial(0, 1.0, "stopped"), trial(1, 1.0, "failed")], runs) is None


def test_a_cell_of_several_trials_costs_once(study, runs):
    cost = found(study, [trial(0, 1.0, cells=("a", "b")), trial(1, 1.0, cells=("b", "c"))], runs).cost
    assert (cost.images, cost.network_evaluations, cost.seconds) == (30, 60, 4.5)
    assert cost.pretraining_images == 1280


@pytest.mark.parametrize(
    ("point", "edge"),
    [
        ({"strength": 70.0}, "strength 70 lies at the edge of its values (the largest, 100): widen them"),
        ({"strength": 50.0}, None),
        ({"strength": 0.011}, "strength 0.011 lies at the edge of its values (the smallest, 0.01): widen them"),
        ({"optimizer.lr": 0.87}, "optimizer.lr 0.87 lies at the edge of its values (the largest, 0.9): widen them"),
        ({"bank": 1}, "bank 1 lies at the edge of its values (the smallest, 1): widen them"),
        ({"bank": 19}, None),
    ],
)
def test_a_value_at_an_edge_says_so(study, runs, point, edge):
    assert found(study, [trial(0, 1.0, **point)], runs).edges == ([edge] if edge else [])


@pytest.mark.parametrize(("choices", "value", "is_edge"), [("[1, 2, 3]", 3, True), ("[1, 2, 3]", 2, False), ("[1, 2]", 2, True)])
def test_choices_of_numbers_have_edges(studies, runs, choices, value, is_edge):
    (study,) = studies(SEARCH_BOARD.replace("bank: {low: 1, high: 20}", f"bank: {{choices: {choices}}}"))
    assert bool(found(study, [trial(0, 1.0, bank=value)], runs).edges) == is_edge


def test_other_points_with_the_best_value_are_named_each_once(study, runs):
    trials = [trial(0, 2.0, bank=3), trial(1, 1.0, bank=7), trial(2, 1.0, bank=9), trial(3, 1.0, bank=9), trial(4, 1.0, bank=7)]
    facts = found(study, [*trials, trial(5, 1.0, "stopped", bank=5)], runs)
    assert facts.settings["bank"] == 7
    assert facts.ties == ["strength 1, optimizer.lr 0.5, bank 9"]
    assert found(study, trials[:2], runs).ties == []
    assert found(study, [trial(0, 1.0, bank=3), trial(1, 1.0 + 4e-6, bank=7)], runs).ties == [
        "strength 1, optimizer.lr 0.5, bank 7"
    ]


def test_where_selection_kept_the_base_in_the_best_trial_no_trial_is_better_than_the_base(study, runs):
    kept = [trial(number, 1.0, bank=bank).model_copy(update={"kept_base": True}) for number, bank in enumerate((1, 9))]
    facts = found(study, [*kept, trial(2, 1.5)], runs)
    assert (facts.kept_base, facts.ties, facts.edges) == (True, [], [])
    better = found(study, [*kept, trial(2, 0.5)], runs)
    assert not better.kept_base


def test_the_file_has_a_study_for_each_base(studies, runs):
    text = SEARCH_BOARD.replace("bases: net", "bases: [net, other]")
    text = text.replace("  chain: {label: Chain, model: chain,", "  other: {label: Other, model: {name: net, width: 9},")
    first, second = studies(text)
    written(second, [trial(0, 2.0)], runs)
    chosen = written(first, [trial(0, 1.0)], runs)
    content = read_chosen(first.folder / "searched/tune.yaml", where="file", board=first.folder)
    assert {base: study.value for base, study in content.studies.items()} == {"net": 1.0, "other": 2.0}
    assert list(content.studies) == ["net", "other"]
    assert (chosen.entry, chosen.label, chosen.base) == ("tune", "Tune", "net")


def test_a_file_that_cannot_be_used_is_replaced(study, runs):
    path = study.folder / "searched" / "tune.yaml"
    path.parent.mkdir()
    path.write_text("by: hand\n")
    written(study, [trial(0, 1.0)], runs)
    assert read_chosen(path, where="file", board=study.folder).method == "weigh"
