"""Questions about records whose code was edited since they were made, and `--fresh`, which makes results anew."""

import json

import pytest
from edited_code import edit

from harness.process import sources as process_sources
from harness.store.manifests import write_manifest
from harness.store.records import SourceFacts, load_floor, load_record, save_record

ASKED = (
    "stale? method ddo changed since these records were made (source aaaaaaaaaaaa of finetune-harness 0.1.0; now eeeeeeeeeeee)"
)
ADVICE = "run `harness run leaderboards/small --fresh method=ddo`, with --fresh-bases if the edited code also trains bases"


def made_by(component):
    version = process_sources.core_source().version
    return SourceFacts(component=component, distribution="finetune-harness", version=version, sha256="a" * 64)


@pytest.fixture
def edited(filled, monkeypatch):
    """A shell whose records of ddo were made by other code of ddo."""
    for seed in (0, 1):
        path = filled.record(f"ddpm/ddo/s{seed}")
        save_record(load_record(path).model_copy(update={"sources": [made_by("method ddo")]}), path)
    edit(monkeypatch, "method ddo")
    return filled


@pytest.mark.parametrize("command", [("status",), ("run", "--dry-run")])
def test_records_of_edited_code_are_a_question_with_what_to_do(edited, command):
    done = edited(command[0], "leaderboards/small", *command[1:])
    assert done.returncode == 0
    assert "6 cells: 6 done" in done.stdout
    question, advice = [line for line in done.stdout.splitlines() if line.startswith("stale?")]
    assert question == f"{ASKED}: ddpm/ddo/s0, ddpm/ddo/s1"
    assert ADVICE in advice


def test_a_run_asks_too_and_runs_nothing(edited):
    done = edited("run", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    assert ASKED in done.stderr
    assert "stale?" not in done.stdout


def test_records_of_the_code_that_is_installed_raise_no_question(filled):
    assert "stale?" not in filled("status", "leaderboards/small").stdout


def test_a_floor_is_asked_about_too(filled, monkeypatch):
    floor = load_floor(filled.floor()).model_copy(update={"sources": [made_by("metric sliced-w2")]})
    save_record(floor, filled.floor())
    edit(monkeypatch, "metric sliced-w2")
    question, advice = [line for line in filled("status", "leaderboards/small").stdout.splitlines() if line.startswith("stale?")]
    assert question.endswith(": floor sliced-w2")
    assert "--fresh-floors" in advice


def test_work_that_a_run_goes_on_from_is_asked_about_before_it_runs(filled, monkeypatch):
    """Its records would be refused by `publish` hours later."""
    cell = next(cell for cell in filled.board.cells if cell.name == "ddpm/ddo/s0")
    filled.record(cell.name).unlink()
    stage = filled.runs.stage("base", cell.base.key)
    stage.mkdir(parents=True)
    facts = {"sources": [made_by("method mle").model_dump()]}
    write_manifest(stage, {"stage": "base", "key": cell.base.key, "facts": facts})
    for command in (["status", "leaderboards/small"], ["run", "leaderboards/small", "--dry-run"]):
        lines = [line for line in filled(*command).stdout.splitlines() if line.startswith("stale?")]
        assert lines[0].startswith(
            "stale? method mle changed since work began that this run goes on from (source aaaaaaaaaaaa of"
        )
        assert lines[0].endswith(": base ddpm")
        assert (
            "publish refuses them. To begin it anew, run `harness run leaderboards/small --fresh FILTER --fresh-bases`"
            in lines[1]
        )
    anew = filled("run", "leaderboards/small", "--dry-run", "--fresh", "method=ddo", "--fresh-bases")
    assert "stale?" not in anew.stdout


def test_json_names_the_components(edited):
    for content in (
        json.loads(edited("status", "leaderboards/small", "--json").stdout)["cells"],
        json.loads(edited("run", "leaderboards/small", "--dry-run", "--json").stdout),
    ):
        assert [cell["changed"] for cell in content] == [[]] * 4 + [["method ddo"]] * 2


def test_published_records_of_cells_that_are_made_anew_do_not_make_them_done(edited):
    assert edited("publish", "leaderboards/small", "--partial", "--allow-mixed").returncode == 0
    edited.record("ddpm/ddo/s0").unlink()
    anew = ("--fresh", "method=ddo", "--fresh-floors", "--keep-published", "--dry-run")
    done = edited("run", "leaderboards/small", *anew)
    assert done.stdout.splitlines()[0] == "6 cells: 4 done, 2 to run; 1 base to train; 1 floor to measure"


def test_a_dry_run_of_fresh_says_what_would_run_and_moves_nothing(edited):
    before = edited.record("ddpm/ddo/s0").read_bytes()
    done = edited("run", "leaderboards/small", "--fresh", "method=ddo,seed=0", "--fresh-floors", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run; 1 base to train; 1 floor to measure"
    assert "  to run    ddpm/ddo/s0   anew" in done.stdout.splitlines()
    assert edited.record("ddpm/ddo/s0").read_bytes() == before
    assert not (edited.runs.root / "fresh").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fresh", "method=dod"], "--fresh: no method of this board matches 'dod'; did you mean 'ddo'?"),
        (["--fresh", "method=ddo", "--only", "method=mle"], "--fresh: no cell that --only and --seeds choose matches all of it"),
        (["--fresh-bases"], "--fresh-bases: say with --fresh FILTER whose bases"),
        (["--fresh", ""], "--fresh: '' is not a filter"),
        (["--remeasure", "method=dod"], "--remeasure: no method of this board matches 'dod'; did you mean 'ddo'?"),
        (["--remeasure", "method=ddo", "--only", "method=mle"], "--remeasure: no cell that --only and --seeds choose"),
        (["--remeasure", "method=ddo", "--fresh", "seed=0"], "--remeasure: --fresh makes ddpm/ddo/s0 anew, training and all"),
    ],
)
def test_what_cannot_be_made_anew_is_refused(filled, arguments, message):
    done = filled("run", "leaderboards/small", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_dry_run_of_remeasure_refuses_what_a_run_would(filled):
    done = filled("run", "leaderboards/small", "--remeasure", "method=ddo", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--remeasure: ddpm/ddo/s0 cannot be measured anew, since its samples and weights and base are not in" in done.stderr


def test_a_published_record_does_not_take_the_place_of_one_that_is_made_anew(filled):
    assert filled("publish", "leaderboards/small").returncode == 0
    cell = next(cell for cell in filled.board.cells if cell.name == "ddpm/ddo/s0")
    note = filled.runs.fresh("cell", cell.key)
    note.parent.mkdir()
    note.write_text("{}")  # as a run leaves it that was killed before the record was there
    filled.record("ddpm/ddo/s0").unlink()
    done = filled("run", "leaderboards/small", "--keep-published", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run; 1 base to train"
