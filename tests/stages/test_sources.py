"""Manifests and records say which code made them, and all that they were made from."""

import dataclasses

import pytest
import stage_parts
from edited_code import edit

from harness import Method, Sampler
from harness.board.components import Resolved
from harness.errors import Interrupted
from harness.plugins import registry
from harness.process import sources as process_sources
from harness.process import stop
from harness.stages import base as base_stage
from harness.stages import finetune, jobs, metrics, sample, sources
from harness.stages.facts import BaseFacts, FinetuneFacts, SampleFacts
from harness.stages.options import JobOptions
from harness.stages.record import record_path
from harness.store.files import StorageError
from harness.store.reading import LARGEST_TEXT
from harness.store.records import SourceFacts, load_record


def facts(component="method fit", sha256="a" * 64, distribution="fits", version="0.1", commit=""):
    return SourceFacts(component=component, distribution=distribution, version=version, commit=commit, sha256=sha256)


def components(made_by):
    return [each.component for each in made_by]


def test_a_training_names_the_core_and_every_component_with_a_part_in_it(cells, tune):
    made_by = FinetuneFacts.of(tune(cells["small/mle/s0"])).sources
    assert components(made_by) == ["dataset swiss-roll", "harness", "method mle", "model ddpm-mlp", "sampler ancestral"]
    assert all(len(each.sha256) == 64 and each.distribution == "finetune-harness" for each in made_by)


def test_an_output_also_names_the_code_of_what_it_was_made_from(cells, source, context, new_context, monkeypatch):
    cell = cells["small/mle/s0"]
    base = base_stage.run(cell.base, source, context)
    edit(monkeypatch, "model ddpm-mlp")
    tuned = finetune.run(cell, base, source, new_context())
    edit(monkeypatch, "model ddpm-mlp", to="f")
    samples = sample.run(cell, tuned, source, new_context()).output
    measured = metrics.run(cell, samples, source, new_context())["sliced-w2"]
    hashes = [each.sha256[:2] for each in SampleFacts.of(samples).sources if each.component == "model ddpm-mlp"]
    assert len(hashes) == 3
    assert {"ee", "ff"} < set(hashes)
    assert components(measured.sources) == ["dataset swiss-roll", "harness", "metric sliced-w2"]


def test_a_record_names_the_code_of_all_its_stages(cells, context):
    cell = cells["small/mle/s0"]
    jobs.run_cell(cell, context.runs, JobOptions(device="cpu"))
    record = load_record(record_path(cell, context.runs))
    assert components(record.sources) == [
        "dataset swiss-roll", "harness", "method mle", "metric sliced-w2", "model ddpm-mlp", "sampler ancestral",
    ]  # fmt: skip


def test_training_that_goes_on_with_edited_code_names_both(cells, source, context, new_context, monkeypatch):
    drifting = stage_parts.resolved(Method("drifting", build="stage_parts:Drifting", summary=""))
    cell = dataclasses.replace(cells["small/mle/s0"], row=dataclasses.replace(cells["small/mle/s0"].row, method=drifting))
    base, step = base_stage.run(cell.base, source, context), stage_parts.Drifting.step

    def step_and_stop(self, batch, generator, index):
        stop.request()
        return step(self, batch, generator, index)

    with monkeypatch.context() as patched:
        patched.setattr(stage_parts.Drifting, "step", step_and_stop)
        with pytest.raises(Interrupted):
            finetune.run(cell, base, source, context)
    stop.clear()
    edit(monkeypatch, "sampler ancestral")
    made_by = FinetuneFacts.of(finetune.run(cell, base, source, new_context())).sources
    assert len([each for each in made_by if each.component == "sampler ancestral"]) == 2


def test_checkpoints_of_other_code_count_and_a_folder_without_any_does_not(cells, context, monkeypatch, caplog):
    cell, work = cells["small/mle/s0"], context.runs.work("finetune", "key")
    sources.of_training(work, cell.method)
    edit(monkeypatch, "method mle")
    assert len(sources.of_training(work, cell.method)) == 2, "nothing was trained by the code before"
    (work / "step-0000000001").mkdir()
    edit(monkeypatch, "method mle", to="f")
    assert [each.sha256[0] for each in sources.of_training(work, cell.method) if each.component == "method mle"] == ["e", "f"]
    (work / sources.SOURCES).write_text("{")
    assert len(sources.of_training(work, cell.method)) == 2, "what is damaged is unknown"
    assert "sources.json is damaged (not a whole list of sources); the record will not tell the code of" in caplog.messages[-1]
    other = context.runs.work("finetune", "other")
    sources.of_training(other, cell.method)
    (work / sources.SOURCES).write_bytes((other / sources.SOURCES).read_bytes())
    assert len(sources.of_training(work, cell.method)) == 2
    assert "sources.json is damaged (of another training: finetune-other)" in caplog.messages[-1]


def test_a_list_of_sources_of_any_size_is_not_read(cells, context):
    cell, work = cells["small/mle/s0"], context.runs.work("finetune", "key")
    (work / "step-0000000001").mkdir(parents=True)
    with (work / sources.SOURCES).open("wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    with pytest.raises(StorageError, match=r"sources\.json: cannot be read: it is larger than 67,108,864 bytes"):
        sources.of_training(work, cell.method)


def test_what_an_older_version_wrote_is_used_and_its_code_is_unknown(cells, source, context, new_context):
    cell = cells["small/mle/s0"]
    base = base_stage.run(cell.base, source, context)
    facts = {name: value for name, value in base.facts.items() if name != "sources"}
    older = dataclasses.replace(base, facts=facts)
    assert BaseFacts.of(older).sources == []
    cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, method=cells["small/none/s0"].method))
    assert FinetuneFacts.of(finetune.run(cell, older, source, new_context())).sources == []


def test_facts_without_sources_are_those_of_older_versions():
    assert sources.of_facts({"seconds": 1.0}) == []
    assert sources.of_facts({"sources": [facts().model_dump()]}) == [facts()]


def test_equal_code_is_listed_once_whatever_its_commit():
    assert sources.merged([facts(commit="1")], [facts(commit="2")]) == [facts(commit="2")]
    assert len(sources.merged([facts()], [facts(sha256="b" * 64)])) == 2


def test_code_differs_by_its_hash_alone():
    assert sources.differ(facts(), facts(sha256="b" * 64))
    assert sources.differ(facts(), facts(sha256="b" * 64, version="0.2"))
    assert not sources.differ(facts(), facts(version="0.2", commit="1+"))
    assert not sources.differ(facts(), facts(sha256=""))


def test_two_releases_of_the_harness_do_not_differ_and_an_edit_of_one_does():
    ours = facts(distribution="finetune-harness")
    assert not sources.differ(ours, facts(distribution="finetune-harness", sha256="b" * 64, version="0.2"))
    assert sources.differ(ours, facts(distribution="finetune-harness", sha256="b" * 64))


def test_a_component_that_is_not_installed_has_no_code():
    assert sources.installed("method nobody-has-it") is None
    assert sources.installed("colour red") is None


def test_an_output_is_of_the_code_as_it_is_now_where_no_other_version_had_a_part_in_it():
    def made_by(*pairs):
        return [SourceFacts(component=component, sha256=sha256 * 64) for component, sha256 in pairs]

    own = made_by(("harness", "b"), ("method m", "b"))
    assert sources.are_alone(own, own)
    assert sources.are_alone(own, [*own, *made_by(("model n", "a"))]), "the model is no part of this stage"
    assert not sources.are_alone(own, [*own, *made_by(("method m", "a"))]), "the method was edited while the output was made"
    assert not sources.are_alone(own, made_by(("harness", "b")))
    assert not sources.are_alone(own, [])


def test_samplers_inside_of_samplers_count():
    component = registry().get(Sampler, "cfg", where="this test")
    guided = Resolved(component, component.config.model_validate({"sampler": "heun", "weight": 2.0}), "guidance", "1/1")
    assert {"sampler cfg", "sampler heun"} <= set(components(sources.of(guided)))


def test_code_that_was_edited_while_a_run_goes_on_counts_in_both_versions(cells, monkeypatch):
    method = cells["small/mle/s0"].method
    (core, now) = sources.of(method)
    installed = sources.installed("method mle")
    assert installed is not None
    before = dataclasses.replace(installed, sha256="b" * 64)
    monkeypatch.setattr(process_sources, "edited_since_start", lambda source: before if source.sha256 == now.sha256 else None)
    assert sources.of(method) == [
        core,
        *sorted([now, facts("method mle", "b" * 64, now.distribution, now.version, now.commit)], key=lambda each: each.sha256),
    ]
