"""What the user wrote becomes a plan, or all that is wrong with it."""

import pytest

from harness import UserError
from harness.errors import Faults
from harness.measure.reading_options import ReadingOptions
from harness.measure.request import MeasurementRequest, plan_measurement


@pytest.fixture
def folders(write_folder, random_images, tmp_path, monkeypatch):
    """Two sets of images in the working directory."""
    write_folder("samples", random_images(0))
    write_folder("real", random_images(1))
    monkeypatch.chdir(tmp_path)


def request(**fields):
    """A request that can be planned, with changes."""
    known = {"samples": ["samples"], "references": ["real"], "metrics": ["fid"], "extractor": "digits-cnn"}
    return MeasurementRequest(**{**known, **fields})


def test_a_request_becomes_a_plan(folders, context, tmp_path):
    settings = {"kid": {"subset_size": 10}}
    plan = plan_measurement(request(metrics=["fid", "kid"], settings=settings, batch=7), context)
    assert [metric.name for metric in plan.metrics] == ["fid", "kid"]
    assert plan.metrics[1].settings.model_dump()["subset_size"] == 10
    assert (plan.extractor.name, plan.batch, plan.write_statistics) == ("digits-cnn", 7, None)
    assert [source.name for source in plan.sources] == ["samples", "real"]


def test_the_metric_and_the_extractor_that_plugins_mark_are_taken_where_none_is_named():
    unnamed = request(metrics=None, extractor=None)
    assert unnamed.metric_names == ["fid"]
    assert unnamed.extractor_name == "inception"


def test_statistics_alone_can_be_asked_for(folders, context, tmp_path):
    target = tmp_path / "real.npz"
    writes = request(samples=["real"], references=[], metrics=None, write_statistics=target)
    plan = plan_measurement(writes, context)
    assert (plan.metrics, plan.reference, plan.write_statistics) == ((), None, target)
    assert request(metrics=[], references=[], write_statistics=target).metric_names == []
    assert request(metrics=None, write_statistics=target).metric_names == ["fid"]  # there is something to compare with


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"references": ["real", "samples"]}, "--reference: is given 2 times, and there is one: real, samples"),
        ({"options": ReadingOptions(value_range="0,2")}, "--range 0,2: there are 0,255, 0,1, -1,1"),
        ({"metrics": []}, "--metrics: name at least one, e.g. fid,kid"),
        ({"options": ReadingOptions(images=100)}, "--images 100 is only for a dataset, and here is none"),
        ({"metrics": ["fidd"]}, "no metric is called 'fidd'; did you mean 'fid'?"),
        ({"extractor": "digits-cn"}, "no extractor is called 'digits-cn'; did you mean 'digits-cnn'?"),
    ],
)
def test_what_is_wrong_with_a_request_is_one_message(folders, context, fields, message):
    with pytest.raises(UserError) as caught:
        plan_measurement(request(**fields), context)
    assert message in str(caught.value)


def test_names_samples_and_reference_are_told_at_once(folders, context):
    with pytest.raises(Faults) as caught:
        plan_measurement(request(samples=["samples", "nowhere", "digitz"], references=["neither"], metrics=["fidd"]), context)
    starts = ["--metrics:", "SAMPLES nowhere:", "SAMPLES digitz:", "--reference neither:"]
    assert len(caught.value.faults) == len(starts)
    assert all(fault.startswith(start) for fault, start in zip(caught.value.faults, starts, strict=True))


def test_a_reference_of_several_draws_is_refused(folders, context, random_images, tmp_path):
    from safetensors.torch import save_file

    save_file({f"x.{draw}": random_images(draw).float() / 127.5 - 1 for draw in (0, 1)}, tmp_path / "two.safetensors")
    with pytest.raises(Faults, match=r"--reference two\.safetensors: holds 2 draws; a reference is one set"):
        plan_measurement(request(references=["two.safetensors"]), context)
    assert len(plan_measurement(request(samples=["two.safetensors"]), context).samples) == 2  # repetitions
