"""Submissions: what a pack or a board can confirm, and what a change of it contradicts."""

import json
import shutil

import pytest
from in_process import command

from harness.store import outputs
from harness.store.manifests import write_manifest
from harness.store.records import load_floor, save_record
from harness.store.runs_folder import RunsFolder


def verify(*arguments, code):
    done = command("verify", *arguments)
    assert done.code == code, done.out + done.err
    return done.out.splitlines()


def samples_folder(runs, content):
    """The folder of the samples that the content of a record names."""
    folder = outputs.folder_with(runs, "sample", "samples_sha256", content["samples_sha256"])
    assert folder is not None
    return folder


def contradictions(lines):
    return [line.partition("contradicted   ")[2] for line in lines if line.startswith("contradicted")]


def test_a_board_as_it_was_published_is_confirmed(here):
    lines = verify("tiny", code=0)
    assert "confirmed      seals: 5 records are whole, as they were written, and of a known schema" in lines
    assert "confirmed      keys: 5 records have the keys, the settings and the ranges of the board" in lines
    assert "confirmed      whole: every cell and floor of the board has a record" in lines
    assert any(line.startswith("confirmed      code: ") for line in lines)
    assert any(line.startswith("not confirmed  values: no value was measured again") for line in lines)


def test_a_board_without_any_log_has_none_confirmed(here):
    for log in (here / "tiny" / "results").glob("*.log.jsonl"):
        log.unlink()
    (line,) = [line for line in verify("tiny", code=0) if " logs: " in line]
    assert line.startswith("not confirmed  logs: no log of the board's ")


def test_a_pack_that_is_not_there_is_one_line(here):
    done = command("verify", "absent.zip")
    assert (done.code, done.out, done.err) == (2, "", "error: absent.zip: no such file\n")


def test_a_pack_is_confirmed_as_its_board_is(pack):
    first, *others = verify(pack, code=0)
    assert first.startswith("confirmed      hashes: ")
    assert others == verify("tiny", code=0)


def test_values_are_measured_again_from_the_samples(here):
    lines = [line for line in verify("tiny", "--recompute", "2", "--device", "cpu", code=0) if "recomputed" in line]
    assert len(lines) == 2
    assert all(line.endswith("4 values of 2 columns, equal bit for bit") for line in lines)


def test_the_first_steps_are_trained_again(here):
    (line,) = [
        line for line in verify("tiny", "--replay", "--replay-steps", "3", "--device", "cpu", code=0) if "replayed" in line
    ]
    assert line.startswith("confirmed      replayed: small/")
    assert line.endswith("equal bit for bit")


def test_a_forged_value_with_a_right_seal_is_found_by_measuring_again(here, change_record):
    content = change_record()
    content["metrics"]["w2"]["values"][0] *= 0.9
    change_record(metrics=content["metrics"])
    assert verify("tiny", code=0)  # its seal, key and range are right
    lines = contradictions(verify("tiny", "--recompute", "9", "--device", "cpu", code=1))
    assert [line.split(" is ")[0] for line in lines] == ["recomputed: small/mle/s0: w2"]


MEASURED = ("metrics", "samples_sha256", "weights_sha256", "curve", "selected_images")


def recomputed(name, code):
    lines = verify("tiny", "--recompute", "9", "--device", "cpu", code=code)
    (line,) = [line for line in lines if f"recomputed: {name}" in line]
    return line.replace(f"recomputed: {name}: ", "")


def samples_of(record, runs):
    folder = outputs.folder_with(runs, "sample", "samples_sha256", record["samples_sha256"])
    assert folder is not None
    return folder


def test_the_result_of_another_row_is_not_confirmed_from_that_row_s_samples(here, change_record):
    other = json.loads((here / "tiny" / "results" / "small__ddo__s0.json").read_text())
    change_record(**{name: other[name] for name in MEASURED[:-1]}, selected_images=other["curve"][0]["images"])
    assert recomputed("small/mle/s0", code=1) == (
        "contradicted   the samples that its record names are those of small/ddo/s0; its own are others"
    )


def test_the_result_of_another_row_is_not_confirmed_without_samples_of_its_own(here, made, change_record, monkeypatch):
    other = json.loads((here / "tiny" / "results" / "small__ddo__s0.json").read_text())
    own = change_record()
    change_record(**{name: other[name] for name in MEASURED[:3]})
    shutil.copytree(made / "runs", here / "runs")
    monkeypatch.setenv("HARNESS_RUNS", str(here / "runs"))
    folder = samples_of(own, RunsFolder(here / "runs"))
    shutil.rmtree(folder)
    line = recomputed("small/mle/s0", code=0)
    assert line.startswith("not confirmed  the samples that its record names are those of small/ddo/s0")


def test_weights_of_another_row_are_contradicted(here, change_record):
    change_record(weights_sha256="f" * 64)
    line = recomputed("small/mle/s0", code=1)
    assert line == "contradicted   its samples are of other weights than those that the record names"


def test_equal_samples_of_two_rows_and_those_that_were_set_aside_are_confirmed(here, made, change_record, monkeypatch):
    """A row whose selection keeps the base's weights has the base's samples, under a key of its own."""
    shutil.copytree(made / "runs", here / "runs")
    monkeypatch.setenv("HARNESS_RUNS", str(here / "runs"))
    runs = RunsFolder(here / "runs")
    base = change_record("small__none__s0.json")
    own = samples_of(change_record(), runs)
    key = own.name
    of_base = samples_of(base, runs)
    facts = outputs.read(of_base).facts
    own.rename(own.with_name(f"{key}.replaced-0"))
    assert recomputed("small/mle/s0", code=0).endswith("equal bit for bit")
    own.mkdir()
    shutil.copy(of_base / "samples.safetensors", own)
    write_manifest(own, {"stage": "sample", "key": key, "facts": facts})
    change_record(**{name: base[name] for name in MEASURED[:3]})
    assert recomputed("small/mle/s0", code=0).endswith("equal bit for bit")


def test_a_forged_log_is_found_by_training_again(here, monkeypatch):
    for log in (here / "tiny" / "results").glob("small__*.log.jsonl"):
        lines = log.read_text().splitlines()
        forged = [line.replace('"loss": ', '"loss": 1') for line in lines]
        log.write_text("\n".join(forged) + "\n")
    (line,) = contradictions(verify("tiny", "--replay", "--device", "cpu", code=1))
    assert "the log says 1" in line


def test_a_changed_record_without_a_right_seal_is_contradicted(here):
    path = here / "tiny" / "results" / "small__mle__s0.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    (line,) = contradictions(verify("tiny", code=1))
    assert line.startswith("seals: small__mle__s0.json: damaged: its checksum does not match")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"key": "f" * 24}, "its key ffffffffffff is not the one that the board gives"),
        ({"training": {"images": 64, "batch": 64}}, "training.images: 64, the board says 256"),
        ({"is_smoke": True}, "holds a record of a smoke run"),
        ({"method": "none"}, "holds a record of the cell small/none/s0"),
        ({"metrics": {"w2": {"values": [-1.0, 0.5]}}}, "w2 is -1, and the lowest value of w2 is 0"),
        ({"metrics": {"w2": {"values": [0.5]}}}, "w2: 1 values, the board has 2 draws"),
    ],
)
def test_a_record_that_is_not_the_board_s_is_contradicted(here, change_record, fields, expected):
    change_record(**fields)
    lines = contradictions(verify("tiny", code=1))
    assert any(line.startswith("keys: small__mle__s0.json: ") and expected in line for line in lines), lines


def test_a_floor_that_lacks_pairs_is_contradicted(here):
    path = here / "tiny" / "results" / "floor__w2.json"
    floor = load_floor(path)
    save_record(floor.model_copy(update={"values": floor.values[:1]}), path)
    lines = contradictions(verify("tiny", code=1))
    assert any(line.startswith("keys: floor__w2.json: w2 has 1 pair, the board measures ") for line in lines), lines


def test_a_record_of_another_version_of_a_component_is_neither_confirmed_nor_contradicted(here, change_record):
    content = change_record()
    change_record(model={**content["model"], "version": "1/999"}, key="f" * 24)
    lines = verify("tiny", code=0)
    assert any("made with other versions than are installed here: ddpm-mlp 1/999" in line for line in lines)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"metrics": {"w2": {"values": [float("nan"), -5.0]}}}, "w2 is nan"),
        ({"metrics": {"w2": {"values": [0.5]}}}, "w2: 1 values, the board has 2 draws"),
        ({"training": {"images": 64, "batch": 64}}, "training.images: 64, the board says 256"),
        ({"seed": 7, "key": "f" * 24}, "holds a record of the cell small/mle/s7"),
    ],
)
def test_another_version_of_a_component_excuses_nothing_that_the_board_alone_says(here, change_record, fields, expected):
    content = change_record()
    change_record(finetuning={**content["finetuning"], "version": "9/9"}, **fields)
    lines = contradictions(verify("tiny", code=1))
    assert any(line.startswith("keys: small__mle__s0.json: ") and expected in line for line in lines), lines


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"costs": {"images_seen": 64, "steps": 4}}, "costs.images_seen: 64, and 4 steps of 64 see 256"),
        ({"costs": {"images_seen": 64, "steps": 1}}, "costs.steps: 1, the board says 4"),
        ({"curve": []}, "curve: 0 points, the board asks for 3"),
        ({"selected_images": 250}, "selected_images: 250, where the curve has no point"),
        ({"selected_images": None}, "selected_images: absent, and the board chooses a point of the curve"),
        ({"parameters": 0}, "parameters: 0, and the method trains them"),
        ({"parameters": -3}, "parameters: -3, and the method trains them"),
    ],
)
def test_a_record_of_another_training_than_the_board_asks_for_is_contradicted(here, change_record, fields, expected):
    change_record(**fields)
    lines = contradictions(verify("tiny", code=1))
    assert f"keys: small__mle__s0.json: {expected}" in lines


def test_costs_of_training_that_a_base_did_not_have_are_contradicted(here, change_record):
    change_record("small__none__s0.json", costs={"images_seen": 256, "steps": 4}, selected_images=64)
    lines = contradictions(verify("tiny", code=1))
    assert [line.removeprefix("keys: small__none__s0.json: ") for line in lines] == [
        "costs.steps: 4, the board says 0",
        "selected_images: 64, and the board chooses no point of the curve",
    ]


def test_an_invented_number_of_held_out_examples_is_contradicted(here):
    path = here / "tiny" / "results" / "floor__w2.json"
    save_record(load_floor(path).model_copy(update={"held_out": 100_000}), path)
    (line,) = contradictions(verify("tiny", code=1))
    assert line == "keys: floor__w2.json: held_out: 100000, the dataset holds none out"


def test_a_record_that_the_board_does_not_have_is_contradicted(here):
    results = here / "tiny" / "results"
    (results / "small__sft__s0.json").write_bytes((results / "small__mle__s0.json").read_bytes())
    assert contradictions(verify("tiny", code=1)) == ["keys: small__sft__s0.json: the board has no such cell or floor"]


def test_a_missing_record_is_said(here):
    (here / "tiny" / "results" / "small__mle__s0.json").unlink()
    assert any("1 cells and floors have no record: small/mle/s0" in line for line in verify("tiny", code=0))


def test_without_samples_and_bases_nothing_is_measured_and_the_reason_is_said(here, monkeypatch):
    monkeypatch.setenv("HARNESS_RUNS", str(here / "elsewhere"))
    lines = verify("tiny", "--recompute", "1", "--replay", "--device", "cpu", code=0)
    reasons = [line for line in lines if "recomputed" in line or "replayed" in line]
    assert all(line.startswith("not confirmed") for line in reasons)
    assert "are not in the runs folder" in reasons[0]
    assert "the weights of its base are not in the runs folder" in reasons[1]


def test_the_choice_of_cells_follows_from_the_seed(here):
    chosen = [
        [line.split(": ")[1] for line in verify("tiny", "--recompute", "1", "--seed", seed, code=0) if "recomputed" in line]
        for seed in (3, 3)
    ]
    assert chosen[0] == chosen[1]


def test_json_has_each_finding(here):
    findings = json.loads(command("verify", "tiny", "--json").out)
    assert {finding["verdict"] for finding in findings} == {"confirmed", "not confirmed"}
    assert findings[0]["check"] == "board"


def test_a_board_without_records_has_nothing_to_verify(here):
    for file in (here / "tiny" / "results").iterdir():
        file.unlink()
    assert contradictions(verify("tiny", code=1)) == ["board: tiny has no published records"]
