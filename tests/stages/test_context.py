"""What the stages of a job share, and what they do not share with other jobs."""

import dataclasses
import json
import logging

import pytest
import torch
from stage_parts import NOISE, Noise

from harness.features import FeatureSet
from harness.plugins import registry
from harness.stages.context import FEATURE_SETS, Context
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.store.runs_folder import RunsFolder

CONFIG = {"seed": 0}
ABOUT = {"board": "tiny", "config": CONFIG}
"""What plugins are told beside the cell, so that equal names on two boards are told apart."""


@pytest.fixture
def context(context):
    return Context(context.runs, dataclasses.replace(context.options, board="tiny"), context.job)


@pytest.fixture
def heard(monkeypatch):
    """What plugins are told."""
    calls = []
    monkeypatch.setattr(registry(), "listen", lambda hook, *_, **arguments: calls.append((hook, arguments)))
    return calls


def test_jobs_share_what_their_cache_holds_and_nothing_by_default(tmp_path):
    runs, cache = RunsFolder(tmp_path), ProcessCache()
    first, second = (Context(runs, JobOptions("cpu"), name, cache) for name in ("first", "second"))
    assert first.dataset(NOISE) is second.dataset(NOISE)
    assert Noise.built == 1
    assert Context(runs, JobOptions("cpu"), "alone").dataset(NOISE) is not first.dataset(NOISE)
    assert first.feature_sets is not second.feature_sets


def test_the_device_is_the_options(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cpu", "auto"):
        assert Context(RunsFolder(tmp_path), JobOptions(name), "test").device == torch.device("cpu")


def test_features_of_the_last_image_sets_stay_in_memory(context):
    sets = [FeatureSet(f"set {number}", 1) for number in range(FEATURE_SETS + 1)]
    for number, features in enumerate(sets):
        context.feature_sets.keep(str(number), features)
    assert context.feature_sets.find("0") is None
    assert context.feature_sets.find(str(FEATURE_SETS)) is sets[-1]


def test_the_loops_steps_reach_the_progress_file_and_the_plugins(context, heard, monkeypatch):
    context.reporter.stage("finetune")
    (file,) = context.runs.workers.glob("*.json")
    monkeypatch.setattr("harness.store.beats.LOCAL_PROGRESS_SECONDS", -1.0)
    context.listener("small/mle/s0", CONFIG).step_logged(100, 400, {"loss": 0.5})
    progress = json.loads(file.read_text())
    assert [progress[name] for name in ("job", "stage", "step", "steps", "values")] == [
        "test",
        "finetune",
        100,
        400,
        {"loss": 0.5},
    ]
    told = {"step": 100, "steps": 400, "values": {"loss": 0.5}}
    assert heard == [("harness_step_logged", {**ABOUT, "cell": "small/mle/s0", "runs": context.runs.root, **told})]
    context.reporter.end()
    assert not file.exists()


def test_checkpoints_reach_the_plugins(context, heard, tmp_path):
    context.listener("small", CONFIG).checkpoint_written(7, tmp_path)
    told = {**ABOUT, "cell": "small", "runs": context.runs.root, "step": 7, "folder": tmp_path}
    assert heard == [("harness_checkpoint_written", told)]


def test_progress_that_cannot_be_written_stops_no_work(context, caplog):
    context.runs.workers.parent.mkdir(parents=True)
    context.runs.workers.write_text("a file in the place of a folder")
    with caplog.at_level(logging.DEBUG):
        context.reporter.stage("sample")
        context.reporter.end()
