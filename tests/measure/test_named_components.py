"""Names and settings of a command line: looked up, checked, and told what is wrong with them."""

import pytest

from harness import UserError
from harness.components import Dataset, Extractor, Metric
from harness.errors import Faults
from harness.measure.named_components import check_weights, choose, metrics_of_images, parse_names, parse_settings, resolve
from harness.plugins import registry


def test_a_component_is_resolved_with_its_settings_checked_and_defaults_filled_in():
    kid = resolve(Metric, "kid", {"subset_size": 40}, where="--metrics")
    assert kid.component.name == "kid"
    assert kid.settings.model_dump() == {"subsets": 100, "subset_size": 40, "seed": 2020}
    assert kid.version == registry().provided("metric", "kid", where="test").version


def test_every_wrong_setting_is_told_with_the_nearest_name():
    with pytest.raises(Faults) as caught:
        resolve(Metric, "kid", {"subset_sise": 40, "subsets": 0}, where="--metrics")
    assert sorted(caught.value.faults) == [
        "--set kid.subset_sise: no setting is called 'subset_sise'; did you mean 'subset_size'? there are: subsets, "
        "subset_size, seed",
        "--set kid.subsets: must be at least 1, got 0",
    ]


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UserError, match="--reference: no dataset is called 'digitz'; did you mean 'digits'"):
        resolve(Dataset, "digitz", {}, where="--reference")


def test_settings_are_read_as_yaml_by_component():
    texts = ["kid.subset_size=500", "kid.seed=7", "fid.few_images=true", "is.note=a=b", "is.empty="]
    assert parse_settings(texts, where="--set") == {
        "kid": {"subset_size": 500, "seed": 7},
        "fid": {"few_images": True},
        "is": {"note": "a=b", "empty": None},
    }


@pytest.mark.parametrize("text", ["kid", "kid=3", "kid.subset_size", ".subset_size=3", "kid.=3", "=3"])
def test_a_setting_of_another_form_is_told_the_form(text):
    with pytest.raises(UserError) as caught:
        parse_settings([text], where="--set")
    assert str(caught.value) == f"--set {text}: write NAME.KEY=VALUE, e.g. kid.subset_size=500"


def test_a_value_that_is_no_yaml_and_a_key_that_is_given_twice_are_refused():
    with pytest.raises(UserError, match=r"--set kid\.seed=\[: not valid YAML: "):
        parse_settings(["kid.seed=["], where="--set")
    with pytest.raises(UserError, match=r"kid\.seed is given twice; give it once"):
        parse_settings(["kid.seed=1", "kid.subsets=2", "kid.seed=1"], where="--set")


def test_names_stand_between_commas_or_spaces_and_count_once():
    assert parse_names(["fid,kid", "is , fid"]) == ["fid", "kid", "is"]
    assert parse_names([",", ""]) == []


def test_metrics_and_an_extractor_are_chosen_with_the_settings_of_each():
    metrics, extractor = choose(["fid", "kid"], "digits-cnn", {"kid": {"subset_size": 40}})
    assert [metric.name for metric in metrics] == ["fid", "kid"]
    assert metrics[1].settings.model_dump()["subset_size"] == 40
    assert extractor.component.name == "digits-cnn"


@pytest.mark.parametrize(
    ("metrics", "settings", "faults"),
    [
        (["fidd", "kidd"], {}, ["no metric is called 'fidd'; did you mean 'fid'?", "no metric is called 'kidd'"]),
        (["w2"], {}, ["--metrics: w2 compares points and not images; metrics of images: coverage, density, "]),
        (["fid[digits-cnn]"], {}, ["fid[digits-cnn]: write fid, and its extractor as --extractor NAME; one at a time"]),
        (["sfid"], {}, ["--metrics: sfid needs spatial, and dinov2 gives features"]),
        (["fid"], {"kid": {"seed": 1}}, ["--set kid: not among the metrics and the extractor: fid, dinov2"]),
        (
            ["fid"],
            {"fid": {"few": 1}, "is": {}},
            ["--set fid.few: no setting is called 'few'", "--set is: not among the metrics"],
        ),
    ],
)
def test_what_is_wrong_with_the_metrics_is_told_at_once(metrics, settings, faults):
    with pytest.raises(Faults) as caught:
        choose(metrics, "dinov2", settings)
    assert len(caught.value.faults) == len(faults)
    for fault, part in zip(caught.value.faults, faults, strict=True):
        assert part in fault


def test_every_metric_that_compares_features_is_one_of_images():
    names = metrics_of_images()
    assert {"fid", "kid", "is", "precision"} <= set(names)
    assert not {"w2", "sliced-w2"} & set(names)
    assert names == sorted(names)


def test_absent_weights_name_the_extractors_whose_weights_are_here(monkeypatch, tmp_path):
    for variable in ("HARNESS_INCEPTION", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"Extractors that need no file: digits-cnn, .*fashion-cnn.* \(other numbers") as caught:
        check_weights(resolve(Extractor, "inception", {}, where="--extractor"))
    assert "inception," not in str(caught.value).partition("need no file: ")[2]
    check_weights(resolve(Extractor, "digits-cnn", {}, where="--extractor"))  # brings its weights along
