"""A board from nothing to its table, and what a second run does."""

import re


def test_a_board_runs_end_to_end(undisturbed):
    ended, command = undisturbed.ended, undisturbed.command
    assert ended.returncode == 0, ended.stderr
    records = command.records()
    assert len([name for name in records if not name.startswith("floor__")]) == 10
    assert len([name for name in records if name.startswith("floor__")]) == 2
    for name, record in records.items():
        if not name.startswith("floor__"):
            assert record["status"] == "done", record["reason"]
            assert re.fullmatch("[0-9a-f]{64}", record["weights_sha256"])
            assert re.fullmatch("[0-9a-f]{64}", record["samples_sha256"])
            assert all(len(measured["values"]) == 2 for measured in record["metrics"].values())
    for method in ("none", "mle", "sft-pg", "ddo", "neon"):
        assert re.search(rf"^\|.*\b{method}\b.*\|$", ended.stdout, re.MULTILINE), ended.stdout
    assert "Traceback" not in ended.stderr


def test_the_base_is_left_as_it_is_by_none_and_by_no_other_method(undisturbed):
    base = undisturbed.command.record("small/none/s0")["base_weights_sha256"]
    methods = ("none", "mle", "sft-pg", "ddo", "neon")
    tuned = {name: undisturbed.command.record(f"small/{name}/s0")["weights_sha256"] for name in methods}
    assert tuned.pop("none") == base
    assert len({base, *tuned.values()}) == 5


def test_a_second_run_does_nothing_and_comments_change_nothing(finished, undisturbed, tiny_board):
    stages, records = finished.files(), finished.files("records/*/*")
    finished.write_board("# why we do this\n" + tiny_board.replace("seeds: [0, 1]", "seeds: [0, 1]  # two"))
    ended = finished.run()
    assert ended.returncode == 0, ended.stderr
    assert finished.files() == stages
    assert finished.files("records/*/*") == records
    assert ended.stdout == undisturbed.ended.stdout
    assert "small/" not in ended.stderr  # no job ended, for none was started


def test_settings_of_a_method_run_its_cells_again_and_no_others(finished, tiny_board):
    stages, before = finished.files(), finished.results()
    finished.write_board(tiny_board.replace("w: 0.5", "w: 0.25"))
    ended = finished.run()
    assert ended.returncode == 0, ended.stderr
    jobs = {line.split()[1] for line in ended.stderr.splitlines() if line.startswith("[")}
    assert jobs == {"base", "small/neon/s0:", "small/neon/s1:"}
    after = finished.files()
    assert {name: after[name] for name in stages} == stages
    new = {name.split("__")[1] for name in finished.results() if name not in before}
    assert new == {"neon"}
    assert {name: value for name, value in finished.results().items() if name in before} == before
