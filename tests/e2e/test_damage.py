"""Damaged files: one clear warning, the last good thing is used, the result is the same."""

import shutil


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def newest_two(command):
    return sorted(command.runs.glob("work/base-*/step-*"))[-2:]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(command, undisturbed, kill, wait):
    cells = ("--only", "method=none", "--seeds", "0", "--checkpoint-seconds", "0.05")
    process = command.start(*cells)
    assert wait(lambda: len(newest_two(command)) == 2 and (newest_two(command)[-1] / "manifest.json").exists(), process)
    kill(process)
    newest = newest_two(command)[-1]
    truncate(newest / "state.pt")  # tests/training damages every file in every way
    ended = command.run(*cells)
    assert ended.returncode == 0, ended.stderr
    (warning,) = [line for line in ended.stderr.splitlines() if " is damaged " in line]
    assert str(newest) in warning
    assert "using the one before" in warning
    assert "Traceback" not in ended.stderr
    expected = undisturbed.command.results()
    assert command.results() == {name: expected[name] for name in command.results()}


def test_damaged_outputs_and_records_are_made_again(finished, undisturbed):
    # The base is read when a cell is fine-tuned anew.
    (base,) = finished.runs.glob("stages/base/*")
    flip_a_bit(base / "weights.safetensors")
    for path in [*finished.runs.glob("stages/finetune/*"), *finished.runs.glob("records/*/small__mle__s0.*.json")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (record,) = finished.runs.glob("records/*/small__mle__s1.*.json")
    (floor,) = finished.runs.glob("records/*/floor__w2.*")
    flip_a_bit(record)
    truncate(floor)
    bad = (record.name, floor.name)
    good = {name: stamp for name, stamp in finished.files("records/*/*").items() if not name.endswith(bad)}

    ended = finished.run()
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert f"{base} of base small is damaged" in ended.stderr
    for damaged in (record, floor):
        (warning,) = [line for line in ended.stderr.splitlines() if f"{damaged}: damaged" in line]
        assert warning.endswith("; it counts as absent, and `harness run` makes it again")
    assert finished.results() == undisturbed.command.results()
    after = finished.files("records/*/*")
    assert {name: after[name] for name in good} == good
    (aside,) = [path for path in finished.runs.glob("stages/base/*") if ".damaged-" in path.name]
    assert (aside / "weights.safetensors").exists()
