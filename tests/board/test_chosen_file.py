import yaml

from harness.board.chosen_file import ChosenFile, SearchCost, StudyFacts, TrialFacts, file_text
from harness.board.reading.yaml_file import parse_yaml

FACTS = StudyFacts(
    settings={"beta": 1e-05, "flag": True, "kind": "no", "n": 3},
    value=0.1 + 0.2,
    metric="fid[digits-cnn]",
    measured="curve",
    trials=2,
    seeds=[100],
    edges=['beta 1e-05 lies at the edge: "widen"'],
    cost=SearchCost(images=10, network_evaluations=20, seconds=1.25),
    asked={"space": {"beta": {"low": 1e-05, "high": 1.0}}, "metric": None},
    fixed={"method": {"name": "ddo"}},
    all_trials=[TrialFacts(number=0, settings={"beta": 1e-05}, values=[0.30000000000000004], end="done")],
).sealed()


def test_what_is_written_is_what_is_read(tmp_path):
    content = ChosenFile(
        search="s", method="ddo", studies={"net": FACTS, "other": FACTS.model_copy(update={"edges": []}).sealed()}
    )
    read = ChosenFile.model_validate(parse_yaml(file_text(content), tmp_path / "x.yaml").value)
    assert read == content
    assert all(study.study == study.digest for study in read.studies.values())
    assert yaml.safe_load(file_text(content))["studies"]["net"]["settings"]["beta"] == 1e-05


def test_facts_that_were_added_later_move_no_hash_of_an_older_file_while_they_are_empty(tmp_path):
    assert FACTS.digest == "9785ada5ab7143f289fb6552"
    assert not {"kept_base", "ties"} & FACTS.model_dump().keys()
    tied = FACTS.model_copy(update={"ties": ["beta 1"], "kept_base": True}).sealed()
    content = ChosenFile(search="s", method="ddo", studies={"net": tied})
    assert ChosenFile.model_validate(parse_yaml(file_text(content), tmp_path / "x.yaml").value) == content
    assert tied.study != FACTS.study


def test_settings_are_in_doubt_where_they_lie_at_an_edge_tie_or_leave_the_base_as_it_is():
    (edge,) = FACTS.doubts
    assert edge == 'beta 1e-05 lies at the edge: "widen"'
    one, two = (FACTS.model_copy(update={"ties": ties, "edges": []}) for ties in (["beta 1"], ["beta 1", "beta 2"]))
    assert one.doubts == ["another point has the same value (beta 1): the first one was taken"]
    assert two.doubts == ["2 other points have the same value (beta 1; beta 2): the first one was taken"]
    assert FACTS.model_copy(update={"kept_base": True}).doubts == [
        "no trial is better than the base, whose weights selection kept: the chosen settings are no best"
    ]
    assert FACTS.model_copy(update={"edges": []}).doubts == []


def test_a_trial_has_a_line():
    text = file_text(ChosenFile(search="s", method="ddo", studies={"net": FACTS}))
    assert "      - {number: 0, settings: {beta: 1.0e-05}, values: [0.30000000000000004], end: done}\n" in text


def test_the_hash_is_of_everything():
    for change in ({"settings": {"beta": 2.0}}, {"value": 1.0}, {"trials": 3}, {"all_trials": []}, {"cost": SearchCost()}):
        assert FACTS.model_copy(update=change).digest != FACTS.digest
