"""The files of `jsonl` and `csv`: whole lines, also after a kill, and a new run in the place of an older one."""

import csv
import json

import pytest
from tracked_runs import CONFIG, SUMMARY, a_run

from harness.config import NoConfig
from harness_track_files.runs import Csv, JsonLines


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_are_the_run_its_logs_and_its_end(tmp_path):
    run = JsonLines(NoConfig(), a_run(tmp_path))
    run.log(100, 6400, {"loss": 0.1 + 0.2})
    run.finish(SUMMARY)
    run.close()
    head, line, end = lines(tmp_path / "rings" / "net__fit__s0.jsonl")
    assert (head["run"], head["config"], head["tags"]["cell"]) == ("0123456789abcdef", CONFIG, "net/fit/s0")
    assert line == {"step": 100, "images": 6400, "values": {"loss": 0.1 + 0.2}}
    assert end["final"]["metrics"] == {"fid[cnn]": 2.5}


def test_csv_has_a_line_for_each_value(tmp_path):
    run = Csv(NoConfig(), a_run(tmp_path))
    run.log(100, 6400, {"loss": 0.1 + 0.2, "accuracy": 1.0})
    run.finish(SUMMARY)
    with (tmp_path / "rings" / "net__fit__s0.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["step", "images", "name", "value"],
            ["100", "6400", "loss", repr(0.1 + 0.2)],
            ["100", "6400", "accuracy", "1.0"],
            ["200", "6400", "final/fid[cnn]", "2.5"],
            ["200", "6400", "final/cost/steps", "200.0"],
        ]


@pytest.mark.parametrize("build", [JsonLines, Csv])
def test_a_killed_run_goes_on_after_its_last_whole_line(tmp_path, build):
    run = build(NoConfig(), a_run(tmp_path))
    run.log(100, 6400, {"loss": 0.5})
    whole = run.path.read_text()
    with run.path.open("a") as file:
        file.write('{"step": 2')
    resumed = build(NoConfig(), a_run(tmp_path, is_resumed=True))
    assert run.path.read_text() == whole
    resumed.log(200, 12800, {"loss": 0.25})
    assert run.path.read_text().startswith(whole)
    assert len(run.path.read_text().splitlines()) == 3


@pytest.mark.parametrize("build", [JsonLines, Csv])
def test_a_new_run_of_the_same_cell_begins_a_new_file(tmp_path, build):
    for _ in range(2):
        run = build(NoConfig(), a_run(tmp_path))
        run.log(100, 6400, {"loss": 0.5})
    assert len(run.path.read_text().splitlines()) == 2
