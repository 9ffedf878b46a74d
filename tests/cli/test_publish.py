"""`harness publish`: records into the board's folder, and its page; a board that is half done only on request."""

import re
from pathlib import Path

from in_process import BOARD as TINY
from in_process import run_in_this_process

from harness.store.records import load_record, save_record


def test_records_are_copied_and_the_page_is_written(filled):
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "leaderboards/small/results: 7 records written, 0 files kept, 0 removed"
    assert "wrote leaderboards/small/README.md" in done.stdout
    records = {path.name for path in (filled.folder / "results").glob("*.json") if not path.name.startswith("preview")}
    assert records == {f"{cell.name.replace('/', '__')}.json" for cell in filled.board.cells} | {"floor__sliced-w2.json"}


def test_published_records_stay_where_the_runs_folder_has_none_and_others_go(filled):
    filled("publish", "leaderboards/small")
    results = filled.folder / "results"
    (results / "ddpm__sft-pg__s0.json").write_bytes((results / "ddpm__ddo__s0.json").read_bytes())  # of no cell of the board
    kept = filled.record("ddpm/ddo/s1")
    kept.unlink()
    done = filled("publish", "leaderboards/small")
    assert done.stdout.splitlines()[0] == "leaderboards/small/results: 6 records written, 1 files kept, 1 removed"
    name = "leaderboards/small/results/ddpm__sft-pg__s0.json"
    assert done.stdout.splitlines()[1] == f"removed {name}, which no longer belongs to the board"
    assert not (results / "ddpm__sft-pg__s0.json").exists()
    assert (results / "ddpm__ddo__s1.json").exists()


def test_a_runs_folder_that_is_not_there_is_refused(filled):
    filled("publish", "leaderboards/small")
    done = filled("publish", "leaderboards/small", "--partial", "--runs-dir", "elsewhere")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: elsewhere: no runs folder is there to publish from; `harness run` makes one, --runs-dir names another"
    )


def test_half_a_board_is_refused_unless_partial(filled):
    filled.record("ddpm/ddo/s1").unlink()
    done = filled("publish", "leaderboards/small")
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 not run: ddpm/ddo/s1" in done.stderr
    assert "run `harness run leaderboards/small` first, or publish what there is with --partial" in done.stderr
    assert not (filled.folder / "results").exists()
    assert filled("publish", "leaderboards/small", "--partial").returncode == 0
    assert "not run yet: ddpm/ddo/s1" in (filled.folder / "README.md").read_text()


def test_failed_cells_are_problems_too(filled):
    path = filled.record("ddpm/mle/s0")
    save_record(load_record(path).model_copy(update={"status": "failed", "reason": "no room"}), path)
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 1
    assert "ddpm/mle/s0" in done.stderr


def test_bases_are_published_on_request_and_go_from_there_to_another_machine(shell, monkeypatch):
    """The next machine trains no base, and its cell starts from the weights of the published ones, to the bit."""
    run_in_this_process(monkeypatch)
    (shell.folder / "board.yaml").write_text(TINY.replace("  ddo: {", "  ddo: {only: seed=0, "))
    assert shell("run", "leaderboards/small", "--only", "method=none").returncode == 0
    done = shell("publish", "leaderboards/small", "--partial", "--bases")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^leaderboards/small/bases: 1 base written, 0\.\d MB$", done.stdout, re.MULTILINE)
    assert "The weights of its pretrained bases stand in `bases/`" in (shell.folder / "README.md").read_text()

    elsewhere = {"HARNESS_RUNS": "elsewhere"}
    dry = shell("run", "leaderboards/small", "--keep-published", "--dry-run", **elsewhere)
    assert "1 published base would be copied into elsewhere and taken as trained" in dry.stderr
    assert not Path("elsewhere").exists()
    monkeypatch.setattr("harness.stages.base._pretrain", None)  # whoever trains the base fails
    ran = shell("run", "leaderboards/small", "--keep-published", **elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert "1 published base copied into elsewhere and taken as trained" in ran.stderr
    published = load_record(shell.folder / "results" / "small__none__s0.json")
    records = [load_record(path) for path in Path("elsewhere/records/small").glob("small__*.json")]
    assert len(records) == 3
    assert {record.base_weights_sha256 for record in records} == {published.base_weights_sha256}
    assert shell("publish", "leaderboards/small", "--bases", **elsewhere).returncode == 0
    assert shell("render", "leaderboards/small", "--check").returncode == 0


def test_a_damaged_published_base_is_said_by_render_and_refused_by_run(shell, monkeypatch):
    run_in_this_process(monkeypatch)
    (shell.folder / "board.yaml").write_text(TINY)
    assert shell("run", "leaderboards/small").returncode == 0
    assert shell("publish", "leaderboards/small", "--bases").returncode == 0
    (shell.folder / "bases" / "small" / "weights.safetensors").write_bytes(b"")
    fault = "leaderboards/small/bases/small: damaged: weights.safetensors does not match its checksum"
    checked = shell("render", "leaderboards/small", "--check")
    assert (checked.returncode, fault in checked.stderr) == (1, True)
    refused = shell("run", "leaderboards/small", "--keep-published", HARNESS_RUNS="elsewhere")
    assert refused.returncode == 2
    assert f"{fault}; restore the folder, or remove it: the base is trained then" in refused.stderr
    assert not Path("elsewhere/records").exists()
    mended = shell("publish", "leaderboards/small", "--bases")
    assert "leaderboards/small/bases: 1 base written" in mended.stdout
    assert shell("render", "leaderboards/small", "--check").returncode == 0
